package catalog_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

// everyColumn has a column of each type that a partition can be made of.
var everyColumn = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "s", Type: iceberg.PrimitiveTypes.String, Doc: "with \"quotes\""},
	iceberg.NestedField{ID: 2, Name: "i", Type: iceberg.PrimitiveTypes.Int32},
	iceberg.NestedField{ID: 3, Name: "l", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 4, Name: "f", Type: iceberg.PrimitiveTypes.Float32},
	iceberg.NestedField{ID: 5, Name: "d", Type: iceberg.PrimitiveTypes.Float64},
	iceberg.NestedField{ID: 6, Name: "b", Type: iceberg.PrimitiveTypes.Bool},
	iceberg.NestedField{ID: 7, Name: "day", Type: iceberg.PrimitiveTypes.Date},
	iceberg.NestedField{ID: 8, Name: "at", Type: iceberg.PrimitiveTypes.TimestampTz},
	iceberg.NestedField{ID: 9, Name: "u", Type: iceberg.PrimitiveTypes.UUID},
	iceberg.NestedField{ID: 10, Name: "bin", Type: iceberg.PrimitiveTypes.Binary},
	iceberg.NestedField{ID: 11, Name: "dec", Type: iceberg.DecimalTypeOf(12, 3)},
	iceberg.NestedField{ID: 12, Name: "x y.z", Type: iceberg.PrimitiveTypes.String},
)

func byEveryColumn() *iceberg.PartitionSpec {
	var fields []iceberg.PartitionField
	for i, f := range everyColumn.Fields() {
		fields = append(fields, iceberg.PartitionField{SourceIDs: []int{f.ID}, FieldID: 1000 + i, Name: f.Name, Transform: iceberg.IdentityTransform{}})
	}
	fields = append(fields, iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1100, Name: "s_bucket", Transform: iceberg.BucketTransform{NumBuckets: 16}})
	return new(iceberg.NewPartitionSpec(fields...))
}

func tuples() map[string]map[int]any {
	full := map[int]any{
		1000: "Côte d'Ivoire", 1001: int32(-7), 1002: int64(math.MinInt64), 1003: float32(1.5), 1004: math.Inf(-1), 1005: true,
		1006: iceberg.Date(19_000), 1007: iceberg.Timestamp(1_700_000_000_000_000), 1008: uuid.MustParse("0198d9c4-0000-7000-8000-000000000001"),
		1009: []byte{0, 0xff}, 1010: iceberg.Decimal{Scale: 3}, 1011: "", 1100: int32(3),
	}
	null := map[int]any{}
	for id := range full {
		null[id] = nil
	}
	nan := maps.Clone(full)
	nan[1003], nan[1004] = float32(math.NaN()), math.NaN()
	return map[string]map[int]any{"full": full, "null": null, "nan": nan}
}

// TestFramedManifests: the second manifest of a kind is framed, and is the file that
// iceberg-go writes, but for the random marker between its blocks; so is what the list
// says of it.
func TestFramedManifests(t *testing.T) {
	for _, version := range []int{2, 3} {
		for name, tuple := range tuples() {
			t.Run(fmt.Sprintf("v%d/%s", version, name), func(t *testing.T) { framed(t, version, byEveryColumn(), tuple) })
		}
		t.Run(fmt.Sprintf("v%d/unpartitioned", version), func(t *testing.T) { framed(t, version, iceberg.UnpartitionedSpec, nil) })
	}
}

func framed(t *testing.T, version int, spec *iceberg.PartitionSpec, tuple map[int]any) {
	k := newKit(t, memstore.New(), nil)
	require.NoError(t, k.EnsureNamespace(k.ctx(), catalog.Namespace{"db"}))
	tbl, err := k.CreateTable(k.ctx(), catalog.NewTable{
		Ident: ident("t"), Schema: everyColumn, Spec: spec, Properties: iceberg.Properties{"format-version": fmt.Sprint(version)},
	})
	require.NoError(t, err)
	*spec = tbl.Metadata.PartitionSpec()
	file := func(name string, content iceberg.ManifestEntryContent) *iceberg.DataFileBuilder {
		format := iceberg.ParquetFile
		if content == iceberg.EntryContentPosDeletes && version >= 3 {
			format = iceberg.PuffinFile
		}
		b, err := iceberg.NewDataFileBuilder(*spec, content, k.DataPath(tbl)+"/"+name, format, tuple, nil, nil, 7, 1234)
		require.NoError(t, err)
		return b
	}
	stats := func(b *iceberg.DataFileBuilder) iceberg.DataFile {
		return b.ColumnSizes(map[int]int64{1: 10}).ValueCounts(map[int]int64{1: 7, 2: 7}).NullValueCounts(map[int]int64{1: 0}).
			NaNValueCounts(map[int]int64{4: 1}).LowerBoundValues(map[int][]byte{1: []byte("a")}).UpperBoundValues(map[int][]byte{1: []byte("z")}).
			SplitOffsets([]int64{4, 400}).SortOrderID(0).Build()
	}
	added := func(n int) []iceberg.DataFile {
		return []iceberg.DataFile{stats(file(fmt.Sprintf("%d-a", n), iceberg.EntryContentData)), file(fmt.Sprintf("%d-b", n), iceberg.EntryContentData).Build()}
	}
	deletes := func(n int) []iceberg.DataFile {
		ref := k.DataPath(tbl) + "/" + fmt.Sprintf("%d-a", n)
		b := file(fmt.Sprintf("%d-deletes", n), iceberg.EntryContentPosDeletes).ReferencedDataFile(ref)
		if version >= 3 {
			b = b.ContentOffset(4).ContentSizeInBytes(40)
		}
		return []iceberg.DataFile{b.Build()}
	}
	for _, c := range []struct {
		op    table.Operation
		files func(int) []iceberg.DataFile
	}{{table.OpAppend, added}, {table.OpOverwrite, deletes}} {
		var marks [][]byte
		for n := range 3 {
			var entries []catalog.FileEntry
			files := c.files(n)
			for _, f := range files {
				entries = append(entries, catalog.FileEntry{File: f})
			}
			_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
				Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: c.op, Added: entries},
			}}})
			require.NoError(t, err)
			marks = append(marks, k.sameAsIcebergGo(k.load(tbl), files))
		}
		require.Equal(t, marks[0], marks[1], "the second is framed")
		require.Equal(t, marks[0], marks[2])
	}
	k.check(tbl)
}

// sameAsIcebergGo writes the newest manifest again, and the list that names it, and compares.
func (k *kit) sameAsIcebergGo(tbl *catalog.Table, files []iceberg.DataFile) (mark []byte) {
	k.t.Helper()
	snap := tbl.CurrentSnapshot()
	list, err := snap.Manifests(k.bucket.FileIO())
	require.NoError(k.t, err)
	m := list[0]
	key, err := k.bucket.Key(m.FilePath())
	require.NoError(k.t, err)
	got, err := k.bucket.Get(k.ctx(), key)
	require.NoError(k.t, err)

	var want bytes.Buffer
	w, err := iceberg.NewManifestWriter(tbl.Metadata.Version(), &want, catalog.AvroSpec(tbl.Metadata.PartitionSpec()), tbl.Metadata.CurrentSchema(), snap.SnapshotID, iceberg.WithManifestWriterContent(m.ManifestContent()))
	require.NoError(k.t, err)
	for _, f := range files {
		require.NoError(k.t, w.Add(iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &snap.SnapshotID, nil, nil, f)))
	}
	require.NoError(k.t, w.Close())
	again, err := w.ToManifestFile(m.FilePath(), int64(want.Len()))
	require.NoError(k.t, err)
	// The order of the metadata in the head is random.
	wantMeta, wantBody := avroParts(k.t, want.Bytes())
	gotMeta, gotBody := avroParts(k.t, got)
	require.Equal(k.t, wantMeta, gotMeta)
	require.True(k.t, bytes.Equal(wantBody, gotBody), "%d and %d bytes", len(wantBody), len(gotBody))
	mark = slices.Clone(got[len(got)-16:])

	var out bytes.Buffer
	manifests := append([]iceberg.ManifestFile{again}, list[1:]...)
	if tbl.Metadata.Version() >= 3 {
		lw, err := iceberg.NewManifestListWriterV3(&out, snap.SnapshotID, snap.SequenceNumber, *snap.FirstRowID, snap.ParentSnapshotID)
		require.NoError(k.t, err)
		require.NoError(k.t, lw.AddManifests(manifests))
		require.NoError(k.t, lw.Close())
	} else {
		lw, err := iceberg.NewManifestListWriterV2(&out, snap.SnapshotID, snap.SequenceNumber, snap.ParentSnapshotID)
		require.NoError(k.t, err)
		require.NoError(k.t, lw.AddManifests(manifests))
		require.NoError(k.t, lw.Close())
	}
	rewritten, err := iceberg.ReadManifestList(&out)
	require.NoError(k.t, err)
	require.Equal(k.t, rewritten, list)
	return mark
}

// avroParts are the metadata of an Avro file and what comes after, without the sync markers.
func avroParts(t testing.TB, data []byte) (map[string]string, []byte) {
	t.Helper()
	r := bytes.NewReader(data[4:])
	meta := map[string]string{}
	text := func() string {
		n, err := binary.ReadVarint(r)
		require.NoError(t, err)
		b := make([]byte, n)
		_, err = io.ReadFull(r, b)
		require.NoError(t, err)
		return string(b)
	}
	for {
		n, err := binary.ReadVarint(r)
		require.NoError(t, err)
		if n == 0 {
			break
		}
		for range n {
			key := text()
			meta[key] = text()
		}
	}
	mark := data[len(data)-r.Len():][:16]
	require.Equal(t, 2, bytes.Count(data, mark), "one block")
	return meta, data[len(data)-r.Len()+16 : len(data)-16]
}

// TestFramesAreToldApart: another schema, spec, partition or content is another head.
func TestFramesAreToldApart(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	seen := map[string]bool{}
	next := 0
	fresh := func(files ...catalog.FileEntry) {
		t.Helper()
		k.append(tbl, files...)
		var raw []iceberg.DataFile
		for _, f := range files {
			raw = append(raw, f.File)
		}
		mark := string(k.sameAsIcebergGo(k.load(tbl), raw))
		require.False(t, seen[mark])
		seen[mark] = true
	}
	file := func(who string) catalog.FileEntry { next++; return k.file(k.load(tbl), fmt.Sprint(next), who, 1) }
	fresh(file("a"))
	fresh(file("b"))
	fresh(file(""))
	fresh(file("a"), file("b")) // of two partitions: no frame
	fresh(file("a"), file("b"))
	evolved := iceberg.NewSchema(1, append(testSchema.Fields(), iceberg.NestedField{ID: 4, Name: "more", Type: iceberg.PrimitiveTypes.String})...)
	change := func(updates ...table.Update) {
		t.Helper()
		_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Updates: updates}}})
		require.NoError(t, err)
	}
	change(table.NewAddSchemaUpdate(evolved), table.NewSetCurrentSchemaUpdate(-1))
	fresh(file("a"))
	change(table.NewUpgradeFormatVersionUpdate(3))
	fresh(file("a"))
	k.check(tbl)
}

func TestAvroNames(t *testing.T) {
	for name, want := range map[string]string{
		"country": "country", "x y.z": "x_x20y_x2Ez", "2024": "_2024", "a2": "a2", "é": "_xE9", "_": "_", "😀": "_x1F600",
	} {
		require.Equal(t, want, catalog.AvroName(name))
	}
}
