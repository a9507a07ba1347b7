package compactor

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// scan is one that somebody made: what it selected rows by.
type scan struct {
	table  uuid.UUID
	filter iceberg.BooleanExpression
}

// waitingScans bounds the scans that were not looked at yet; more are forgotten,
// as each is only one of many.
const waitingScans = 256

// ObserveScan is told of each scan of a table, by engines' reports and by Firn's own
// SQL; filter is nil for all rows. It never blocks. What is learned is which
// partitions are read, and by which columns rows are selected.
func (s *Service) ObserveScan(id uuid.UUID, filter iceberg.BooleanExpression) {
	select {
	case s.scans <- scan{id, filter}:
	default:
	}
}

// readLoop looks at scans together, once in a while.
func (s *Service) readLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Tick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		byTable := map[uuid.UUID]map[string]scans{}
		for range len(s.scans) {
			one := <-s.scans
			text := ""
			if one.filter != nil {
				text = one.filter.String()
			}
			if byTable[one.table] == nil {
				byTable[one.table] = map[string]scans{}
			}
			alike := byTable[one.table][text]
			byTable[one.table][text] = scans{one.filter, alike.times + 1}
		}
		for id, alike := range byTable {
			if err := s.countReads(ctx, id, alike); err != nil && ctx.Err() == nil {
				s.cfg.Logger.WarnContext(ctx, "count scans", "table", id.String(), "error", err)
			}
		}
	}
}

// scans are those with the same filter.
type scans struct {
	filter iceberg.BooleanExpression
	times  float64
}

// plannedScans bounds the filters that are planned of a table in one look; they
// stand for the others.
const plannedScans = 16

func (s *Service) countReads(ctx context.Context, id uuid.UUID, alike map[string]scans) error {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return err
	}
	names := rewrite.NewPartitions(t.Metadata)
	now := s.cfg.Now()
	part := max(1, float64(len(alike))/plannedScans)
	planned := 0
	for _, some := range alike {
		if planned++; planned > plannedScans {
			break
		}
		filter := some.filter
		sc, err := s.cfg.Lake.Plan(ctx, t.Metadata, 0, filter)
		if err != nil {
			continue // a filter of another schema: it says nothing about this one
		}
		keys := map[string]bool{}
		for _, f := range sc.Files {
			keys[plan.Key(int(f.Data.SpecID()), names.Values(f.Data))] = true
		}
		var columns []plan.Filter
		if filter != nil {
			columns = selected(t.Metadata.CurrentSchema(), filter)
		}
		s.mu.Lock()
		if tr := s.tables[id]; tr != nil && tr.health != nil {
			tr.health.Scanned(slices.Collect(maps.Keys(keys)), columns, some.times*part, now)
			tr.unsaved = true
		}
		s.mu.Unlock()
	}
	return nil
}

// selected are the columns that a filter selects rows by.
func selected(schema *iceberg.Schema, filter iceberg.BooleanExpression) []plan.Filter {
	bound, err := iceberg.BindExpr(schema, filter, true)
	if err != nil {
		return nil
	}
	found, err := iceberg.VisitExpr(bound, columnsOfFilter{schema})
	if err != nil {
		return nil
	}
	var out []plan.Filter
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, plan.Filter{Column: name, Equal: found[name]})
	}
	return out
}

// columnsOfFilter answers each column of a bound expression, and whether it is
// compared with single values.
type columnsOfFilter struct{ schema *iceberg.Schema }

func (columnsOfFilter) VisitTrue() map[string]bool                 { return nil }
func (columnsOfFilter) VisitFalse() map[string]bool                { return nil }
func (columnsOfFilter) VisitNot(m map[string]bool) map[string]bool { return m }
func (c columnsOfFilter) VisitAnd(l, r map[string]bool) map[string]bool {
	out := map[string]bool{}
	for _, m := range []map[string]bool{l, r} {
		for k, equal := range m {
			out[k] = out[k] || equal
		}
	}
	return out
}
func (c columnsOfFilter) VisitOr(l, r map[string]bool) map[string]bool { return c.VisitAnd(l, r) }
func (columnsOfFilter) VisitUnbound(iceberg.UnboundPredicate) map[string]bool {
	return nil
}

func (c columnsOfFilter) VisitBound(p iceberg.BoundPredicate) map[string]bool {
	name, ok := c.schema.FindColumnName(p.Term().Ref().Field().ID)
	if !ok {
		return nil
	}
	return map[string]bool{name: p.Op() == iceberg.OpEQ || p.Op() == iceberg.OpIn}
}
