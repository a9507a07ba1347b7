package catalog_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

// entries are the live entries of the head by what a reader relies on, and the
// manifests that hold each partition.
func (k *kit) entries(tbl *catalog.Table) (out []string, opened map[string]int, manifests []iceberg.ManifestFile) {
	k.t.Helper()
	manifests, err := k.load(tbl).CurrentSnapshot().Manifests(k.bucket.FileIO())
	require.NoError(k.t, err)
	opened = map[string]int{}
	for _, m := range manifests {
		seen := map[string]bool{}
		for e, err := range m.Entries(k.bucket.FileIO(), true) {
			require.NoError(k.t, err)
			f := e.DataFile()
			row, sequence := int64(-1), int64(-1)
			if f.FirstRowID() != nil {
				row = *f.FirstRowID()
			}
			if e.FileSequenceNum() != nil {
				sequence = *e.FileSequenceNum()
			}
			out = append(out, fmt.Sprint(f.FilePath(), f.ContentType(), e.SnapshotID(), e.SequenceNum(), sequence, row, f.Count(), f.Partition()))
			if p := fmt.Sprint(f.Partition()); f.ContentType() == iceberg.EntryContentData && !seen[p] {
				seen[p] = true
				opened[p]++
			}
		}
	}
	slices.Sort(out)
	return out, opened, manifests
}

// swap reclusters and commits.
func (k *kit) swap(tbl *catalog.Table, r catalog.Reclustered) (catalog.Committed, error) {
	return k.Commit(k.ctx(), catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{
		Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpReplace, Base: &r.Base, Manifests: r.Swap},
	}}})
}

// scattered is a table with many partitions in each of its manifests.
func (k *kit) scattered(name string, props iceberg.Properties) *catalog.Table {
	k.t.Helper()
	props[catalog.PropertyMergeEnabled] = "false"
	tbl := k.table(name, props)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 24 {
		var files []catalog.FileEntry
		for j, p := range rng.Perm(40)[:20] {
			who := fmt.Sprintf("c%02d", p)
			if p == 0 {
				who = "" // NULL
			}
			files = append(files, k.file(tbl, fmt.Sprintf("%d-%d.parquet", i, j), who, int64(10+j)))
		}
		k.append(tbl, files...)
	}
	return tbl
}

// Many manifests become few, sorted by partition. Entries keep their snapshots,
// sequence numbers and row ids; deletes stay apart.
func TestReclusteringSortsByPartition(t *testing.T) {
	for _, version := range []string{"1", "2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.scattered("db.t", iceberg.Properties{"format-version": version, catalog.PropertyManifestBytes: "2000"})
			if version == "2" {
				for i := range 12 {
					who := fmt.Sprintf("c%02d", 1+i%3)
					base := k.load(tbl).CurrentSnapshot().SnapshotID
					_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Snapshot: &catalog.SnapshotChange{
						Operation: table.OpDelete, Base: &base, Added: []catalog.FileEntry{k.posDelete(tbl, fmt.Sprintf("d%d", i), who, "", 3)},
					}}}})
					require.NoError(t, err)
				}
			}
			before, was, manifests := k.entries(tbl)
			live := k.check(tbl)
			r, err := k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{})
			require.NoError(t, err)
			require.NotNil(t, r.Swap, r.WhyNot)
			require.Len(t, r.Swap.Replaced, len(manifests))
			done, err := k.swap(tbl, r)
			require.NoError(t, err)

			after, now, fewer := k.entries(tbl)
			require.Equal(t, before, after)
			require.Equal(t, live, k.check(tbl))
			require.Less(t, len(fewer), len(manifests)/2)
			for p, n := range now {
				require.LessOrEqual(t, n, 2, "partition %s is in %d manifests, was in %d", p, n, was[p])
				require.GreaterOrEqual(t, was[p], 6)
			}
			snap := k.load(tbl).CurrentSnapshot()
			require.Equal(t, done.Tables[0].SnapshotID, snap.SnapshotID)
			require.Equal(t, table.OpReplace, snap.Summary.Operation)
			require.Empty(t, snap.Summary.Properties["deleted-data-files"])
			if version == "3" {
				k.checkRowIDs(k.load(tbl))
			}
			overlap(t, fewer)

			again, err := k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{All: true})
			require.NoError(t, err)
			require.Nil(t, again.Swap, "at rest")
			require.NotEmpty(t, again.WhyNot)
			k.spliced(tbl)
		})
	}
}

// overlap checks that the bounds of data manifests follow each other: a scan of one
// partition leaves the others out by their summaries.
func overlap(t *testing.T, manifests []iceberg.ManifestFile) {
	t.Helper()
	var bounds [][2]string
	for _, m := range manifests {
		if p := m.Partitions(); m.ManifestContent() == iceberg.ManifestContentData && p[0].LowerBound != nil {
			bounds = append(bounds, [2]string{string(*p[0].LowerBound), string(*p[0].UpperBound)})
		}
	}
	slices.SortFunc(bounds, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	require.Greater(t, len(bounds), 1)
	for i := range len(bounds) - 1 {
		require.LessOrEqual(t, bounds[i][1], bounds[i+1][0])
	}
}

// What happens between a reclustering and its commit: an append does not matter; a
// manifest that has left is a conflict, and nothing is lost.
func TestReclusteringBesideCommits(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.scattered("db.t", iceberg.Properties{})
	r, err := k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{})
	require.NoError(t, err)
	k.append(tbl, k.file(tbl, "late.parquet", "c07", 5))
	_, err = k.swap(tbl, r)
	require.NoError(t, err)
	require.Contains(t, k.check(tbl), "late.parquet")

	tbl = k.scattered("db.u", iceberg.Properties{})
	r, err = k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{})
	require.NoError(t, err)
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Snapshot: &catalog.SnapshotChange{
		Operation: table.OpDelete, Base: &r.Base, Removed: []string{k.DataPath(tbl) + "/3-4.parquet"},
	}}}})
	require.NoError(t, err)
	live := k.check(tbl)
	_, err = k.swap(tbl, r)
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	require.Equal(t, live, k.check(tbl), "the file stays removed")
}

// The two failure rows: the swap did not happen; it happened and looked failed.
func TestReclusteringWhenItsCommitFails(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{"did not happen": {Before: errPlanned}, "happened": {After: errPlanned}} {
		store := memstore.New()
		k := newKit(t, store, nil)
		tbl := k.scattered("db.t", iceberg.Properties{})
		before, _, _ := k.entries(tbl)
		r, err := k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{})
		require.NoError(t, err)
		n := 0
		store.InjectApply(func(catalog.Batch) (f memstore.Fault) {
			if n++; n == 1 {
				return fault
			}
			return f
		})
		_, err = k.swap(tbl, r)
		require.NoError(t, err, name)
		after, _, manifests := k.entries(tbl)
		require.Equal(t, before, after, name)
		require.Len(t, manifests, len(r.Swap.By), name)
		k.check(tbl)
	}
}

// Manifests that lie elsewhere, hold other counts, or come beside files are refused.
func TestOnlyTheSameEntriesAreSwappedIn(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl, other := k.scattered("db.t", iceberg.Properties{}), k.scattered("db.u", iceberg.Properties{})
	mine, err := k.Recluster(k.ctx(), tbl.ID, catalog.ReclusterOptions{})
	require.NoError(t, err)
	theirs, err := k.Recluster(k.ctx(), other.ID, catalog.ReclusterOptions{})
	require.NoError(t, err)
	live := k.check(tbl)
	foreign := mine
	foreign.Swap = &catalog.ManifestSwap{Replaced: mine.Swap.Replaced, By: theirs.Swap.By}
	_, err = k.swap(tbl, foreign)
	require.ErrorIs(t, err, catalog.ErrInvalid)
	less := mine
	less.Swap = &catalog.ManifestSwap{Replaced: mine.Swap.Replaced[1:], By: mine.Swap.By}
	_, err = k.swap(tbl, less)
	require.ErrorContains(t, err, "does not balance")
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Snapshot: &catalog.SnapshotChange{
		Operation: table.OpReplace, Base: &mine.Base, Manifests: mine.Swap, Removed: []string{"x"},
	}}}})
	require.ErrorIs(t, err, catalog.ErrInvalid)
	require.Equal(t, live, k.check(tbl))
}

// The proof of a reclustering turns red on each kind of damage.
func TestChangedEntriesAreFound(t *testing.T) {
	spec := byContributor()
	entry := func(status iceberg.ManifestEntryStatus, path, who string, rows, snapshot, sequence, fileSequence, rowID int64) iceberg.ManifestEntry {
		b, err := iceberg.NewDataFileBuilder(*spec, iceberg.EntryContentData, path, iceberg.ParquetFile, map[int]any{1000: who}, nil, nil, rows, 100)
		require.NoError(t, err)
		return iceberg.NewManifestEntry(status, &snapshot, &sequence, &fileSequence, b.FirstRowID(rowID).Build())
	}
	const live = iceberg.EntryStatusEXISTING
	a, b := entry(live, "a", "x", 10, 1, 2, 3, 4), entry(live, "b", "x", 10, 1, 2, 3, 14)
	want := []iceberg.ManifestEntry{a, b}
	require.NoError(t, catalog.SameEntries(want, []iceberg.ManifestEntry{b, a}))
	for name, got := range map[string][]iceberg.ManifestEntry{
		"one is lost":               {a},
		"one comes twice":           {a, b, b},
		"one for another":           {a, a},
		"another partition":         {a, entry(live, "b", "y", 10, 1, 2, 3, 14)},
		"another snapshot":          {a, entry(live, "b", "x", 10, 9, 2, 3, 14)},
		"another sequence number":   {a, entry(live, "b", "x", 10, 1, 9, 3, 14)},
		"another file sequence":     {a, entry(live, "b", "x", 10, 1, 2, 9, 14)},
		"another row id":            {a, entry(live, "b", "x", 10, 1, 2, 3, 15)},
		"other rows":                {a, entry(live, "b", "x", 11, 1, 2, 3, 14)},
		"deleted":                   {a, entry(iceberg.EntryStatusDELETED, "b", "x", 10, 1, 2, 3, 14)},
		"added by the new snapshot": {a, entry(iceberg.EntryStatusADDED, "b", "x", 10, 1, 2, 3, 14)},
	} {
		err := catalog.SameEntries(want, got)
		if _, ok := errors.AsType[*catalog.EntriesError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A commit does not merge what has its size: sorted manifests would be mixed.
func TestLargeManifestsAreNotMerged(t *testing.T) {
	for length, want := range map[int64]int{1 << 20: 1, 4<<20 - 1: 1, 4 << 20: 0, 8 << 20: 0} {
		var ms []iceberg.ManifestFile
		for i := range 16 {
			ms = append(ms, iceberg.NewManifestFile(2, fmt.Sprint(i), length, 0, 1).ExistingFiles(300).ExistingRows(1000).Build())
		}
		require.Len(t, catalog.Mergeable(ms, 16), want, "of %d bytes", length)
	}
}

func TestPartitionValuesHaveAnOrder(t *testing.T) {
	for _, in := range [][]any{
		{nil, int32(-1), int32(2)},
		{nil, "", "a", "b"},
		{false, true},
		{iceberg.Date(-5), iceberg.Date(7)},
		{[]byte{1}, []byte{1, 0}, []byte{255}},
		{float64(-1), float64(0.5)},
	} {
		for i, a := range in {
			for j, b := range in {
				require.Equal(t, max(-1, min(1, i-j)), catalog.CompareValues(a, b), "%v and %v", a, b)
			}
		}
	}
}
