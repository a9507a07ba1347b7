package rpc_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	connectrpc "connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/connect"
	"github.com/firnlake/firn/catalog/rest/resttest"
	"github.com/firnlake/firn/catalog/rpc"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

type fixture struct {
	*resttest.Fixture
	client firnv1connect.CatalogServiceClient
}

type fixedHealth struct{}

func (fixedHealth) Health(uuid.UUID) *firnv1.Health { return &firnv1.Health{Score: 77} }

// files lists a table's files as the service does in production.
func files(t testing.TB, f *resttest.Fixture) rpc.FileSource {
	t.Helper()
	l, err := lake.New(lake.Config{Bucket: f.Bucket, CacheDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	return l
}

func serve(t *testing.T) fixture {
	t.Helper()
	f := resttest.New(t)
	s, err := rpc.New(rpc.Config{
		Catalog: f.Catalog, Files: files(t, f), Health: fixedHealth{}, TargetFileBytes: 1 << 20,
		Connect: connect.Target{Endpoint: f.URL, Warehouse: "default"},
	})
	require.NoError(t, err)
	mux := http.NewServeMux()
	mux.Handle(s.Handler())
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return fixture{f, firnv1connect.NewCatalogServiceClient(http.DefaultClient, server.URL)}
}

func req[T any](msg *T) *connectrpc.Request[T] { return connectrpc.NewRequest(msg) }

func tref(name string) *firnv1.TableRef {
	return &firnv1.TableRef{Namespace: []string{"ns"}, Name: name}
}

// lines creates the table ns.lines, partitioned by country.
func (f fixture) lines(t *testing.T) *firnv1.TableSummary {
	t.Helper()
	ctx := t.Context()
	_, err := f.client.CreateNamespace(ctx, req(&firnv1.CreateNamespaceRequest{Namespace: &firnv1.Namespace{Levels: []string{"ns"}, Properties: map[string]string{"owner": "x"}}}))
	require.NoError(t, err)
	made, err := f.client.CreateTable(ctx, req(linesRequest()))
	require.NoError(t, err)
	return made.Msg.GetTable()
}

func linesRequest() *firnv1.CreateTableRequest {
	return &firnv1.CreateTableRequest{
		Table: tref("lines"),
		Columns: []*firnv1.Column{
			{Name: "id", Type: "long", Required: true, Doc: "row"},
			{Name: "country", Type: "string"},
			{Name: "amount", Type: "decimal(18,3)"},
			{Name: "tags", Type: "list<string>"},
			{Name: "at", Type: "timestamptz"},
		},
		PartitionBy: []string{"country", "day(at)"}, SortBy: []string{"id desc"}, Properties: map[string]string{"p": "v"},
	}
}

// add commits files of the given sizes to one partition; an empty country is NULL.
func (f fixture) add(t *testing.T, country string, sizes ...int64) int64 {
	t.Helper()
	ctx := context.Background()
	tbl, err := f.Catalog.LoadTable(ctx, catalog.Ident{Namespace: catalog.Namespace{"ns"}, Name: "lines"})
	require.NoError(t, err)
	spec := tbl.Metadata.PartitionSpec()
	values := map[int]any{spec.Field(0).FieldID: nil, spec.Field(1).FieldID: iceberg.Date(20_000)}
	if country != "" {
		values[spec.Field(0).FieldID] = country
	}
	var files []catalog.FileEntry
	for _, size := range sizes {
		path := fmt.Sprintf("%s/%s.parquet", f.Catalog.DataPath(tbl), uuid.NewString())
		b, err := iceberg.NewDataFileBuilder(spec, iceberg.EntryContentData, path, iceberg.ParquetFile, values, nil, nil, size/10, size)
		require.NoError(t, err)
		files = append(files, catalog.FileEntry{File: b.Build()})
	}
	done, err := f.Catalog.Commit(ctx, catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{
		Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpAppend, Added: files},
	}}})
	require.NoError(t, err)
	return done.Tables[0].SnapshotID
}

func TestNamespaces(t *testing.T) {
	f := serve(t)
	ctx := t.Context()
	for _, levels := range [][]string{{"a"}, {"a", "b"}, {"a", "b", "c"}, {"z"}} {
		_, err := f.client.CreateNamespace(ctx, req(&firnv1.CreateNamespaceRequest{Namespace: &firnv1.Namespace{Levels: levels}}))
		require.NoError(t, err)
	}
	list := func(parent []string, recursive bool) (names []string) {
		got, err := f.client.ListNamespaces(ctx, req(&firnv1.ListNamespacesRequest{Parent: parent, Recursive: recursive}))
		require.NoError(t, err)
		for _, ns := range got.Msg.GetNamespaces() {
			names = append(names, strings.Join(ns.GetLevels(), "."))
		}
		return names
	}
	assert.Equal(t, []string{"a", "z"}, list(nil, false))
	assert.ElementsMatch(t, []string{"a", "a.b", "a.b.c", "z"}, list(nil, true))
	assert.Equal(t, []string{"a.b"}, list([]string{"a"}, false))
	assert.ElementsMatch(t, []string{"a.b", "a.b.c"}, list([]string{"a"}, true))

	_, err := f.client.DropNamespace(ctx, req(&firnv1.DropNamespaceRequest{Levels: []string{"a"}}))
	threeParts(t, err, connectrpc.CodeFailedPrecondition)
	_, err = f.client.DropNamespace(ctx, req(&firnv1.DropNamespaceRequest{Levels: []string{"z"}}))
	require.NoError(t, err)
	_, err = f.client.ListNamespaces(ctx, req(&firnv1.ListNamespacesRequest{Parent: []string{"z"}}))
	threeParts(t, err, connectrpc.CodeNotFound)
	_, err = f.client.CreateNamespace(ctx, req(&firnv1.CreateNamespaceRequest{}))
	threeParts(t, err, connectrpc.CodeInvalidArgument)
	_, err = f.client.CreateNamespace(ctx, req(&firnv1.CreateNamespaceRequest{Namespace: &firnv1.Namespace{Levels: []string{"a"}}}))
	threeParts(t, err, connectrpc.CodeAlreadyExists)
}

// threeParts checks the code and that the message says what, why, and what to do.
func threeParts(t *testing.T, err error, code connectrpc.Code) {
	t.Helper()
	var e *connectrpc.Error
	require.ErrorAs(t, err, &e)
	assert.Equal(t, code, e.Code(), e.Message())
	parts := strings.Split(e.Message(), "\n")
	if assert.Len(t, parts, 3, e.Message()) {
		for _, part := range parts {
			assert.NotEmpty(t, strings.TrimSpace(part))
		}
	}
}

func TestCreateTable(t *testing.T) {
	f := serve(t)
	ctx := t.Context()
	made := f.lines(t)
	assert.EqualValues(t, 2, made.GetFormatVersion())
	assert.Equal(t, "v", made.GetProperties()["p"])
	assert.EqualValues(t, 77, made.GetHealth().GetScore())

	got, err := f.client.GetTable(ctx, req(&firnv1.GetTableRequest{Table: tref("lines")}))
	require.NoError(t, err)
	var columns []string
	for _, c := range got.Msg.GetColumns() {
		columns = append(columns, fmt.Sprintf("%d %s %s %t", c.GetId(), c.GetName(), c.GetType(), c.GetRequired()))
	}
	assert.Equal(t, []string{"1 id long true", "2 country string false", "3 amount decimal(18, 3) false", "4 tags list<string> false", "6 at timestamptz false"}, columns, "the catalog numbers nested fields as it goes")
	var spec []string
	for _, p := range got.Msg.GetPartitionBy() {
		spec = append(spec, p.GetName()+" "+p.GetTransform()+" "+p.GetSource())
	}
	assert.Equal(t, []string{"country identity country", "at_day day at"}, spec)
	assert.Equal(t, []string{"id desc nulls-last"}, got.Msg.GetSortBy())
	assert.Len(t, got.Msg.GetSchemas(), 1)
	assert.Empty(t, got.Msg.GetPartitions())
	assert.NotEmpty(t, got.Msg.GetMetadataLocation())

	// What GetTable says can be given to CreateTable again.
	again := linesRequest()
	again.Columns, again.IfNotExists = got.Msg.GetColumns(), true
	same, err := f.client.CreateTable(ctx, req(again))
	require.NoError(t, err)
	assert.Equal(t, made.GetUuid(), same.Msg.GetTable().GetUuid())
	again.IfNotExists = false
	_, err = f.client.CreateTable(ctx, req(again))
	threeParts(t, err, connectrpc.CodeAlreadyExists)
	other := proto.Clone(linesRequest()).(*firnv1.CreateTableRequest)
	other.IfNotExists = true
	other.Columns[0].Type = "string"
	_, err = f.client.CreateTable(ctx, req(other))
	threeParts(t, err, connectrpc.CodeAlreadyExists)
	assert.ErrorContains(t, err, "id string not null")

	for name, change := range map[string]func(*firnv1.CreateTableRequest){
		"no table":     func(r *firnv1.CreateTableRequest) { r.Table = nil },
		"no name":      func(r *firnv1.CreateTableRequest) { r.Table.Name = "" },
		"no columns":   func(r *firnv1.CreateTableRequest) { r.Columns = nil },
		"unknown type": func(r *firnv1.CreateTableRequest) { r.Columns[0].Type = "huge" },
		"transform":    func(r *firnv1.CreateTableRequest) { r.PartitionBy = []string{"day(country)"} },
		"sort":         func(r *firnv1.CreateTableRequest) { r.SortBy = []string{"nothing"} },
		"property":     func(r *firnv1.CreateTableRequest) { r.Properties = map[string]string{"s3.endpoint": "x"} },
	} {
		bad := linesRequest()
		bad.Table.Name = "bad"
		change(bad)
		_, err := f.client.CreateTable(ctx, req(bad))
		require.Error(t, err, name)
		threeParts(t, err, connectrpc.CodeInvalidArgument)
	}
	nowhere := linesRequest()
	nowhere.Table.Namespace = []string{"none"}
	_, err = f.client.CreateTable(ctx, req(nowhere))
	threeParts(t, err, connectrpc.CodeNotFound)
	assert.ErrorContains(t, err, "firn ns create")
}

func TestTablesFilesAndPartitions(t *testing.T) {
	f := serve(t)
	ctx := t.Context()
	f.lines(t)
	first := f.add(t, "Norway", 1000, 2000)
	f.add(t, "", 500)
	f.add(t, "null", 3<<20)

	list, err := f.client.ListTables(ctx, req(&firnv1.ListTablesRequest{}))
	require.NoError(t, err)
	require.Len(t, list.Msg.GetTables(), 1)
	sum := list.Msg.GetTables()[0]
	assert.EqualValues(t, 4, sum.GetDataFiles())
	assert.EqualValues(t, 3500+(3<<20), sum.GetBytes())
	assert.EqualValues(t, 100+200+50+(3<<20)/10, sum.GetRows())
	assert.EqualValues(t, 3, sum.GetSnapshots())
	assert.NotZero(t, sum.GetSnapshotId())
	empty, err := f.client.ListTables(ctx, req(&firnv1.ListTablesRequest{Namespace: []string{"none"}}))
	assert.Nil(t, empty)
	threeParts(t, err, connectrpc.CodeNotFound)

	got, err := f.client.GetTable(ctx, req(&firnv1.GetTableRequest{Table: tref("lines")}))
	require.NoError(t, err)
	parts := got.Msg.GetPartitions()
	require.Len(t, parts, 3, "NULL and the text null are two partitions")
	assert.Equal(t, "null", parts[0].GetValues()[0].GetValue())
	assert.Equal(t, "2024-10-04", parts[0].GetValues()[1].GetValue())
	assert.Zero(t, parts[0].GetSmallFiles())
	assert.InDelta(t, 0.999, parts[0].GetShare(), 0.001)
	assert.Equal(t, "Norway", parts[1].GetValues()[0].GetValue())
	assert.EqualValues(t, 2, parts[1].GetSmallFiles())
	assert.EqualValues(t, 300, parts[1].GetRows())
	assert.Nil(t, parts[2].GetValues()[0].Value, "NULL has no value")
	assert.Equal(t, "main", got.Msg.GetRefs()[0].GetName())

	files, err := f.client.ListFiles(ctx, req(&firnv1.ListFilesRequest{Table: tref("lines"), Limit: 2}))
	require.NoError(t, err)
	assert.EqualValues(t, 4, files.Msg.GetTotal())
	assert.EqualValues(t, 1<<20, files.Msg.GetTargetBytes())
	require.Len(t, files.Msg.GetFiles(), 2)
	assert.EqualValues(t, 3<<20, files.Msg.GetFiles()[0].GetBytes())
	assert.Equal(t, "data", files.Msg.GetFiles()[0].GetContent())
	assert.EqualValues(t, 3, files.Msg.GetFiles()[0].GetSequenceNumber())
	histogram := files.Msg.GetHistogram()
	counts := map[uint64]uint64{}
	var total uint64
	for i, b := range histogram {
		counts[b.GetBelow()] = b.GetFiles()
		total += b.GetFiles()
		if i > 0 {
			assert.Equal(t, histogram[i-1].GetBelow()*2, b.GetBelow(), "no gaps")
		}
	}
	assert.EqualValues(t, 4, total)
	assert.EqualValues(t, 1, counts[512])
	assert.EqualValues(t, 1, counts[1024])
	assert.EqualValues(t, 1, counts[2048])
	assert.EqualValues(t, 1, counts[4<<20])

	then, err := f.client.ListFiles(ctx, req(&firnv1.ListFilesRequest{Table: tref("lines"), SnapshotId: first}))
	require.NoError(t, err)
	assert.EqualValues(t, 2, then.Msg.GetTotal())
	_, err = f.client.ListFiles(ctx, req(&firnv1.ListFilesRequest{Table: tref("lines"), SnapshotId: 42}))
	threeParts(t, err, connectrpc.CodeNotFound)

	snaps, err := f.client.ListSnapshots(ctx, req(&firnv1.ListSnapshotsRequest{Table: tref("lines"), Limit: 2}))
	require.NoError(t, err)
	assert.EqualValues(t, 3, snaps.Msg.GetTotal())
	require.Len(t, snaps.Msg.GetSnapshots(), 2)
	head := snaps.Msg.GetSnapshots()[0]
	assert.Equal(t, sum.GetSnapshotId(), head.GetSnapshotId())
	assert.Equal(t, []string{"main"}, head.GetRefs())
	assert.Equal(t, "append", head.GetOperation())
	assert.Equal(t, snaps.Msg.GetSnapshots()[1].GetSnapshotId(), head.GetParentId())
	assert.NotEmpty(t, head.GetSummary()["total-records"])
}

func TestEvents(t *testing.T) {
	f := serve(t)
	ctx := t.Context()
	f.lines(t)
	other := linesRequest()
	other.Table.Name = "other"
	_, err := f.client.CreateTable(ctx, req(other))
	require.NoError(t, err)
	for range 3 {
		f.add(t, "Norway", 100)
	}
	list := func(msg *firnv1.ListEventsRequest) []*firnv1.Event {
		got, err := f.client.ListEvents(ctx, req(msg))
		require.NoError(t, err)
		return got.Msg.GetEvents()
	}
	ours := list(&firnv1.ListEventsRequest{Table: tref("lines")})
	require.Len(t, ours, 4)
	assert.Equal(t, catalog.EventCreateTable, ours[0].GetKind())
	assert.Equal(t, "catalog-rpc", ours[0].GetActor())
	for _, e := range ours[1:] {
		assert.Equal(t, catalog.EventCommit, e.GetKind())
		assert.Equal(t, "lines", e.GetTable().GetName())
		assert.NotZero(t, e.GetSnapshotId())
	}
	newest := list(&firnv1.ListEventsRequest{Table: tref("lines"), NewestFirst: true, Limit: 2})
	require.Len(t, newest, 2)
	assert.Equal(t, ours[3].GetPosition(), newest[0].GetPosition())
	assert.Equal(t, ours[2].GetPosition(), newest[1].GetPosition())
	assert.Len(t, list(&firnv1.ListEventsRequest{Table: tref("lines"), After: ours[1].GetPosition()}), 2)
	assert.Len(t, list(&firnv1.ListEventsRequest{Table: tref("lines"), Limit: 1}), 1)
	assert.Len(t, list(&firnv1.ListEventsRequest{Limit: 2}), 2)
	all := list(&firnv1.ListEventsRequest{NewestFirst: true})
	assert.Equal(t, ours[3].GetPosition(), all[0].GetPosition())
	_, err = f.client.ListEvents(ctx, req(&firnv1.ListEventsRequest{Table: tref("none")}))
	threeParts(t, err, connectrpc.CodeNotFound)
}

func TestDropTable(t *testing.T) {
	f := serve(t)
	f.lines(t)
	_, err := f.client.DropTable(t.Context(), req(&firnv1.DropTableRequest{Table: tref("lines"), Purge: true}))
	require.NoError(t, err)
	_, err = f.client.DropTable(t.Context(), req(&firnv1.DropTableRequest{Table: tref("lines")}))
	threeParts(t, err, connectrpc.CodeNotFound)
	_, err = f.client.GetTable(t.Context(), req(&firnv1.GetTableRequest{Table: tref("lines")}))
	threeParts(t, err, connectrpc.CodeNotFound)
	_, err = f.client.GetTable(t.Context(), req(&firnv1.GetTableRequest{}))
	threeParts(t, err, connectrpc.CodeInvalidArgument)
}

func TestGetConnect(t *testing.T) {
	f := serve(t)
	f.lines(t)
	for _, engine := range connect.Engines() {
		got, err := f.client.GetConnect(t.Context(), req(&firnv1.GetConnectRequest{Table: tref("lines"), Engine: engine}))
		require.NoError(t, err, engine)
		assert.Contains(t, got.Msg.GetText(), f.URL)
		assert.Contains(t, got.Msg.GetText(), "lines")
		assert.NotEmpty(t, got.Msg.GetLanguage())
		_, err = f.client.GetConnect(t.Context(), req(&firnv1.GetConnectRequest{Engine: engine}))
		require.NoError(t, err, engine)
	}
	_, err := f.client.GetConnect(t.Context(), req(&firnv1.GetConnectRequest{Table: tref("lines"), Engine: "oracle"}))
	threeParts(t, err, connectrpc.CodeInvalidArgument)
	_, err = f.client.GetConnect(t.Context(), req(&firnv1.GetConnectRequest{Table: tref("none"), Engine: "duckdb"}))
	threeParts(t, err, connectrpc.CodeNotFound)
}

// An error of the store says nothing of the inside.
func TestInnerErrorsStayInside(t *testing.T) {
	f := serve(t)
	f.Store.InjectRead(func(string) error { return fmt.Errorf("open /var/lib/secret: %w", http.ErrServerClosed) })
	_, err := f.client.ListNamespaces(t.Context(), req(&firnv1.ListNamespacesRequest{}))
	f.Store.InjectRead(nil)
	threeParts(t, err, connectrpc.CodeInternal)
	assert.NotContains(t, err.Error(), "secret")
}
