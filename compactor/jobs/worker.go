package jobs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
)

// Task is a claimed job, as its handler sees it.
type Task struct {
	Job
	run *running
}

// Token is the claim's fencing token.
func (t *Task) Token() FencingToken { return t.Lease.Token }

// Progress tells how far the run is. It is cheap: watchers in this process see
// it at once, others with the next heartbeat.
func (t *Task) Progress(step string, done, total int64) {
	t.run.set(func(p *Progress) { *p = Progress{Step: step, Done: done, Total: total} })
	t.run.queue.notify()
}

// Advance adds to the bytes done of the current step.
func (t *Task) Advance(bytes int64) {
	t.run.set(func(p *Progress) { p.Done += bytes })
}

// Handler does a job. The outcome counts also when the error is not nil.
type Handler func(ctx context.Context, t *Task) (Outcome, error)

// running is a job whose handler runs in this process.
type running struct {
	queue  *Queue
	cancel context.CancelCauseFunc

	mu       sync.Mutex
	progress Progress
	pace     pace
}

func (r *running) set(change func(*Progress)) {
	now := r.queue.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.progress)
	r.pace.saw(now, r.progress)
}

// now is how far the run is.
func (r *running) now() Progress {
	now := r.queue.cfg.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.progress
	p.Left, p.Rate = r.pace.left(now, p)
	return p
}

func (q *Queue) overlay(j Job) Job {
	q.mu.Lock()
	r := q.running[j.ID]
	q.mu.Unlock()
	if r != nil && j.State == Running {
		j.Progress = r.now()
	}
	return j
}

// Run claims and runs jobs of the handlers' kinds with so many workers, until
// ctx ends or a handler's error is [Fatal]. On return no handler runs any
// more, and what they had not finished is back in the queue.
func (q *Queue) Run(ctx context.Context, workers int, handlers map[Kind]Handler) error {
	g, ctx := errgroup.WithContext(ctx)
	for range max(workers, 1) {
		g.Go(func() error {
			for ctx.Err() == nil {
				changed := q.changes()
				did, err := q.RunOne(ctx, handlers)
				if err != nil {
					if _, end := errors.AsType[fatal](err); end {
						return err
					}
					if ctx.Err() == nil {
						q.cfg.Logger.WarnContext(ctx, "job queue", "error", err)
					}
				}
				if did && err == nil {
					continue
				}
				select {
				case <-ctx.Done():
				case <-changed:
				case <-time.After(q.cfg.Poll):
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// RunOne claims one job and runs it to its end. It says false when there was
// none to claim.
func (q *Queue) RunOne(ctx context.Context, handlers map[Kind]Handler) (bool, error) {
	j, err := q.claim(ctx, handlers)
	if err != nil || j == nil {
		return false, err
	}
	return true, q.run(ctx, j, handlers[j.Kind])
}

// claim leases the best job that is due; nil when there is none.
func (q *Queue) claim(ctx context.Context, handlers map[Kind]Handler) (*Job, error) {
	all, err := q.Active(ctx)
	if err != nil {
		return nil, err
	}
	now := q.cfg.Now().UTC()
	slices.SortStableFunc(all, func(a, b Job) int { return cmp.Compare(b.Priority, a.Priority) })
	for _, j := range all {
		if handlers[j.Kind] == nil || j.State == Queued && now.Before(j.NotBefore) || j.State == Running && now.Before(j.Lease.Until) {
			continue
		}
		if j.State == Running { // its lease is over
			q.interrupted(&j, now)
			if j.State.Ended() || now.Before(j.NotBefore) {
				if err := q.record(ctx, &j); err != nil {
					return nil, err
				}
				continue
			}
		}
		j.State, j.Attempt, j.Progress = Running, j.Attempt+1, Progress{}
		if j.StartedAt.IsZero() {
			j.StartedAt = now
		}
		j.Lease = Lease{Owner: q.cfg.Owner, Token: j.Lease.Token + 1, Until: now.Add(q.cfg.Lease)}
		switch err := q.lease(ctx, &j); {
		case err == nil:
			return &j, nil
		case ignoreConflict(err) != nil:
			return nil, fmt.Errorf("claim job %s: %w", j.ID, err)
		}
	}
	return nil, nil
}

func ignoreConflict(err error) error {
	if _, ok := errors.AsType[*catalog.ConflictError](err); ok {
		return nil
	}
	return err
}

// run calls the handler under a heartbeat and records how it ended.
func (q *Queue) run(ctx context.Context, j *Job, h Handler) error {
	work, cancel := context.WithCancelCause(q.fenced(context.WithoutCancel(ctx), j))
	defer cancel(nil)
	stop := context.AfterFunc(ctx, func() { cancel(ErrShutdown) })
	defer stop()
	r := &running{queue: q, cancel: cancel}
	q.mu.Lock()
	q.running[j.ID] = r
	q.mu.Unlock()

	task := &Task{Job: j.clone(), run: r}
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		q.heartbeat(work, j, r)
	}()
	outcome, err := h(work, task)
	cause := context.Cause(work)
	cancel(nil)
	<-beats // from here on j is ours alone
	q.mu.Lock()
	delete(q.running, j.ID)
	q.mu.Unlock()

	j.Progress = r.now()
	j.Outcome = outcome
	return q.settle(context.WithoutCancel(ctx), j, err, cause)
}

// settle records the end of a run.
func (q *Queue) settle(ctx context.Context, j *Job, err, cause error) error {
	if errors.Is(cause, ErrLeaseLost) {
		q.cfg.Logger.WarnContext(ctx, "job was lost to another worker", "job", j.ID)
		return nil
	}
	token := j.Lease.Token
	for {
		write := q.conclude(ctx, j, err, cause)
		if write == nil {
			break
		}
		if ignoreConflict(write) != nil {
			// Unknown whether it was written. The lease ends in time, and the
			// handler's effects decide what a second run finds to do.
			return fmt.Errorf("record end of job %s: %w", j.ID, write)
		}
		// Somebody asked to cancel it, or took it over.
		now, load := q.load(ctx, q.activeKey(j.ID))
		if load != nil || now.Lease.Token != token || now.State != Running {
			return load
		}
		now.Progress, now.Outcome = j.Progress, j.Outcome
		*j = now
	}
	if _, ok := errors.AsType[fatal](err); ok {
		return err
	}
	return q.trim(ctx)
}

func (q *Queue) conclude(ctx context.Context, j *Job, err, cause error) error {
	if err == nil {
		j.Error = ""
		return q.end(ctx, j, Succeeded)
	}
	j.Error = err.Error()
	_, never := errors.AsType[permanent](err)
	_, stop := errors.AsType[fatal](err)
	switch {
	case errors.Is(cause, ErrCancelled) || j.CancelRequested:
		return q.end(ctx, j, Cancelled)
	case errors.Is(cause, ErrShutdown) || stop:
		j.Attempt-- // not its fault
		j.NotBefore = time.Time{}
	case never || j.Attempt-j.Interrupted >= q.cfg.Attempts:
		return q.end(ctx, j, Failed)
	default:
		j.NotBefore = q.cfg.Now().UTC().Add(q.cfg.Backoff(j.Attempt - j.Interrupted))
	}
	j.State, j.Lease = Queued, Lease{Token: j.Lease.Token}
	return q.put(ctx, j)
}

// heartbeat renews the lease and writes progress until ctx ends. It cancels
// the handler when the lease cannot be held.
func (q *Queue) heartbeat(ctx context.Context, j *Job, r *running) {
	tick := time.NewTicker(q.cfg.Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		j.Progress = r.now()
		held := j.Lease.Until
		j.Lease.Until = q.cfg.Now().UTC().Add(q.cfg.Lease)
		now, err := q.renew(ctx, j)
		switch {
		case err == nil && now.Lease.Token == j.Lease.Token && now.State == Running:
			*j = now // renewed; or an earlier write arrived, or a request to cancel
			if j.CancelRequested {
				r.cancel(ErrCancelled)
				return
			}
		case err == nil || errors.Is(err, ErrNotFound):
			r.cancel(ErrLeaseLost)
			return
		default:
			j.Lease.Until = held
			if !q.cfg.Now().Before(held) {
				r.cancel(ErrLeaseLost) // the store cannot be asked, and time is up
				return
			}
		}
	}
}

// renew writes the job and answers it as it stands in the store, also when
// somebody else wrote it. It gives up in time for another try.
func (q *Queue) renew(ctx context.Context, j *Job) (Job, error) {
	ctx, cancel := context.WithTimeout(ctx, q.cfg.Lease/3)
	defer cancel()
	if err := q.put(ctx, j); err == nil {
		return *j, nil
	}
	return q.load(ctx, q.activeKey(j.ID))
}

// trim bounds the history, now and then.
func (q *Queue) trim(ctx context.Context) error {
	q.mu.Lock()
	q.ended++
	due := q.ended%64 == 1
	q.mu.Unlock()
	if !due {
		return nil
	}
	_, kvs, err := q.cfg.Store.Scan(ctx, catalog.Range{Prefix: q.prefix + "done/"})
	if err != nil {
		return fmt.Errorf("trim job history: %w", err)
	}
	var b catalog.Batch
	for _, kv := range kvs[:max(0, len(kvs)-q.cfg.History)] {
		b.Then = append(b.Then, catalog.Op{Key: kv.Key, Delete: true})
	}
	if len(b.Then) == 0 {
		return nil
	}
	if _, err := q.cfg.Store.Apply(ctx, b); err != nil {
		return fmt.Errorf("trim job history: %w", err)
	}
	return nil
}
