package medallion

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet"
)

// runRows is a run of an append or upsert model: evaluate every new row, keep
// the latest of each key, compare it with the stored one.
func (s *Service) runRows(ctx context.Context, g *stage, p *publication, t *timer) error {
	m, run := g.c, p.run
	target, err := s.load(ctx, m.Name)
	if err != nil {
		return err
	}
	liveBefore, before, err := s.liveRows(ctx, target)
	if err != nil {
		return err
	}
	run.LiveBefore, run.Read = liveBefore, 0
	for _, f := range p.delta.rows.Files {
		gone, err := s.deletedRows(ctx, f)
		if err != nil {
			return err
		}
		run.Read += f.Data.Count() - int64(len(gone))
	}
	if m.Mode == ModeUpsert {
		if p.changes, err = s.load(ctx, m.Name+sideChanges); err != nil {
			return err
		}
		g.changeIDs = fieldIDs(p.changes.Metadata.CurrentSchema())
	}
	g.fileOrdinals = ordinals(p.delta.rows)
	if g.relation, err = s.cfg.Lake.Relation(ctx, p.delta.rows, lake.RelationOptions{Columns: columnNames(m.SourceColumns), WithFile: true, WithSequence: true}); err != nil {
		return err
	}
	defer g.relation.Release()
	t.step("read")

	setup, sql := g.transformJob()
	counts, err := s.one(ctx, duck.Job{Setup: setup, SQL: sql, Read: g.relation.Paths, WriteDir: g.dir})
	if err != nil {
		return fmt.Errorf("evaluate rows: %w", err)
	}
	t.step("transform")
	if err := run.account(m, counts); err != nil {
		return err
	}
	winners := count(counts, "winners")
	inserts, deletes, changes := winners, int64(0), winners
	var candidates *lake.Scan
	if m.Mode == ModeUpsert && winners > 0 && len(before.Files) > 0 {
		if candidates, err = s.cfg.Lake.Plan(ctx, target.Metadata, target.CurrentSnapshot().SnapshotID, filter(rangesOf(m.Columns, m.Key, counts))); err != nil {
			return err
		}
	}
	if candidates != nil && len(candidates.Files) > 0 {
		found, err := s.lookup(ctx, g, candidates)
		if err != nil {
			return err
		}
		run.Stale = count(found, "stale")
		inserts, deletes, changes = count(found, "added"), count(found, "deletes"), count(found, "changes")
		run.Superseded += deletes + count(found, "repeated")
	} else if err := os.Rename(g.path(fileWinners), g.path(fileFinal)); err != nil {
		return err
	}
	t.step("gate")

	if p.target, err = s.stageTarget(ctx, g, target, candidates, deletes, inserts); err != nil {
		return err
	}
	p.before = before
	if err := s.stageSides(ctx, g, p, changes); err != nil {
		return err
	}
	if s.tamper != nil {
		s.tamper(p.target)
	}
	run.RowsWritten = inserts
	t.step("write")
	if run.LiveAfter, err = s.liveAfter(ctx, before, p.target); err != nil {
		return err
	}
	return run.checkLaw()
}

// account takes the counts of a batch into the run, and fails it where a rule
// says so.
func (r *Run) account(m *Compiled, counts map[string]any) error {
	r.Filtered, r.Quarantined, r.Dropped = count(counts, "filtered"), count(counts, "quarantined"), count(counts, "dropped")
	r.Superseded, r.Warned = count(counts, "superseded"), count(counts, "warned")
	r.ByRule = map[string]int64{}
	for i, rule := range m.Rules {
		n := count(counts, fmt.Sprintf("rule%d", i))
		r.ByRule[rule.Name] = n
		if rule.OnFail == OnFailFail && n > 0 {
			return fmt.Errorf("rule %s says on_fail: fail, and %d rows violate it; nothing was published and the watermark stays: correct the source or the rule", rule.Name, n)
		}
	}
	for i, o := range m.Outputs {
		if n := count(counts, fmt.Sprintf("bad%d", i)); o.Ref < 0 && n > 0 {
			r.ByRule[o.Reason] = n
		}
	}
	if n := count(counts, "badw"); n > 0 {
		r.ByRule["where:error"] = n
	}
	if staged := count(counts, "staged"); staged != r.Read {
		return &LawError{r.Model, fmt.Sprintf("the source's files hold %d new rows, and the engine read %d", r.Read, staged)}
	}
	return nil
}

// lookup compares the winners with stored rows.
func (s *Service) lookup(ctx context.Context, g *stage, candidates *lake.Scan) (map[string]any, error) {
	stored, err := s.cfg.Lake.Relation(ctx, candidates, lake.RelationOptions{Columns: columnNames(g.c.tableColumns()), WithFile: true})
	if err != nil {
		return nil, err
	}
	defer stored.Release()
	setup, sql := g.lookupJob(stored)
	out, err := s.one(ctx, duck.Job{Setup: setup, SQL: sql, Read: append(slices.Clone(stored.Paths), g.path(fileWinners)), WriteDir: g.dir})
	if err != nil {
		return nil, fmt.Errorf("compare with stored rows: %w", err)
	}
	return out, nil
}

// stageSides writes the quarantine rows and the changes.
func (s *Service) stageSides(ctx context.Context, g *stage, p *publication, changes int64) error {
	if p.run.Quarantined > 0 {
		t, err := s.load(ctx, g.c.Name+sideQuarantine)
		if err != nil {
			return err
		}
		files, err := s.writeQuery(ctx, duck.Job{SQL: "SELECT * FROM " + readFile(g.path(fileQuarantine)), Read: []string{g.path(fileQuarantine)}}, t)
		if err != nil {
			return err
		}
		var written int64
		for _, f := range files {
			written += f.Count()
		}
		if written != p.run.Quarantined {
			return &LawError{g.c.Name, fmt.Sprintf("%d rows are quarantined and %d were written to the quarantine", p.run.Quarantined, written)}
		}
		p.sides = append(p.sides, side{t, files})
	}
	if g.c.Mode == ModeUpsert && changes > 0 {
		return s.stageChanges(ctx, g, p, changes)
	}
	return nil
}

// stageChanges puts the change rows, which the engine wrote as a data file.
func (s *Service) stageChanges(ctx context.Context, g *stage, p *publication, changes int64) error {
	path := g.path(fileChanges)
	if _, err := os.Stat(path); err != nil {
		_, err := s.cfg.Pool.Exec(ctx, duck.Job{Setup: []string{g.newChanges()}, SQL: "SELECT 1", Read: []string{g.path(fileFinal)}, WriteDir: g.dir, Timeout: s.cfg.StepTimeout})
		if err != nil {
			return fmt.Errorf("write the changes: %w", err)
		}
	}
	t := p.changes
	location := parquet.Location(t.Metadata.Properties(), s.cfg.Catalog.DataPath(t), uuid.NewString()+".parquet")
	key, err := s.cfg.Bucket.Key(location)
	if err != nil {
		return err
	}
	if err := s.cfg.Bucket.PutFile(ctx, key, path); err != nil {
		return fmt.Errorf("write the changes: %w", err)
	}
	df, err := parquet.DataFileFromPath(ctx, parquet.OptionsFor(t.Metadata), path, location)
	if err != nil {
		return err
	}
	if df.Count() != changes {
		return &LawError{g.c.Name, fmt.Sprintf("%d rows changed and %d were written to the changes", changes, df.Count())}
	}
	p.sides = append(p.sides, side{t, dataFiles{df}})
	return nil
}

// ordinals number the files of each sequence number by name, so that rows of
// one snapshot have one order, whichever way they are read.
func ordinals(scan *lake.Scan) []string {
	files := slices.SortedFunc(slices.Values(scan.Files), func(a, b lake.File) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.Data.FilePath(), b.Data.FilePath()))
	})
	next := map[int64]int{}
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = fmt.Sprintf("(%s, CAST(%d AS BIGINT))", quote(f.Data.FilePath()), next[f.Sequence])
		next[f.Sequence]++
	}
	return out
}

// one runs a job whose result is one row.
func (s *Service) one(ctx context.Context, job duck.Job) (map[string]any, error) {
	job.Timeout = s.cfg.StepTimeout
	rows, err := s.cfg.Pool.Exec(ctx, job)
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d rows where one was wanted", len(rows))
	}
	return maps.Clone(rows[0]), nil
}

// publication is everything that a run commits.
type publication struct {
	definition *definition
	delta      *delta
	watermark  watermark
	version    catalog.Version
	run        *Run
	before     *lake.Scan     // the target's files at its head
	target     *staged        // nil: the target stays as it is
	changes    *catalog.Table // an upsert's change table
	sides      []side
	sourceLive int64
}

// side is a side table and the files it gets.
type side struct {
	table *catalog.Table
	files dataFiles
}
