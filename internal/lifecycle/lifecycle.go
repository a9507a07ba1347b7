// Package lifecycle runs the parts of a process: it starts them in order, keeps
// them running, and on the way out stops them in reverse order within a
// deadline. It promises that no goroutine it started outlives [Group.Run]
// unless the deadline passed, that readiness turns off before anything stops,
// and that two processes never open one data directory.
package lifecycle

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Part is one thing that runs. All functions are optional.
type Part struct {
	Name string
	// Start prepares the part and returns when others may use it. Its context
	// ends when the group stops.
	Start func(ctx context.Context) error
	// Run works until ctx ends and returns only when all it started has ended.
	// A return before that, even without an error, stops the whole group: a
	// service with a dead part is worse than one that restarts.
	Run func(ctx context.Context) error
	// Stop is the drain: accept nothing new, flush, release. Its context ends at
	// the drain deadline. Afterwards Run's context ends.
	Stop func(ctx context.Context) error
	// Ready tells why the part cannot serve now; nil is ready.
	Ready func(ctx context.Context) error
}

// Config of a Group.
type Config struct {
	Parts     []Part        // started in this order, stopped in reverse
	Drain     time.Duration // default 30 s
	Logger    *slog.Logger  // default: none
	Readiness *Readiness    // default: a new one
}

// Group is a set of parts.
type Group struct {
	parts []Part
	drain time.Duration
	log   *slog.Logger
	ready *Readiness
}

const defaultDrain = 30 * time.Second

// New checks the parts: names are required and differ.
func New(cfg Config) (*Group, error) {
	seen := map[string]bool{}
	for _, p := range cfg.Parts {
		if p.Name == "" || seen[p.Name] {
			return nil, fmt.Errorf("lifecycle: part %q: names must be given and differ", p.Name)
		}
		seen[p.Name] = true
	}
	g := &Group{
		parts: slices.Clone(cfg.Parts),
		drain: cmp.Or(cfg.Drain, defaultDrain),
		log:   cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)),
		ready: cmp.Or(cfg.Readiness, NewReadiness()),
	}
	return g, nil
}

// Readiness is the registry behind /readyz.
func (g *Group) Readiness() *Readiness { return g.ready }

// running is a started part.
type running struct {
	Part
	cancel context.CancelFunc
	done   chan struct{}
	err    error // of Run, read after done
}

// Run starts everything, waits until ctx ends or a part fails, and stops
// everything. It returns nil after a clean stop that ctx asked for; else the
// errors of the failed part and of the stop, joined.
func (g *Group) Run(ctx context.Context) error {
	// Parts end one by one in the drain, so their contexts do not hang on ctx.
	base, cancelBase := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelBase()
	failed := make(chan *running, len(g.parts))
	var up []*running
	cause := g.start(ctx, base, &up, failed)
	if cause == nil {
		g.ready.set(stateReady)
		g.log.InfoContext(ctx, "ready", "parts", len(up))
		select {
		case <-ctx.Done():
		case r := <-failed:
			cause = fmt.Errorf("%s ended: %w", r.Name, cmp.Or(r.err, errEarly))
		}
	}
	g.ready.set(stateStopping)
	return errors.Join(cause, g.stop(ctx, up))
}

var errEarly = errors.New("it returned although nobody asked it to")

func (g *Group) start(ctx, base context.Context, up *[]*running, failed chan<- *running) error {
	for _, p := range g.parts {
		if ctx.Err() != nil {
			return nil // asked to stop while starting: that is a clean stop
		}
		began := time.Now()
		partCtx, cancel := context.WithCancel(base)
		if p.Start != nil {
			// A stop that arrives while the part starts ends its start.
			unhook := context.AfterFunc(ctx, cancel)
			err := p.Start(partCtx)
			if !unhook() || err != nil {
				cancel()
				if ctx.Err() != nil {
					return nil
				}
				return fmt.Errorf("start %s: %w", p.Name, err)
			}
		}
		r := &running{Part: p, cancel: cancel, done: make(chan struct{})}
		*up = append(*up, r)
		if p.Ready != nil {
			g.ready.Add(p.Name, p.Ready)
		}
		if p.Run == nil {
			close(r.done)
		} else {
			go func() {
				r.err = p.Run(partCtx)
				close(r.done)
				if partCtx.Err() == nil {
					failed <- r
				}
			}()
		}
		g.log.DebugContext(ctx, "part started", "part", p.Name, "took", time.Since(began))
	}
	return nil
}

// stop drains the parts in reverse order. Past the deadline every context ends
// and parts that still run are named in the error.
func (g *Group) stop(ctx context.Context, up []*running) error {
	drainCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.drain)
	defer cancel()
	var errs []error
	for _, r := range slices.Backward(up) {
		if r.Stop != nil {
			if err := r.Stop(drainCtx); err != nil {
				errs = append(errs, fmt.Errorf("stop %s: %w", r.Name, err))
			}
		}
		ended := func() bool { // did Run end before it was told to?
			select {
			case <-r.done:
				return true
			default:
				return false
			}
		}()
		r.cancel()
		select {
		case <-r.done:
			if !ended && r.err != nil && !errors.Is(r.err, context.Canceled) {
				errs = append(errs, fmt.Errorf("%s: %w", r.Name, r.err))
			}
		case <-drainCtx.Done():
			errs = append(errs, fmt.Errorf("%s did not stop within %s", r.Name, g.drain))
		}
	}
	return errors.Join(errs...)
}
