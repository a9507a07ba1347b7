package serve

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/firnlake/firn/internal/config"
)

func TestNamesOfThisMachine(t *testing.T) {
	ok := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	for _, c := range []struct {
		listen, host string
		dev          bool
		status       int
	}{
		{"127.0.0.1:8181", "127.0.0.1:8181", true, 200},
		{"127.0.0.1:8181", "localhost:8181", true, 200},
		{"127.0.0.1:8181", "[::1]:8181", true, 200},
		{"127.0.0.1:8181", "firn.localhost", true, 200},
		{"127.0.0.1:8181", "host.docker.internal:8181", true, 200},
		{":8181", "localhost", true, 200},
		{"127.0.0.1:8181", "evil.example:8181", true, 403},
		{"127.0.0.1:8181", "10.0.0.1:8181", true, 403},
		{"127.0.0.1:8181", "127.0.0.1.evil.example", true, 403},
		{"0.0.0.0:8181", "lake.example", true, 200},
		{"127.0.0.1:8181", "lake.example", false, 200}, // behind a proxy
	} {
		p := &process{cfg: config.Config{HTTP: config.HTTP{Listen: c.listen}}, mode: Mode{Dev: c.dev}}
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = c.host
		w := httptest.NewRecorder()
		p.protect(ok).ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%+v: %d", c, w.Code)
		}
	}
}
