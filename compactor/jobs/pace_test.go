package jobs_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
)

// What is left is said at the run's own rate: not before that means something, not
// for a step without an end, slower when it stands still, and to other processes too.
func TestWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memstore.New()
		q := queue(t, store, nil)
		elsewhere := queue(t, store, nil)
		var id string
		near := func(what string, from *jobs.Queue, least, most time.Duration) {
			t.Helper()
			if p := get(t, from, id).Progress; p.Left < least || p.Left > most || (p.Left == 0) != (p.Rate == 0) {
				t.Errorf("%s: %+v, not %s to %s", what, p, least, most)
			}
		}
		const mb = 1 << 20
		stop := start(t, q, 1, func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
			id = task.ID
			work := func(seconds, mbs int64) {
				for range seconds {
					time.Sleep(time.Second)
					task.Advance(mbs * mb)
				}
			}
			task.Progress("plan", 0, 0)
			work(10, 1)
			near("a step without an end", q, 0, 0)
			task.Progress("write", 0, 1000*mb)
			near("a step that begins", q, 0, 0)
			work(1, 10)
			near("after one second", q, 0, 0)
			work(9, 10)
			near("10 MB/s, 900 MB left", q, 88*time.Second, 92*time.Second)
			work(60, 5)
			near("5 MB/s for a minute, 600 MB left", q, 115*time.Second, 125*time.Second)
			near("in another process, by the last heartbeat", elsewhere, 100*time.Second, 150*time.Second)
			time.Sleep(30 * time.Second)
			near("nothing for half a minute", q, 10*time.Minute, time.Hour)
			time.Sleep(10 * time.Minute)
			near("nothing for much longer", q, 0, 0)
			work(120, 4)
			near("4 MB/s again, 120 MB left", q, 29*time.Second, 31*time.Second)
			task.Progress("check", 0, 100*mb)
			near("the next step is another pace", q, 0, 0)
			work(10, 10)
			near("all is done", q, 0, 0)
			return jobs.Outcome{}, nil
		})
		j := submit(t, q, spec())
		time.Sleep(time.Hour)
		stop()
		if p := get(t, q, j.ID).Progress; p.Step != "check" || p.Left != 0 || p.Rate != 0 {
			t.Errorf("%+v", p)
		}
	})
}
