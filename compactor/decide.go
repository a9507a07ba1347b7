package compactor

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
)

const (
	persistEvery = 5 * time.Second
	// A table to which nothing happened is looked at this often, for its
	// snapshots' age.
	idleLook = time.Minute
	// After a job has failed for good, its kind rests on that table.
	restAfterFailure = 5 * time.Minute
	// Proposals of one table may change while it waits; so the queue is short.
	queuedPerWorker = 4
)

// decideLoop plans when something happened, and now and then.
func (s *Service) decideLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Tick)
	defer tick.Stop()
	saved, swept, measured := s.cfg.Now(), s.cfg.Now(), time.Time{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-s.wake:
		}
		if err := s.Decide(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "plan maintenance", "error", err)
		}
		if now := s.cfg.Now(); now.Sub(saved) >= persistEvery {
			saved = now
			if err := s.persist(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "save table health", "error", err)
			}
		}
		if now := s.cfg.Now(); now.Sub(measured) >= idleLook {
			measured = now
			if err := s.completeFixes(ctx, s.fixesPrefix()); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "measure what was done about hot partitions", "error", err)
			}
			if err := s.pruneUsage(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "forget what compactions took", "error", err)
			}
		}
		if now := s.cfg.Now(); now.Sub(swept) >= s.cfg.OrphanEvery && !s.cfg.Manual {
			swept = now
			if err := s.sweepDropped(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "look for dropped tables", "error", err)
			}
		}
	}
}

// sweepDropped queues the removal of dropped tables' files, if there are any.
func (s *Service) sweepDropped(ctx context.Context) error {
	waiting, err := s.worker.AnyDropped(ctx)
	if err != nil || !waiting {
		return err
	}
	_, _, err = s.queue.Submit(ctx, jobs.Spec{Kind: KindOrphans, Trigger: "commit", Reason: "tables were dropped with purge"})
	return err
}

// Decide looks at the tables that may need something and queues what is worth
// doing. It is what the loop calls; tests call it too.
func (s *Service) Decide(ctx context.Context) error {
	now := s.cfg.Now()
	active, err := s.queue.Active(ctx)
	if err != nil {
		return err
	}
	room := queuedPerWorker*max(s.cfg.Workers, 1) - len(active)
	busy := map[uuid.UUID]map[plan.Kind]bool{}
	for _, j := range active {
		if busy[j.Table] == nil {
			busy[j.Table] = map[plan.Kind]bool{}
		}
		busy[j.Table][plan.Kind(j.Kind)] = true
	}
	budget := plan.Budget{Jobs: room, OrphanEvery: s.cfg.OrphanEvery, Accounts: map[string]plan.Account{}}
	if room <= 0 {
		budget.Jobs = -1
	}
	scoped := activeByScope(active)
	s.mu.Lock()
	budget.Rates = s.rates
	s.mu.Unlock()
	var tables []plan.Weighed
	above := s.above()
	for _, id := range s.due(now, room > 0) {
		w, bounds, err := s.weigh(ctx, id, busy[id], above, budget)
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			s.setWhyNot(id, err.Error())
			continue
		}
		s.accounts(ctx, bounds, scoped, budget.Accounts)
		tables = append(tables, w)
	}
	if len(tables) == 0 {
		return nil
	}
	d := plan.Choose(tables, budget, now)
	s.remember(tables, busy, d, now)
	if s.cfg.Manual {
		return nil
	}
	for _, p := range d.Proposals {
		spec := jobs.Spec{Kind: jobs.Kind(p.Kind), Table: p.Table, Ident: p.Ident, Trigger: "commit", Reason: p.Reason, Priority: p.Priority}
		if _, _, err := s.queue.Submit(ctx, spec); err != nil {
			return err
		}
	}
	return nil
}

// remember keeps what was decided of tables.
func (s *Service) remember(tables []plan.Weighed, busy map[uuid.UUID]map[plan.Kind]bool, d plan.Decision, now time.Time) {
	deferred := map[uuid.UUID]map[plan.Kind]time.Time{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, p := range d.Deferred {
		if deferred[p.Table] == nil {
			deferred[p.Table] = map[plan.Kind]time.Time{}
		}
		since := now
		if t := s.tables[p.Table]; t != nil && t.health != nil && !t.health.Waiting[p.Kind].IsZero() {
			since = t.health.Waiting[p.Kind]
		}
		deferred[p.Table][p.Kind] = since
	}
	for _, in := range tables {
		if t := s.tables[in.Table]; t != nil {
			t.whyNot = d.WhyNot[in.Table]
			if t.health != nil && !maps.Equal(t.health.Waiting, deferred[in.Table]) {
				t.health.Waiting, t.unsaved = deferred[in.Table], true
			}
			t.looked, t.touched, t.busy = now, false, len(busy[in.Table]) > 0
		}
	}
}

// due answers the tables to look at now: those that something happened to,
// those that may just have become quiet, those that wait for a job's end, for room
// in the queue or in a budget, and every one now and then.
func (s *Service) due(now time.Time, room bool) []uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []uuid.UUID
	for id, t := range s.tables {
		again := (t.busy || room && t.health != nil && len(t.health.Waiting) > 0) && now.Sub(t.looked) >= s.cfg.Tick
		if t.touched || t.health == nil || now.Sub(t.looked) >= idleLook || t.whyNot == "" || again || t.settling(now, cmp.Or(t.policy, &s.policy).Quiet) {
			out = append(out, id)
		}
	}
	return out
}

// settling: a partition may pass one of the marks of quietness.
func (t *tracked) settling(now time.Time, quiet time.Duration) bool {
	return t.health.Settling(20*quiet+idleLook, now)
}

func (s *Service) setWhyNot(id uuid.UUID, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil {
		t.whyNot, t.looked, t.touched = why, s.cfg.Now(), false
	}
}

// weigh finds what is worth doing on a table, and the limits that hold for it.
func (s *Service) weigh(ctx context.Context, id uuid.UUID, active map[plan.Kind]bool, above above, budget plan.Budget) (plan.Weighed, []plan.Bound, error) {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return plan.Weighed{}, nil, err
	}
	e, err := above.table(ctx, t)
	if err != nil {
		return plan.Weighed{}, nil, err
	}
	in := plan.Table{ID: id, Ident: t.Ident, Policy: e.Policy, Waits: e.Waits(), Active: active, Snapshots: len(t.Metadata.Snapshots())}
	for _, b := range e.Bounds {
		in.Bounds = append(in.Bounds, b.Scope)
	}
	for _, snap := range t.Metadata.Snapshots() {
		if at := time.UnixMilli(snap.TimestampMs); in.Oldest.IsZero() || at.Before(in.Oldest) {
			in.Oldest = at
		}
	}
	// Health is looked at where it is: that costs what changed, and a copy would cost
	// what exists.
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.cfg.Now()
	tr := s.tables[id]
	if tr == nil {
		return plan.Weighed{}, nil, catalog.ErrNoSuchTable
	}
	tr.policy, tr.snapshots = &e.Policy, in.Snapshots
	if tr.health != nil {
		if tr.health.Hold(e.Policy) {
			tr.unsaved = true
		}
		in.Health, in.Waiting = tr.health, tr.health.Waiting
		in.SinceTidy, in.Reads = tr.sinceTidy(), tr.health.Reads(e.Policy, now)
		tr.report = tr.health.Report(e.Policy, in.Snapshots, now)
	}
	in.NotBefore, in.Unreachable, in.LastOrphans, in.Pinned = tr.notBefore, tr.unreachable, tr.lastOrphans, tr.pinned
	return in.Weigh(budget, now), e.Bounds, nil
}
