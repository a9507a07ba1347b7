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
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/compactortest"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

var pool *duck.Pool

func TestMain(m *testing.M) { os.Exit(compactortest.Main(m, &pool)) }

// house is a compactor, and the ground it stands on.
type house struct {
	*compactortest.Ground
	service *compactor.Service
}

func newHouse(t testing.TB, adjust ...func(*compactor.Config)) *house {
	t.Helper()
	h := &house{Ground: compactortest.New(t, pool)}
	h.service = h.another(adjust...)
	return h
}

// another is a second process over the same store.
func (h *house) another(adjust ...func(*compactor.Config)) *compactor.Service {
	h.T.Helper()
	cfg := compactor.Config{Catalog: h.Catalog, Store: h.Store, Bucket: h.Bucket, Lake: h.Lake, Pool: pool, TempDir: h.T.TempDir(), Manual: true}
	for _, a := range adjust {
		a(&cfg)
	}
	s, err := compactor.New(cfg)
	require.NoError(h.T, err)
	return s
}

var schema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "country", Type: iceberg.PrimitiveTypes.String},
	iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 3, Name: "amount", Type: iceberg.DecimalTypeOf(18, 3)},
	iceberg.NestedField{ID: 4, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
	iceberg.NestedField{ID: 5, Name: "score", Type: iceberg.PrimitiveTypes.Float64},
	iceberg.NestedField{ID: 6, Name: "tags", Type: &iceberg.ListType{ElementID: 7, Element: iceberg.PrimitiveTypes.String}},
)

func (h *house) create(name string, props iceberg.Properties) *catalog.Table {
	h.T.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(h.T, err)
	require.NoError(h.T, h.Catalog.EnsureNamespace(h.T.Context(), id.Namespace))
	all := iceberg.Properties{"firn.write.merge-ready": "true", "firn.compact.row-hash": "true"}
	maps.Copy(all, props)
	spec := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "country", Transform: iceberg.IdentityTransform{}})
	t, err := h.Catalog.CreateTable(h.T.Context(), catalog.NewTable{Ident: id, Schema: schema, Spec: &spec, Properties: all})
	require.NoError(h.T, err)
	return t
}

func (h *house) load(t *catalog.Table) *catalog.Table {
	h.T.Helper()
	out, err := h.Catalog.LoadTableID(context.Background(), t.ID)
	require.NoError(h.T, err)
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

func (h *house) append(t *catalog.Table, country string, from, n int) {
	h.T.Helper()
	h.Commit(t, table.OpAppend, h.Write(t, rowsSQL(country, from, n))...)
}

// deletePositions commits a position delete file over one data file.
func (h *house) deletePositions(t *catalog.Table, data iceberg.DataFile, positions ...int64) {
	h.T.Helper()
	h.Commit(t, table.OpDelete, h.positionFile(t, data, positions...))
}

// positionParquet is a position delete file of one data file.
func positionParquet(t testing.TB, path string, positions []int64) []byte {
	t.Helper()
	meta := func(id string) arrow.Metadata { return arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{id}) }
	s := arrow.NewSchema([]arrow.Field{
		{Name: "file_path", Type: arrow.BinaryTypes.String, Metadata: meta("2147483546")},
		{Name: "pos", Type: arrow.PrimitiveTypes.Int64, Metadata: meta("2147483545")},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, s)
	defer b.Release()
	for _, p := range positions {
		b.Field(0).(*array.StringBuilder).Append(path)
		b.Field(1).(*array.Int64Builder).Append(p)
	}
	var buf bytes.Buffer
	w, err := pqarrow.NewFileWriter(s, &buf, nil, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(b.NewRecordBatch()))
	require.NoError(t, w.Close())
	return buf.Bytes()
}

// replace commits rows in place of a data file's, as copy-on-write does.
func (h *house) replace(t *catalog.Table, data iceberg.DataFile, sql string) {
	h.T.Helper()
	_, err := h.Catalog.Commit(context.Background(), catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: &catalog.SnapshotChange{
		Operation: table.OpOverwrite, Base: new(h.load(t).CurrentSnapshot().SnapshotID), Added: h.Write(t, sql), Removed: []string{data.FilePath()},
	}}}})
	require.NoError(h.T, err)
}

// live answers the files of the head, by our planner.
func (h *house) live(t *catalog.Table) []lake.File {
	h.T.Helper()
	scan, err := h.Lake.Plan(context.Background(), h.load(t).Metadata, 0, nil)
	require.NoError(h.T, err)
	return scan.Files
}

// rows answers all rows of a snapshot (0: head), sorted, through iceberg-go's
// own scanner: no code of ours takes part but the file IO.
func (h *house) rows(t *catalog.Table, snapshot int64) []string {
	h.T.Helper()
	t = h.load(t)
	ctx := context.Background()
	fio := func(context.Context) (iceio.IO, error) { return h.Bucket.FileIO(), nil }
	tbl := table.New(table.Identifier{"x"}, t.Metadata, t.MetadataLocation, fio, nil)
	var opts []table.ScanOption
	if snapshot != 0 {
		opts = append(opts, table.WithSnapshotID(snapshot))
	}
	data, err := tbl.Scan(opts...).ToArrowTable(ctx)
	require.NoError(h.T, err)
	defer data.Release()
	r := array.NewTableReader(data, 0)
	defer r.Release()
	var out []string
	for r.Next() {
		rec := r.RecordBatch()
		for i := range int(rec.NumRows()) {
			var b strings.Builder
			for c := range int(rec.NumCols()) {
				if d, ok := rec.Column(c).(*array.Decimal128); ok && d.IsValid(i) { // as ValueStr, by far faster
					b.WriteString(d.Value(i).ToString(d.DataType().(*arrow.Decimal128Type).Scale))
				} else {
					b.WriteString(rec.Column(c).ValueStr(i))
				}
				b.WriteByte('|')
			}
			out = append(out, b.String())
		}
	}
	slices.Sort(out)
	return out
}

// job runs one job that does all there is to do.
func (h *house) job(kind jobs.Kind, t *catalog.Table) jobs.Job {
	h.T.Helper()
	ctx := context.Background()
	j, err := h.service.Submit(ctx, kind, t.Ident, "")
	require.NoError(h.T, err)
	return h.wait(j.ID)
}

func (h *house) wait(id string) jobs.Job {
	h.T.Helper()
	var last jobs.Job
	for j, err := range h.service.Queue().Watch(context.Background(), id) {
		require.NoError(h.T, err)
		last = j
	}
	return last
}

// change commits updates of a table's metadata.
func (h *house) change(t *catalog.Table, updates ...table.Update) {
	h.T.Helper()
	_, err := h.Catalog.Commit(context.Background(), catalog.Transaction{ID: uuid.NewString(), Actor: "test", Tables: []catalog.TableChange{{Table: t.ID, Updates: updates}}})
	require.NoError(h.T, err)
}

func (h *house) property(t *catalog.Table, key, value string) {
	h.T.Helper()
	h.change(t, table.NewSetPropertiesUpdate(iceberg.Properties{key: value}))
}

// evolve renames amount to total, drops score and adds note.
func (h *house) evolve(t *catalog.Table) {
	h.T.Helper()
	next := iceberg.NewSchema(1,
		schema.Field(0), schema.Field(1),
		iceberg.NestedField{ID: 3, Name: "total", Type: iceberg.DecimalTypeOf(18, 3)},
		schema.Field(3), schema.Field(5),
		iceberg.NestedField{ID: 8, Name: "note", Type: iceberg.PrimitiveTypes.String},
	)
	h.change(t, table.NewAddSchemaUpdate(next), table.NewSetCurrentSchemaUpdate(-1))
}
