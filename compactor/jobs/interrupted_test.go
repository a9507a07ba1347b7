package jobs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

// killed claims the best job in a process that is killed while it runs it. It
// answers the claim's token, 0 when there was nothing to claim.
func killed(t *testing.T, store catalog.Store, change func(*jobs.Config)) jobs.FencingToken {
	t.Helper()
	var dead atomic.Bool
	victim := queue(t, &cutOff{store, &dead}, change)
	ctx, cancel := context.WithCancel(t.Context())
	var token jobs.FencingToken
	// The end of the context stands for the end of the process; what its
	// goroutines still do does not reach the store.
	_, _ = victim.RunOne(ctx, map[jobs.Kind]jobs.Handler{"compact": func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
		token = task.Token()
		dead.Store(true)
		cancel()
		return jobs.Outcome{Rows: 666}, nil
	}})
	cancel()
	return token
}

func alone(c *jobs.Config) { c.Alone = true }

func reclaim(t *testing.T, store catalog.Store) *jobs.Queue {
	t.Helper()
	q := queue(t, store, alone)
	if err := q.Reclaim(t.Context()); err != nil {
		t.Fatal(err)
	}
	return q
}

// The next process does not wait for the lease of the killed one.
func TestReclaimTakesOverAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		j := submit(t, queue(t, store, nil), spec())
		token := killed(t, store, alone)
		if got := get(t, queue(t, store, nil), j.ID); got.State != jobs.Running || got.Lease.Token != token || token == 0 {
			t.Fatalf("%+v", got)
		}
		killedAt := time.Now()
		q := reclaim(t, store)
		if got := get(t, q, j.ID); got.State != jobs.Queued || got.Lease.Token != token || got.Lease.Owner != "" || got.Error == "" {
			t.Errorf("%+v", got)
		}
		var next jobs.FencingToken
		did, err := q.RunOne(t.Context(), map[jobs.Kind]jobs.Handler{"compact": func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			next = task.Token()
			// Called again it leaves alone what this process runs.
			return jobs.Outcome{Rows: 1}, q.Reclaim(t.Context())
		}})
		if !did || err != nil || next <= token || time.Since(killedAt) > 0 {
			t.Errorf("%v %v token %d after %d, %v later", did, err, next, token, time.Since(killedAt))
		}
		if got := get(t, q, j.ID); got.State != jobs.Succeeded || got.Outcome.Rows != 1 || got.Attempt != 2 || got.Interrupted != 1 || got.Error != "" {
			t.Errorf("%+v", got)
		}
	})
}

// Both failure rows of the write, and a request to cancel that the killed worker
// did not live to see.
func TestReclaimWhenTheStoreFails(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"it did not happen":            {Before: errors.New("did not happen")},
		"it happened, but looked lost": {After: errors.New("happened, looked failed")},
	} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			a, b := submit(t, queue(t, store, nil), spec()), submit(t, queue(t, store, nil), spec())
			killed(t, store, alone)
			killed(t, store, alone)
			if _, err := queue(t, store, nil).Cancel(t.Context(), b.ID); err != nil {
				t.Fatal(err)
			}
			var n atomic.Int32
			store.InjectApply(func(catalog.Batch) memstore.Fault {
				if n.Add(1) == 1 {
					return fault
				}
				return memstore.Fault{}
			})
			if err := queue(t, store, alone).Reclaim(t.Context()); err == nil {
				t.Error("the fault was not told")
			}
			q := reclaim(t, store)
			if got := get(t, q, a.ID); got.State != jobs.Queued || got.Interrupted != 1 {
				t.Errorf("%+v", got)
			}
			if got := get(t, q, b.ID); got.State != jobs.Cancelled {
				t.Errorf("%+v", got)
			}
		})
	}
	if err := queue(t, memstore.New(), nil).Reclaim(t.Context()); err == nil {
		t.Error("other processes' jobs were taken")
	}
}

// A healthy job is not given up because its process was killed again and again,
// but waits longer each time; a failure of its own counts as before.
func TestManyKillsDoNotFailAHealthyJob(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		j := submit(t, queue(t, store, nil), spec())
		var waited time.Duration
		const kills = 12
		for i := range kills {
			begin := time.Now()
			for killed(t, store, alone) == 0 {
				time.Sleep(500 * time.Millisecond)
			}
			waited = time.Since(begin)
			if i < 3 && waited > 0 || waited > 31*time.Second {
				t.Errorf("kill %d: waited %v", i, waited)
			}
			reclaim(t, store)
		}
		if waited < 30*time.Second {
			t.Errorf("the job was run again after %v, after %d kills", waited, kills)
		}
		q := reclaim(t, store)
		failures := 0
		stop := start(t, q, 1, func(context.Context, *jobs.Task) (jobs.Outcome, error) {
			if failures++; failures < 5 {
				return jobs.Outcome{}, errors.New("conflict")
			}
			return jobs.Outcome{}, nil
		})
		time.Sleep(2 * time.Minute)
		stop()
		if got := get(t, q, j.ID); got.State != jobs.Succeeded || got.Interrupted != kills || got.Attempt != kills+5 {
			t.Errorf("%+v", got)
		}
	})
}

// Somebody who asks for the job does not wait.
func TestARequestEndsThePause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		s := spec()
		s.Trigger = "commit"
		j := submit(t, queue(t, store, nil), s)
		for range 6 {
			for killed(t, store, alone) == 0 {
				time.Sleep(time.Second)
			}
			reclaim(t, store)
		}
		submit(t, queue(t, store, nil), s)
		if killed(t, store, alone) != 0 {
			t.Fatal("no pause, or another commit ended it")
		}
		s.Trigger = "request"
		if again := submit(t, queue(t, store, nil), s); again.ID != j.ID {
			t.Errorf("another job: %+v", again)
		}
		if killed(t, store, alone) == 0 {
			t.Error("the request did not end the pause")
		}
	})
}

// A job that ends every process that runs it is given up in the end.
func TestACrashLoopEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		j := submit(t, queue(t, store, nil), spec())
		begin := time.Now()
		crashes := 0
		for ; get(t, queue(t, store, nil), j.ID).State != jobs.Failed; crashes++ {
			for killed(t, store, alone) == 0 {
				time.Sleep(time.Second)
			}
			reclaim(t, store)
			if crashes > 20 {
				t.Fatal("it goes on for ever")
			}
		}
		if crashes != 20 || time.Since(begin) < 5*time.Minute {
			t.Errorf("%d crashes in %v", crashes, time.Since(begin))
		}
	})
}
