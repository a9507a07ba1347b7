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

// Scan is one that somebody made of a table.
type Scan struct {
	Table uuid.UUID
	// Filter by which rows were selected; nil: all.
	Filter iceberg.BooleanExpression
	// Sanitized: the filter's values are not those of the scan, as in the reports of
	// Iceberg's library, so that it says nothing of the partitions that were read.
	Sanitized bool
}

// waitingScans bounds the scans that were not looked at yet; more are forgotten,
// as each is only one of many.
const waitingScans = 256

// ObserveScan is told of each scan of a table, by engines' reports and by Firn's own
// SQL. It never blocks. What is learned is which partitions are read, and by which
// columns rows are selected.
func (s *Service) ObserveScan(one Scan) {
	select {
	case s.scans <- one:
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
			if one.Filter != nil {
				text = one.Filter.String()
			}
			if byTable[one.Table] == nil {
				byTable[one.Table] = map[string]scans{}
			}
			alike := byTable[one.Table][text]
			byTable[one.Table][text] = scans{one, alike.times + 1}
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
	Scan
	times float64
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
		keys := map[string]bool{}
		if !some.Sanitized {
			sc, err := s.cfg.Lake.Plan(ctx, t.Metadata, 0, some.Filter)
			if err != nil {
				continue // a filter of another schema: it says nothing about this one
			}
			for _, f := range sc.Files {
				keys[plan.Key(int(f.Data.SpecID()), names.Values(f.Data))] = true
			}
		}
		s.mu.Lock()
		if tr := s.tables[id]; tr != nil && tr.health != nil {
			tr.health.Scanned(slices.Collect(maps.Keys(keys)), selected(t.Metadata.CurrentSchema(), some.Filter), some.times*part, now)
			tr.unsaved = true
		}
		s.mu.Unlock()
	}
	return nil
}

// selected are the columns of a schema that a filter selects rows by.
func selected(schema *iceberg.Schema, filter iceberg.BooleanExpression) (out []plan.Filter) {
	if filter == nil {
		return nil
	}
	found, err := iceberg.VisitExpr(filter, columnsOfFilter{})
	if err != nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		if _, ok := schema.FindFieldByName(name); ok {
			out = append(out, plan.Filter{Column: name, Equal: found[name]})
		}
	}
	return out
}

// columnsOfFilter answers each column of an expression, and whether it is compared
// with single values.
type columnsOfFilter struct{}

func (columnsOfFilter) VisitTrue() map[string]bool                 { return nil }
func (columnsOfFilter) VisitFalse() map[string]bool                { return nil }
func (columnsOfFilter) VisitNot(m map[string]bool) map[string]bool { return m }

func (columnsOfFilter) VisitAnd(l, r map[string]bool) map[string]bool {
	out := map[string]bool{}
	for _, m := range []map[string]bool{l, r} {
		for k, equal := range m {
			out[k] = out[k] || equal
		}
	}
	return out
}

func (c columnsOfFilter) VisitOr(l, r map[string]bool) map[string]bool { return c.VisitAnd(l, r) }

func (columnsOfFilter) VisitUnbound(p iceberg.UnboundPredicate) map[string]bool {
	if name, ok := p.Term().(iceberg.Reference); ok {
		return map[string]bool{string(name): p.Op() == iceberg.OpEQ || p.Op() == iceberg.OpIn}
	}
	return nil
}

func (columnsOfFilter) VisitBound(p iceberg.BoundPredicate) map[string]bool {
	return map[string]bool{p.Term().Ref().Field().Name: p.Op() == iceberg.OpEQ || p.Op() == iceberg.OpIn}
}
