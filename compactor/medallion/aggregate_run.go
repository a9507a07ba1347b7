package medallion

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// runAggregate is a run of an aggregate model: find the groups that changed
// rows are or were in, recompute them from the source's head, and replace the
// stored groups that differ.
func (s *Service) runAggregate(ctx context.Context, g *stage, p *publication, t *timer) error {
	m, run, d := g.c, p.run, p.delta
	target, err := s.load(ctx, m.Name)
	if err != nil {
		return err
	}
	liveBefore, before, err := s.liveRows(ctx, target)
	if err != nil {
		return err
	}
	run.LiveBefore, p.before = liveBefore, before
	affected := d.rows != nil && d.from != 0
	var ranges []keyRange
	if affected {
		if run.Read, err = s.sourceCount(ctx, d.rows); err != nil {
			return err
		}
		counts, err := s.affected(ctx, g, d)
		if err != nil {
			return err
		}
		run.Groups = count(counts, "affected")
		ranges = rangesOf(m.Columns, m.Grain, counts)
	}
	if m.SourceMode == ModeUpsert {
		if err := s.checkSourceLive(ctx, p); err != nil {
			return err
		}
	}
	t.step("read")
	if affected && run.Groups == 0 {
		run.LiveAfter = liveBefore
		return nil
	}

	var sourceFilter iceberg.BooleanExpression
	if affected {
		sourceFilter = filter(m.sourceRanges(ranges))
	}
	source, err := s.cfg.Lake.Plan(ctx, d.source.Metadata, d.to, sourceFilter)
	if err != nil {
		return err
	}
	if !affected {
		if run.Read, err = s.sourceCount(ctx, source); err != nil {
			return err
		}
	}
	var candidates *lake.Scan
	if len(before.Files) > 0 {
		if candidates, err = s.cfg.Lake.Plan(ctx, target.Metadata, target.CurrentSnapshot().SnapshotID, filter(ranges)); err != nil {
			return err
		}
	}
	counts, err := s.recompute(ctx, g, source, candidates, affected)
	if err != nil {
		return err
	}
	t.step("transform")
	if n := count(counts, "repeated"); n > 0 {
		return fmt.Errorf("the SELECT gives %d groups more than once, so the grain does not identify its rows; nothing was published", n)
	}
	if !affected {
		run.Groups = count(counts, "fresh")
	}
	if p.target, err = s.stageTarget(ctx, g, target, candidates, count(counts, "deletes"), count(counts, "added")); err != nil {
		return err
	}
	if s.tamper != nil {
		s.tamper(p.target)
	}
	run.RowsWritten = count(counts, "added")
	t.step("write")
	if run.LiveAfter, err = s.liveAfter(ctx, before, p.target); err != nil {
		return err
	}
	if err := s.gateAggregate(ctx, g, p, candidates, counts, affected); err != nil {
		return err
	}
	t.step("gate")
	return nil
}

func (s *Service) sourceCount(ctx context.Context, scan *lake.Scan) (int64, error) {
	var n int64
	for _, f := range scan.Files {
		gone, err := s.deletedRows(ctx, f)
		if err != nil {
			return 0, err
		}
		n += f.Data.Count() - int64(len(gone))
	}
	return n, nil
}

// checkSourceLive compares the source's count of rows with the count at the
// watermark and the change rows in between: a foreign commit that the change
// table knows nothing of shows here even when its snapshot has expired.
func (s *Service) checkSourceLive(ctx context.Context, p *publication) error {
	d := p.delta
	scan, err := s.cfg.Lake.Plan(ctx, d.source.Metadata, d.to, nil)
	if err != nil {
		return err
	}
	if p.sourceLive, err = s.sourceCount(ctx, scan); err != nil {
		return err
	}
	if d.from == 0 || d.rows == nil {
		return nil
	}
	rel, err := s.cfg.Lake.Relation(ctx, d.rows, lake.RelationOptions{Columns: []string{"_change"}})
	if err != nil {
		return err
	}
	defer rel.Release()
	row, err := s.one(ctx, duck.Job{
		Setup: rel.Setup, Read: rel.Paths,
		SQL: fmt.Sprintf("SELECT count(*) FILTER (_change = 'after') AS came, count(*) FILTER (_change = 'before') AS went FROM %s", rel.SQL),
	})
	if err != nil {
		return fmt.Errorf("count the changes of %s: %w", p.definition.Model.Source, err)
	}
	want := p.watermark.SourceLive + count(row, "came") - count(row, "went")
	if want != p.sourceLive {
		return fmt.Errorf("%s has %d rows, and its changes since the watermark explain %d: someone else than its model wrote to it; roll it back to snapshot %d, or apply with --rebuild", p.definition.Model.Source, p.sourceLive, want, d.from)
	}
	return nil
}

func (s *Service) affected(ctx context.Context, g *stage, d *delta) (map[string]any, error) {
	rel, err := s.cfg.Lake.Relation(ctx, d.rows, lake.RelationOptions{Columns: columnNames(g.c.SourceColumns)})
	if err != nil {
		return nil, err
	}
	defer rel.Release()
	g.relation = rel
	setup, sql := g.affectedJob()
	out, err := s.one(ctx, duck.Job{Setup: setup, SQL: sql, Read: rel.Paths, WriteDir: g.dir})
	if err != nil {
		return nil, fmt.Errorf("find the changed groups: %w", err)
	}
	return out, nil
}

func (s *Service) recompute(ctx context.Context, g *stage, source, candidates *lake.Scan, affected bool) (map[string]any, error) {
	src, err := s.cfg.Lake.Relation(ctx, source, lake.RelationOptions{Columns: columnNames(g.c.SourceColumns)})
	if err != nil {
		return nil, err
	}
	defer src.Release()
	read := slices.Clone(src.Paths)
	var stored *lake.Relation
	if candidates != nil && len(candidates.Files) > 0 {
		if stored, err = s.cfg.Lake.Relation(ctx, candidates, lake.RelationOptions{Columns: columnNames(g.c.Columns), WithFile: true}); err != nil {
			return nil, err
		}
		defer stored.Release()
		read = append(read, stored.Paths...)
	}
	if affected {
		read = append(read, g.path(fileAffected))
	}
	setup, sql := g.recomputeJob(src, stored, affected)
	out, err := s.one(ctx, duck.Job{Setup: setup, SQL: sql, Read: read, WriteDir: g.dir})
	if err != nil {
		return nil, fmt.Errorf("recompute the changed groups: %w", err)
	}
	return out, nil
}

// gateAggregate reads the staged target back, as it will be, and compares the
// affected groups with what was recomputed: row for row, both ways.
func (s *Service) gateAggregate(ctx context.Context, g *stage, p *publication, candidates *lake.Scan, counts map[string]any, affected bool) error {
	after := &lake.Scan{Schema: p.target.target.Metadata.CurrentSchema()}
	if candidates != nil {
		*after = *candidates
		after.Files = nil
		for _, f := range candidates.Files {
			if slices.Contains(p.target.removed, f.Data.FilePath()) {
				continue
			}
			f.Deletes = slices.Clone(f.Deletes)
			for _, d := range p.target.deletes {
				f.Deletes = append(f.Deletes, lake.DeleteFile{Data: d, Sequence: f.Sequence + 1})
			}
			after.Files = append(after.Files, f)
		}
	}
	for _, df := range p.target.added {
		after.Files = append(after.Files, lake.File{Data: df})
	}
	if len(after.Files) == 0 {
		if n := count(counts, "fresh"); n > 0 {
			return &LawError{g.c.Name, fmt.Sprintf("%d groups were recomputed and none is staged", n)}
		}
		return nil
	}
	rel, err := s.cfg.Lake.Relation(ctx, after, lake.RelationOptions{Columns: columnNames(g.c.Columns)})
	if err != nil {
		return err
	}
	defer rel.Release()
	read := append(slices.Clone(rel.Paths), g.path(fileFresh))
	if affected {
		read = append(read, g.path(fileAffected))
	}
	row, err := s.one(ctx, duck.Job{Setup: rel.Setup, SQL: g.gateSQL(rel, affected), Read: read})
	if err != nil {
		return fmt.Errorf("compare the staged groups: %w", err)
	}
	if surplus, missing := count(row, "surplus"), count(row, "missing"); surplus != 0 || missing != 0 {
		return &LawError{g.c.Name, fmt.Sprintf("the staged groups differ from the recomputed ones: %d rows too many, %d missing", surplus, missing)}
	}
	return nil
}
