// Package rest serves the Iceberg REST catalog protocol over package catalog.
//
// It promises that the endpoints it declares are exactly those it serves; that
// an answer of 409 or 429 means that nothing happened, and 5xx that the outcome
// is not known; that a mutation which carries an Idempotency-Key happens at most
// once; that a request costs no more memory than its cap; and that no error
// tells a client anything of the inside of the server.
//
// Authentication, cross-origin protection and security headers belong to the
// server around it.
package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/catalog"
)

// Config is what the surface needs.
type Config struct {
	Catalog *catalog.Catalog // required
	// DevCredentials are sent with every loaded table, so that an engine on the
	// same machine needs no configuration. Development mode only: nil elsewhere.
	DevCredentials *DevCredentials
	// IdempotencyLifetime is advertised to clients: what the catalog keeps
	// records for. Default 24 h.
	IdempotencyLifetime time.Duration
	// RefsCacheBytes bounds the memory for metadata without its snapshots that
	// no ref names. Default 64 MiB.
	RefsCacheBytes int64
	// OnReport is called with each metrics report; nil for nothing. It must not block.
	OnReport func(context.Context, Report)
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// Server is the surface. It is an http.Handler for everything under /v1/.
type Server struct {
	cat      *catalog.Catalog
	router   *router
	settings []byte // the config answer
	load     *loader
	reports  *reports
	onReport func(context.Context, Report)
	log      *slog.Logger
	metrics  *metrics
}

// New checks the configuration. A warehouse may not be called like one of the
// protocol's own path words.
func New(cfg Config) (*Server, error) {
	if cfg.Catalog == nil {
		return nil, errors.New("rest: Config.Catalog is required")
	}
	warehouse := cfg.Catalog.Warehouse()
	if warehouse == "config" || isRoot(warehouse) {
		return nil, errors.New("rest: the warehouse name " + strconv.Quote(warehouse) + " is a path word of the REST protocol; choose another")
	}
	load, err := newLoader(cfg)
	if err != nil {
		return nil, err
	}
	if cfg.IdempotencyLifetime == 0 {
		cfg.IdempotencyLifetime = 24 * time.Hour
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	all := routes()
	settings, err := json.Marshal(newConfigAnswer(warehouse, cfg.IdempotencyLifetime, all))
	if err != nil {
		return nil, err
	}
	return &Server{
		cat:      cfg.Catalog,
		router:   newRouter(warehouse, all),
		settings: settings,
		load:     load,
		reports:  newReports(),
		onReport: cfg.OnReport,
		log:      cfg.Logger,
		metrics:  newMetrics(cfg.Registerer),
	}, nil
}

// request is one call, with its names decoded and its body read.
type request struct {
	*http.Request
	vars map[string]string
	body []byte
	key  *catalog.IdempotencyKey
}

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	rec := &recorder{ResponseWriter: w, status: http.StatusOK}
	rt, err := s.serve(rec, r)
	if err != nil && !rec.wrote {
		s.fail(rec, r, err)
	}
	s.metrics.observe(rt, rec.status, time.Since(start))
}

func (s *Server) serve(w *recorder, r *http.Request) (name string, err error) {
	// The decoders below trust their input more than we do: what they panic over
	// is one request's failure, with an unknown outcome.
	defer func() {
		if p := recover(); p != nil {
			if e, ok := p.(error); ok && errors.Is(e, http.ErrAbortHandler) {
				panic(p)
			}
			err = fmt.Errorf("panic in %s: %v\n%s", name, p, debug.Stack())
		}
	}()
	rt, vars, err := s.router.find(r.Method, r.URL)
	if err != nil {
		return "none", err
	}
	name = rt.String()
	req := &request{Request: r, vars: vars}
	if rt.body > 0 {
		if req.body, err = readBody(w.ResponseWriter, r, rt.body); err != nil {
			return name, err
		}
	}
	ctx := catalog.WithActor(r.Context(), "rest")
	if rt.key {
		if req.key, err = idempotencyKey(r, req.body); err != nil {
			return name, err
		}
		if req.key != nil {
			ctx = catalog.WithIdempotencyKey(ctx, *req.key)
		}
	}
	req.Request = r.WithContext(ctx)
	return name, rt.serve(s, w, req)
}

// recorder keeps the status for the metrics.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	r.status, r.wrote = status, true
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func writeJSON(w http.ResponseWriter, r *http.Request, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	writeBytes(w, r, http.StatusOK, data)
	return nil
}

func writeBytes(w http.ResponseWriter, r *http.Request, status int, parts ...[]byte) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(size))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	for _, p := range parts {
		if _, err := w.Write(p); err != nil {
			return // the client is gone
		}
	}
}

func noContent(w http.ResponseWriter) error {
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Endpoints lists what is served, as the config answer declares it.
func Endpoints() []string {
	var list []string
	for _, r := range routes() {
		if r.declared() {
			list = append(list, r.String())
		}
	}
	return slices.Clip(list)
}
