// Package laketest gives tests Iceberg tables on a real bucket, written by
// iceberg-go, so that what reads them is checked against another's writer.
package laketest

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// Table is one Iceberg table on a real bucket, written by iceberg-go, and
// the two ways to read it: our relation in a worker, and iceberg-go's own scan.
type Table struct {
	t      testing.TB
	Bucket *objstore.Bucket
	Lake   *lake.Lake
	Pool   *duck.Pool
	Meta   table.Metadata
}

// New is an empty table in a bucket of its own. spec may be nil.
func New(t testing.TB, schema *iceberg.Schema, spec *iceberg.PartitionSpec, props iceberg.Properties) *Table {
	t.Helper()
	pool, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	f := &Table{t: t, Bucket: objstoretest.New(t), Pool: pool}
	f.Lake, err = lake.New(lake.Config{Bucket: f.Bucket, CacheDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(f.Lake.Close)
	f.create(schema, spec, props)
	return f
}

// Sibling is another empty table in the same bucket.
func (f *Table) Sibling(schema *iceberg.Schema, spec *iceberg.PartitionSpec, props iceberg.Properties) *Table {
	f.t.Helper()
	o := &Table{t: f.t, Bucket: f.Bucket, Lake: f.Lake, Pool: f.Pool}
	o.create(schema, spec, props)
	return o
}

func (f *Table) create(schema *iceberg.Schema, spec *iceberg.PartitionSpec, props iceberg.Properties) {
	f.t.Helper()
	if spec == nil {
		spec = iceberg.UnpartitionedSpec
	}
	meta, err := table.NewMetadata(schema, spec, table.UnsortedSortOrder, f.Bucket.Location("default/"+uuid.NewString()), props)
	require.NoError(f.t, err)
	f.Meta = meta
}

// LoadTable and CommitTable make the table a catalog for iceberg-go.
func (f *Table) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return f.Iceberg(), nil
}

func (f *Table) CommitTable(_ context.Context, _ table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	for _, r := range reqs {
		if err := r.Validate(f.Meta); err != nil {
			return nil, "", err
		}
	}
	meta, err := table.UpdateTableMetadata(f.Meta, updates, "")
	if err != nil {
		return nil, "", err
	}
	f.Meta = meta
	return meta, f.Bucket.Location("unused.metadata.json"), nil
}

func (f *Table) Iceberg() *table.Table {
	return table.New(table.Identifier{"ns", "t"}, f.Meta, f.Bucket.Location("unused.metadata.json"),
		func(context.Context) (iceio.IO, error) { return f.Bucket.FileIO(), nil }, f)
}

// Change commits what do stages.
func (f *Table) Change(do func(tx *table.Transaction) error) int64 {
	f.t.Helper()
	tx := f.Iceberg().NewTransaction()
	require.NoError(f.t, do(tx))
	_, err := tx.Commit(f.t.Context())
	require.NoError(f.t, err)
	if s := f.Meta.CurrentSnapshot(); s != nil {
		return s.SnapshotID
	}
	return 0
}

// Records are rows given as JSON, in the table's schema or a part of it.
func (f *Table) Records(json string, columns ...string) array.RecordReader {
	f.t.Helper()
	schema := f.Meta.CurrentSchema()
	if len(columns) > 0 {
		var err error
		schema, err = schema.Select(true, columns...)
		require.NoError(f.t, err)
	}
	as, err := table.SchemaToArrowSchema(schema, nil, true, false)
	require.NoError(f.t, err)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, as, strings.NewReader(json))
	require.NoError(f.t, err)
	rdr, err := array.NewRecordReader(as, []arrow.RecordBatch{rec})
	require.NoError(f.t, err)
	return rdr
}

func (f *Table) Append(json string) int64 {
	f.t.Helper()
	return f.Change(func(tx *table.Transaction) error { return tx.Append(f.t.Context(), f.Records(json), nil) })
}

func (f *Table) Delete(filter iceberg.BooleanExpression) int64 {
	f.t.Helper()
	return f.Change(func(tx *table.Transaction) error { return tx.Delete(f.t.Context(), filter, nil) })
}

func (f *Table) EqualityDelete(ids []int, json string, columns ...string) int64 {
	f.t.Helper()
	return f.Change(func(tx *table.Transaction) error {
		rdr := f.Records(json, columns...)
		return tx.CommitEqualityDeletes(f.t.Context(), ids, func(yield func(arrow.RecordBatch, error) bool) {
			for rdr.Next() {
				if !yield(rdr.RecordBatch(), nil) {
					return
				}
			}
		}, nil)
	})
}

// Query runs SQL over a relation named t.
func (f *Table) Query(scan *lake.Scan, o lake.RelationOptions, sql string) []map[string]any {
	f.t.Helper()
	rel, err := f.Lake.Relation(f.t.Context(), scan, o)
	require.NoError(f.t, err)
	defer rel.Release()
	rows, err := f.Pool.Exec(f.t.Context(), duck.Job{
		Setup: append(rel.Setup, "CREATE VIEW t AS FROM "+rel.SQL), SQL: sql, Read: rel.Paths, Untrusted: true, PreserveOrder: true,
	})
	require.NoError(f.t, err, rel.SQL)
	return rows
}

// Rows reads a snapshot through our relation, each row as text, sorted.
func (f *Table) Rows(snapshot int64) []string {
	f.t.Helper()
	scan, err := f.Lake.Plan(f.t.Context(), f.Meta, snapshot, nil)
	require.NoError(f.t, err)
	return f.Texts(scan)
}

func (f *Table) Texts(scan *lake.Scan) []string {
	f.t.Helper()
	out := []string{}
	for _, row := range f.Query(scan, lake.RelationOptions{}, "FROM t") {
		out = append(out, rowText(row))
	}
	slices.Sort(out)
	return out
}

func rowText(row map[string]any) string { return fmt.Sprint(row) } // fmt sorts maps by key

// Reference reads the head with iceberg-go alone.
func (f *Table) Reference(snapshot int64) []string {
	f.t.Helper()
	var opts []table.ScanOption
	if snapshot != 0 {
		opts = append(opts, table.WithSnapshotID(snapshot))
	}
	_, batches, err := f.Iceberg().Scan(opts...).ToArrowRecords(f.t.Context())
	require.NoError(f.t, err)
	out := []string{}
	for rec, err := range batches {
		require.NoError(f.t, err)
		for i := range int(rec.NumRows()) {
			row := map[string]any{}
			for c, field := range rec.Schema().Fields() {
				row[field.Name] = duck.GoValue(rec.Column(c), i)
			}
			out = append(out, rowText(row))
		}
	}
	slices.Sort(out)
	return out
}

// Same checks that both readers see the same rows, and how many.
func (f *Table) Same(n int) {
	f.t.Helper()
	want := f.Reference(0)
	require.Len(f.t, want, n, "iceberg-go")
	require.Equal(f.t, want, f.Rows(0))
}

func Batches(t arrow.Table) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		rdr := array.NewTableReader(t, 1<<20)
		defer rdr.Release()
		for rdr.Next() {
			rec := rdr.RecordBatch()
			rec.Retain() // the writer releases what it takes
			if !yield(rec, nil) {
				return
			}
		}
	}
}

// Import adds a Parquet file that DuckDB writes of a SELECT to the table, as
// tools do that take over Hive's files: in the partition of the current spec
// that is given by field id, without metrics. options are those of COPY:
// FIELD_IDS gives the file field ids, which it has not by itself.
func (f *Table) Import(sql, options string, partition map[int]any) int64 {
	f.t.Helper()
	dir := f.t.TempDir()
	path := filepath.Join(dir, "imported.parquet")
	_, err := f.Pool.Exec(f.t.Context(), duck.Job{SQL: "COPY (" + sql + ") TO " + duck.Quote(path) + " (FORMAT parquet" + options + ")", WriteDir: dir})
	require.NoError(f.t, err)
	info, err := os.Stat(path)
	require.NoError(f.t, err)
	rows, err := f.Pool.Exec(f.t.Context(), duck.Job{SQL: "SELECT count(*) AS n FROM read_parquet(" + duck.Quote(path) + ")", Read: []string{path}})
	require.NoError(f.t, err)
	location := strings.TrimSuffix(f.Meta.Location(), "/") + "/data/" + uuid.NewString() + ".parquet"
	key, err := f.Bucket.Key(location)
	require.NoError(f.t, err)
	require.NoError(f.t, f.Bucket.PutFile(f.t.Context(), key, path))
	types := map[int]string{}
	spec := f.Meta.PartitionSpec()
	for _, p := range spec.Fields() {
		field, ok := f.Meta.CurrentSchema().FindFieldByID(p.SourceID())
		require.True(f.t, ok)
		if _, ok := field.Type.(iceberg.DateType); ok {
			types[p.FieldID] = "date"
		}
	}
	file, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentData, location, iceberg.ParquetFile, partition, types, nil, rows[0]["n"].(int64), info.Size())
	require.NoError(f.t, err)
	if f.Meta.Version() >= 3 {
		file.FirstRowID(f.Meta.NextRowID())
	}
	return f.Change(func(tx *table.Transaction) error {
		return tx.AddDataFiles(f.t.Context(), []iceberg.DataFile{file.Build()}, nil, table.WithoutAutoNameMapping())
	})
}
