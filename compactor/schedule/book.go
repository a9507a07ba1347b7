package schedule

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
)

// Config of a Book. All of it is required but Now, Fired and Broken.
type Config struct {
	Store     catalog.Store
	Warehouse string
	Queue     *jobs.Queue
	// Jobs answers what one firing makes.
	Jobs func(context.Context, Definition) ([]jobs.Spec, error)
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Fired is told of each firing that made jobs.
	Fired func()
	// Broken is told of each record that no schedule can be read from, once for
	// each version of it.
	Broken func(context.Context, *Broken)
}

// Book is a handle on the schedules of one warehouse. Any number of them, in any
// number of processes, work on one store.
type Book struct {
	cfg  Config
	mu   sync.Mutex
	told map[string]catalog.Version // the broken that were told of
}

// New makes a book.
func New(cfg Config) (*Book, error) {
	if cfg.Store == nil || cfg.Queue == nil || cfg.Jobs == nil || cfg.Warehouse == "" {
		return nil, errors.New("schedule: Store, Warehouse, Queue and Jobs are required")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Fired == nil {
		cfg.Fired = func() {}
	}
	if cfg.Broken == nil {
		cfg.Broken = func(context.Context, *Broken) {}
	}
	return &Book{cfg: cfg}, nil
}

func (b *Book) key(name string) string { return "sched/" + b.cfg.Warehouse + "/" + name }

// List answers all schedules by name; of a broken one, its name. [Schedule.Broken]
// tells them apart.
func (b *Book) List(ctx context.Context) ([]Schedule, error) {
	_, kvs, err := b.cfg.Store.Scan(ctx, catalog.Range{Prefix: b.key("")})
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	out := make([]Schedule, 0, len(kvs))
	for _, kv := range kvs {
		out = append(out, b.decode(kv))
	}
	return out, nil
}

// Get answers one schedule, or [catalog.ErrNotFound]; of one whose record cannot be
// read the name, with a [Broken].
func (b *Book) Get(ctx context.Context, name string) (Schedule, error) {
	if !ValidName(name) {
		return Schedule{}, fmt.Errorf("schedule %q: %w", name, catalog.ErrNotFound)
	}
	kv, err := b.cfg.Store.Get(ctx, b.key(name))
	if errors.Is(err, catalog.ErrNotFound) {
		err = catalog.ErrNotFound // the store's key is nobody's business
	}
	if err != nil {
		return Schedule{}, fmt.Errorf("schedule %q: %w", name, err)
	}
	s := b.decode(kv)
	if s.broken != nil {
		return s, s.Broken()
	}
	return s, nil
}

// condition and write are the two halves of keeping a schedule that was read.
func (b *Book) condition(s Schedule) catalog.Cond {
	return catalog.Cond{Key: b.key(s.Name), Version: s.version}
}

func (b *Book) write(s Schedule) catalog.Op {
	value, err := json.Marshal(s)
	if err != nil {
		panic(err) // a Schedule holds only what JSON can say
	}
	return catalog.Op{Key: b.key(s.Name), Value: value}
}

// change reads a schedule, has it changed and keeps it, again if somebody else
// changed it in between. edit says false when there is nothing to change.
func (b *Book) change(ctx context.Context, name string, edit func(*Schedule) bool) (Schedule, error) {
	for {
		s, err := b.Get(ctx, name)
		if err != nil {
			return s, err
		}
		next := s.clone()
		if !edit(&next) {
			return s, nil
		}
		next.version, err = b.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{b.condition(s)}, Then: []catalog.Op{b.write(next)}})
		if lost(err) {
			continue
		}
		if err != nil {
			return s, fmt.Errorf("write schedule %s: %w", name, err)
		}
		return next, nil
	}
}

func lost(err error) bool {
	_, is := errors.AsType[*catalog.ConflictError](err)
	return is
}

// Put makes or replaces a schedule. One that is unchanged stays as it is; a changed
// one begins anew: what was due before is not fired. Whether it is paused and what
// it did stay. One whose record cannot be read is replaced, with all that it knew. With
// dry nothing is written.
func (b *Book) Put(ctx context.Context, d Definition, dry bool) (Schedule, error) {
	now := b.cfg.Now().UTC()
	if err := d.Check(now); err != nil {
		return Schedule{}, err
	}
	fresh := Schedule{Definition: d, Created: now, Since: now}
	if dry {
		return fresh, nil
	}
	for {
		s, err := b.change(ctx, d.Name, func(s *Schedule) bool {
			if s.same(d) {
				return false
			}
			s.drop(now, whyChanged, func(Waiting) bool { return true })
			s.pass(now, whyChanged)
			s.Definition, s.Created = d, now
			return true
		})
		if _, broken := errors.AsType[*Broken](err); !broken && !errors.Is(err, catalog.ErrNotFound) {
			return s, err
		}
		s.Name = d.Name // none, or the broken one as it was read
		fresh.version, err = b.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{b.condition(s)}, Then: []catalog.Op{b.write(fresh)}})
		if lost(err) {
			continue // somebody else made or changed it
		}
		if err != nil {
			return fresh, fmt.Errorf("write schedule %s: %w", d.Name, err)
		}
		return fresh, nil
	}
}

// Delete removes a schedule; jobs that it made stay.
func (b *Book) Delete(ctx context.Context, name string) error {
	for {
		s, err := b.Get(ctx, name)
		if _, broken := errors.AsType[*Broken](err); err != nil && !broken {
			return err
		}
		_, err = b.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{b.condition(s)}, Then: []catalog.Op{{Key: b.key(name), Delete: true}}})
		if lost(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("remove schedule %s: %w", name, err)
		}
		return nil
	}
}

// Pause ends the firing. What waits is skipped, but for what somebody asked for.
func (b *Book) Pause(ctx context.Context, name string) (Schedule, error) {
	return b.change(ctx, name, func(s *Schedule) bool {
		if s.Paused {
			return false
		}
		s.drop(b.cfg.Now().UTC(), whyPaused, func(w Waiting) bool { return w.Request == "" })
		s.Paused = true
		return true
	})
}

// Resume lets it fire again. What was due meanwhile is skipped.
func (b *Book) Resume(ctx context.Context, name string) (Schedule, error) {
	return b.change(ctx, name, func(s *Schedule) bool {
		if !s.Paused {
			return false
		}
		s.pass(b.cfg.Now().UTC(), whyPaused)
		s.Paused = false
		return true
	})
}

// Ask fires now, whatever the clock, the windows and a pause say; the overlap policy
// holds. A call with the id of an earlier one is that one. The answer is nil when
// the firing waits.
func (b *Book) Ask(ctx context.Context, name, request string) (*Firing, Schedule, error) {
	request = cmp.Or(request, uuid.NewString())
	for {
		s, err := b.Get(ctx, name)
		if err != nil {
			return nil, s, err
		}
		if _, err := s.compile(); err != nil {
			return nil, s, err // of a version that knew another zone or syntax
		}
		if f, found := s.requested(request); found {
			return f, s, nil
		}
		active, err := b.active(ctx, name)
		if err != nil {
			return nil, s, err
		}
		now := b.cfg.Now().UTC()
		d := s.Ask(request, now, len(active) > 0)
		err = b.carryOut(ctx, s, d, now, active)
		if err != nil && !lost(err) {
			return nil, s, fmt.Errorf("run schedule %s: %w", name, err)
		}
		// Read again: it is there, or somebody else was first.
	}
}

// active are the active jobs that a schedule made.
func (b *Book) active(ctx context.Context, name string) ([]jobs.Job, error) {
	all, err := b.cfg.Queue.Active(ctx)
	if err != nil {
		return nil, err
	}
	var out []jobs.Job
	for _, j := range all {
		if j.Schedule == name {
			out = append(out, j)
		}
	}
	return out, nil
}

// Fire carries out what is due of all schedules. One that cannot be is no reason to
// leave out the others; of a broken one Config.Broken is told, and it is no error.
func (b *Book) Fire(ctx context.Context) error {
	all, err := b.List(ctx)
	if err != nil {
		return err
	}
	b.tell(ctx, all)
	var errs []error
	for _, s := range all {
		if s.broken != nil {
			continue
		}
		if err := b.advance(ctx, s); err != nil && !lost(err) {
			errs = append(errs, fmt.Errorf("fire schedule %s: %w", s.Name, err))
		}
	}
	return errors.Join(errs...)
}

// burst bounds the firings of one schedule at one look.
const burst = 100

func (b *Book) advance(ctx context.Context, s Schedule) error {
	for range burst {
		now := b.cfg.Now().UTC()
		if d := s.Decide(now, false); !d.Changed && len(s.Waiting) == 0 {
			return nil // as at nearly every look; jobs need not be read for it
		}
		active, err := b.active(ctx, s.Name)
		if err != nil {
			return err
		}
		d := s.Decide(now, len(active) > 0)
		if err := b.carryOut(ctx, s, d, now, active); err != nil {
			return err // lost: another process decided, or the schedule was changed
		}
		if d.Fire == nil {
			return nil
		}
		if s, err = b.Get(ctx, s.Name); errors.Is(err, catalog.ErrNotFound) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return nil
}

// carryOut makes the jobs of a decision and keeps it, in one batch under the
// condition that the schedule is as it was read. When that seems to have failed, the
// schedule itself says at the next look whether it happened.
func (b *Book) carryOut(ctx context.Context, s Schedule, d Decision, now time.Time, active []jobs.Job) error {
	if d.Changed {
		var specs []jobs.Spec
		if d.Fire != nil {
			var err error
			if specs, err = b.cfg.Jobs(ctx, s.Definition); err != nil {
				return err
			}
			for i := range specs {
				specs[i].Request = d.Fire.Request
			}
		}
		made, err := b.cfg.Queue.SubmitWith(ctx, specs, func(made []jobs.Job) catalog.Batch {
			next := d.Next.clone()
			if d.Fire != nil {
				next.fired(*d.Fire, d.Reason, now, specs, made)
			}
			return catalog.Batch{If: []catalog.Cond{b.condition(s)}, Then: []catalog.Op{b.write(next)}}
		})
		if err != nil {
			return err
		}
		if len(made) > 0 {
			b.cfg.Fired()
		}
	}
	if !d.Cancel {
		return nil
	}
	// After the decision is kept: a crash here is made good at the next look.
	for _, j := range active {
		if j.CancelRequested {
			continue
		}
		if _, err := b.cfg.Queue.Cancel(ctx, j.ID); err != nil && !errors.Is(err, jobs.ErrNotActive) && !errors.Is(err, jobs.ErrNotFound) {
			return err
		}
	}
	return nil
}
