package compactor

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// remedy is what a rebalance does next.
type remedy struct {
	step plan.Step
	hot  plan.Hot
}

// askable says whether somebody can ask for a step; none is what is ready.
func askable(step plan.Step) error {
	can := []plan.Step{"", plan.StepCluster, plan.StepBucket, plan.StepCoarsen, plan.StepPaths}
	if slices.Contains(can, step) {
		return nil
	}
	return fmt.Errorf("%w: step %q: %s, %s, %s and %s can be asked for; the others work by themselves", catalog.ErrInvalid, step, can[1], can[2], can[3], can[4])
}

// choose finds the next thing to do; why says what was left and for which reason.
func (v *hotView) choose(step plan.Step, key string, looked map[string]bool) (c *remedy, why []string, err error) {
	if step == plan.StepCoarsen || step == plan.StepPaths {
		return &remedy{step: step}, nil, nil
	}
	hot := v.hot
	if key != "" {
		if hot = v.partition(key); hot == nil {
			return nil, nil, fmt.Errorf("%w: the table has no such partition: firn table hot shows them", catalog.ErrInvalid)
		}
	}
	if len(hot) == 0 {
		if step != "" {
			return nil, nil, fmt.Errorf("%w: no partition is hot: name one with --partition", catalog.ErrInvalid)
		}
		if v.coarsen.State == plan.StateReady && !looked[""] {
			return &remedy{step: plan.StepCoarsen}, nil, nil
		}
		return nil, []string{"no partition is hot"}, nil
	}
	for _, h := range hot {
		if looked[h.Key] {
			continue
		}
		if step != "" {
			return &remedy{step: step, hot: h.Hot}, nil, nil
		}
		for _, r := range h.rungs {
			switch {
			case r.State == plan.StateReady && r.Step != plan.StepCoarsen:
				return &remedy{step: r.Step, hot: h.Hot}, nil, nil
			case r.Step == plan.StepCluster || r.Step == plan.StepBucket && r.State == plan.StateAsks:
				why = append(why, fmt.Sprintf("%s of %s: %s", r.Step, plan.PartitionText(h.Values), r.Reason))
			}
		}
	}
	if v.coarsen.State == plan.StateReady && !looked[""] {
		return &remedy{step: plan.StepCoarsen}, why, nil
	}
	return nil, why, nil
}

// order is how rows are laid out: as the table has it, else by what is looked up.
func (v *hotView) order(probes []rewrite.Probe) []string {
	o, err := plan.ParseOrder(v.policy.Sort)
	if err == nil && len(v.policy.HotColumns) == 0 && (o.Curve != "" || len(o.Terms) > 0) || len(probes) == 0 {
		return v.policy.Sort
	}
	var columns []string
	for _, p := range probes {
		columns = append(columns, p.Column)
	}
	return plan.ClusterOrder(columns)
}

// change is what a step makes of the partition spec.
func (v *hotView) change(c remedy, probes []rewrite.Probe) (rewrite.Respec, error) {
	if c.step == plan.StepCoarsen {
		r, ok := rewrite.Coarser(v.table.Metadata)
		if !ok {
			return r, fmt.Errorf("%w: no field of the partition spec can be coarser", catalog.ErrInvalid)
		}
		return r, nil
	}
	var column string
	for _, l := range v.demanded {
		if n := rewrite.BucketOf(v.table.Metadata, l.Column); n > 0 { // its files may still be elsewhere
			return rewrite.Bucket(v.table.Metadata, l.Column, n)
		}
		several := slices.ContainsFunc(probes, func(p rewrite.Probe) bool { return p.Column == l.Column })
		if column == "" && l.Equal && several {
			column = l.Column
		}
	}
	switch {
	case len(probes) == 0:
		return rewrite.Respec{}, fmt.Errorf("%w: bucket: %s", catalog.ErrInvalid, v.noLookups())
	case column == "":
		return rewrite.Respec{}, fmt.Errorf("%w: bucket: %s", catalog.ErrInvalid, plan.NoBucket)
	}
	return rewrite.Bucket(v.table.Metadata, column, max(2, v.policy.Buckets(c.hot.Bytes)))
}

// fixOf is what an earlier run of a job has recorded of a step; nil if nothing.
func (s *Service) fixOf(ctx context.Context, table uuid.UUID, job string, c remedy) (*Fix, error) {
	fixes, err := s.Fixes(ctx, table)
	i := slices.IndexFunc(fixes, func(f Fix) bool { return f.JobID == job && f.Step == c.step && f.Key == c.hot.Key })
	if err != nil || i < 0 {
		return nil, err
	}
	return &fixes[i], nil
}
