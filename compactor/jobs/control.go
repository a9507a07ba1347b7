package jobs

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/firnlake/firn/catalog"
)

// Cancel ends a queued job at once and asks the worker of a running one to
// stop; the job is cancelled when that worker has stopped or lost its lease.
func (q *Queue) Cancel(ctx context.Context, id string) (Job, error) {
	for {
		j, err := q.load(ctx, q.activeKey(id))
		if errors.Is(err, ErrNotFound) {
			if j, err = q.load(ctx, q.doneKey(id)); err == nil {
				return j, fmt.Errorf("cancel job %s: %w: it %s", id, ErrNotActive, j.State)
			}
		}
		if err != nil {
			return Job{}, fmt.Errorf("cancel job %s: %w", id, err)
		}
		if j.State == Queued {
			err = q.end(ctx, &j, Cancelled)
		} else {
			j.CancelRequested = true
			err = q.put(ctx, &j)
		}
		if _, lost := errors.AsType[*catalog.ConflictError](err); lost {
			continue
		}
		if err != nil {
			return Job{}, fmt.Errorf("cancel job %s: %w", id, err)
		}
		q.mu.Lock()
		if r := q.running[id]; r != nil {
			r.cancel(ErrCancelled)
		}
		q.mu.Unlock()
		return j, nil
	}
}

// Retry queues an ended job again, under its id, with all its attempts. When a
// job with the same key is active by now, that one is answered.
func (q *Queue) Retry(ctx context.Context, id string) (Job, error) {
	for {
		j, err := q.load(ctx, q.doneKey(id))
		if errors.Is(err, ErrNotFound) {
			if j, err = q.load(ctx, q.activeKey(id)); err == nil {
				return j, fmt.Errorf("retry job %s: %w: it is %s", id, ErrActive, j.State)
			}
		}
		if err != nil {
			return Job{}, fmt.Errorf("retry job %s: %w", id, err)
		}
		if kv, err := q.cfg.Store.Get(ctx, q.uniqueKey(j)); err == nil {
			have, err := q.load(ctx, q.activeKey(string(kv.Value)))
			if !isUnreadable(err) {
				return have, err
			}
			if err := q.free(ctx, kv); err != nil {
				return Job{}, fmt.Errorf("retry job %s: %w", id, err)
			}
			continue
		}
		was := j.version
		j.State, j.Attempt, j.Interrupted, j.Error, j.NotBefore = Queued, 0, 0, "", time.Time{}
		j.StartedAt, j.EndedAt, j.Progress, j.Outcome = time.Time{}, time.Time{}, Progress{}, Outcome{}
		v, err := q.cfg.Store.Apply(ctx, catalog.Batch{
			If: []catalog.Cond{{Key: q.doneKey(id), Version: was}, {Key: q.uniqueKey(j), Version: 0}, {Key: q.activeKey(id), Version: 0}},
			Then: []catalog.Op{
				{Key: q.doneKey(id), Delete: true},
				{Key: q.activeKey(id), Value: encode(j)},
				{Key: q.uniqueKey(j), Value: []byte(id)},
			},
		})
		if _, lost := errors.AsType[*catalog.ConflictError](err); lost {
			continue
		}
		if err != nil {
			return Job{}, fmt.Errorf("retry job %s: %w", id, err)
		}
		j.version = v
		q.notify()
		return j, nil
	}
}

// Watch answers a job at each change, and ends after its final state.
func (q *Queue) Watch(ctx context.Context, id string) iter.Seq2[Job, error] {
	return func(yield func(Job, error) bool) {
		var last Job
		tick := time.NewTicker(min(q.cfg.Poll, 500*time.Millisecond))
		defer tick.Stop()
		for {
			changed := q.changes()
			j, err := q.Get(ctx, id)
			if err != nil {
				yield(Job{}, err)
				return
			}
			seen := j
			seen.version, seen.Lease.Until = 0, time.Time{}
			if !reflect.DeepEqual(seen, last) {
				last = seen
				if !yield(j, nil) {
					return
				}
			}
			if j.State.Ended() {
				return
			}
			select {
			case <-ctx.Done():
				yield(Job{}, ctx.Err())
				return
			case <-changed:
			case <-tick.C:
			}
		}
	}
}
