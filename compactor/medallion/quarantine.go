package medallion

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// QuarantinedRow is a row that a rule kept out of its target.
type QuarantinedRow struct {
	Model          string
	Reasons        []string
	RunID          string
	SourceSnapshot int64
	SourceTable    string
	RowID          string
	Status         string
	Payload        string
	At             time.Time
	Lane           string
}

// QuarantineCount is the number of quarantined rows of a model by reason. A row
// with two reasons counts under both.
type QuarantineCount struct {
	Model, Rule string
	Rows        int64
}

// QuarantineQuery selects quarantined rows.
type QuarantineQuery struct {
	Model, Rule   string // "" is all
	Limit, Offset int
}

// Quarantine lists quarantined rows, newest first, the counts by reason of the
// models asked for, and the number of rows that match.
func (s *Service) Quarantine(ctx context.Context, q QuarantineQuery) ([]QuarantinedRow, []QuarantineCount, int64, error) {
	definitions, err := s.definitions(ctx, false)
	if err != nil {
		return nil, nil, 0, err
	}
	var parts, setup, read []string
	for _, d := range definitions {
		if d.Model == nil || d.Model.Mode == ModeAggregate || q.Model != "" && d.name() != q.Model {
			continue
		}
		rel, err := s.quarantineRelation(ctx, d.name())
		if err != nil {
			return nil, nil, 0, err
		}
		if rel == nil {
			continue
		}
		defer rel.Release()
		setup, read = append(setup, rel.Setup...), append(read, rel.Paths...)
		parts = append(parts, fmt.Sprintf("SELECT %s AS model, * FROM %s", quote(d.name()), rel.SQL))
	}
	if len(parts) == 0 {
		return nil, nil, 0, nil
	}
	all := "(" + strings.Join(parts, " UNION ALL ") + ")"
	counts, err := s.cfg.Pool.Exec(ctx, duck.Job{
		Setup: setup, Read: read, Timeout: time.Minute,
		SQL: "SELECT model, reason, count(*) AS n FROM (SELECT model, unnest(_reasons) AS reason FROM " + all + ") GROUP BY ALL ORDER BY n DESC, model, reason",
	})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("count quarantined rows: %w", err)
	}
	where := ""
	if q.Rule != "" {
		where = fmt.Sprintf(" WHERE list_contains(_reasons, %s)", quote(q.Rule))
	}
	limit := min(cmp.Or(max(q.Limit, 0), 100), 1000)
	rows, err := s.cfg.Pool.Exec(ctx, duck.Job{
		Setup: setup, Read: read, Timeout: time.Minute,
		SQL: fmt.Sprintf("SELECT *, count(*) OVER () AS total FROM %s%s ORDER BY _quarantined_at DESC, _source_row_id LIMIT %d OFFSET %d", all, where, limit, max(q.Offset, 0)),
	})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("list quarantined rows: %w", err)
	}
	var outCounts []QuarantineCount
	for _, r := range counts {
		outCounts = append(outCounts, QuarantineCount{text(r, "model"), text(r, "reason"), count(r, "n")})
	}
	var out []QuarantinedRow
	var total int64
	for _, r := range rows {
		total = count(r, "total")
		at, _ := r["_quarantined_at"].(time.Time)
		row := QuarantinedRow{
			Model: text(r, "model"), RunID: text(r, "_run_id"), SourceSnapshot: count(r, "_source_snapshot_id"), SourceTable: text(r, "_source_table"),
			RowID: text(r, "_source_row_id"), Status: text(r, "_status"), Payload: text(r, "_payload"), At: at, Lane: text(r, "_lane"),
		}
		reasons, _ := r["_reasons"].([]any)
		for _, x := range reasons {
			if reason, ok := x.(string); ok {
				row.Reasons = append(row.Reasons, reason)
			}
		}
		out = append(out, row)
	}
	return slices.Clip(out), outCounts, total, nil
}

func (s *Service) quarantineRelation(ctx context.Context, model string) (*lake.Relation, error) {
	id, err := catalog.ParseIdent(model + sideQuarantine)
	if err != nil {
		return nil, err
	}
	t, err := s.cfg.Catalog.LoadTable(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, nil
	}
	if err != nil || t.CurrentSnapshot() == nil {
		return nil, err
	}
	scan, err := s.cfg.Lake.Plan(ctx, t.Metadata, t.CurrentSnapshot().SnapshotID, nil)
	if err != nil || len(scan.Files) == 0 {
		return nil, err
	}
	return s.cfg.Lake.Relation(ctx, scan, lake.RelationOptions{})
}

func text(r map[string]any, name string) string { v, _ := r[name].(string); return v }
