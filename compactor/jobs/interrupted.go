package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A run ends without an answer when its process is killed, or when it kills its
// process. Nothing tells the two apart, and an operator's kills come in rows. So
// such a run is no failed attempt: the job runs again, three times at once and then
// after a pause that grows, in which everything else gets on; and only after
// [Config.Interruptions] it is given up. A crash here is one more interruption.

// longestPause after an interruption.
const longestPause = 30 * time.Second

// pause before the run after the nth interruption.
func pause(n int) time.Duration {
	if n <= 3 {
		return 0
	}
	return min(time.Second<<min(n-4, 10), longestPause)
}

// interrupted says what a running job is whose worker has gone: queued again, or
// at its end. The next claim raises the fencing token, so a worker that is heard
// of again can record nothing.
func (q *Queue) interrupted(j *Job, now time.Time) {
	j.Interrupted++
	switch {
	case j.CancelRequested:
		j.State = Cancelled
	case j.Interrupted >= q.cfg.Interruptions:
		j.State, j.Error = Failed, fmt.Sprintf("its process ended before it did, %d times", j.Interrupted)
	default:
		j.Error = "its process ended before it did"
		if j.Interrupted > 1 {
			j.Error += fmt.Sprintf(", %d times by now", j.Interrupted)
		}
		j.State, j.Progress, j.Lease = Queued, Progress{}, Lease{Token: j.Lease.Token}
		j.NotBefore = now.Add(pause(j.Interrupted))
	}
}

// record writes what interrupted says, if nobody else has written the job.
func (q *Queue) record(ctx context.Context, j *Job) error {
	if j.State.Ended() {
		return ignoreConflict(q.end(ctx, j, j.State))
	}
	return ignoreConflict(q.put(ctx, j))
}

// Reclaim takes over the running jobs of processes that are gone. It must be
// called before this queue's workers start, and only where [Config.Alone] holds.
func (q *Queue) Reclaim(ctx context.Context) error {
	if !q.cfg.Alone {
		return errors.New("reclaim jobs: other processes may work on the store")
	}
	all, err := q.Active(ctx)
	if err != nil {
		return fmt.Errorf("reclaim jobs: %w", err)
	}
	for _, j := range all {
		if j.State != Running || j.Lease.Owner == q.cfg.Owner {
			continue
		}
		q.interrupted(&j, q.cfg.Now().UTC())
		if err := q.record(ctx, &j); err != nil {
			return fmt.Errorf("reclaim job %s: %w", j.ID, err)
		}
	}
	return nil
}
