package plan_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

// Manifests are looked at every hundred commits, one job at a time; files of an old
// partition spec make a compaction where they are to move, until it has looked.
func TestManifestsAndOldSpecsAreProposed(t *testing.T) {
	base := plan.Table{ID: uuid.New(), Ident: catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: "t"}, Health: plan.NewHealth(uuid.Nil), Policy: plan.DefaultPolicy()}
	proposed := func(change func(*plan.Table)) (out []plan.Kind) {
		x := base
		x.Health = base.Health.Clone()
		change(&x)
		for _, p := range plan.Jobs([]plan.Table{x}, plan.Budget{}, start).Proposals {
			out = append(out, p.Kind)
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(*plan.Table)
		want   plan.Kind // empty: nothing
	}{
		"99 commits":   {func(x *plan.Table) { x.SinceTidy = 99 }, ""},
		"100 commits":  {func(x *plan.Table) { x.SinceTidy = 100 }, plan.Manifests},
		"under way":    {func(x *plan.Table) { x.SinceTidy, x.Active = 500, map[plan.Kind]bool{plan.Manifests: true} }, ""},
		"switched off": {func(x *plan.Table) { x.SinceTidy, x.Policy.Enabled = 500, false }, ""},
		"old spec": {func(x *plan.Table) {
			x.Policy.SpecID, x.Policy.Reshape = 1, true
			x.Health.Add(0, nil, 100<<20, 10, false, start)
		}, plan.Compact},
		"not asked": {func(x *plan.Table) { x.Policy.SpecID = 1; x.Health.Add(0, nil, 100<<20, 10, false, start) }, ""},
		"looked at": {func(x *plan.Table) {
			x.Policy.SpecID, x.Policy.Reshape = 1, true
			x.Health.Add(0, nil, 100<<20, 10, false, start)
			x.Health.Settle(x.Policy, start.Add(time.Second), nil)
		}, ""},
	} {
		got := proposed(c.change)
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0] != c.want) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
