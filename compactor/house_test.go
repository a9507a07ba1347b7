package compactor_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/compactortest"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
)

var pool *duck.Pool

func TestMain(m *testing.M) { os.Exit(compactortest.Main(m, &pool)) }

// house is a compactor, and the ground it stands on.
type house struct {
	t       testing.TB
	ground  *compactortest.Ground
	store   *memstore.Store
	bucket  *objstore.Bucket
	catalog *catalog.Catalog
	lake    *lake.Lake
	service *compactor.Service
}

func newHouse(t testing.TB, adjust ...func(*compactor.Config)) *house {
	t.Helper()
	g := compactortest.New(t, pool)
	h := &house{t: t, ground: g, store: g.Store, bucket: g.Bucket, catalog: g.Catalog, lake: g.Lake}
	h.service = h.another(adjust...)
	return h
}

// another is a second process over the same store.
func (h *house) another(adjust ...func(*compactor.Config)) *compactor.Service {
	h.t.Helper()
	cfg := compactor.Config{Catalog: h.catalog, Store: h.store, Bucket: h.bucket, Lake: h.lake, Pool: pool, TempDir: h.t.TempDir(), Manual: true}
	for _, a := range adjust {
		a(&cfg)
	}
	s, err := compactor.New(cfg)
	require.NoError(h.t, err)
	return s
}

// run keeps a service up until the test ends.
func (h *house) run(f func(context.Context) error) { h.ground.Run(f) }

var schema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "country", Type: iceberg.PrimitiveTypes.String},
	iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 3, Name: "amount", Type: iceberg.DecimalTypeOf(18, 3)},
	iceberg.NestedField{ID: 4, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
	iceberg.NestedField{ID: 5, Name: "score", Type: iceberg.PrimitiveTypes.Float64},
	iceberg.NestedField{ID: 6, Name: "tags", Type: &iceberg.ListType{ElementID: 7, Element: iceberg.PrimitiveTypes.String}},
)

func (h *house) create(name string, props iceberg.Properties) *catalog.Table {
	h.t.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(h.t, err)
	require.NoError(h.t, h.catalog.EnsureNamespace(h.t.Context(), id.Namespace))
	all := iceberg.Properties{"firn.write.merge-ready": "true", "firn.compact.row-hash": "true"}
	maps.Copy(all, props)
	spec := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "country", Transform: iceberg.IdentityTransform{}})
	t, err := h.catalog.CreateTable(h.t.Context(), catalog.NewTable{Ident: id, Schema: schema, Spec: &spec, Properties: all})
	require.NoError(h.t, err)
	return t
}

func (h *house) load(t *catalog.Table) *catalog.Table {
	h.t.Helper()
	out, err := h.catalog.LoadTableID(context.Background(), t.ID)
	require.NoError(h.t, err)
	return out
}

// rowsSQL makes n rows from an id on, for a country ("NULL" is none).
func rowsSQL(country string, from, n int) string {
	c := "'" + country + "'"
	if country == "NULL" {
		c = "NULL::VARCHAR"
	}
	return fmt.Sprintf(`SELECT %s AS country, i::BIGINT AS id, (i * 1.001)::DECIMAL(18,3) AS amount,
		TIMESTAMP '2026-01-01' + INTERVAL (i) SECOND AS "at",
		CASE i %% 5 WHEN 0 THEN 'nan'::DOUBLE WHEN 1 THEN NULL ELSE i / 7.0 END AS score,
		CASE i %% 3 WHEN 0 THEN NULL ELSE list_value('a' || i, NULL, 'b') END AS tags
		FROM range(%d, %d) t(i)`, c, from, from+n)
}

func (h *house) files(t *catalog.Table, sql string) []catalog.FileEntry {
	h.t.Helper()
	return h.ground.Write(t, sql)
}

func (h *house) commit(t *catalog.Table, op table.Operation, files ...catalog.FileEntry) catalog.Committed {
	h.t.Helper()
	return h.ground.Commit(t, op, files...)
}

func (h *house) append(t *catalog.Table, country string, from, n int) {
	h.t.Helper()
	h.commit(t, table.OpAppend, h.files(t, rowsSQL(country, from, n))...)
}

// deletePositions commits a position delete file over one data file.
func (h *house) deletePositions(t *catalog.Table, data iceberg.DataFile, positions ...int64) {
	h.t.Helper()
	meta := func(id string) arrow.Metadata { return arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{id}) }
	s := arrow.NewSchema([]arrow.Field{
		{Name: "file_path", Type: arrow.BinaryTypes.String, Metadata: meta("2147483546")},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: meta("2147483545")},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, p := range positions {
		b.Field(0).(*array.StringBuilder).Append(data.FilePath())
		b.Field(1).(*array.Int64Builder).Append(p)
	}
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &buf, nil, pqarrow.DefaultWriterProps())
	require.NoError(h.t, err)
	require.NoError(h.t, w.Write(b.NewRecordBatch()))
	require.NoError(h.t, w.Close())
	location := h.catalog.DataPath(t) + "/deletes-" + uuid.NewString() + ".parquet"
	key, err := h.bucket.Key(location)
	require.NoError(h.t, err)
	require.NoError(h.t, h.bucket.PutBytes(context.Background(), key, buf.Bytes(), objstore.PutOptions{}))
	spec := t.Metadata.PartitionSpec()
	f, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentPosDeletes, location, iceberg.ParquetFile, data.Partition(), nil, nil, int64(len(positions)), int64(buf.Len()))
	require.NoError(h.t, err)
	h.commit(t, table.OpDelete, catalog.FileEntry{File: f.ReferencedDataFile(data.FilePath()).Build()})
}

// live answers the files of the head, by our planner.
func (h *house) live(t *catalog.Table) []lake.File {
	h.t.Helper()
	scan, err := h.lake.Plan(context.Background(), h.load(t).Metadata, 0, nil)
	require.NoError(h.t, err)
	return scan.Files
}

// rows answers all rows of a snapshot (0: head), sorted, through iceberg-go's
// own scanner: no code of ours takes part but the file IO.
func (h *house) rows(t *catalog.Table, snapshot int64) []string {
	h.t.Helper()
	t = h.load(t)
	ctx := context.Background()
	fio := func(context.Context) (iceio.IO, error) { return h.bucket.FileIO(), nil }
	tbl := table.New(table.Identifier{"x"}, t.Metadata, t.MetadataLocation, fio, nil)
	var opts []table.ScanOption
	if snapshot != 0 {
		opts = append(opts, table.WithSnapshotID(snapshot))
	}
	data, err := tbl.Scan(opts...).ToArrowTable(ctx)
	require.NoError(h.t, err)
	defer data.Release()
	r := array.NewTableReader(data, 0)
	defer r.Release()
	var out []string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			var b strings.Builder
			for c := range int(rec.NumCols()) {
				fmt.Fprintf(&b, "%s|", rec.Column(c).ValueStr(i))
			}
			out = append(out, b.String())
		}
	}
	slices.Sort(out)
	return out
}

// job runs one job that does all there is to do.
func (h *house) job(kind jobs.Kind, t *catalog.Table) jobs.Job {
	h.t.Helper()
	ctx := context.Background()
	j, err := h.service.Submit(ctx, kind, t.Ident, "")
	require.NoError(h.t, err)
	return h.wait(j.ID)
}

func (h *house) wait(id string) jobs.Job {
	h.t.Helper()
	var last jobs.Job
	for j, err := range h.service.Queue().Watch(context.Background(), id) {
		require.NoError(h.t, err)
		last = j
	}
	return last
}

// change commits updates of a table's metadata.
func (h *house) change(t *catalog.Table, updates ...table.Update) {
	h.t.Helper()
	_, err := h.catalog.Commit(context.Background(), catalog.Transaction{ID: uuid.NewString(), Actor: "test", Tables: []catalog.TableChange{{Table: t.ID, Updates: updates}}})
	require.NoError(h.t, err)
}

func (h *house) property(t *catalog.Table, key, value string) {
	h.t.Helper()
	h.change(t, table.NewSetPropertiesUpdate(iceberg.Properties{key: value}))
}

// evolve renames amount to total, drops score and adds note.
func (h *house) evolve(t *catalog.Table) {
	h.t.Helper()
	next := iceberg.NewSchema(1,
		schema.Field(0), schema.Field(1),
		iceberg.NestedField{ID: 3, Name: "total", Type: iceberg.DecimalTypeOf(18, 3)},
		schema.Field(3), schema.Field(5),
		iceberg.NestedField{ID: 8, Name: "note", Type: iceberg.PrimitiveTypes.String},
	)
	h.change(t, table.NewAddSchemaUpdate(next), table.NewSetCurrentSchemaUpdate(-1))
}
