package jobs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

// decide writes a key under a claim's fence, as a commit does.
func decide(ctx, claim context.Context, store catalog.Store, key string) error {
	_, err := store.Apply(ctx, catalog.Batch{If: jobs.Fence(claim), Then: []catalog.Op{{Key: key}}})
	return err
}

func refused(err error) bool {
	_, is := errors.AsType[*catalog.ConflictError](err)
	return is
}

func TestTheFenceHoldsAsLongAsTheClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		q := queue(t, store, nil)
		if len(jobs.Fence(t.Context())) != 0 {
			t.Error("a fence without a job")
		}
		var claims []context.Context
		stop := start(t, q, 1, func(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
			claims = append(claims, ctx)
			for _, after := range []time.Duration{0, time.Minute, time.Minute} { // heartbeats change the job meanwhile
				time.Sleep(after)
				if err := decide(t.Context(), ctx, store, "x"); err != nil {
					t.Errorf("attempt %d, %s: %v", task.Attempt, after, err)
				}
			}
			if len(claims) > 1 {
				if err := decide(t.Context(), claims[0], store, "x"); !refused(err) {
					t.Errorf("the claim of the first attempt still counts: %v", err)
				}
				return jobs.Outcome{}, nil
			}
			return jobs.Outcome{}, errors.New("again")
		})
		j := submit(t, q, spec())
		time.Sleep(2*time.Minute + 500*time.Millisecond)
		if j := get(t, q, j.ID); j.State != jobs.Queued || j.Attempt != 1 {
			t.Fatalf("%+v", j)
		}
		if err := decide(t.Context(), claims[0], store, "x"); !refused(err) {
			t.Errorf("the job waits for its next attempt, and the claim of the first still counts: %v", err)
		}
		time.Sleep(5 * time.Minute)
		if j := get(t, q, j.ID); j.State != jobs.Succeeded || len(claims) != 2 {
			t.Fatalf("%+v", j)
		}
		if err := decide(t.Context(), claims[1], store, "x"); !refused(err) {
			t.Errorf("the job has ended, and its claim still counts: %v", err)
		}
		stop()
		// Nothing is left of fences.
		if _, kvs, err := store.Scan(t.Context(), catalog.Range{Prefix: "job/default/fence/"}); err != nil || len(kvs) != 0 {
			t.Errorf("%v %v", kvs, err)
		}
	})
}

// Two processes over one store. The one that was silent for longer than its lease
// can decide nothing more from the moment on at which the other has the job, also
// before it knows, and while it believes that it has time.
func TestTheOldHolderIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		first := queue(t, store, nil)
		// The clock of the second is ahead: to it the lease is over long before.
		second := queue(t, store, func(c *jobs.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Hour) }
		})
		held, taken := make(chan *jobs.Task), make(chan *jobs.Task)
		goOn := make(chan struct{})
		var old, later error
		stop1 := start(t, first, 1, func(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
			if err := decide(t.Context(), ctx, store, "a"); err != nil {
				t.Errorf("the holder is refused: %v", err)
			}
			held <- task
			<-goOn
			if ctx.Err() != nil {
				t.Error("it knows: this is to be about when it does not")
			}
			old = decide(t.Context(), ctx, store, "b")
			return jobs.Outcome{Rows: 666}, old
		})
		j := submit(t, first, spec())
		a := <-held
		stop2 := start(t, second, 1, func(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
			taken <- task
			goOn <- struct{}{}
			time.Sleep(time.Second)
			later = decide(t.Context(), ctx, store, "c")
			return jobs.Outcome{Rows: 7}, nil
		})
		b := <-taken
		if b.ID != a.ID || b.Token() <= a.Token() {
			t.Errorf("token %d after %d", b.Token(), a.Token())
		}
		time.Sleep(time.Minute)
		stop1()
		stop2()
		if !refused(old) || later != nil {
			t.Errorf("the old holder: %v; the new one: %v", old, later)
		}
		if _, err := store.Get(t.Context(), "b"); !errors.Is(err, catalog.ErrNotFound) {
			t.Errorf("the old holder decided: %v", err)
		}
		if j := get(t, first, j.ID); j.State != jobs.Succeeded || j.Outcome.Rows != 7 || j.Lease.Token != b.Token() {
			t.Errorf("%+v", j)
		}
	})
}

// A cancelled job decides nothing more once it is known to have ended, and one that
// was taken back from a process that is gone neither.
func TestTheFenceEndsWithTheProcess(t *testing.T) {
	store := memstore.New()
	dead := queue(t, store, func(c *jobs.Config) { c.Alone = true })
	j := submit(t, dead, spec())
	var claim context.Context
	began, over := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := dead.RunOne(context.Background(), map[jobs.Kind]jobs.Handler{"compact": func(ctx context.Context, _ *jobs.Task) (jobs.Outcome, error) {
			claim = ctx
			close(began)
			<-over
			return jobs.Outcome{}, nil
		}})
		done <- err
	}()
	<-began
	next := queue(t, store, func(c *jobs.Config) { c.Alone = true })
	if err := next.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := decide(t.Context(), claim, store, "x"); !refused(err) {
		t.Errorf("it was taken back, and its claim still counts: %v", err)
	}
	close(over)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if j := get(t, next, j.ID); j.State != jobs.Queued {
		t.Errorf("%+v", j)
	}
}

// Both failure rows of a claim: no fence stays that nobody holds, and the job runs.
func TestAClaimThatFailsOrLooksIt(t *testing.T) {
	boom := errors.New("boom")
	for name, fault := range map[string]memstore.Fault{"it did not happen": {Before: boom}, "it happened but looked failed": {After: boom}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := memstore.New()
				q := queue(t, store, nil)
				j := submit(t, q, spec())
				hit := false
				store.InjectApply(func(catalog.Batch) memstore.Fault {
					if hit {
						return memstore.Fault{}
					}
					hit = true
					return fault
				})
				ran := 0
				stop := start(t, q, 1, func(ctx context.Context, _ *jobs.Task) (jobs.Outcome, error) {
					ran++
					return jobs.Outcome{}, decide(t.Context(), ctx, store, "x")
				})
				time.Sleep(5 * time.Minute)
				stop()
				if j := get(t, q, j.ID); j.State != jobs.Succeeded || ran != 1 {
					t.Errorf("ran %d times: %+v", ran, j)
				}
				if _, kvs, err := store.Scan(t.Context(), catalog.Range{Prefix: "job/default/fence/"}); err != nil || len(kvs) != 0 {
					t.Errorf("%v %v", kvs, err)
				}
			})
		})
	}
}
