package compactor_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/parquet"
)

// remove deletes rows of a data file as the table's version does: by a file of
// positions, or by a vector that takes the place of the one there was.
func (h *house) remove(t *catalog.Table, path string, positions ...int64) {
	h.T.Helper()
	_, err := h.tryRemove(t, path, positions...)
	require.NoError(h.T, err)
}

func (h *house) tryRemove(t *catalog.Table, path string, positions ...int64) (catalog.Committed, error) {
	h.T.Helper()
	change, ok := h.removal(t, path, positions...)
	require.True(h.T, ok, "%s is not live", path)
	return h.Catalog.Commit(context.Background(), catalog.Transaction{Actor: "deleter", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
}

// removal deletes positions of a file, as the format has it; not ok: the file is
// not live.
func (h *house) removal(t *catalog.Table, path string, positions ...int64) (_ *catalog.SnapshotChange, ok bool) {
	h.T.Helper()
	now := h.load(t)
	scan, err := h.Lake.Plan(context.Background(), now.Metadata, 0, nil)
	require.NoError(h.T, err)
	i := slices.IndexFunc(scan.Files, func(f lake.File) bool { return f.Data.FilePath() == path })
	if i < 0 {
		return nil, false
	}
	f := scan.Files[i]
	change := &catalog.SnapshotChange{Operation: table.OpDelete, Base: &scan.SnapshotID}
	if now.Metadata.Version() < 3 {
		change.Added = []catalog.FileEntry{h.positionFile(now, f.Data, positions...)}
	} else {
		w := dv.NewDVWriter(h.Bucket.FileIO(), func(id int32) *iceberg.PartitionSpec { return now.Metadata.PartitionSpecByID(int(id)) })
		for _, d := range f.Deletes {
			if d.Data.ContentOffset() != nil {
				old, err := dv.ReadDV(h.Bucket.FileIO(), d.Data)
				require.NoError(h.T, err)
				w.Load(path, old, f.Data.SpecID(), f.Data.Partition())
				change.Removed = append(change.Removed, fmt.Sprintf("%s#%d", d.Data.FilePath(), *d.Data.ContentOffset()))
			}
		}
		require.NoError(h.T, w.Add(path, positions, f.Data.SpecID(), f.Data.Partition()))
		files, err := w.Flush(context.Background(), h.Catalog.DataPath(t)+"/"+uuid.NewString()+".puffin")
		require.NoError(h.T, err)
		for _, f := range files {
			change.Added = append(change.Added, catalog.FileEntry{File: f})
		}
	}
	return change, true
}

// removeWhere commits an equality delete of ids in a partition.
func (h *house) removeWhere(t *catalog.Table, country string, ids string) {
	h.T.Helper()
	ctx := context.Background()
	now := h.load(t)
	plain := iceberg.NewSchema(0, iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64})
	rows, err := pool.Query(ctx, duck.Job{SQL: "SELECT unnest([" + ids + "])::BIGINT AS id"})
	require.NoError(h.T, err)
	defer rows.Release()
	files, err := parquet.Split(ctx, h.T.TempDir(), parquet.FileOptions{Schema: plain, FormatVersion: now.Metadata.Version()}, parquet.Records(rows), parquet.SplitOptions{})
	require.NoError(h.T, err)
	require.Len(h.T, files, 1)
	location := h.Catalog.DataPath(t) + "/" + uuid.NewString() + ".parquet"
	key, err := h.Bucket.Key(location)
	require.NoError(h.T, err)
	require.NoError(h.T, h.Bucket.PutFile(ctx, key, files[0].Path))
	info, err := h.Bucket.Stat(ctx, key)
	require.NoError(h.T, err)
	df, err := iceberg.NewDataFileBuilder(now.Metadata.PartitionSpec(), iceberg.EntryContentEqDeletes, location, iceberg.ParquetFile,
		map[int]any{1000: country}, nil, nil, int64(strings.Count(ids, ",")+1), info.Size)
	require.NoError(h.T, err)
	h.Commit(t, table.OpDelete, catalog.FileEntry{File: df.EqualityFieldIDs([]int{2}).Build()})
}

// paths of the live files of a country.
func (h *house) paths(t *catalog.Table, country string) []string {
	h.T.Helper()
	var out []string
	for _, f := range h.live(t) {
		if f.Data.Partition()[1000] == country {
			out = append(out, f.Data.FilePath())
		}
	}
	return out
}

// same checks that the last commit changed no row, by two readers, and on v3 no
// row's id; and answers the rows.
func (h *house) same(t *catalog.Table) []string {
	h.T.Helper()
	now := h.load(t)
	head := now.CurrentSnapshot()
	require.Equal(h.T, table.OpReplace, head.Summary.Operation)
	want := h.rows(t, *head.ParentSnapshotID)
	require.Equal(h.T, want, h.rows(t, 0), "iceberg-go")
	lineage := now.Metadata.Version() >= 3
	ours := func(snapshot int64) []map[string]any {
		scan, err := h.Lake.Plan(context.Background(), now.Metadata, snapshot, nil)
		require.NoError(h.T, err)
		return h.queryScan(scan, lake.RelationOptions{WithRowID: lineage}, "SELECT * FROM %s ORDER BY ALL")
	}
	before := ours(*head.ParentSnapshotID)
	require.Len(h.T, before, len(want))
	require.Equal(h.T, fmt.Sprint(before), fmt.Sprint(ours(0)), "Firn") // as text: NaN is not NaN
	return want
}

// carryTiers are the ways in which files are compacted, by the table's properties.
var carryTiers = map[string]iceberg.Properties{
	"fuse":    {},
	"rewrite": {"firn.compact.fuse": "false"},
	"sorted":  {"firn.compact.fuse": "false", "firn.compact.sort": "score desc"},
	"split":   {"firn.compact.fuse": "false", "firn.compact.sort": "at desc", "write.target-file-size-bytes": "12000"},
}

// eachCarry makes a table with five files of France, of n rows each (10_000 * i is
// the first id), and one of Peru.
func eachCarry(t *testing.T, do func(t *testing.T, h *house, tbl *catalog.Table, tier string, n int)) {
	for _, version := range []string{"2", "3"} {
		for tier, props := range carryTiers {
			t.Run("v"+version+"/"+tier, func(t *testing.T) {
				t.Parallel()
				h := newHouse(t)
				all := iceberg.Properties{"format-version": version, "firn.compact.min-input-files": "2"}
				maps.Copy(all, props)
				tbl := h.create("bronze.lines", all)
				n := 700
				if tier == "split" { // row groups have 2048 rows at the least
					n = 5000
				}
				for i := range 5 {
					h.append(tbl, "France", i*10_000, n)
				}
				h.append(tbl, "Peru", 90_000, 10)
				do(t, h, tbl, tier, n)
			})
		}
	}
}

// compactAfter runs a compaction in which something happens when the outputs are
// there, and at each attempt to commit them.
func (h *house) compactAfter(tbl *catalog.Table, landed func(), attempt func(n int)) jobs.Job {
	h.T.Helper()
	once, n := sync.Once{}, 0
	h.service = h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(context.Context) { once.Do(landed) }
		c.BeforeApply = func(context.Context) {
			n++
			attempt(n)
		}
	})
	h.Run(h.service.Run)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(h.T, jobs.Succeeded, j.State, j.Error)
	return j
}

// Deletes, appends and more deletes that land before each attempt: nothing is
// done twice, and the outputs have no row that was deleted.
func TestDeletesAreCarriedOver(t *testing.T) {
	eachCarry(t, func(t *testing.T, h *house, tbl *catalog.Table, tier string, n int) {
		in := h.paths(tbl, "France")
		j := h.compactAfter(tbl, func() {
			h.remove(tbl, in[0], 0, 5, int64(n)-1)
			h.remove(tbl, in[3], 17)
			h.append(tbl, "France", 60_000, 10)
		}, func(try int) {
			if try < 4 { // the first three attempts come too late
				h.remove(tbl, in[try], int64(100*try), int64(100*try+1))
				h.remove(tbl, in[0], int64(try))
			}
		})
		if tier == "fuse" {
			require.Equal(t, "fuse", j.Outcome.Tier)
		}
		require.EqualValues(t, 4+3*3, j.Outcome.Carried)
		require.EqualValues(t, 5, j.Outcome.FilesIn)
		require.Less(t, j.Outcome.Wasted, int64(20_000), "delete files of the attempts only")
		require.Len(t, h.same(tbl), 5*n+10+10-13)
		if tier == "split" {
			require.Greater(t, j.Outcome.FilesOut, int64(9))
		} else {
			require.EqualValues(t, 1, j.Outcome.FilesOut)
		}
		require.Contains(t, j.Outcome.Proof["carried"], "13 rows")
		// The deletes of the inputs went with them; those of the outputs apply.
		outs := h.paths(tbl, "France")
		for e, err := range h.Lake.Entries(t.Context(), h.load(tbl).Metadata, 0) {
			require.NoError(t, err)
			if ref := e.Data.ReferencedDataFile(); ref != nil {
				require.Contains(t, outs, *ref)
			}
		}
		// And the next compaction applies them for good.
		again := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, again.State, again.Error)
		require.Len(t, h.rows(tbl, 0), 5*n+10+10-13)
	})
}

// Rows that were deleted before, and are in the inputs' vectors still, are not in
// the output: only what is new is carried over.
func TestOnlyNewDeletesAreCarriedOver(t *testing.T) {
	eachCarry(t, func(t *testing.T, h *house, tbl *catalog.Table, tier string, n int) {
		in := h.paths(tbl, "France")
		h.remove(tbl, in[1], 1, 2, 3, 650)
		h.removeWhere(tbl, "France", "20005, 20006") // rows 5 and 6 of the third file
		j := h.compactAfter(tbl, func() {
			h.remove(tbl, in[1], 2, 4, 651)
			h.remove(tbl, in[2], 5, 7)
		}, func(int) {})
		require.EqualValues(t, 3, j.Outcome.Carried, "row 2 and the one with id 20005 were deleted before")
		require.Len(t, h.same(tbl), 5*n+10-4-2-3)
		require.Zero(t, j.Outcome.Wasted)
	})
}

// Equality deletes apply to the outputs as they did to the inputs.
func TestEqualityDeletesDuringACompaction(t *testing.T) {
	eachCarry(t, func(t *testing.T, h *house, tbl *catalog.Table, tier string, n int) {
		in := h.paths(tbl, "France")
		j := h.compactAfter(tbl, func() {
			h.removeWhere(tbl, "France", "3, 10004, 90005")
		}, func(try int) {
			switch try {
			case 1: // the catalog is content with that
				h.removeWhere(tbl, "France", "20007, 20008")
			case 2:
				t.Error("an equality delete alone is no conflict")
			}
		})
		require.Zero(t, j.Outcome.Carried)
		require.Zero(t, j.Outcome.Wasted)
		require.EqualValues(t, len(in), j.Outcome.FilesIn)
		require.Len(t, h.same(tbl), 5*n+10-4)
	})
}

// A row that a delete held back before and that is there again must not stay away.
func TestARowThatIsThereAgain(t *testing.T) {
	eachCarry(t, func(t *testing.T, h *house, tbl *catalog.Table, tier string, n int) {
		if tier == "fuse" {
			t.Skip("files with deletes are not fused")
		}
		in := h.paths(tbl, "France")
		before := h.load(tbl).CurrentSnapshot().SnapshotID
		h.remove(tbl, in[1], 1, 2, 3)
		j := h.compactAfter(tbl, func() {
			_, err := h.Catalog.Commit(context.Background(), catalog.Transaction{Actor: "rest", Tables: []catalog.TableChange{{Table: tbl.ID, Updates: []table.Update{
				table.NewSetSnapshotRefUpdate(table.MainBranch, before, table.BranchRef, 0, 0, 0),
			}}}})
			require.NoError(t, err)
		}, func(int) {})
		require.Positive(t, j.Outcome.Wasted)
		require.Len(t, h.same(tbl), 5*n+10)
	})
}

// Equal rows cannot be told apart, and need not be: as many stay as should.
func TestEqualRowsAreCountedOnce(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		h := newHouse(t)
		tbl := h.create("bronze.lines", iceberg.Properties{"format-version": version, "firn.compact.fuse": "false"})
		same := "SELECT 'France' AS country, i %% 3 AS id, 1::DECIMAL(18,3) AS amount, TIMESTAMP '2026-01-01' AS \"at\", CASE i %% 2 WHEN 0 THEN -0.0 ELSE 0.0 END::DOUBLE AS score, NULL::VARCHAR[] AS tags FROM range(60) t(i)"
		for range 4 {
			h.Commit(tbl, table.OpAppend, h.Write(tbl, strings.ReplaceAll(same, "%%", "%"))...)
		}
		in := h.paths(tbl, "France")
		j := h.compactAfter(tbl, func() {
			h.remove(tbl, in[0], 0, 6, 12, 1)
		}, func(n int) {
			if n == 1 {
				h.remove(tbl, in[2], 0, 6, 12, 18)
			}
		})
		require.EqualValues(t, 8, j.Outcome.Carried)
		require.Len(t, h.same(tbl), 232, "v%s", version)
	}
}

// positionFile puts a position delete file of one data file.
func (h *house) positionFile(t *catalog.Table, data iceberg.DataFile, positions ...int64) catalog.FileEntry {
	h.T.Helper()
	buf := positionParquet(h.T, data.FilePath(), positions)
	location := h.Catalog.DataPath(t) + "/deletes-" + uuid.NewString() + ".parquet"
	key, err := h.Bucket.Key(location)
	require.NoError(h.T, err)
	require.NoError(h.T, h.Bucket.PutBytes(context.Background(), key, buf, objstore.PutOptions{}))
	spec := t.Metadata.PartitionSpec()
	f, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentPosDeletes, location, iceberg.ParquetFile, data.Partition(), nil, nil, int64(len(positions)), int64(len(buf)))
	require.NoError(h.T, err)
	return catalog.FileEntry{File: f.ReferencedDataFile(data.FilePath()).Build()}
}
