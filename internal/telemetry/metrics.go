package telemetry

import (
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry makes a registry with the process's own metrics: Go runtime,
// process, peak memory and firn_build_info.
func NewRegistry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	b := BuildInfo()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name:        "firn_build_info",
		Help:        "1; the labels describe the binary.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "go": b.Go},
	})
	build.Set(1)
	peak := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "firn_resident_memory_peak_bytes",
		Help: "The most memory this process has had resident.",
	}, func() float64 {
		m, err := ReadMemory()
		if err != nil {
			return 0 // no /proc: the metric says nothing
		}
		return float64(m.Peak)
	})
	r.MustRegister(build, peak, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// MetricsHandler serves /metrics.
func MetricsHandler(r *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{Registry: r, MaxRequestsInFlight: 4})
}

// DebugHandler is the whole metrics listener: /metrics and /debug/pprof/.
func DebugHandler(r *prometheus.Registry) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", MetricsHandler(r))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return mux
}

// requestBuckets go from a cached table load to a long query.
var requestBuckets = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}

// RequestMetrics wraps a handler with request counts, durations and a gauge of
// requests in flight, by method, route and status class. The route is the
// pattern of the http.ServeMux that matched (never the path: table names would
// make a series each), or what route returns when it is not nil. A nil
// registerer records nothing.
func RequestMetrics(reg prometheus.Registerer, route func(*http.Request) string, next http.Handler) http.Handler {
	if reg == nil {
		return next
	}
	labels := []string{"method", "route", "code"}
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "firn_http_request_seconds",
		Help:    "Duration of HTTP requests, streams included, to the end of the answer.",
		Buckets: requestBuckets,
	}, labels)
	inFlight := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "firn_http_requests_in_flight",
		Help: "HTTP requests being served.",
	})
	reg.MustRegister(seconds, inFlight)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inFlight.Inc()
		began := time.Now()
		rec := &recorder{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			inFlight.Dec()
			name := "unmatched"
			if route != nil {
				name = route(r)
			} else if r.Pattern != "" {
				name = pathOf(r.Pattern)
			}
			seconds.WithLabelValues(method(r.Method), name, class(rec.code)).Observe(time.Since(began).Seconds())
		}()
		next.ServeHTTP(rec, r)
	})
}

// pathOf drops the method from a pattern; it has a label of its own.
func pathOf(pattern string) string {
	if _, path, ok := strings.Cut(pattern, " "); ok {
		return path
	}
	return pattern
}

func class(code int) string { return strconv.Itoa(code/100) + "xx" }

// method keeps invented methods from making series.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodPatch:
		return m
	}
	return "other"
}

// recorder notes the status. Unwrap keeps flushing, deadlines and full duplex
// working through http.ResponseController; Flush is there for those who ask for
// http.Flusher itself.
type recorder struct {
	http.ResponseWriter
	code  int
	wrote bool
}

func (r *recorder) WriteHeader(code int) {
	if !r.wrote && code >= 200 {
		r.code, r.wrote = code, true
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(p)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) Flush() {
	// A writer that cannot flush sends at the end: nothing to report.
	_ = http.NewResponseController(r.ResponseWriter).Flush()
}
