package compactor

import (
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
	saved, swept := s.cfg.Now(), s.cfg.Now()
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
	busy := map[uuid.UUID]map[plan.Kind]bool{}
	for _, j := range active {
		if busy[j.Table] == nil {
			busy[j.Table] = map[plan.Kind]bool{}
		}
		busy[j.Table][plan.Kind(j.Kind)] = true
	}
	var inputs []plan.Table
	for _, id := range s.due(now) {
		in, err := s.input(ctx, id, busy[id])
		if errors.Is(err, catalog.ErrNotFound) {
			continue
		}
		if err != nil {
			s.setWhyNot(id, err.Error())
			continue
		}
		inputs = append(inputs, in)
	}
	if len(inputs) == 0 {
		return nil
	}
	budget := plan.Budget{Jobs: max(0, queuedPerWorker*max(s.cfg.Workers, 1)-len(active)), OrphanEvery: s.cfg.OrphanEvery}
	if budget.Jobs == 0 {
		return nil // tables stay due
	}
	d := plan.Jobs(inputs, budget, now)
	s.mu.Lock()
	for _, in := range inputs {
		if t := s.tables[in.ID]; t != nil {
			t.whyNot = d.WhyNot[in.ID]
			t.looked = now
			t.touched = false
		}
	}
	s.mu.Unlock()
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

// due answers the tables to look at now: those that something happened to,
// those that may just have become quiet, and every one now and then.
func (s *Service) due(now time.Time) []uuid.UUID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []uuid.UUID
	for id, t := range s.tables {
		if t.touched || t.health == nil || now.Sub(t.looked) >= idleLook || t.whyNot == "" || t.settling(now, s.policy.Quiet) {
			out = append(out, id)
		}
	}
	return out
}

// settling: a partition may pass one of the marks of quietness.
func (t *tracked) settling(now time.Time, quiet time.Duration) bool {
	for _, p := range t.health.Partitions {
		if !p.Final && p.Files+p.Deletes > 1 && now.Sub(p.Changed) < 20*quiet+idleLook {
			return true
		}
	}
	return false
}

func (s *Service) setWhyNot(id uuid.UUID, why string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil {
		t.whyNot, t.looked, t.touched = why, s.cfg.Now(), false
	}
}

// input is all that the planner wants to know of a table.
func (s *Service) input(ctx context.Context, id uuid.UUID, active map[plan.Kind]bool) (plan.Table, error) {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return plan.Table{}, err
	}
	policy, err := s.policyOf(t)
	if err != nil {
		return plan.Table{}, err
	}
	in := plan.Table{ID: id, Ident: t.Ident, Policy: policy, Active: active, Snapshots: len(t.Metadata.Snapshots())}
	for _, snap := range t.Metadata.Snapshots() {
		if at := time.UnixMilli(snap.TimestampMs); in.Oldest.IsZero() || at.Before(in.Oldest) {
			in.Oldest = at
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tr := s.tables[id]
	if tr == nil {
		return plan.Table{}, catalog.ErrNoSuchTable
	}
	if tr.health != nil {
		in.Health = tr.health.Clone()
		in.SinceTidy = tr.sinceTidy()
		tr.report = tr.health.Report(policy, in.Snapshots)
	}
	in.NotBefore, in.Unreachable, in.LastOrphans, in.Pinned = maps.Clone(tr.notBefore), tr.unreachable, tr.lastOrphans, tr.pinned
	return in, nil
}
