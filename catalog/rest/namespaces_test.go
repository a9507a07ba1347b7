package rest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/catalog/rest/resttest"
)

type object = map[string]any

func TestConfig(t *testing.T) {
	f := resttest.New(t)
	for _, path := range []string{"/v1/config", "/v1/config?warehouse=", "/v1/config?warehouse=default"} {
		answer := f.Must(t, http.StatusOK, "GET", path, nil).JSON()
		assert.Equal(t, "PT24H", answer["idempotency-key-lifetime"])
		assert.Equal(t, object{"prefix": "default", "warehouse": "default"}, answer["overrides"])
		assert.Empty(t, answer["defaults"])
		var listed []string
		for _, e := range answer["endpoints"].([]any) {
			listed = append(listed, e.(string))
		}
		assert.Equal(t, rest.Endpoints(), listed)
		assert.Contains(t, listed, "POST /v1/{prefix}/transactions/commit")
		assert.NotContains(t, fmt.Sprint(answer), "secret", "keys come with tables, never with the config")
	}
	a := f.Must(t, http.StatusNotFound, "GET", "/v1/config?warehouse=other", nil)
	assert.Equal(t, "NoSuchWarehouseException", a.Error())
}

func TestNotServed(t *testing.T) {
	f := resttest.New(t)
	assert.Equal(t, "NotFoundException", f.Must(t, http.StatusNotFound, "GET", "/v1/nothing", nil).Error())
	a := f.Must(t, http.StatusMethodNotAllowed, "PUT", "/v1/namespaces", nil)
	assert.Equal(t, "UnsupportedOperationException", a.Error())
	assert.Equal(t, "GET, POST", a.Header.Get("Allow"))
	assert.Equal(t, "NoSuchWarehouseException", f.Must(t, http.StatusNotFound, "GET", "/v1/other/namespaces", nil).Error())
}

func TestNamespaceLife(t *testing.T) {
	f := resttest.New(t)
	created := f.Must(t, 200, "POST", "/v1/default/namespaces", object{"namespace": []string{"a"}, "properties": object{"owner": "x"}})
	assert.Equal(t, object{"namespace": []any{"a"}, "properties": object{"owner": "x"}}, created.JSON())
	assert.Equal(t, "AlreadyExistsException", f.Must(t, 409, "POST", "/v1/namespaces", object{"namespace": []string{"a"}}).Error())
	assert.Equal(t, "NoSuchNamespaceException", f.Must(t, 404, "POST", "/v1/namespaces", object{"namespace": []string{"z", "b"}}).Error())
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"a", "b"}})
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"a", "b", "c"}})

	assert.Equal(t, []any{[]any{"a"}}, f.Must(t, 200, "GET", "/v1/namespaces", nil).JSON()["namespaces"])
	assert.Equal(t, []any{[]any{"a"}}, f.Must(t, 200, "GET", "/v1/namespaces?parent=", nil).JSON()["namespaces"])
	assert.Equal(t, []any{[]any{"a", "b"}}, f.Must(t, 200, "GET", "/v1/namespaces?parent=a", nil).JSON()["namespaces"])
	assert.Equal(t, []any{[]any{"a", "b", "c"}}, f.Must(t, 200, "GET", "/v1/namespaces?parent=a%1Fb", nil).JSON()["namespaces"])
	assert.Equal(t, []any{}, f.Must(t, 200, "GET", "/v1/namespaces?parent=a%1Fb%1Fc", nil).JSON()["namespaces"])
	f.Must(t, 404, "GET", "/v1/namespaces?parent=z", nil)

	f.Must(t, 200, "GET", "/v1/namespaces/a%1Fb", nil)
	head := f.Must(t, 204, "HEAD", "/v1/namespaces/a%1Fb", nil)
	assert.Empty(t, head.Body)
	assert.Empty(t, f.Must(t, 404, "HEAD", "/v1/namespaces/z", nil).Body)

	updated := f.Must(t, 200, "POST", "/v1/namespaces/a/properties", object{"removals": []string{"owner", "absent"}, "updates": object{"team": "b"}})
	assert.Equal(t, object{"updated": []any{"team"}, "removed": []any{"owner"}, "missing": []any{"absent"}}, updated.JSON())
	assert.Equal(t, object{"team": "b"}, f.Must(t, 200, "GET", "/v1/namespaces/a", nil).JSON()["properties"])
	both := f.Must(t, 422, "POST", "/v1/namespaces/a/properties", object{"removals": []string{"x"}, "updates": object{"x": "y"}})
	assert.Equal(t, "UnprocessableEntityException", both.Error())
	f.Must(t, 404, "POST", "/v1/namespaces/z/properties", object{"updates": object{"x": "y"}})

	assert.Equal(t, "NamespaceNotEmptyException", f.Must(t, 409, "DELETE", "/v1/namespaces/a", nil).Error())
	for _, path := range []string{"a%1Fb%1Fc", "a%1Fb", "a"} {
		f.Must(t, 204, "DELETE", "/v1/namespaces/"+path, nil)
	}
	assert.Equal(t, "NoSuchNamespaceException", f.Must(t, 404, "DELETE", "/v1/namespaces/a", nil).Error())
}

func TestNamespacePages(t *testing.T) {
	f := resttest.New(t)
	for i := range 7 {
		f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{fmt.Sprintf("n%d", i)}})
	}
	whole := f.Must(t, 200, "GET", "/v1/namespaces?pageSize=2", nil).JSON()
	assert.Len(t, whole["namespaces"], 7, "no pageToken means everything")
	assert.Nil(t, whole["next-page-token"])

	seen, token := 0, ""
	for range 4 {
		page := f.Must(t, 200, "GET", "/v1/namespaces?pageSize=2&pageToken="+url.QueryEscape(token), nil).JSON()
		seen += len(page["namespaces"].([]any))
		token, _ = page["next-page-token"].(string)
	}
	assert.Equal(t, 7, seen)
	assert.Empty(t, token)
	f.Must(t, 400, "GET", "/v1/namespaces?pageToken=!!!", nil)
	f.Must(t, 400, "GET", "/v1/namespaces?pageToken=&pageSize=none", nil)
}

// Names are data: whatever Iceberg allows comes back as it was sent, and no file
// is named after one.
func TestHostileNames(t *testing.T) {
	f := resttest.New(t)
	names := []string{"..", ".", "a/b", "a b", "a+b", "%2e%2e", "ü", "x'; DROP TABLE t; --", `"quoted"`, "*", "?", "a.b", "namespaces", "config", "<script>", "\u202eabc", "$(id)"}
	for _, name := range names {
		f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{name}})
		path := "/v1/default/namespaces/" + resttest.Escape(name)
		assert.Equal(t, []any{name}, f.Must(t, 200, "GET", path, nil).JSON()["namespace"], name)
		made := f.Must(t, 200, "POST", path+"/tables", newTable(name)).JSON()
		location := made["metadata"].(object)["location"].(string)
		assert.Regexp(t, `^s3://[a-z0-9-]+/default/[0-9a-f-]{36}$`, location, name)
		loaded := f.Must(t, 200, "GET", path+"/tables/"+resttest.Escape(name), nil).JSON()
		assert.Equal(t, made["metadata-location"], loaded["metadata-location"], name)
		f.Must(t, 204, "DELETE", path+"/tables/"+resttest.Escape(name), nil)
		f.Must(t, 204, "DELETE", path, nil)
	}
	for _, bad := range []any{[]string{}, []string{""}, []string{"a", ""}, []string{"a\x1fb"}, []string{"a\nb"}, []string{"a\x00"}, []string{string(make([]byte, 300))}, nil} {
		assert.Equal(t, "BadRequestException", f.Must(t, 400, "POST", "/v1/namespaces", object{"namespace": bad}).Error(), "%q", bad)
	}
	for _, path := range []string{"/v1/namespaces/%1F", "/v1/namespaces/a%1F%1Fb", "/v1/namespaces/%00", "/v1/namespaces/", "/v1/namespaces/a%0Ab"} {
		a := f.Call(t, "GET", path, nil)
		assert.Contains(t, []int{400, 404}, a.Status, path)
	}
	for _, kind := range []string{"s3.endpoint", "uri", "token", "header.x", "credential"} {
		f.Must(t, 400, "POST", "/v1/namespaces", object{"namespace": []string{"p"}, "properties": object{kind: "evil"}})
	}
}

func newTable(name string) object {
	return object{"name": name, "schema": object{"type": "struct", "schema-id": 0, "fields": []any{
		object{"id": 1, "name": "id", "type": "long", "required": true},
		object{"id": 2, "name": "data", "type": "string", "required": false},
	}}}
}

func TestBodies(t *testing.T) {
	f := resttest.New(t)
	for _, bad := range []string{"", "{", "null", `[]`, `{"namespace": "a"}`, `{"namespace": ["a"], "namespace": ["b"]}`, `{"namespace": ["a"]} {}`, "\xff"} {
		a := f.Call(t, "POST", "/v1/namespaces", bad)
		require.Equal(t, 400, a.Status, bad)
		assert.Equal(t, "BadRequestException", a.Error(), bad)
	}
	huge := fmt.Sprintf(`{"namespace": ["a"], "properties": {"x": "%s"}}`, make([]byte, 2<<20))
	assert.Equal(t, "RequestTooLargeException", f.Must(t, 413, "POST", "/v1/namespaces", huge).Error())
	f.Must(t, 200, "POST", "/v1/namespaces", `{"namespace": ["a"], "from-the-future": {"x": [1]}}`)
}
