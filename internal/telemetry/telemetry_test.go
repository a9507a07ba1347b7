package telemetry

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestLoggerRedactsAndEscapes(t *testing.T) {
	for _, format := range []string{"json", "text", "auto"} {
		var out bytes.Buffer
		log, err := NewLogger(&out, LogConfig{Format: format})
		if err != nil {
			t.Fatal(err)
		}
		log.Debug("hidden")
		log.Info("hello", "table", "a\nlevel=ERROR forged", "secret_key", "hunter2", slog.Group("s3", "authorization", "hunter2"))
		got := out.String()
		if strings.Count(got, "\n") != 1 || strings.Contains(got, "hunter2") || strings.Contains(got, "hidden") || !strings.Contains(got, "hello") {
			t.Errorf("%s: %q", format, got)
		}
		if isJSON := json.Valid(out.Bytes()); isJSON != (format != "text") {
			t.Errorf("%s: json %t: %q", format, isJSON, got)
		}
	}
	for _, cfg := range []LogConfig{{Level: "loud"}, {Format: "xml"}} {
		if _, err := NewLogger(io.Discard, cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
}

func TestBuildOf(t *testing.T) {
	b := buildOf(&debug.BuildInfo{GoVersion: "go1.26.1", Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123456789abcdef0123"}, {Key: "vcs.modified", Value: "true"}, {Key: "vcs.time", Value: "2026-11-20T21:00:00Z"},
	}}, "")
	if b.Version != "devel" || !b.Modified || !b.Time.Equal(time.Date(2026, 11, 20, 21, 0, 0, 0, time.UTC)) {
		t.Fatalf("%+v", b)
	}
	if s := b.String(); !strings.HasPrefix(s, "devel 0123456789ab (modified) go1.26.1 ") {
		t.Fatal(s)
	}
	if b := buildOf(&debug.BuildInfo{}, ""); b.Go == "" || b.Commit != "" {
		t.Fatalf("%+v", b)
	}
	if b := buildOf(&debug.BuildInfo{}, "fedcba9876543210+"); b.Commit != "fedcba9876543210" || !b.Modified {
		t.Fatalf("%+v", b)
	}
}

func TestMemory(t *testing.T) {
	m, err := parseStatus([]byte("Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t 1024 kB\n"))
	if err != nil || m.Peak != 2<<20 || m.Resident != 1<<20 {
		t.Fatalf("%+v, %v", m, err)
	}
	for _, text := range []string{"", "VmHWM: many kB\n"} {
		if _, err := parseStatus([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("this test needs /proc: %v", err)
		}
		t.Skipf("this test needs /proc: %v", err)
	}
	before, err := ReadMemory()
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	after, err := ReadMemoryOf(os.Getpid())
	if err != nil || after.Peak < before.Peak+32<<20 || len(block) == 0 {
		t.Fatalf("peak %d -> %d, %v", before.Peak, after.Peak, err)
	}
}

func scrape(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	w := httptest.NewRecorder()
	DebugHandler(r).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatal(w.Code)
	}
	return w.Body.String()
}

func TestRequestMetrics(t *testing.T) {
	reg := NewRegistry()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tables/{name}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("name") == "none" {
			w.WriteHeader(http.StatusNotFound)
		}
		io.WriteString(w, "x")
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		if _, ok := w.(http.Flusher); !ok {
			t.Error("no http.Flusher")
		}
	})
	srv := httptest.NewServer(RequestMetrics(reg, nil, mux))
	defer srv.Close()
	for _, path := range []string{"/tables/a", "/tables/b", "/tables/none", "/elsewhere"} {
		resp, err := srv.Client().Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	req, _ := http.NewRequestWithContext(t.Context(), "BREW", srv.URL+"/tables/a", nil)
	resp, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	srv.Close() // waits for the handlers to end
	text := scrape(t, reg)
	for _, want := range []string{
		`firn_http_request_seconds_count{code="2xx",method="GET",route="/tables/{name}"} 2`,
		`firn_http_request_seconds_count{code="4xx",method="GET",route="/tables/{name}"} 1`,
		`firn_http_request_seconds_count{code="4xx",method="GET",route="unmatched"} 1`,
		`firn_http_request_seconds_count{code="4xx",method="other",route="unmatched"} 1`,
		"firn_http_requests_in_flight 0", "firn_build_info{", "firn_resident_memory_peak_bytes ", "go_goroutines ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	if strings.Contains(text, "/tables/a") {
		t.Error("a path became a label")
	}
	if h := RequestMetrics(nil, nil, mux); h != http.Handler(mux) {
		t.Error("without a registerer the handler must be passed through")
	}
}

func TestProfilesAreServed(t *testing.T) {
	w := httptest.NewRecorder()
	DebugHandler(NewRegistry()).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/debug/pprof/goroutine?debug=1", nil))
	if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "goroutine profile") {
		t.Fatalf("%d %s", w.Code, filepath.Base(w.Body.String()))
	}
}
