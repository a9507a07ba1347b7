package rest

import (
	"fmt"
	"net/http"
	"time"
)

// configAnswer tells a client how to talk to this catalog.
type configAnswer struct {
	Defaults  map[string]string `json:"defaults"`
	Overrides map[string]string `json:"overrides"`
	Endpoints []string          `json:"endpoints"`
	Lifetime  string            `json:"idempotency-key-lifetime"`
}

func newConfigAnswer(warehouse string, lifetime time.Duration, all []route) configAnswer {
	a := configAnswer{
		Defaults:  map[string]string{},
		Overrides: map[string]string{"prefix": warehouse, "warehouse": warehouse},
		Lifetime:  fmt.Sprintf("PT%dS", int64(lifetime.Seconds())),
	}
	if lifetime%time.Hour == 0 {
		a.Lifetime = fmt.Sprintf("PT%dH", int64(lifetime.Hours()))
	}
	for _, r := range all {
		if r.declared() {
			a.Endpoints = append(a.Endpoints, r.String())
		}
	}
	return a
}

// config answers for the served warehouse when none is named.
func (s *Server) config(w http.ResponseWriter, r *request) error {
	if name := r.URL.Query().Get("warehouse"); name != "" && name != s.router.warehouse {
		return errNoWarehouse
	}
	writeBytes(w, r.Request, http.StatusOK, s.settings)
	return nil
}
