package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

func queue(t *testing.T, store catalog.Store, change func(*jobs.Config)) *jobs.Queue {
	t.Helper()
	cfg := jobs.Config{Store: store}
	if change != nil {
		change(&cfg)
	}
	q, err := jobs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func submit(t *testing.T, q *jobs.Queue, s jobs.Spec) jobs.Job {
	t.Helper()
	j, _, err := q.Submit(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func get(t *testing.T, q *jobs.Queue, id string) jobs.Job {
	t.Helper()
	j, err := q.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// start runs workers until the test stops them.
func start(t *testing.T, q *jobs.Queue, n int, h jobs.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx, n, map[jobs.Kind]jobs.Handler{"compact": h}) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func spec() jobs.Spec { return jobs.Spec{Kind: "compact", Table: uuid.New(), Trigger: "request"} }

func TestEveryJobRunsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		var mu sync.Mutex
		ran := map[string]int{}
		h := func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			mu.Lock()
			defer mu.Unlock()
			ran[task.ID]++
			return jobs.Outcome{Rows: 7, Proof: map[string]string{"rows": "7 = 7"}}, nil
		}
		// Two processes with three workers each.
		stop1, stop2 := start(t, queue(t, store, nil), 3, h), start(t, queue(t, store, nil), 3, h)
		q := queue(t, store, nil)
		for range 200 {
			submit(t, q, spec())
		}
		time.Sleep(time.Minute)
		stop1()
		stop2()
		if len(ran) != 200 {
			t.Errorf("%d of 200 ran", len(ran))
		}
		for id, n := range ran {
			j := get(t, q, id)
			if n != 1 || j.State != jobs.Succeeded || j.Outcome.Proof["rows"] != "7 = 7" || j.Attempt != 1 {
				t.Errorf("ran %d times: %+v", n, j)
			}
		}
		_, counts, err := q.List(t.Context(), jobs.Filter{})
		if err != nil || counts[jobs.Succeeded] != 200 {
			t.Errorf("%v %v", counts, err)
		}
	})
}

func TestSameKeyIsAnsweredWithTheActiveJob(t *testing.T) {
	q := queue(t, memstore.New(), nil)
	s := spec()
	a, created, err := q.Submit(t.Context(), s)
	if err != nil || !created {
		t.Fatal(err)
	}
	b, created, err := q.Submit(t.Context(), s)
	if err != nil || created || b.ID != a.ID {
		t.Errorf("%v %v %v", b.ID, created, err)
	}
	var made atomic.Int32
	var wg sync.WaitGroup
	other := spec()
	for range 20 {
		wg.Go(func() {
			if _, created, err := q.Submit(t.Context(), other); err != nil {
				t.Error(err)
			} else if created {
				made.Add(1)
			}
		})
	}
	wg.Wait()
	if made.Load() != 1 {
		t.Errorf("%d jobs for one key", made.Load())
	}
	if _, err := q.Cancel(t.Context(), a.ID); err != nil {
		t.Fatal(err)
	}
	if c, created, _ := q.Submit(t.Context(), s); !created || c.ID == a.ID {
		t.Error("an ended job still holds its key")
	}
}

func TestFailuresAreTriedAgainByClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		q := queue(t, store, func(c *jobs.Config) { c.Attempts = 3 })
		var at []time.Time
		flaky, hopeless, forever := spec(), spec(), spec()
		stop := start(t, q, 1, func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			switch task.Table {
			case flaky.Table:
				if at = append(at, time.Now()); len(at) < 3 {
					return jobs.Outcome{}, errors.New("conflict")
				}
				return jobs.Outcome{}, nil
			case hopeless.Table:
				return jobs.Outcome{}, jobs.Permanent(errors.New("no such table"))
			default:
				return jobs.Outcome{}, errors.New("always")
			}
		})
		a, b, c := submit(t, q, flaky), submit(t, q, hopeless), submit(t, q, forever)
		time.Sleep(time.Minute)
		stop()
		if j := get(t, q, a.ID); j.State != jobs.Succeeded || j.Attempt != 3 || j.Error != "" {
			t.Errorf("%+v", j)
		}
		if len(at) == 3 && (at[1].Sub(at[0]) < time.Second || at[2].Sub(at[1]) < 2*time.Second) {
			t.Errorf("no backoff: %v", at)
		}
		if j := get(t, q, b.ID); j.State != jobs.Failed || j.Attempt != 1 || j.Error != "no such table" {
			t.Errorf("%+v", j)
		}
		if j := get(t, q, c.ID); j.State != jobs.Failed || j.Attempt != 3 {
			t.Errorf("%+v", j)
		}
		r, err := q.Retry(t.Context(), c.ID)
		if err != nil || r.State != jobs.Queued || r.Attempt != 0 || r.ID != c.ID {
			t.Errorf("%+v %v", r, err)
		}
		if _, err := q.Retry(t.Context(), c.ID); !errors.Is(err, jobs.ErrActive) {
			t.Error(err)
		}
	})
}

// A worker that is killed loses its job when its lease ends, and what it still
// tries to say is not heard.
func TestTakeoverAfterKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		// The dead process can no longer reach the store.
		var dead atomic.Bool
		cut := &cutOff{Store: store, dead: &dead}
		first, second := queue(t, cut, nil), queue(t, store, nil)
		began := make(chan jobs.FencingToken, 2)
		lost := make(chan error, 1)
		stop1 := start(t, first, 1, func(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
			began <- task.Token()
			<-ctx.Done()
			lost <- context.Cause(ctx)
			return jobs.Outcome{Rows: 666}, nil
		})
		j := submit(t, second, spec())
		token := <-began
		time.Sleep(time.Minute) // heartbeats keep the lease
		if got := get(t, second, j.ID); got.State != jobs.Running || got.Lease.Token != token {
			t.Fatalf("lease was not kept: %+v", got)
		}
		killed := time.Now()
		dead.Store(true)
		stop2 := start(t, second, 1, func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			began <- task.Token()
			return jobs.Outcome{Rows: 1}, nil
		})
		if next := <-began; next <= token {
			t.Errorf("token %d after %d", next, token)
		}
		if d := time.Since(killed); d > 25*time.Second {
			t.Errorf("taken over after %v", d)
		}
		if cause := <-lost; !errors.Is(cause, jobs.ErrLeaseLost) {
			t.Errorf("first worker went on: %v", cause)
		}
		time.Sleep(time.Minute)
		dead.Store(false) // it comes back and says what it did
		stop1()
		stop2()
		if got := get(t, second, j.ID); got.State != jobs.Succeeded || got.Outcome.Rows != 1 || got.Attempt != 2 {
			t.Errorf("%+v", got)
		}
	})
}

type cutOff struct {
	catalog.Store
	dead *atomic.Bool
}

func (c *cutOff) Get(ctx context.Context, key string) (catalog.KV, error) {
	if c.dead.Load() {
		return catalog.KV{}, errors.New("no route to store")
	}
	return c.Store.Get(ctx, key)
}

func (c *cutOff) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	if c.dead.Load() {
		return 0, errors.New("no route to store")
	}
	return c.Store.Apply(ctx, b)
}

// A job whose workers all die does not go round for ever.
func TestAJobThatKillsItsWorkersFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		q := queue(t, store, func(c *jobs.Config) { c.Interruptions = 3 })
		j := submit(t, q, spec())
		for i := range 4 {
			var dead atomic.Bool
			victim := queue(t, &cutOff{store, &dead}, func(c *jobs.Config) { c.Interruptions = 3 })
			ctx, cancel := context.WithCancel(t.Context())
			done := make(chan bool, 1)
			go func() {
				did, _ := victim.RunOne(ctx, map[jobs.Kind]jobs.Handler{"compact": func(ctx context.Context, _ *jobs.Task) (jobs.Outcome, error) {
					dead.Store(true)
					<-ctx.Done()
					return jobs.Outcome{}, ctx.Err()
				}})
				done <- did
			}()
			time.Sleep(time.Minute)
			cancel()
			if did := <-done; did != (i < 3) {
				t.Errorf("attempt %d: claimed %v", i, did)
			}
		}
		if got := get(t, q, j.ID); got.State != jobs.Failed || got.Error == "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		worker, other := queue(t, store, nil), queue(t, store, nil)
		stop := start(t, worker, 2, func(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
			<-ctx.Done()
			return jobs.Outcome{}, ctx.Err()
		})
		here, there := submit(t, worker, spec()), submit(t, worker, spec())
		synctest.Wait()
		before := time.Now()
		if _, err := worker.Cancel(t.Context(), here.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if j := get(t, worker, here.ID); j.State != jobs.Cancelled || time.Since(before) > 0 {
			t.Errorf("%+v after %v", j, time.Since(before))
		}
		if _, err := other.Cancel(t.Context(), there.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second) // the next heartbeat tells the worker
		if j := get(t, worker, there.ID); j.State != jobs.Cancelled {
			t.Errorf("%+v", j)
		}
		if _, err := other.Cancel(t.Context(), there.ID); !errors.Is(err, jobs.ErrNotActive) {
			t.Error(err)
		}
		stop()
	})
}

func TestShutdownGivesTheJobBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, memstore.New(), nil)
		stop := start(t, q, 1, func(ctx context.Context, _ *jobs.Task) (jobs.Outcome, error) {
			<-ctx.Done()
			return jobs.Outcome{}, context.Cause(ctx)
		})
		j := submit(t, q, spec())
		synctest.Wait()
		stop()
		if got := get(t, q, j.ID); got.State != jobs.Queued || got.Attempt != 0 || got.Lease.Owner != "" {
			t.Errorf("%+v", got)
		}
	})
}

func TestFatalEndsTheService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, memstore.New(), nil)
		j := submit(t, q, spec())
		broken := errors.New("store is gone")
		err := q.Run(t.Context(), 2, map[jobs.Kind]jobs.Handler{"compact": func(context.Context, *jobs.Task) (jobs.Outcome, error) {
			return jobs.Outcome{}, jobs.Fatal(broken)
		}})
		if !errors.Is(err, broken) {
			t.Error(err)
		}
		if got := get(t, q, j.ID); got.State != jobs.Queued {
			t.Errorf("%+v", got)
		}
	})
}

func TestWatchSeesProgressAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		q, other := queue(t, store, nil), queue(t, store, nil)
		stop := start(t, q, 1, func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			for i := range 5 {
				task.Progress("write", int64(i)*10, 50)
				time.Sleep(10 * time.Second)
			}
			return jobs.Outcome{}, nil
		})
		j := submit(t, q, spec())
		for _, from := range []*jobs.Queue{q, other} { // in this process, and from another
			var seen []string
			for got, err := range from.Watch(t.Context(), j.ID) {
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, fmt.Sprint(got.State, got.Progress.Done))
			}
			if len(seen) == 0 || seen[len(seen)-1] != "succeeded40" {
				t.Errorf("saw %v", seen)
			}
			if from == q && len(seen) < 5 {
				t.Errorf("saw %v", seen)
			}
		}
		stop()
	})
}

func TestPriorityAndHistory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := queue(t, memstore.New(), func(c *jobs.Config) { c.History = 100 })
		var order []float64
		for _, p := range []float64{1, 9, 5} {
			s := spec()
			s.Priority = p
			submit(t, q, s)
		}
		h := map[jobs.Kind]jobs.Handler{"compact": func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			order = append(order, task.Priority)
			return jobs.Outcome{}, nil
		}}
		for range 3 {
			if did, err := q.RunOne(t.Context(), h); !did || err != nil {
				t.Fatal(did, err)
			}
		}
		if fmt.Sprint(order) != "[9 5 1]" {
			t.Errorf("ran in the order %v", order)
		}
		for range 300 {
			submit(t, q, spec())
			time.Sleep(time.Millisecond)
			if _, err := q.RunOne(t.Context(), h); err != nil {
				t.Fatal(err)
			}
		}
		_, counts, err := q.List(t.Context(), jobs.Filter{})
		if err != nil || counts[jobs.Succeeded] > 200 {
			t.Errorf("history has %d jobs, %v", counts[jobs.Succeeded], err)
		}
	})
}

// Both failure rows of a write: it did not happen, and it happened but looked
// failed. Neither may lose a job or run two of one key.
func TestUnknownOutcomesOfTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		var n atomic.Int64
		store.InjectApply(func(catalog.Batch) memstore.Fault {
			switch n.Add(1) % 5 {
			case 0:
				return memstore.Fault{Before: errors.New("did not happen")}
			case 2:
				return memstore.Fault{After: errors.New("happened, looked failed")}
			}
			return memstore.Fault{}
		})
		q := queue(t, store, func(c *jobs.Config) { c.Attempts = 100 })
		var ran sync.Map
		stop := start(t, q, 2, func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			ran.Store(task.Table, true)
			return jobs.Outcome{}, nil
		})
		for range 50 {
			s := spec()
			for {
				if _, _, err := q.Submit(t.Context(), s); err == nil {
					break
				}
			}
			// A lease for each fault in a row, seldom more than three.
			for range 10 {
				time.Sleep(time.Minute)
				if active, err := q.Active(t.Context()); err == nil && len(active) == 0 {
					break
				}
			}
			if _, ok := ran.Load(s.Table); !ok {
				t.Errorf("an accepted job was lost")
			}
		}
		stop()
		active, err := q.Active(t.Context())
		if err != nil || len(active) != 0 {
			t.Errorf("left over: %+v %v", active, err)
		}
	})
}
