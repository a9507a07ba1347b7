package rest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/catalog/rest/resttest"
)

const tables = "/v1/default/namespaces/ns/tables"

// served is a catalog with the namespace ns.
func served(t testing.TB, change ...func(*rest.Config)) *resttest.Fixture {
	t.Helper()
	f := resttest.New(t, change...)
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"ns"}})
	return f
}

func TestCreateTable(t *testing.T) {
	f := served(t)
	body := newTable("t")
	body["partition-spec"] = object{"spec-id": 0, "fields": []any{object{"source-id": 2, "field-id": 1000, "name": "data_trunc", "transform": "truncate[4]"}}}
	body["write-order"] = object{"order-id": 1, "fields": []any{object{"source-id": 1, "transform": "identity", "direction": "asc", "null-order": "nulls-first"}}}
	body["properties"] = object{"p": "v", "format-version": "3"}
	made := f.Must(t, 200, "POST", tables, body)
	assert.NotEmpty(t, made.Header.Get("ETag"))
	meta := made.JSON()["metadata"].(object)
	assert.EqualValues(t, 3, meta["format-version"])
	assert.Equal(t, "v", meta["properties"].(object)["p"])
	assert.NotContains(t, meta["properties"], "format-version")
	assert.Contains(t, fmt.Sprint(meta["partition-specs"]), "truncate[4]")
	assert.Contains(t, fmt.Sprint(meta["sort-orders"]), "nulls-first")

	assert.Equal(t, "AlreadyExistsException", f.Must(t, 409, "POST", tables, newTable("t")).Error())
	assert.Equal(t, "NoSuchNamespaceException", f.Must(t, 404, "POST", "/v1/namespaces/none/tables", newTable("t")).Error())
	f.Must(t, 204, "HEAD", tables+"/t", nil)
	f.Must(t, 404, "HEAD", tables+"/none", nil)

	for name, change := range map[string]func(object){
		"no name":   func(b object) { delete(b, "name") },
		"no schema": func(b object) { delete(b, "schema") },
		"unknown type": func(b object) {
			b["schema"] = object{"type": "struct", "fields": []any{object{"id": 1, "name": "x", "type": "huge", "required": false}}}
		},
		"unknown column": func(b object) {
			b["partition-spec"] = object{"fields": []any{object{"source-id": 9, "name": "x", "transform": "identity"}}}
		},
		"unknown transform": func(b object) {
			b["partition-spec"] = object{"fields": []any{object{"source-id": 1, "name": "x", "transform": "magic[3]"}}}
		},
		"wrong transform": func(b object) {
			b["partition-spec"] = object{"fields": []any{object{"source-id": 2, "name": "x", "transform": "day"}}}
		},
		"steering property": func(b object) { b["properties"] = object{"s3.endpoint": "http://evil"} },
		"format version":    func(b object) { b["properties"] = object{"format-version": "9"} },
		"foreign location":  func(b object) { b["location"] = "s3://other-bucket/x" },
		"local location":    func(b object) { b["location"] = "file:///etc" },
	} {
		bad := newTable("bad")
		change(bad)
		a := f.Call(t, "POST", tables, bad)
		if strings.HasSuffix(name, "location") && a.Status == 200 { // the server may choose its own instead
			assert.NotContains(t, string(a.Body), bad["location"], name)
			f.Must(t, 204, "DELETE", tables+"/bad", nil)
			continue
		}
		assert.Equal(t, 400, a.Status, "%s: %s", name, a.Body)
	}
	f.Must(t, 404, "HEAD", tables+"/bad", nil)
}

// Spark numbers the columns of a new table from 0.
func TestCreateTableWithFieldIDZero(t *testing.T) {
	f := served(t)
	body := object{"name": "spark", "schema": object{"type": "struct", "fields": []any{
		object{"id": 0, "name": "id", "type": "long", "required": false}, object{"id": 1, "name": "data", "type": "string", "required": false},
	}}, "partition-spec": object{"fields": []any{object{"source-id": 0, "name": "id", "transform": "identity"}}}}
	meta := f.Must(t, 200, "POST", tables, body).JSON()["metadata"]
	data, err := json.Marshal(meta)
	require.NoError(t, err)
	parsed, err := table.ParseMetadataBytes(data)
	require.NoError(t, err)
	id, ok := parsed.CurrentSchema().FindFieldByName("id")
	require.True(t, ok)
	spec := parsed.PartitionSpec()
	assert.Equal(t, id.ID, spec.Field(0).SourceID())
}

func TestLoadTable(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", tables, newTable("t"))
	loaded := f.Must(t, 200, "GET", tables+"/t", nil)
	config := loaded.JSON()["config"].(object)
	bucket := f.Bucket.Config()
	assert.Equal(t, object{
		"s3.endpoint": "http://" + strings.TrimPrefix(bucket.Endpoint, "http://"), "s3.access-key-id": bucket.AccessKey, "s3.secret-access-key": bucket.SecretKey,
		"s3.session-token": "", "s3.path-style-access": "true", "s3.region": "us-east-1", "client.region": "us-east-1",
	}, config)

	credentials := f.Must(t, 200, "GET", tables+"/t/credentials", nil).JSON()["storage-credentials"].([]any)
	assert.Equal(t, []any{object{"prefix": loaded.JSON()["metadata"].(object)["location"].(string) + "/", "config": config}}, credentials)
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "GET", tables+"/none/credentials", nil).Error())

	etag := loaded.Header.Get("ETag")
	not := f.Must(t, http.StatusNotModified, "GET", tables+"/t", nil, "If-None-Match", etag)
	assert.Empty(t, not.Body)
	assert.Equal(t, etag, not.Header.Get("ETag"))
	refs := f.Must(t, 200, "GET", tables+"/t?snapshots=refs", nil, "If-None-Match", etag)
	assert.NotEqual(t, etag, refs.Header.Get("ETag"), "another representation")
	f.Must(t, 200, "GET", tables+"/t?snapshots=all", nil, "If-None-Match", `"other"`)
	f.Must(t, 400, "GET", tables+"/t?snapshots=some", nil)
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "GET", tables+"/none", nil).Error())
	assert.Equal(t, 404, f.Call(t, "GET", "/v1/namespaces/none/tables/t", nil).Status)
	assert.Equal(t, "NoSuchViewException", f.Must(t, 404, "GET", "/v1/namespaces/ns/views/t", nil).Error(), "Trino asks for a view first")

	commit(t, f, "t", nil, setProperties("a", "b"))
	f.Must(t, 200, "GET", tables+"/t", nil, "If-None-Match", etag)
}

func TestNoCredentialsOutsideOfDevelopment(t *testing.T) {
	f := served(t, func(c *rest.Config) { c.DevCredentials = nil })
	made := f.Must(t, 200, "POST", tables, newTable("t"))
	loaded := f.Must(t, 200, "GET", tables+"/t", nil)
	none := f.Must(t, 200, "GET", tables+"/t/credentials", nil)
	assert.Equal(t, object{"storage-credentials": []any{}}, none.JSON())
	for _, a := range []resttest.Answer{made, loaded} {
		assert.Equal(t, object{}, a.JSON()["config"])
		assert.NotContains(t, string(a.Body), f.Bucket.Config().SecretKey)
	}
}

// snapshots gives a table n snapshots through the committer.
func snapshots(t testing.TB, f *resttest.Fixture, name string, n int) *catalog.Table {
	t.Helper()
	ctx := context.Background()
	id := catalog.Ident{Namespace: catalog.Namespace{"ns"}, Name: name}
	tbl, err := f.Catalog.LoadTable(ctx, id)
	require.NoError(t, err)
	for i := range n {
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData,
			fmt.Sprintf("%s/%s-%d.parquet", f.Catalog.DataPath(tbl), name, i), iceberg.ParquetFile, nil, nil, nil, 10, 1000)
		require.NoError(t, err)
		_, err = f.Catalog.Commit(ctx, catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{
			Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{{File: b.Build()}}},
		}}})
		require.NoError(t, err)
	}
	tbl, err = f.Catalog.LoadTable(ctx, id)
	require.NoError(t, err)
	return tbl
}

func TestLoadTableWithRefsOnly(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", tables, newTable("t"))
	tbl := snapshots(t, f, "t", 5)
	first := tbl.Metadata.Snapshots()[0].SnapshotID
	commit(t, f, "t", nil, fmt.Sprintf(`{"action": "set-snapshot-ref", "ref-name": "old", "type": "tag", "snapshot-id": %d}`, first))

	all := f.Must(t, 200, "GET", tables+"/t?snapshots=all", nil).JSON()["metadata"].(object)
	refs := f.Must(t, 200, "GET", tables+"/t?snapshots=refs", nil)
	again := f.Must(t, 200, "GET", tables+"/t?snapshots=refs", nil)
	assert.Equal(t, refs.Body, again.Body)
	few := refs.JSON()["metadata"].(object)
	assert.Len(t, all["snapshots"], 5)
	assert.Len(t, few["snapshots"], 2)
	all["snapshots"], few["snapshots"] = nil, nil
	assert.Equal(t, all, few, "only snapshots are left out")

	var body struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	require.NoError(t, json.Unmarshal(refs.Body, &body))
	parsed, err := table.ParseMetadataBytesDeferredSnapshots(body.Metadata)
	require.NoError(t, err)
	assert.Equal(t, tbl.CurrentSnapshot().SnapshotID, parsed.CurrentSnapshot().SnapshotID)
}

func TestListTables(t *testing.T) {
	f := served(t)
	var want []string
	for i := range 5 {
		name := fmt.Sprintf("t%d", 4-i)
		f.Must(t, 200, "POST", tables, newTable(name))
		want = append(want, name)
	}
	slices.Sort(want)
	names := func(a resttest.Answer) (got []string, next string) {
		for _, id := range a.JSON()["identifiers"].([]any) {
			assert.Equal(t, []any{"ns"}, id.(object)["namespace"])
			got = append(got, id.(object)["name"].(string))
		}
		next, _ = a.JSON()["next-page-token"].(string)
		return got, next
	}
	got, next := names(f.Must(t, 200, "GET", tables, nil))
	assert.Equal(t, want, got)
	assert.Empty(t, next)
	first, next := names(f.Must(t, 200, "GET", tables+"?pageToken=&pageSize=3", nil))
	rest, last := names(f.Must(t, 200, "GET", tables+"?pageToken="+next, nil))
	assert.Equal(t, want, append(first, rest...))
	assert.Empty(t, last)
	assert.Equal(t, "NoSuchNamespaceException", f.Must(t, 404, "GET", "/v1/namespaces/none/tables", nil).Error())
}

func TestRenameDropRegister(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"to"}})
	made := f.Must(t, 200, "POST", tables, newTable("a")).JSON()
	f.Must(t, 200, "POST", tables, newTable("b"))
	move := func(from, toNS, to string) object {
		return object{"source": object{"namespace": []string{"ns"}, "name": from}, "destination": object{"namespace": []string{toNS}, "name": to}}
	}
	const rename = "/v1/default/tables/rename"
	assert.Equal(t, "AlreadyExistsException", f.Must(t, 409, "POST", rename, move("a", "ns", "b")).Error())
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "POST", rename, move("none", "ns", "c")).Error())
	assert.Equal(t, "NoSuchNamespaceException", f.Must(t, 404, "POST", rename, move("a", "none", "c")).Error())
	f.Must(t, 400, "POST", rename, object{"source": object{"namespace": []string{"ns"}, "name": "a"}})
	f.Must(t, 204, "POST", rename, move("a", "to", "c"))
	f.Must(t, 404, "HEAD", tables+"/a", nil)
	moved := f.Must(t, 200, "GET", "/v1/namespaces/to/tables/c", nil).JSON()
	assert.Equal(t, made["metadata-location"], moved["metadata-location"])

	f.Must(t, 400, "DELETE", tables+"/b?purgeRequested=perhaps", nil)
	f.Must(t, 204, "DELETE", tables+"/b?purgeRequested=true", nil)
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "DELETE", tables+"/b", nil).Error())
	f.Must(t, 204, "DELETE", "/v1/namespaces/to/tables/c?purgeRequested=false", nil)

	const register = "/v1/namespaces/ns/register"
	location := made["metadata-location"]
	back := f.Must(t, 200, "POST", register, object{"name": "back", "metadata-location": location}).JSON()
	assert.Equal(t, location, back["metadata-location"])
	f.Must(t, 409, "POST", register, object{"name": "back", "metadata-location": location})
	f.Must(t, 400, "POST", register, object{"name": "x"})
	for _, hostile := range []string{
		"file:///etc/passwd", "s3://other/x.metadata.json", "http://169.254.169.254/latest", "s3://" + f.Bucket.Name() + "/default/../../x.json",
		"s3://user:pw@" + f.Bucket.Name() + "/default/x.json", "s3://" + f.Bucket.Name() + "/default/%2e%2e/x.json", "s3://" + f.Bucket.Name() + "/elsewhere/x.json", "/etc/passwd",
	} {
		a := f.Call(t, "POST", register, object{"name": "evil", "metadata-location": hostile})
		assert.Equal(t, 400, a.Status, "%s: %s", hostile, a.Body)
	}
	f.Must(t, 404, "HEAD", tables+"/evil", nil)
}

func TestMetricsReports(t *testing.T) {
	var seen []rest.Report
	f := served(t, func(c *rest.Config) { c.OnReport = func(_ context.Context, r rest.Report) { seen = append(seen, r) } })
	f.Must(t, 200, "POST", tables, newTable("t"))
	tbl, err := f.Catalog.LoadTable(t.Context(), catalog.Ident{Namespace: catalog.Namespace{"ns"}, Name: "t"})
	require.NoError(t, err)
	_, ok := f.Server.LastReport(tbl.ID)
	assert.False(t, ok)
	report := object{
		"report-type": "scan-report", "table-name": "ns.t", "snapshot-id": 7, "filter": true, "schema-id": 0,
		"projected-field-ids": []int{1}, "projected-field-names": []string{"id"}, "metrics": object{"result-data-files": object{"unit": "count", "value": 3}},
	}
	f.Must(t, 204, "POST", tables+"/t/metrics", report)
	last, ok := f.Server.LastReport(tbl.ID)
	require.True(t, ok)
	assert.Equal(t, "scan-report", last.Type)
	assert.EqualValues(t, 7, last.SnapshotID)
	assert.Contains(t, string(last.Metrics), "result-data-files")
	assert.Len(t, seen, 1)
	f.Must(t, 404, "POST", tables+"/none/metrics", report)
	f.Must(t, 400, "POST", tables+"/t/metrics", object{"report-type": "gossip"})
	f.Must(t, 400, "POST", tables+"/t/metrics", "{")
}
