package rewrite

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/compactortest"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// carryGround is a table of four files of 50 rows, unpartitioned.
type carryGround struct {
	*compactortest.Ground
	table *catalog.Table
}

func newCarryGround(t *testing.T, version string) *carryGround {
	t.Helper()
	g := &carryGround{Ground: compactortest.New(t, pool)}
	id := catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: "t"}
	require.NoError(t, g.Catalog.EnsureNamespace(t.Context(), id.Namespace))
	var err error
	g.table, err = g.Catalog.CreateTable(t.Context(), catalog.NewTable{
		Ident: id, Properties: iceberg.Properties{"format-version": version, "firn.write.merge-ready": "true"},
		Schema: iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "i", Type: iceberg.PrimitiveTypes.Int64}, iceberg.NestedField{ID: 2, Name: "s", Type: iceberg.PrimitiveTypes.String}),
	})
	require.NoError(t, err)
	for i := range 4 {
		g.Commit(g.table, table.OpAppend, g.Write(g.table, fmt.Sprintf("SELECT i::BIGINT AS i, 'row ' || i AS s FROM range(%d, %d) t(i)", i*50, i*50+50))...)
	}
	return g
}

func (g *carryGround) scan() (*catalog.Table, *lake.Scan) {
	g.T.Helper()
	t, err := g.Catalog.LoadTableID(context.Background(), g.table.ID)
	require.NoError(g.T, err)
	scan, err := g.Lake.Plan(context.Background(), t.Metadata, 0, nil)
	require.NoError(g.T, err)
	return t, scan
}

// compaction plans all files as one group.
func (g *carryGround) compaction(cat Catalog, tier plan.Tier, adjust ...func(*Config)) (*Worker, Compaction) {
	g.T.Helper()
	cfg := Config{Catalog: cat, Store: g.Store, Bucket: g.Bucket, Lake: g.Lake, Pool: pool, TempDir: g.T.TempDir()}
	for _, a := range adjust {
		a(&cfg)
	}
	w, err := New(cfg)
	require.NoError(g.T, err)
	t, scan := g.scan()
	files, _ := Files(t.Metadata, scan, nil)
	group := plan.Group{Tier: tier, Files: files, Outputs: 1}
	for _, f := range files {
		group.Rows += f.Rows
		group.Bytes += f.Bytes
	}
	return w, Compaction{Table: t, Scan: scan, Groups: []plan.Group{group}, Policy: plan.DefaultPolicy(), JobID: uuid.NewString(), Progress: silent{}}
}

type silent struct{}

func (silent) Progress(string, int64, int64) {}
func (silent) Advance(int64)                 {}

// remove deletes a row of a file by a vector, or before v3 by a file of positions.
func (g *carryGround) remove(f lake.File, pos uint64) {
	g.T.Helper()
	t, scan := g.scan()
	gone := dv.NewRoaringPositionBitmap()
	gone.Set(pos)
	w := &compaction{Worker: &Worker{cfg: Config{Bucket: g.Bucket, Catalog: g.Catalog}}, Compaction: Compaction{Table: t, JobID: "test"}, meta: t.Metadata, dirty: true}
	require.NoError(g.T, w.writeDeletes(context.Background(), []output{{files: []iceberg.DataFile{f.Data}, carry: carry{out: places{0: gone}}}}))
	change := &catalog.SnapshotChange{Operation: table.OpDelete, Base: &scan.SnapshotID}
	for _, d := range w.deletes {
		change.Added = append(change.Added, catalog.FileEntry{File: d})
	}
	_, err := g.Catalog.Commit(context.Background(), catalog.Transaction{Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
	require.NoError(g.T, err)
}

func (g *carryGround) values() []int64 {
	g.T.Helper()
	_, scan := g.scan()
	rel, err := g.Lake.Relation(context.Background(), scan, lake.RelationOptions{})
	require.NoError(g.T, err)
	defer rel.Release()
	var out []int64
	for row, err := range (&Worker{cfg: Config{Pool: pool}}).numbers(context.Background(), duck.Job{Setup: rel.Setup, Read: rel.Paths, SQL: "SELECT i FROM " + rel.SQL + " ORDER BY i"}) {
		require.NoError(g.T, err)
		out = append(out, row[0])
	}
	return out
}

// all 200 rows but some.
func without(gone ...int64) []int64 {
	var out []int64
	for i := range int64(200) {
		if !slices.Contains(gone, i) {
			out = append(out, i)
		}
	}
	return out
}

// A delete that would be carried over to another row, to one row too many or too
// few, is found before anything is committed.
func TestProofOfCarriedDeletes(t *testing.T) {
	for _, tier := range []plan.Tier{plan.Fuse, plan.Rewrite} {
		for _, version := range []string{"2", "3"} {
			g := newCarryGround(t, version)
			w, c := g.compaction(g.Catalog, tier)
			run := &compaction{Worker: w, Compaction: c, dir: t.TempDir(), files: map[string]lake.File{}, head: c.Scan, meta: c.Table.Metadata}
			for _, f := range c.Scan.Files {
				run.files[f.Data.FilePath()] = f
			}
			o, err := run.group(t.Context(), t.TempDir(), 0, c.Groups[0])
			require.NoError(t, err)
			g.remove(run.files[c.Groups[0].Files[1].Path], 7)
			g.remove(run.files[c.Groups[0].Files[2].Path], 0)
			outputs := []output{o}
			_, err = run.meet(t.Context(), outputs)
			require.NoError(t, err)
			o = outputs[0]
			require.EqualValues(t, 2, o.carry.gone.count())
			require.EqualValues(t, 2, o.carry.out.count())
			for name, bug := range map[string]func(p places){
				"none": nil,
				"shifted": func(p places) {
					for _, pos := range slices.Collect(p[0].Positions()) {
						p[0] = dv.NewRoaringPositionBitmap()
						p.add(0, int64(pos)+1)
					}
				},
				"swapped for another": func(p places) {
					first := slices.Collect(p[0].Positions())[0]
					p[0] = dv.NewRoaringPositionBitmap()
					p.add(0, int64(first))
					p.add(0, 199)
				},
				"one too few": func(p places) {
					first := slices.Collect(p[0].Positions())[0]
					p[0] = dv.NewRoaringPositionBitmap()
					p.add(0, int64(first))
				},
				"one too many": func(p places) { p.add(0, 199) },
				"none at all":  func(p places) { delete(p, 0) },
			} {
				to := places{}
				to.merge(o.carry.out)
				if bug == nil {
					require.NoError(t, run.proveCarried(t.Context(), &o, o.carry.gone, to), "%s v%s", tier, version)
					continue
				}
				bug(to)
				require.ErrorIs(t, run.proveCarried(t.Context(), &o, o.carry.gone, to), ErrProof, "%s v%s: %s", tier, version, name)
			}
		}
	}
}

// A placement that puts two rows into one place is found.
func TestARowLiesInOnePlace(t *testing.T) {
	g := newCarryGround(t, "2")
	w, c := g.compaction(g.Catalog, plan.Rewrite)
	run := &compaction{Worker: w, Compaction: c, dir: t.TempDir()}
	for name, sql := range map[string]string{
		"two rows in one place": "SELECT 0::BIGINT AS i, x AS p, 0::BIGINT AS oi, 5::BIGINT AS op FROM range(2) t(x)",
		"one row in two places": "SELECT 0::BIGINT AS i, 0::BIGINT AS p, 0::BIGINT AS oi, x AS op FROM range(2) t(x)",
	} {
		dir := t.TempDir()
		o := output{tier: plan.Rewrite, carry: carry{inputs: c.Scan.Files, out: places{}, placed: dir + "/placed.parquet"}}
		_, err := pool.Exec(t.Context(), duck.Job{SQL: "COPY (" + sql + ") TO " + duck.Quote(o.carry.placed) + " (FORMAT parquet)", WriteDir: dir})
		require.NoError(t, err)
		gone := places{}
		gone.add(0, 0)
		gone.add(0, 1)
		_, err = run.translate(t.Context(), 0, &o, gone)
		require.ErrorIs(t, err, ErrProof, name)
	}
}

// shaky is a catalog whose commits of the compactor fail in a way, once.
type shaky struct {
	*catalog.Catalog
	fail  error // that is answered
	after bool  // the commit
	done  bool
}

func (s *shaky) Commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	if s.done {
		return s.Catalog.Commit(ctx, tx)
	}
	s.done = true
	if s.after {
		if _, err := s.Catalog.Commit(ctx, tx); err != nil {
			return catalog.Committed{}, err
		}
	}
	return catalog.Committed{}, s.fail
}

// The commit did not happen: the table is as it was, deletes included, and doing
// it again succeeds. It happened and looked failed: it is done once.
func TestFailuresOfACommitWithCarriedDeletes(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		for _, after := range []bool{false, true} {
			g := newCarryGround(t, version)
			cat := &shaky{Catalog: g.Catalog, fail: catalog.ErrNotCommitted, after: after}
			if after {
				cat.fail = catalog.ErrUnknownOutcome
			}
			_, scan := g.scan()
			w, c := g.compaction(cat, plan.Rewrite, func(cfg *Config) {
				cfg.BeforeCommit = func(context.Context) {
					if !cat.done {
						g.remove(scan.Files[0], 3)
					}
				}
			})
			gone := int64(-1)
			res, err := w.Compact(t.Context(), c)
			now, live := g.scan()
			if after {
				require.NoError(t, err)
				require.EqualValues(t, 1, res.Carried)
				require.Equal(t, table.OpReplace, now.CurrentSnapshot().Summary.Operation)
				require.NotEqual(t, table.OpReplace, now.Metadata.SnapshotByID(*now.CurrentSnapshot().ParentSnapshotID).Summary.Operation, "once")
				require.Len(t, live.Files, 1)
			} else {
				require.ErrorIs(t, err, catalog.ErrNotCommitted)
				require.Len(t, live.Files, 4)
				require.Len(t, live.Files[slices.IndexFunc(live.Files, func(f lake.File) bool { return f.Data.FilePath() == scan.Files[0].Data.FilePath() })].Deletes, 1)
				_, c = g.compaction(cat, plan.Rewrite)
				res, err = w.Compact(t.Context(), c)
				require.NoError(t, err)
				require.EqualValues(t, 1, res.Deleted)
			}
			values := g.values()
			require.Len(t, values, 199)
			for i := range int64(200) {
				if !slices.Contains(values, i) {
					gone = i
				}
			}
			require.EqualValues(t, 3, gone%50)
			require.Equal(t, without(gone), values)
		}
	}
}

// A list of rows says whether it has one already.
func TestPlaces(t *testing.T) {
	p := places{}
	require.True(t, p.add(2, 7))
	require.False(t, p.add(2, 7))
	require.False(t, p.add(2, -1))
	require.True(t, p.add(0, 1<<40))
	require.True(t, p.has(0, 1<<40))
	require.False(t, p.has(1, 7))
	require.EqualValues(t, 2, p.count())
	require.Equal(t, map[int]int64{0: 1 << 40, 2: 7}, maps.Collect(p.all()))
}
