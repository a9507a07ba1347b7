package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/firnlake/firn/catalog"
)

// Config of a Queue.
type Config struct {
	Store     catalog.Store // required
	Warehouse string        // default "default"
	// Owner names this process in leases. Default: random.
	Owner string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Lease is how long a job stays a silent worker's. Default 20 s.
	Lease time.Duration
	// Poll is how often the store is asked for work of other processes.
	// Default 1 s.
	Poll time.Duration
	// Alone: no other process can work on the store while this one does, as the
	// file lock of the embedded store has it.
	Alone bool
	// Attempts a job gets that fails by its own doing. Default 5.
	Attempts int
	// Interruptions a job may have: runs whose process ended before they did.
	// Default 20.
	Interruptions int
	// Backoff before the attempt after the nth. Default 1 s, doubled each
	// time, at most 2 minutes.
	Backoff func(n int) time.Duration
	// History is the number of ended jobs that are kept. Default 1000.
	History int
	Logger  *slog.Logger // default: none
}

// Queue is a handle on the jobs of one warehouse. Any number of them, in any
// number of processes, work on one store.
type Queue struct {
	cfg    Config
	prefix string

	mu      sync.Mutex
	changed chan struct{}              // closed and replaced at each change made here
	running map[string]*running        // jobs whose handlers run here
	ended   int                        // since history was last trimmed
	told    map[string]catalog.Version // unreadable records that the log tells of
}

// New makes a queue.
func New(cfg Config) (*Queue, error) {
	if cfg.Store == nil {
		return nil, errors.New("jobs: Config.Store is required")
	}
	cfg.Warehouse = cmp.Or(cfg.Warehouse, "default")
	cfg.Owner = cmp.Or(cfg.Owner, randomID())
	cfg.Lease = cmp.Or(cfg.Lease, 20*time.Second)
	cfg.Poll = cmp.Or(cfg.Poll, time.Second)
	cfg.Attempts = cmp.Or(cfg.Attempts, 5)
	cfg.Interruptions = cmp.Or(cfg.Interruptions, 20)
	cfg.History = cmp.Or(cfg.History, 1000)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Backoff == nil {
		cfg.Backoff = func(n int) time.Duration { return min(time.Second<<min(n-1, 10), 2*time.Minute) }
	}
	return &Queue{cfg: cfg, prefix: "job/" + cfg.Warehouse + "/", changed: make(chan struct{}), running: map[string]*running{}}, nil
}

func randomID() string {
	var b [6]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Active jobs and history lie apart, so that a claim reads only what is active.
func (q *Queue) activeKey(id string) string { return q.prefix + "active/" + id }
func (q *Queue) doneKey(id string) string   { return q.prefix + "done/" + id }
func (q *Queue) uniqueKey(j Job) string     { return q.prefix + "key/" + j.key() }

func decode(kv catalog.KV) (Job, error) {
	var j Job
	if err := json.Unmarshal(kv.Value, &j); err != nil {
		return Job{}, &unreadable{kv.Key, err}
	}
	j.version = kv.Version
	return j, nil
}

func encode(j Job) []byte {
	data, err := json.Marshal(j)
	if err != nil {
		panic(err) // a Job holds only what JSON can say
	}
	return data
}

// Submit queues a job. When one with the same key is active already, that one
// is answered and created is false; a request ends its wait for another attempt.
func (q *Queue) Submit(ctx context.Context, s Spec) (job Job, created bool, err error) {
	if s.Kind == "" {
		return Job{}, false, errors.New("submit job: no kind given")
	}
	now := q.cfg.Now().UTC()
	// The id sorts by time, so that a scan answers jobs in their order.
	job = Job{ID: fmt.Sprintf("%016x%s", now.UnixNano(), randomID()), Spec: s, State: Queued, CreatedAt: now}
	for {
		unique, err := q.cfg.Store.Get(ctx, q.uniqueKey(job))
		if err != nil && !errors.Is(err, catalog.ErrNotFound) {
			return Job{}, false, fmt.Errorf("submit job: %w", err)
		}
		if err == nil {
			switch have, err := q.load(ctx, q.activeKey(string(unique.Value))); {
			case isUnreadable(err):
				if err := q.free(ctx, unique); err != nil {
					return Job{}, false, fmt.Errorf("submit job: %w", err)
				}
			case err == nil:
				if s.Trigger != "request" || have.State != Queued || have.Attempt == 0 || !now.Before(have.NotBefore) {
					return have, false, nil
				}
				have.NotBefore = time.Time{}
				if err := q.put(ctx, &have); ignoreConflict(err) != nil {
					return Job{}, false, fmt.Errorf("submit job: %w", err)
				} else if err == nil {
					return have, false, nil
				}
			case !errors.Is(err, ErrNotFound):
				return Job{}, false, err
			}
			continue // it changed in between
		}
		v, err := q.cfg.Store.Apply(ctx, catalog.Batch{
			If: []catalog.Cond{{Key: q.uniqueKey(job), Version: 0}},
			Then: []catalog.Op{
				{Key: q.activeKey(job.ID), Value: encode(job)},
				{Key: q.uniqueKey(job), Value: []byte(job.ID)},
			},
		})
		if _, lost := errors.AsType[*catalog.ConflictError](err); lost {
			continue
		}
		if err != nil {
			return Job{}, false, fmt.Errorf("submit job: %w", err)
		}
		job.version = v
		q.notify()
		return job, true, nil
	}
}

// SubmitWith queues several jobs in one batch of the store, together with what
// the caller adds once it knows which they are: all of it happens or nothing. Specs
// whose key is active already are left out. A condition of the caller's that fails
// is its [catalog.ConflictError]; with every other error it is unknown what
// happened.
func (q *Queue) SubmitWith(ctx context.Context, specs []Spec, extra func(made []Job) catalog.Batch) ([]Job, error) {
	for {
		now := q.cfg.Now().UTC()
		var own catalog.Batch
		var made []Job
		keys := map[string]bool{}
		for _, s := range specs {
			j := Job{ID: fmt.Sprintf("%016x%s", now.UnixNano(), randomID()), Spec: s, State: Queued, CreatedAt: now}
			key := q.uniqueKey(j)
			taken, err := q.taken(ctx, key)
			if err != nil {
				return nil, fmt.Errorf("submit jobs: %w", err)
			}
			if taken || keys[key] {
				continue
			}
			keys[key] = true
			made = append(made, j)
			own.If = append(own.If, catalog.Cond{Key: key})
			own.Then = append(own.Then, catalog.Op{Key: q.activeKey(j.ID), Value: encode(j)}, catalog.Op{Key: key, Value: []byte(j.ID)})
		}
		b := extra(made)
		b.If, b.Then = append(b.If, own.If...), append(b.Then, own.Then...)
		_, err := q.cfg.Store.Apply(ctx, b)
		if c, lost := errors.AsType[*catalog.ConflictError](err); lost && keys[c.Cond.Key] {
			continue // somebody else submitted one of them
		}
		if err != nil {
			return nil, fmt.Errorf("submit jobs: %w", err)
		}
		q.notify()
		return made, nil
	}
}

func (q *Queue) load(ctx context.Context, key string) (Job, error) {
	kv, err := q.cfg.Store.Get(ctx, key)
	if errors.Is(err, catalog.ErrNotFound) {
		return Job{}, ErrNotFound
	}
	if err != nil {
		return Job{}, fmt.Errorf("read job: %w", err)
	}
	return decode(kv)
}

// Get answers a job, active or ended. Progress of a job that runs in this
// process is as of now.
func (q *Queue) Get(ctx context.Context, id string) (Job, error) {
	// A job moves from active to done, never back under the same id's key
	// unless it is retried; so look at active again before giving up.
	for _, key := range []string{q.activeKey(id), q.doneKey(id), q.activeKey(id)} {
		j, err := q.load(ctx, key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		return q.overlay(j), err
	}
	return Job{}, fmt.Errorf("%w: %s", ErrNotFound, id)
}

// Filter chooses jobs; the zero value all.
type Filter struct {
	States []State
	Ident  *catalog.Ident
	// Schedule and Request are those of [Spec].
	Schedule, Request string
	Limit             int // default 100
}

func (f *Filter) match(j *Job) bool {
	return (len(f.States) == 0 || slices.Contains(f.States, j.State)) && (f.Ident == nil || f.Ident.String() == j.Ident.String()) &&
		(f.Schedule == "" || f.Schedule == j.Schedule) && (f.Request == "" || f.Request == j.Request)
}

// List answers jobs, newest first, and how many there are in each state.
func (q *Queue) List(ctx context.Context, f Filter) ([]Job, map[State]int, error) {
	counts := map[State]int{}
	var all []Job
	for _, part := range []string{"active/", "done/"} {
		_, kvs, err := q.cfg.Store.Scan(ctx, catalog.Range{Prefix: q.prefix + part})
		if err != nil {
			return nil, nil, fmt.Errorf("list jobs: %w", err)
		}
		for _, kv := range kvs {
			j, ok := q.readable(ctx, kv)
			if !ok {
				continue
			}
			counts[j.State]++
			if f.match(&j) {
				all = append(all, q.overlay(j))
			}
		}
	}
	slices.SortFunc(all, func(a, b Job) int { return cmp.Compare(b.ID, a.ID) })
	// One that ends between the two scans is in both.
	all = slices.CompactFunc(all, func(a, b Job) bool { return a.ID == b.ID })
	return all[:min(len(all), cmp.Or(f.Limit, 100))], counts, nil
}

// Active answers the jobs that are queued or running, oldest first.
func (q *Queue) Active(ctx context.Context) ([]Job, error) {
	_, kvs, err := q.cfg.Store.Scan(ctx, catalog.Range{Prefix: q.prefix + "active/"})
	if err != nil {
		return nil, fmt.Errorf("list active jobs: %w", err)
	}
	out := make([]Job, 0, len(kvs))
	for _, kv := range kvs {
		if j, ok := q.readable(ctx, kv); ok {
			out = append(out, q.overlay(j))
		}
	}
	return out, nil
}

// put writes a job if nobody else has since it was read.
func (q *Queue) put(ctx context.Context, j *Job) error {
	if j.State == Queued {
		return q.write(ctx, j, q.unfence(j)...)
	}
	return q.write(ctx, j)
}

func (q *Queue) write(ctx context.Context, j *Job, with ...catalog.Op) error {
	v, err := q.cfg.Store.Apply(ctx, catalog.Batch{
		If:   []catalog.Cond{{Key: q.activeKey(j.ID), Version: j.version}},
		Then: append(with, catalog.Op{Key: q.activeKey(j.ID), Value: encode(*j)}),
	})
	if err == nil {
		j.version = v
		q.notify()
	}
	return err
}

// end moves a job into history and frees its key.
func (q *Queue) end(ctx context.Context, j *Job, s State) error {
	j.State, j.EndedAt, j.Lease, j.CancelRequested = s, q.cfg.Now().UTC(), Lease{Token: j.Lease.Token}, false
	j.Progress.Left, j.Progress.Rate = 0, 0
	_, err := q.cfg.Store.Apply(ctx, catalog.Batch{
		If: []catalog.Cond{{Key: q.activeKey(j.ID), Version: j.version}},
		Then: append(q.unfence(j),
			catalog.Op{Key: q.activeKey(j.ID), Delete: true},
			catalog.Op{Key: q.uniqueKey(*j), Delete: true},
			catalog.Op{Key: q.doneKey(j.ID), Value: encode(*j)},
		),
	})
	if err == nil {
		q.notify()
	}
	return err
}

// notify wakes everyone who waits for a change.
func (q *Queue) notify() {
	q.mu.Lock()
	defer q.mu.Unlock()
	close(q.changed)
	q.changed = make(chan struct{})
}

func (q *Queue) changes() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.changed
}
