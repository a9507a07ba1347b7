package medallion

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/firnlake/firn/catalog"
)

// Triggers' own limits.
const (
	// leastInterval is the shortest time between two runs of a model that names
	// none: a run has a fixed cost, and group commit has its own rhythm.
	leastInterval = time.Second
	// reload is how often applied models are read anew, for those that another
	// process applied.
	reload     = 5 * time.Second
	maxBackoff = time.Minute
)

// Run runs models as their triggers say, until ctx ends and the runs that it
// started have ended. Models without a trigger run only when asked.
func (s *Service) Run(ctx context.Context) error {
	commits := make(chan string, 256)
	var group sync.WaitGroup
	defer group.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group.Go(func() { s.follow(ctx, commits) })

	sch := &scheduler{s: s, group: &group, plans: map[string]*modelPlan{}, done: make(chan finished)}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return sch.drain()
		case name := <-commits:
			sch.committed(name)
		case f := <-sch.done:
			sch.ended(f)
		case <-timer.C:
		}
		timer.Reset(sch.step(ctx))
	}
}

// follow sends the names of tables that get new snapshots.
func (s *Service) follow(ctx context.Context, out chan<- string) {
	after := ""
	if latest, err := s.cfg.Catalog.Latest(ctx, 1); err == nil && len(latest) > 0 {
		after = latest[0].Position
	}
	for ctx.Err() == nil {
		for e, err := range s.cfg.Catalog.Watch(ctx, after) {
			if err != nil {
				if ctx.Err() == nil {
					s.cfg.Logger.WarnContext(ctx, "commit log cannot be followed; trying again", "error", err)
				}
				break
			}
			after = e.Position
			if e.Kind != catalog.EventCommit || e.Operation == "replace" {
				continue
			}
			select {
			case out <- e.Ident.String():
			case <-ctx.Done():
				return
			}
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// modelPlan is what the scheduler knows of one model.
type modelPlan struct {
	source  string
	trigger Trigger
	cron    schedule
	dirty   bool // the source has commits that no run has seen
	running bool
	started time.Time
	cronAt  time.Time
	// notBefore delays a model whose runs fail.
	notBefore time.Time
	failures  int
}

type finished struct {
	model string
	more  bool
	err   error
}

type scheduler struct {
	s        *Service
	group    *sync.WaitGroup
	plans    map[string]*modelPlan
	done     chan finished
	loadedAt time.Time
	active   int
}

func (c *scheduler) committed(table string) {
	for _, p := range c.plans {
		if p.source == table {
			p.dirty = true
		}
	}
}

// step starts what is due and answers how long to wait for the next.
func (c *scheduler) step(ctx context.Context) time.Duration {
	now := time.Now()
	if now.Sub(c.loadedAt) >= reload {
		c.load(ctx, now)
	}
	wait := reload
	for name, p := range c.plans {
		if p.running {
			continue
		}
		due, ok := p.due()
		if !ok {
			continue
		}
		if due.After(now) {
			wait = min(wait, due.Sub(now))
			continue
		}
		p.running, p.dirty, p.started = true, false, now
		if p.cron != nil {
			p.cronAt = p.cron(now)
		}
		c.active++
		c.group.Go(func() {
			run, err := c.s.Promote(ctx, name)
			c.done <- finished{name, run.More, err}
		})
	}
	return max(wait, 0)
}

// due answers when a model wants to run.
func (p *modelPlan) due() (time.Time, bool) {
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	if p.dirty {
		sooner(p.started.Add(cmp.Or(time.Duration(p.trigger.MinInterval), leastInterval)))
	}
	if every := time.Duration(p.trigger.OrEvery); every > 0 {
		sooner(p.started.Add(every))
	}
	if p.cron != nil {
		sooner(p.cronAt)
	}
	if !at.IsZero() && at.Before(p.notBefore) {
		at = p.notBefore
	}
	return at, !at.IsZero()
}

func (c *scheduler) load(ctx context.Context, now time.Time) {
	definitions, err := c.s.definitions(ctx, false)
	if err != nil {
		if ctx.Err() == nil {
			c.s.cfg.Logger.WarnContext(ctx, "models cannot be read; trying again", "error", err)
		}
		return
	}
	c.loadedAt = now
	seen := map[string]bool{}
	for _, d := range definitions {
		if d.Model == nil || d.Model.Trigger == (Trigger{}) {
			continue
		}
		name := d.name()
		seen[name] = true
		p := c.plans[name]
		if p == nil {
			// What was committed before this process looked counts as new.
			p = &modelPlan{dirty: d.Model.Trigger.On == "source_commit"}
			c.plans[name] = p
		}
		if p.trigger.Cron != d.Model.Trigger.Cron {
			p.cron = nil
			if next, err := parseCron(d.Model.Trigger.Cron); err == nil && d.Model.Trigger.Cron != "" {
				p.cron, p.cronAt = next, next(now)
			}
		}
		p.source, p.trigger = "", d.Model.Trigger
		if p.trigger.On == "source_commit" {
			p.source = d.Model.Source
		}
	}
	for name, p := range c.plans {
		if !seen[name] && !p.running {
			delete(c.plans, name)
		}
	}
}

func (c *scheduler) ended(f finished) {
	c.active--
	p := c.plans[f.model]
	p.running = false
	if f.err == nil {
		p.failures, p.notBefore = 0, time.Time{}
		p.dirty = p.dirty || f.more
		return
	}
	if errors.Is(f.err, context.Canceled) {
		return
	}
	p.dirty = p.trigger.On == "source_commit"
	p.notBefore = time.Now().Add(min(maxBackoff, time.Second<<min(p.failures, 10)))
	p.failures++
	c.s.cfg.Logger.Warn("promotion failed", "model", f.model, "error", f.err, "again_in", time.Until(p.notBefore).Round(time.Second))
}

// drain waits for the runs that go on.
func (c *scheduler) drain() error {
	for c.active > 0 {
		c.ended(<-c.done)
	}
	return nil
}
