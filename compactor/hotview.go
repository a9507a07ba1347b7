package compactor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet"
)

// hotView is a table's partitions as the ladder sees them, at one snapshot.
type hotView struct {
	plan.Distribution
	table  *catalog.Table
	scan   *lake.Scan
	policy plan.Policy
	health *plan.Health
	hot    []hotPartition
	// coarsen is the rung of the table.
	coarsen plan.Rung
	// columns to lay out by, why these, and the demand for each.
	columns  []string
	why      string
	demanded []plan.Lookup
	facts    plan.Facts
	sampled  map[string][]rewrite.Probe // by partition
}

// hotPartition is a partition with its ladder.
type hotPartition struct {
	plan.Hot
	rungs   []plan.Rung
	lookups []rewrite.Lookup
}

// shownHot bounds the hot partitions that a view looks into.
const shownHot = 16

// viewHot looks at a table's hot partitions. It samples their rows, so it is for
// jobs and for people, not for each commit.
func (s *Service) viewHot(ctx context.Context, id uuid.UUID) (*hotView, error) {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return nil, err
	}
	v := &hotView{table: t, sampled: map[string][]rewrite.Probe{}}
	if v.policy, err = s.policyOf(ctx, t, plan.Rebalance); err != nil {
		return nil, err
	}
	if v.scan, err = s.cfg.Lake.Plan(ctx, t.Metadata, 0, nil); err != nil {
		return nil, fmt.Errorf("look at the partitions of %s: %w", t.Ident, err)
	}
	now := s.cfg.Now()
	s.mu.Lock()
	if tr := s.tables[id]; tr != nil && tr.health != nil {
		v.health = tr.health.Clone()
	}
	s.mu.Unlock()
	if v.health == nil {
		return nil, fmt.Errorf("%w: the files of %s were not counted yet", catalog.ErrInvalid, t.Ident)
	}
	v.Distribution = v.health.Hot(v.policy, now)
	v.columns, v.why = v.policy.ClusterColumns(v.health.Demand, now)
	for _, c := range v.columns {
		d, known := v.health.Demand[c]
		// What an owner names is looked up by values unless scans say otherwise.
		equal := !known || d.Equal >= d.Weight/2
		_, noBucket := rewrite.Bucket(t.Metadata, c, 2)
		v.demanded = append(v.demanded, plan.Lookup{Column: c, Equal: equal && noBucket == nil, Bucketed: rewrite.BucketOf(t.Metadata, c) > 0})
	}
	heat := v.health.Heat.As(now)
	v.facts = plan.Facts{
		Local: s.cfg.Bucket.Config().LocalRoot != "", ObjectPaths: t.Metadata.Properties()[parquet.PropertyObjectPaths] == "true",
	}
	if heat.Commits >= 1 {
		v.facts.Transactions = heat.Transactions / heat.Commits
	}
	if why, crowded := v.health.Crowded(v.policy); crowded {
		if r, ok := rewrite.Coarser(t.Metadata); ok {
			v.facts.Coarser = why + ": " + r.Text
		}
	}
	v.coarsen = v.policy.CoarsenRung(v.facts)
	for _, h := range v.Hot[:min(len(v.Hot), shownHot)] {
		p, err := s.climb(ctx, v, h)
		if err != nil {
			return nil, err
		}
		v.hot = append(v.hot, p)
	}
	return v, nil
}

// climb says of each rung what there is to it for a partition.
func (s *Service) climb(ctx context.Context, v *hotView, h plan.Hot) (hotPartition, error) {
	p := hotPartition{Hot: h}
	facts := v.facts
	probes, err := v.probes(ctx, s.worker, h)
	if errors.Is(err, lake.ErrUnsupported) {
		p.rungs = v.policy.Ladder(h, facts, err.Error())
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if p.lookups, err = rewrite.Cost(v.table.Metadata, v.files(h), probes); err != nil {
		return p, err
	}
	for _, l := range p.lookups {
		i := slices.IndexFunc(v.demanded, func(d plan.Lookup) bool { return d.Column == l.Column })
		lookup := v.demanded[i]
		lookup.Depth = l.Files
		facts.Lookups = append(facts.Lookups, lookup)
	}
	why := v.why
	if len(facts.Lookups) == 0 {
		why = v.noLookups()
	}
	p.rungs = v.policy.Ladder(h, facts, why)
	return p, nil
}

// noLookups says why nothing can be looked up in a partition, and what to do.
func (v *hotView) noLookups() string {
	do := fmt.Sprintf("with: firn policy set %s %s=COLUMN", v.table.Ident, plan.PropertyHotColumns)
	if len(v.columns) == 0 {
		return v.why + ": let engines report their scans, or name one " + do
	}
	var why []string
	for _, c := range v.columns {
		if err := rewrite.Probed(c, v.table.Metadata.CurrentSchema()); err != nil {
			why = append(why, err.Error())
		} else {
			why = append(why, fmt.Sprintf("column %q has one value here", c))
		}
	}
	return fmt.Sprintf("rows would be laid out %s, but %s; name others %s", v.why, strings.Join(why, ", "), do)
}

// files are those of a partition; of none, all.
func (v *hotView) files(h plan.Hot) []lake.File {
	if h.Key == "" {
		return v.scan.Files
	}
	names := rewrite.NewPartitions(v.table.Metadata)
	var out []lake.File
	for _, f := range v.scan.Files {
		if plan.Key(int(f.Data.SpecID()), names.Values(f.Data)) == h.Key {
			out = append(out, f)
		}
	}
	return out
}

// probes are lookups in a partition, taken from its rows once.
func (v *hotView) probes(ctx context.Context, w *rewrite.Worker, h plan.Hot) ([]rewrite.Probe, error) {
	if p, ok := v.sampled[h.Key]; ok {
		return p, nil
	}
	columns := v.columns
	if h.Key == "" { // of the table: by what it is partitioned by
		spec := v.table.Metadata.PartitionSpec()
		for _, f := range spec.Fields() {
			if name, ok := v.table.Metadata.CurrentSchema().FindColumnName(f.SourceID()); ok && !slices.Contains(columns, name) {
				columns = append(slices.Clone(columns), name)
			}
		}
	}
	p, err := w.Probes(ctx, v.scan, v.files(h), columns)
	if err != nil {
		return nil, fmt.Errorf("look into %s of %s: %w", plan.PartitionText(h.Values), v.table.Ident, err)
	}
	v.sampled[h.Key] = p
	return p, nil
}

// partition answers one that is named, hot or not.
func (v *hotView) partition(key string) []hotPartition {
	for _, h := range v.hot {
		if h.Key == key {
			return []hotPartition{h}
		}
	}
	q := v.health.Partitions[key]
	if q == nil {
		return nil
	}
	return []hotPartition{{Hot: plan.Hot{Key: key, SpecID: q.SpecID, Values: q.Values, Files: q.Files, Bytes: q.Bytes}}}
}

// keyOf finds a partition by its values: of the present spec where several have them.
func (v *hotView) keyOf(values map[string]*string) (string, bool) {
	same := func(a, b *string) bool { return (a == nil) == (b == nil) && (a == nil || *a == *b) }
	found, spec := "", -1
	for _, key := range slices.Sorted(maps.Keys(v.health.Partitions)) {
		p := v.health.Partitions[key]
		if maps.EqualFunc(p.Values, values, same) && (found == "" || p.SpecID > spec) {
			found, spec = key, p.SpecID
		}
	}
	return found, found != ""
}

// HotPartitions is what there is to say of a table's hot partitions.
type HotPartitions struct {
	plan.Distribution
	Partitions []HotPartition
	// Coarsen is the rung that concerns all partitions.
	Coarsen plan.Rung
	// Fixes are the records of what was done, newest first.
	Fixes []Fix
}

// HotPartition is a hot partition, what reading from it costs, and its ladder.
type HotPartition struct {
	plan.Hot
	Lookups []rewrite.Lookup
	Ladder  []plan.Rung
}

// Rung answers one rung of the ladder.
func (h HotPartition) Rung(s plan.Step) plan.Rung {
	for _, r := range h.Ladder {
		if r.Step == s {
			return r
		}
	}
	return plan.Rung{Step: s}
}

// HotPartitions answers which partitions of a table are hot, by what, what is done
// about them and what was done. It samples rows.
func (s *Service) HotPartitions(ctx context.Context, table catalog.Ident) (HotPartitions, error) {
	t, err := s.cfg.Catalog.LoadTable(ctx, table)
	if err != nil {
		return HotPartitions{}, fmt.Errorf("hot partitions of %s: %w", table, err)
	}
	v, err := s.viewHot(ctx, t.ID)
	if err != nil {
		return HotPartitions{}, fmt.Errorf("hot partitions of %s: %w", table, err)
	}
	out := HotPartitions{Distribution: v.Distribution, Coarsen: v.coarsen}
	for _, h := range v.hot {
		out.Partitions = append(out.Partitions, HotPartition{h.Hot, h.lookups, h.rungs})
	}
	if out.Fixes, err = s.Fixes(ctx, t.ID); err != nil {
		return out, fmt.Errorf("hot partitions of %s: %w", table, err)
	}
	return out, nil
}
