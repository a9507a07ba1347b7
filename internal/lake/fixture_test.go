package lake_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// fixture is one Iceberg table on a real bucket, written by iceberg-go, and
// the two ways to read it: our relation in a worker, and iceberg-go's own scan.
type fixture struct {
	t      testing.TB
	bucket *objstore.Bucket
	lake   *lake.Lake
	pool   *duck.Pool
	meta   table.Metadata
}

func newFixture(t testing.TB, schema *iceberg.Schema, spec *iceberg.PartitionSpec, props iceberg.Properties) *fixture {
	t.Helper()
	f := &fixture{t: t, bucket: objstoretest.New(t)}
	pool, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: t.TempDir()})
	if errors.Is(err, duck.ErrNotBuiltIn) {
		t.Skip("built without duckdb_arrow")
	}
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	f.pool = pool
	f.lake, err = lake.New(lake.Config{Bucket: f.bucket, CacheDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(f.lake.Close)
	if spec == nil {
		spec = iceberg.UnpartitionedSpec
	}
	f.meta, err = table.NewMetadata(schema, spec, table.UnsortedSortOrder, f.bucket.Location("default/"+uuid.NewString()), props)
	require.NoError(t, err)
	return f
}

// LoadTable and CommitTable make the fixture a catalog for iceberg-go.
func (f *fixture) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return f.table(), nil
}

func (f *fixture) CommitTable(_ context.Context, _ table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	for _, r := range reqs {
		if err := r.Validate(f.meta); err != nil {
			return nil, "", err
		}
	}
	meta, err := table.UpdateTableMetadata(f.meta, updates, "")
	if err != nil {
		return nil, "", err
	}
	f.meta = meta
	return meta, f.bucket.Location("unused.metadata.json"), nil
}

func (f *fixture) table() *table.Table {
	return table.New(table.Identifier{"ns", "t"}, f.meta, f.bucket.Location("unused.metadata.json"),
		func(context.Context) (iceio.IO, error) { return f.bucket.FileIO(), nil }, f)
}

// change commits what do stages.
func (f *fixture) change(do func(tx *table.Transaction) error) int64 {
	f.t.Helper()
	tx := f.table().NewTransaction()
	require.NoError(f.t, do(tx))
	_, err := tx.Commit(f.t.Context())
	require.NoError(f.t, err)
	if s := f.meta.CurrentSnapshot(); s != nil {
		return s.SnapshotID
	}
	return 0
}

// records are rows given as JSON, in the table's schema or a part of it.
func (f *fixture) records(json string, columns ...string) array.RecordReader {
	f.t.Helper()
	schema := f.meta.CurrentSchema()
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

func (f *fixture) append(json string) int64 {
	f.t.Helper()
	return f.change(func(tx *table.Transaction) error { return tx.Append(f.t.Context(), f.records(json), nil) })
}

func (f *fixture) delete(filter iceberg.BooleanExpression) int64 {
	f.t.Helper()
	return f.change(func(tx *table.Transaction) error { return tx.Delete(f.t.Context(), filter, nil) })
}

func (f *fixture) equalityDelete(ids []int, json string, columns ...string) int64 {
	f.t.Helper()
	return f.change(func(tx *table.Transaction) error {
		rdr := f.records(json, columns...)
		return tx.CommitEqualityDeletes(f.t.Context(), ids, func(yield func(arrow.RecordBatch, error) bool) {
			for rdr.Next() {
				if !yield(rdr.RecordBatch(), nil) {
					return
				}
			}
		}, nil)
	})
}

// query runs SQL over a relation named t.
func (f *fixture) query(scan *lake.Scan, o lake.RelationOptions, sql string) []map[string]any {
	f.t.Helper()
	rel, err := f.lake.Relation(f.t.Context(), scan, o)
	require.NoError(f.t, err)
	defer rel.Release()
	rows, err := f.pool.Exec(f.t.Context(), duck.Job{
		Setup: append(rel.Setup, "CREATE VIEW t AS FROM "+rel.SQL), SQL: sql, Read: rel.Paths, Untrusted: true, PreserveOrder: true,
	})
	require.NoError(f.t, err, rel.SQL)
	return rows
}

// rows reads a snapshot through our relation, each row as text, sorted.
func (f *fixture) rows(snapshot int64) []string {
	f.t.Helper()
	scan, err := f.lake.Plan(f.t.Context(), f.meta, snapshot, nil)
	require.NoError(f.t, err)
	return f.texts(scan)
}

func (f *fixture) texts(scan *lake.Scan) []string {
	f.t.Helper()
	out := []string{}
	for _, row := range f.query(scan, lake.RelationOptions{}, "FROM t") {
		out = append(out, rowText(row))
	}
	slices.Sort(out)
	return out
}

func rowText(row map[string]any) string { return fmt.Sprint(row) } // fmt sorts maps by key

// reference reads the head with iceberg-go alone.
func (f *fixture) reference(snapshot int64) []string {
	f.t.Helper()
	var opts []table.ScanOption
	if snapshot != 0 {
		opts = append(opts, table.WithSnapshotID(snapshot))
	}
	_, batches, err := f.table().Scan(opts...).ToArrowRecords(f.t.Context())
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

// same checks that both readers see the same rows, and how many.
func (f *fixture) same(n int) {
	f.t.Helper()
	want := f.reference(0)
	require.Len(f.t, want, n, "iceberg-go")
	require.Equal(f.t, want, f.rows(0))
}

func batchesOf(t arrow.Table) iter.Seq2[arrow.RecordBatch, error] {
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
