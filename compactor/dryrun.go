package compactor

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// planOne answers what a compaction would do now: one that somebody asks for, or
// the planner's next one.
func (s *Service) planOne(ctx context.Context, t *catalog.Table, req *firnv1.PlanJobsRequest, out *firnv1.PlanJobsResponse) error {
	a := ask{full: !req.GetAsScheduled(), planner: req.GetAsScheduled(), reshape: req.GetReshape()}
	if a.planner {
		if a.reshape {
			return fmt.Errorf("%w: the planner reshapes where the policy says so; set %s, or plan a request", catalog.ErrInvalid, plan.PropertyReshape)
		}
		why, err := s.whyNot(ctx, t)
		if err != nil || why != "" {
			out.WhyNot = why
			return err
		}
	}
	p, err := s.planCompaction(ctx, t.ID, a)
	if err != nil {
		return err
	}
	if p.held != "" {
		out.WhyNot = p.held
		return nil
	}
	out.SnapshotId, out.PlanId = p.snapshot(), p.ID(p.snapshot())
	if a.full && p.Truncated {
		// A request goes on in rounds until nothing is left; the id is the first's.
		a.whole = true
		if p, err = s.planCompaction(ctx, t.ID, a); err != nil {
			return err
		}
	}
	out.WhyNot = p.WhyNot
	for _, g := range p.Groups {
		group := &firnv1.PlannedGroup{Tier: string(g.Tier), Files: uint64(len(g.Files)), Bytes: uint64(g.Bytes), Outputs: uint64(g.Outputs), Reason: g.Reason}
		for _, name := range slices.Sorted(maps.Keys(g.Partition)) {
			group.Partition = append(group.Partition, &firnv1.PartitionField{Name: name, Value: g.Partition[name]})
		}
		out.Groups = append(out.Groups, group)
	}
	return nil
}

// whyNot answers why the planner would make no compaction of a table now, were the
// queue empty; or nothing.
func (s *Service) whyNot(ctx context.Context, t *catalog.Table) (string, error) {
	active, err := s.queue.Active(ctx)
	if err != nil {
		return "", err
	}
	b := plan.Budget{OrphanEvery: s.cfg.OrphanEvery, Accounts: map[string]plan.Account{}}
	w, bounds, err := s.weigh(ctx, t.ID, nil, s.above(), b)
	if err != nil {
		return "", err
	}
	s.accounts(ctx, bounds, activeByScope(active), b.Accounts)
	return plan.Choose([]plan.Weighed{w}, b, s.cfg.Now()).WhyNot[t.ID], nil
}

// snapshot is the one that a plan is of.
func (p planned) snapshot() int64 {
	if snap := p.table.CurrentSnapshot(); snap != nil {
		return snap.SnapshotID
	}
	return 0
}
