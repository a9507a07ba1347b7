package objstore_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlake/firn/internal/objstore"
)

func TestSyncOnARealFileSystem(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		put(t, b, "k", []byte("x"))
		if err := b.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

// TestSyncIsSharedAndNeverEarly: many callers share few flushes, and every
// caller's flush began after he called.
func TestSyncIsSharedAndNeverEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flushes, written, flushed atomic.Int64
		s := objstore.NewSyncer(func(string) error {
			flushes.Add(1)
			seen := written.Load() // what a flush that begins now must cover
			time.Sleep(10 * time.Millisecond)
			flushed.Store(seen)
			return nil
		})
		const callers, rounds = 50, 20
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for range rounds {
					time.Sleep(time.Duration(i%7) * time.Millisecond)
					mine := written.Add(1)
					if err := objstore.SyncerSync(s, t.Context()); err != nil {
						t.Error(err)
					}
					if flushed.Load() < mine {
						t.Errorf("write %d was acknowledged, flushed up to %d", mine, flushed.Load())
					}
				}
			})
		}
		wg.Wait()
		if n := flushes.Load(); n > 2*rounds+2 || n < rounds {
			t.Errorf("%d flushes for %d calls", n, callers*rounds)
		}
	})
}

func TestSyncErrorsReachEveryWaiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		eio := errors.New("input/output error")
		fail := true
		s := objstore.NewSyncer(func(string) error {
			time.Sleep(time.Millisecond)
			if fail {
				return eio
			}
			return nil
		})
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := objstore.SyncerSync(s, t.Context()); !errors.Is(err, eio) {
					t.Errorf("%v", err)
				}
			})
		}
		wg.Wait()
		fail = false
		if err := objstore.SyncerSync(s, t.Context()); err != nil {
			t.Errorf("after the error: %v", err)
		}
	})
}

func TestSyncCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := objstore.NewSyncer(func(string) error { time.Sleep(time.Hour); return nil })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := objstore.SyncerSync(s, ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		// The flush goes on and serves those who still wait.
		if err := objstore.SyncerSync(s, t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}
