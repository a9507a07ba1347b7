package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// diary records what happened, in order.
type diary struct {
	mu    sync.Mutex
	lines []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
}

func (d *diary) part(name string) Part {
	return Part{
		Name:  name,
		Start: func(context.Context) error { d.add("start %s", name); return nil },
		Run: func(ctx context.Context) error {
			<-ctx.Done()
			d.add("ended %s", name)
			return nil
		},
		Stop: func(context.Context) error { d.add("stop %s", name); return nil },
	}
}

func group(t *testing.T, drain time.Duration, parts ...Part) *Group {
	t.Helper()
	g, err := New(Config{Parts: parts, Drain: drain})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		g := group(t, 0, d.part("a"), Part{Name: "empty"}, d.part("b"))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		if _, err := g.Readiness().Check(t.Context()); err != nil {
			t.Fatalf("not ready: %v", err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		want := []string{"start a", "start b", "stop b", "ended b", "stop a", "ended a"}
		if !slices.Equal(d.lines, want) {
			t.Fatalf("%q, want %q", d.lines, want)
		}
	})
}

func TestNotReadyWhileStartingAndBeforeAnythingStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := NewReadiness()
		ready := func() bool { _, err := r.Check(t.Context()); return err == nil }
		var atStart, atStop bool
		g, err := New(Config{Readiness: r, Parts: []Part{{
			Name:  "p",
			Start: func(context.Context) error { atStart = ready(); return nil },
			Stop:  func(context.Context) error { atStop = ready(); return nil },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		if !ready() {
			t.Error("not ready when started")
		}
		cancel()
		<-done
		if atStart || atStop {
			t.Errorf("ready while starting %t, while stopping %t", atStart, atStop)
		}
	})
}

func TestAPartThatFailsStopsTheGroup(t *testing.T) {
	boom := errors.New("boom")
	for name, ret := range map[string]error{"with an error": boom, "without": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var d diary
				g := group(t, 0, d.part("a"), Part{Name: "bad", Run: func(context.Context) error {
					time.Sleep(time.Second)
					return ret
				}}, d.part("z"))
				err := g.Run(t.Context())
				if err == nil || !strings.Contains(err.Error(), "bad ended") || ret != nil && !errors.Is(err, boom) {
					t.Fatalf("%v", err)
				}
				if !slices.Equal(d.lines, []string{"start a", "start z", "stop z", "ended z", "stop a", "ended a"}) {
					t.Fatalf("%q", d.lines)
				}
			})
		})
	}
}

func TestAFailedStartStopsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		boom := errors.New("boom")
		g := group(t, 0, d.part("a"), Part{Name: "bad", Start: func(context.Context) error { return boom }}, d.part("never"))
		err := g.Run(t.Context())
		if !errors.Is(err, boom) || !strings.Contains(err.Error(), "start bad") {
			t.Fatal(err)
		}
		if !slices.Equal(d.lines, []string{"start a", "stop a", "ended a"}) {
			t.Fatalf("%q", d.lines)
		}
	})
}

func TestAStopDuringAStartIsClean(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		ctx, cancel := context.WithCancel(t.Context())
		g := group(t, 0, d.part("a"), Part{Name: "slow", Start: func(ctx context.Context) error {
			cancel()
			<-ctx.Done()
			return ctx.Err()
		}})
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(d.lines, []string{"start a", "stop a", "ended a"}) {
			t.Fatalf("%q", d.lines)
		}
	})
}

func TestTheDrainDeadlineNamesWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d diary
		release := make(chan struct{})
		g := group(t, 5*time.Second, d.part("a"), Part{Name: "stubborn", Run: func(context.Context) error {
			<-release
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel2 := time.AfterFunc(time.Second, cancel)
		defer cancel2.Stop()
		began := time.Now()
		err := g.Run(ctx)
		if err == nil || !strings.Contains(err.Error(), "stubborn did not stop within 5s") {
			t.Fatal(err)
		}
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %s", took)
		}
		if !slices.Contains(d.lines, "stop a") {
			t.Error("the other part was not stopped")
		}
		close(release)
	})
}

func TestErrorsOfTheDrainAreReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flush, run := errors.New("flush"), errors.New("run")
		g := group(t, 0,
			Part{Name: "a", Stop: func(context.Context) error { return flush }},
			Part{Name: "b", Run: func(ctx context.Context) error { <-ctx.Done(); return run }},
			Part{Name: "c", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err := g.Run(ctx)
		if !errors.Is(err, flush) || !errors.Is(err, run) || errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}

func TestNamesMustDiffer(t *testing.T) {
	for _, parts := range [][]Part{{{Name: ""}}, {{Name: "a"}, {Name: "a"}}} {
		if _, err := New(Config{Parts: parts}); err == nil {
			t.Errorf("%d parts were accepted", len(parts))
		}
	}
}
