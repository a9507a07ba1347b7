package serve

import (
	"context"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/internal/lake"
)

// scans plans the scans of Firn's SQL, and tells the compactor of them and of those
// that engines report: what is read is a reason to lay rows out by it.
type scans struct {
	lake *lake.Lake
	// observe must not block; nil where this process has no compactor.
	observe func(compactor.Scan)
}

// PlanAs implements lake.Planner.
func (s scans) PlanAs(ctx context.Context, meta table.Metadata, snapshotID int64, schema *iceberg.Schema, filter iceberg.BooleanExpression) (*lake.Scan, error) {
	scan, err := s.lake.PlanAs(ctx, meta, snapshotID, schema, filter)
	if err == nil && s.observe != nil && snapshotID == 0 {
		s.observe(compactor.Scan{Table: meta.TableUUID(), Filter: filter})
	}
	return scan, err
}

// Relation implements lake.Planner.
func (s scans) Relation(ctx context.Context, scan *lake.Scan, o lake.RelationOptions) (*lake.Relation, error) {
	return s.lake.Relation(ctx, scan, o)
}

// report is told of what an engine did. Iceberg's library replaces the values of the
// filter; one that cannot be read says nothing.
func (s scans) report(_ context.Context, r rest.Report) {
	if s.observe == nil || r.Type != "scan-report" {
		return
	}
	filter, err := iceberg.ParseExpr(r.Filter, nil)
	if err != nil {
		return
	}
	s.observe(compactor.Scan{Table: r.Table, Filter: filter, Sanitized: true})
}
