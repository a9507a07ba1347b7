package rest_test

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const views = "/v1/default/namespaces/ns/views"

func newView(name, sql string) object {
	return object{
		"name": name, "properties": object{"p": "v"}, "schema": newTable("")["schema"],
		"view-version": version(1, sql),
	}
}

func version(id int, sql string) object {
	return object{
		"version-id": id, "schema-id": 0, "timestamp-ms": 1_800_000_000_000, "summary": object{"engine-name": "test"}, "default-namespace": []string{"ns"},
		"representations": []any{object{"type": "sql", "sql": sql, "dialect": "spark"}},
	}
}

func TestViewLife(t *testing.T) {
	f := served(t)
	made := f.Must(t, 200, "POST", views, newView("v", "SELECT 1")).JSON()
	meta := made["metadata"].(object)
	assert.Equal(t, object{}, made["config"])
	assert.Regexp(t, `^s3://[a-z0-9-]+/default/[0-9a-f-]{36}$`, meta["location"])
	assert.Equal(t, "AlreadyExistsException", f.Must(t, 409, "POST", views, newView("v", "SELECT 1")).Error())
	f.Must(t, 200, "POST", tables, newTable("t"))
	f.Must(t, 409, "POST", views, newView("t", "SELECT 1"))
	f.Must(t, 409, "POST", tables, newTable("v"))
	f.Must(t, 404, "POST", "/v1/namespaces/none/views", newView("v", "SELECT 1"))
	f.Must(t, 400, "POST", views, object{"name": "w"})
	steering := newView("w", "SELECT 1")
	steering["properties"] = object{"token": "x"}
	f.Must(t, 400, "POST", views, steering)

	f.Must(t, 204, "HEAD", views+"/v", nil)
	f.Must(t, 404, "HEAD", views+"/none", nil)
	assert.Equal(t, meta, f.Must(t, 200, "GET", views+"/v", nil).JSON()["metadata"])
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "GET", tables+"/v", nil).Error())
	listed := f.Must(t, 200, "GET", views, nil).JSON()["identifiers"]
	assert.Equal(t, []any{object{"namespace": []any{"ns"}, "name": "v"}}, listed)
	assert.Len(t, f.Must(t, 200, "GET", tables, nil).JSON()["identifiers"], 1, "a view is no table")

	replace := func(requirement string, updates ...any) object {
		list := []any{}
		if requirement != "" {
			list = append(list, object{"type": "assert-view-uuid", "uuid": requirement})
		}
		return object{"requirements": list, "updates": updates}
	}
	id := meta["view-uuid"].(string)
	add := object{"action": "add-view-version", "view-version": version(2, "SELECT 2")}
	set := object{"action": "set-current-view-version", "view-version-id": -1}
	replaced := f.Must(t, 200, "POST", views+"/v", replace(id, add, set)).JSON()["metadata"].(object)
	assert.EqualValues(t, 2, replaced["current-version-id"])
	assert.Contains(t, fmt.Sprint(replaced["versions"]), "SELECT 2")
	conflict := f.Must(t, 409, "POST", views+"/v", replace(uuid.NewString(), set))
	assert.Equal(t, "CommitFailedException", conflict.Error())
	f.Must(t, 400, "POST", views+"/v", replace(id, object{"action": "explode"}))
	f.Must(t, 400, "POST", views+"/v", object{"requirements": []any{object{"type": "assert-sunshine"}}, "updates": []any{}})
	f.Must(t, 400, "POST", views+"/v", replace(id, object{"action": "set-location", "location": "s3://other/x"}))
	f.Must(t, 404, "POST", views+"/none", replace("", set))

	move := object{"source": object{"namespace": []string{"ns"}, "name": "v"}, "destination": object{"namespace": []string{"ns"}, "name": "w"}}
	f.Must(t, 204, "POST", "/v1/default/views/rename", move)
	assert.Equal(t, "NoSuchViewException", f.Must(t, 404, "POST", "/v1/views/rename", move).Error())
	location := f.Must(t, 200, "GET", views+"/w", nil).JSON()["metadata-location"]
	f.Must(t, 204, "DELETE", views+"/w", nil)
	assert.Equal(t, "NoSuchViewException", f.Must(t, 404, "DELETE", views+"/w", nil).Error())
	back := f.Must(t, 200, "POST", "/v1/namespaces/ns/register-view", object{"name": "back", "metadata-location": location}).JSON()
	require.Equal(t, id, back["metadata"].(object)["view-uuid"])
	f.Must(t, 400, "POST", "/v1/namespaces/ns/register-view", object{"name": "evil", "metadata-location": "file:///etc/passwd"})
}
