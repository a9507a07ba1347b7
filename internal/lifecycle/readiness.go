package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Readiness decides whether this process should get traffic: it is started, not
// stopping, and every check passes.
type Readiness struct {
	mu     sync.Mutex
	state  state
	checks []check
}

type state string

const (
	stateStarting state = "starting"
	stateReady    state = "ready"
	stateStopping state = "stopping"
)

type check struct {
	name   string
	fn     func(context.Context) error
	advice bool
}

// Result is the outcome of one check.
type Result struct {
	Name string
	Err  error
	Took time.Duration
	// Advice: an error does not make the process unready.
	Advice bool
}

const checkTimeout = 2 * time.Second

// NewReadiness starts in the state "starting", which is not ready.
func NewReadiness() *Readiness { return &Readiness{state: stateStarting} }

// Add registers a check; a later one of the same name replaces it.
func (r *Readiness) Add(name string, fn func(context.Context) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks = slices.DeleteFunc(r.checks, func(c check) bool { return c.name == name })
	r.checks = append(r.checks, check{name: name, fn: fn})
}

// Advise registers a check that /readyz?verbose shows and that does not decide:
// of a dependency that all replicas share. While it is away, taking this
// process out of service would turn its clear errors into refused connections.
func (r *Readiness) Advise(name string, fn func(context.Context) error) {
	r.Add(name, fn)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks[len(r.checks)-1].advice = true
}

func (r *Readiness) set(s state) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state = s
}

// Check runs all checks at once, each for at most 2 s, and returns the error
// that makes the process not ready, nil when it is.
func (r *Readiness) Check(ctx context.Context) ([]Result, error) {
	r.mu.Lock()
	st, checks := r.state, slices.Clone(r.checks)
	r.mu.Unlock()
	results := make([]Result, len(checks))
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var wg sync.WaitGroup
	for i, c := range checks {
		wg.Go(func() {
			began := time.Now()
			err := c.fn(ctx)
			results[i] = Result{c.name, err, time.Since(began), c.advice}
		})
	}
	wg.Wait()
	var errs []error
	if st != stateReady {
		errs = append(errs, fmt.Errorf("process is %s", st))
	}
	for _, res := range results {
		if res.Err != nil && !res.Advice {
			errs = append(errs, fmt.Errorf("%s: %w", res.Name, res.Err))
		}
	}
	return results, errors.Join(errs...)
}

// ServeLive answers /livez: the process runs. It checks nothing, so that a slow
// dependency never gets the process killed.
func ServeLive(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "ok")
}

// ServeReady answers /readyz with 200 or 503, and with ?verbose one line a
// check.
func (r *Readiness) ServeReady(w http.ResponseWriter, req *http.Request) {
	results, err := r.Check(req.Context())
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	if !req.URL.Query().Has("verbose") {
		if err != nil {
			fmt.Fprintln(w, "not ready")
			return
		}
		fmt.Fprintln(w, "ok")
		return
	}
	r.mu.Lock()
	st := r.state
	r.mu.Unlock()
	mark := map[bool]string{true: "+", false: "-"}
	fmt.Fprintf(w, "[%s] process: %s\n", mark[st == stateReady], st)
	for _, res := range results {
		line := "ok"
		if res.Err != nil {
			line = strings.ReplaceAll(res.Err.Error(), "\n", "; ")
		}
		fmt.Fprintf(w, "[%s] %s: %s (%s)\n", mark[res.Err == nil], res.Name, line, res.Took.Round(10*time.Microsecond))
	}
}
