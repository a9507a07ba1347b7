package catalog_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

func newKit(t testing.TB, store catalog.Store, change func(*catalog.Config)) *kit {
	t.Helper()
	b := objstoretest.New(t)
	cfg := catalog.Config{Store: store, Bucket: b, MaxSnapshots: 0}
	if change != nil {
		change(&cfg)
	}
	c, err := catalog.New(cfg)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return &kit{t: t, Catalog: c, bucket: b}
}

type kit struct {
	*catalog.Catalog
	t      testing.TB
	bucket *objstore.Bucket
}

func (k *kit) ctx() context.Context { return context.Background() }

var testSchema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64, Required: true},
	iceberg.NestedField{ID: 2, Name: "contributor", Type: iceberg.PrimitiveTypes.String},
	iceberg.NestedField{ID: 3, Name: "at", Type: iceberg.PrimitiveTypes.TimestampTz},
)

func byContributor() *iceberg.PartitionSpec {
	return new(iceberg.NewPartitionSpec(iceberg.PartitionField{
		SourceIDs: []int{2}, FieldID: 1000, Name: "contributor", Transform: iceberg.IdentityTransform{},
	}))
}

// table creates namespace and table.
func (k *kit) table(name string, props iceberg.Properties) *catalog.Table {
	k.t.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(k.t, err)
	require.NoError(k.t, k.EnsureNamespace(k.ctx(), id.Namespace))
	tbl, err := k.CreateTable(k.ctx(), catalog.NewTable{Ident: id, Schema: testSchema, Spec: byContributor(), Properties: props})
	require.NoError(k.t, err)
	return tbl
}

// file makes the entry of a data file with rows rows of contributor who ("" is NULL).
func (k *kit) file(tbl *catalog.Table, name, who string, rows int64) catalog.FileEntry {
	k.t.Helper()
	var v any = who
	if who == "" {
		v = nil
	}
	b, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentData,
		k.DataPath(tbl)+"/"+name, iceberg.ParquetFile, map[int]any{1000: v}, nil, nil, rows, 100*rows+1)
	require.NoError(k.t, err)
	return catalog.FileEntry{File: b.Build()}
}

// posDelete makes a position delete file; ref may be empty.
func (k *kit) posDelete(tbl *catalog.Table, name, who, ref string, rows int64) catalog.FileEntry {
	k.t.Helper()
	b, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentPosDeletes,
		k.DataPath(tbl)+"/"+name, iceberg.ParquetFile, map[int]any{1000: who}, nil, nil, rows, 50)
	require.NoError(k.t, err)
	if ref != "" {
		const pathField = 2147483546
		b.ReferencedDataFile(ref)
		b.LowerBoundValues(map[int][]byte{pathField: []byte(ref)}).UpperBoundValues(map[int][]byte{pathField: []byte(ref)})
	}
	return catalog.FileEntry{File: b.Build()}
}

func appendOf(tbl *catalog.Table, files ...catalog.FileEntry) catalog.Transaction {
	return catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{
		Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpAppend, Added: files},
	}}}
}

func (k *kit) append(tbl *catalog.Table, files ...catalog.FileEntry) catalog.Committed {
	k.t.Helper()
	done, err := k.Commit(k.ctx(), appendOf(tbl, files...))
	require.NoError(k.t, err)
	return done
}

func (k *kit) load(tbl *catalog.Table) *catalog.Table {
	k.t.Helper()
	out, err := k.LoadTableID(k.ctx(), tbl.ID)
	require.NoError(k.t, err)
	return out
}

// check reads the table back the way a stranger does, from the bucket with iceberg-go, and checks
// the invariants of every retained snapshot: linear lineage, sequence numbers that rise by one,
// timestamps that rise, totals that are true, live = parent - removed + added.
// It returns the live files of the head with their row counts.
func (k *kit) check(tbl *catalog.Table) map[string]int64 {
	k.t.Helper()
	cur := k.load(tbl)
	fs := func(context.Context) (iceio.IO, error) { return k.bucket.FileIO(), nil }
	ice, err := table.NewFromLocation(k.ctx(), []string{"x"}, cur.MetadataLocation, fs, nil)
	require.NoError(k.t, err)
	meta := ice.Metadata()
	require.True(k.t, meta.Equals(cur.Metadata), "the file in the bucket is the metadata in memory")

	byID := map[int64]table.Snapshot{}
	for _, s := range meta.Snapshots() {
		byID[s.SnapshotID] = s
	}
	live := map[int64]map[string]int64{}
	for _, s := range meta.Snapshots() {
		live[s.SnapshotID] = k.live(s)
		require.Equal(k.t, fmt.Sprint(countData(live[s.SnapshotID])), s.Summary.Properties["total-data-files"])
		if s.ParentSnapshotID == nil {
			continue
		}
		parent, ok := byID[*s.ParentSnapshotID]
		if !ok {
			continue
		}
		if meta.Version() > 1 {
			require.Equal(k.t, parent.SequenceNumber+1, s.SequenceNumber)
		}
		require.Greater(k.t, s.TimestampMs, parent.TimestampMs)
	}
	head := meta.CurrentSnapshot()
	if head == nil {
		return map[string]int64{}
	}
	tasks, err := ice.Scan().PlanFiles(k.ctx())
	require.NoError(k.t, err)
	planned := map[string]int64{}
	for _, task := range tasks {
		planned[filepath.Base(task.File.FilePath())] = task.File.Count()
	}
	data := maps.Clone(live[head.SnapshotID])
	maps.DeleteFunc(data, func(name string, rows int64) bool { return rows < 0 })
	require.Equal(k.t, data, planned, "iceberg-go plans the files that are live")
	return live[head.SnapshotID]
}

// live reads a snapshot's live files; delete files have negative counts.
func (k *kit) live(s table.Snapshot) map[string]int64 {
	k.t.Helper()
	out := map[string]int64{}
	io := k.bucket.FileIO()
	manifests, err := s.Manifests(io)
	require.NoError(k.t, err)
	for _, m := range manifests {
		for e, err := range m.Entries(io, true) {
			require.NoError(k.t, err)
			name := filepath.Base(e.DataFile().FilePath())
			require.NotContains(k.t, out, name, "a file is live once")
			out[name] = e.DataFile().Count()
			if e.DataFile().ContentType() != iceberg.EntryContentData {
				out[name] = -out[name]
			}
		}
	}
	return out
}

// spliced: the head that was put together from parts of earlier ones is, byte by
// byte, the one that is encoded from nothing.
func (k *kit) spliced(tbl *catalog.Table) {
	k.t.Helper()
	cur := k.load(tbl)
	fresh, err := catalog.EncodeMetadata(cur.Metadata)
	require.NoError(k.t, err)
	require.Equal(k.t, string(fresh), string(cur.JSON))
}

func countData(live map[string]int64) (n int) {
	for _, rows := range live {
		if rows >= 0 {
			n++
		}
	}
	return n
}

func names(live map[string]int64) []string { return slices.Sorted(maps.Keys(live)) }

func newID() string { return uuid.NewString() }

// waitPending waits until n transactions stand before a held table.
func (k *kit) waitPending(n int) {
	for k.Pending() < n {
		runtime.Gosched()
	}
}
