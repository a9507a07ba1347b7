package compactor

import (
	"cmp"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// Health answers a table's health from memory: it is cheap enough for every
// line of a list. It is nil for a table that was not counted yet.
func (s *Service) Health(tableID uuid.UUID) *firnv1.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[tableID]
	if t == nil || t.health == nil {
		return nil
	}
	r := t.report
	if t.touched || t.looked.IsZero() {
		// Since the last look; before the first, by the service's policy.
		r = t.health.Report(*cmp.Or(t.policy, &s.policy), t.snapshots, s.cfg.Now())
	}
	h := &firnv1.Health{
		Score: int32(r.Score), SmallFiles: uint64(max(r.SmallFiles, 0)), AverageFileBytes: uint64(max(r.AverageFile, 0)),
		Skew: r.Skew, Partitions: uint64(r.Partitions), WhyNot: t.whyNot,
	}
	for _, x := range r.Reasons {
		h.Reasons = append(h.Reasons, &firnv1.HealthReason{Code: x.Code, Points: int32(x.Points), Message: x.Message, Action: x.Action})
	}
	return h
}

// WaitIdle returns when no job is active, or ctx ends. For tests and for the
// demo's summary.
func (s *Service) WaitIdle(ctx context.Context) error {
	for {
		active, err := s.queue.Active(ctx)
		if err != nil || len(active) == 0 {
			return err
		}
		for _, err := range s.queue.Watch(ctx, active[0].ID) {
			if err != nil {
				return err
			}
		}
	}
}

// PlanOrphans answers what a removal of orphans would delete from a table now.
func (s *Service) PlanOrphans(ctx context.Context, table catalog.Ident) (rewrite.Removal, error) {
	t, err := s.cfg.Catalog.LoadTable(ctx, table)
	if err != nil {
		return rewrite.Removal{}, fmt.Errorf("plan removal for %s: %w", table, err)
	}
	policy, err := s.policyOf(ctx, t, plan.Orphans)
	if err != nil {
		return rewrite.Removal{}, err
	}
	return s.worker.Orphans(ctx, t, policy.Grace, true, quiet{})
}

// Deletions answers the log of all deletes, oldest first.
func (s *Service) Deletions(ctx context.Context) ([]rewrite.Deletion, error) {
	return s.worker.Deletions(ctx)
}
