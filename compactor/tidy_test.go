package compactor_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// deleteEqual commits an equality delete of ids in one partition.
func (h *house) deleteEqual(t *catalog.Table, country string, ids string) {
	h.T.Helper()
	dir := h.T.TempDir()
	path := filepath.Join(dir, "deletes.parquet")
	_, err := pool.Exec(h.T.Context(), duck.Job{SQL: "COPY (SELECT unnest([" + ids + "])::BIGINT AS id) TO " + duck.Quote(path) + " (FORMAT parquet, FIELD_IDS {id: 2})", WriteDir: dir})
	require.NoError(h.T, err)
	info, err := os.Stat(path)
	require.NoError(h.T, err)
	location := h.Catalog.DataPath(t) + "/equal-" + uuid.NewString() + ".parquet"
	key, err := h.Bucket.Key(location)
	require.NoError(h.T, err)
	require.NoError(h.T, h.Bucket.PutFile(h.T.Context(), key, path))
	n := int64(strings.Count(ids, ",") + 1)
	f, err := iceberg.NewDataFileBuilder(t.Metadata.PartitionSpec(), iceberg.EntryContentEqDeletes, location, iceberg.ParquetFile, map[int]any{1000: country}, nil, nil, n, info.Size())
	require.NoError(h.T, err)
	h.Commit(t, table.OpDelete, catalog.FileEntry{File: f.EqualityFieldIDs([]int{2}).Build()})
}

// drop removes data files from a table, as an engine does that leaves their deletes.
func (h *house) drop(t *catalog.Table, files ...lake.File) {
	h.T.Helper()
	base := h.load(t).CurrentSnapshot().SnapshotID
	change := &catalog.SnapshotChange{Operation: table.OpDelete, Base: &base}
	for _, f := range files {
		change.Removed = append(change.Removed, f.Data.FilePath())
	}
	_, err := h.Catalog.Commit(h.T.Context(), catalog.Transaction{Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
	require.NoError(h.T, err)
}

// deletes are the live delete files.
func (h *house) deletes(t *catalog.Table) (out []string) {
	h.T.Helper()
	for e, err := range h.Lake.Entries(h.T.Context(), h.load(t).Metadata, 0) {
		require.NoError(h.T, err)
		if e.Data.ContentType() != iceberg.EntryContentData {
			out = append(out, e.Data.FilePath())
		}
	}
	return out
}

func (h *house) ids(t *catalog.Table) []map[string]any {
	return h.query(t, lake.RelationOptions{}, `SELECT country, id FROM %s ORDER BY ALL`)
}

// dangles is a table with three delete files that apply to nothing (of positions, of
// equal values, and of a partition that has only younger data) and two that apply.
func (h *house) dangles(name string) *catalog.Table {
	h.T.Helper()
	tbl := h.create(name, nil)
	for i, c := range []string{"France", "Italy", "Malta", "Spain"} {
		h.append(tbl, c, i*100, 20)
	}
	of := func(country string) lake.File {
		files := h.live(tbl)
		return files[slices.IndexFunc(files, func(f lake.File) bool { return f.Data.Partition()[1000] == country })]
	}
	h.deletePositions(tbl, of("France").Data, 1, 2)
	h.deletePositions(tbl, of("Spain").Data, 3)
	h.deleteEqual(tbl, "Italy", "101, 102, 105")
	h.deleteEqual(tbl, "Malta", "203, 204")
	h.deleteEqual(tbl, "Norway", "1")
	h.drop(tbl, of("France"), of("Italy"))
	h.append(tbl, "Italy", 100, 20) // younger than the deletes of its partition
	require.Len(h.T, h.deletes(tbl), 5)
	return tbl
}

// Delete files that apply to nothing leave, those that apply stay.
func TestDanglingDeletesLeave(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.dangles("bronze.lines")
	before := h.ids(tbl)
	require.Len(t, before, 20+18+19)
	j := h.job(compactor.KindManifests, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "3 delete files removed that applied to no data file", j.Outcome.Proof["deletes"])
	require.Len(t, h.deletes(tbl), 2)
	require.Equal(t, before, h.ids(tbl))
	again := h.job(compactor.KindManifests, tbl)
	require.NotContains(t, again.Outcome.Proof, "deletes")
}

// The two failure rows of both commits: they did not happen, or happened and looked
// failed.
func TestTidyingWhenItsCommitsFail(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"did not happen": {Before: errors.New("connection reset")}, "happened": {After: errors.New("connection reset")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			tbl := h.dangles("bronze.lines")
			before := h.ids(tbl)
			var mu sync.Mutex
			faults := map[int]bool{}
			commits := 0
			h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
				mu.Lock()
				defer mu.Unlock()
				if !slices.ContainsFunc(b.Then, func(o catalog.Op) bool { return strings.HasPrefix(o.Key, "commit/") }) {
					return memstore.Fault{}
				}
				if commits++; commits%2 == 1 { // every other
					faults[commits] = true
					return fault
				}
				return memstore.Fault{}
			})
			h.Run(h.service.Run)
			j := h.job(compactor.KindManifests, tbl)
			h.Store.InjectApply(nil)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.GreaterOrEqual(t, len(faults), 1)
			require.Equal(t, before, h.ids(tbl))
			require.Len(t, h.deletes(tbl), 2)
			require.Contains(t, j.Outcome.Proof["manifests"], "manifests became")
		})
	}
}

// Many small manifests become few, and scans of one partition open few of them. Every
// snapshot reads what it read.
func TestManifestsAreSortedByPartition(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", iceberg.Properties{"commit.manifest-merge.enabled": "false", "firn.expire.max-snapshots": "100"})
	for i := range 12 {
		var files []catalog.FileEntry
		for c := range 6 {
			files = append(files, h.Write(tbl, rowsSQL(fmt.Sprint("c", c), i*100, 3))...)
		}
		h.Commit(tbl, table.OpAppend, files...)
	}
	old := h.load(tbl).CurrentSnapshot().SnapshotID
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindManifests, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "12 manifests became 1, with the same 72 entries; scans of one partition open 6 instead of 72, over all partitions", j.Outcome.Proof["manifests"])
	require.Equal(t, before, h.rows(tbl, 0))
	require.Equal(t, before, h.rows(tbl, old))
	snap := h.load(tbl).CurrentSnapshot()
	require.Equal(t, table.OpReplace, snap.Summary.Operation)
	require.Equal(t, "72", snap.Summary.Properties["total-data-files"])
	require.Equal(t, "manifests", snap.Summary.Properties["firn.tier"])
}

// Metadata files that have left the log are removed as anything unreachable is: after
// the grace, and never one that the log names.
func TestOldMetadataFilesLeave(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", iceberg.Properties{"write.metadata.previous-versions-max": "3"})
	var locations []string
	for i := range 10 {
		h.append(tbl, "France", i*10, 5)
		locations = append(locations, h.load(tbl).MetadataLocation)
	}
	for range 3 {
		clock.add(2 * time.Hour)
		j := h.job(compactor.KindOrphans, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
	}
	logged := 0
	for m := range h.load(tbl).Metadata.PreviousFiles() {
		logged++
		require.Contains(t, locations, m.MetadataFile)
	}
	require.Equal(t, 3, logged)
	for i, location := range locations {
		key, err := h.Bucket.Key(location)
		require.NoError(t, err)
		_, err = h.Bucket.Stat(t.Context(), key)
		require.Equal(t, i >= len(locations)-4, err == nil, "version %d of 10: %v", i+1, err)
	}
}
