package rest_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestEveryUpdateAndRequirement sends each update and each requirement that the
// specification has, as engines send them, and looks at what became of it.
func TestEveryUpdateAndRequirement(t *testing.T) {
	f := served(t)
	create := newTable("t")
	create["properties"] = object{"format-version": "1", "gone": "soon"}
	f.Must(t, 200, "POST", tables, create)
	uid := tableUUID(t, f, "t")
	meta := func() object {
		return f.Must(t, 200, "GET", tables+"/t", nil).JSON()["metadata"].(object)
	}
	require.EqualValues(t, 1, meta()["format-version"])
	sent := map[string]bool{}
	do := func(requirements []string, updates ...object) object {
		t.Helper()
		for _, u := range updates {
			sent[u["action"].(string)] = true
		}
		return f.Must(t, 200, "POST", tables+"/t", body(requirements, texts(t, updates...)...)).JSON()["metadata"].(object)
	}

	do(nil, object{"action": "assign-uuid", "uuid": uid}, object{"action": "set-location", "location": meta()["location"]},
		object{"action": "set-properties", "updates": object{"a": "b"}}, object{"action": "remove-properties", "removals": []string{"gone"}})
	assert.Equal(t, object{"a": "b"}, meta()["properties"])
	for _, v := range []int{2, 3} {
		assert.EqualValues(t, v, do(nil, object{"action": "upgrade-format-version", "format-version": v})["format-version"])
	}
	fields := []object{
		{"id": 1, "name": "id", "type": "long", "required": true},
		{"id": 2, "name": "data", "type": "string", "required": false},
		{"id": 3, "name": "more", "type": "int", "required": false, "write-default": 7, "initial-default": 7},
	}
	m := do([]string{assertUUID(uid), `{"type": "assert-current-schema-id", "current-schema-id": 0}`, `{"type": "assert-last-assigned-field-id", "last-assigned-field-id": 2}`},
		object{"action": "add-schema", "schema": object{"type": "struct", "fields": fields}, "last-column-id": 3},
		object{"action": "set-current-schema", "schema-id": -1})
	assert.EqualValues(t, 1, m["current-schema-id"])
	m = do([]string{`{"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 999}`, `{"type": "assert-default-spec-id", "default-spec-id": 0}`},
		object{"action": "add-spec", "spec": object{"fields": []object{{"source-id": 1, "transform": "bucket[4]", "name": "id_bucket"}}}},
		object{"action": "set-default-spec", "spec-id": -1})
	assert.EqualValues(t, 1, m["default-spec-id"])
	m = do([]string{`{"type": "assert-default-sort-order-id", "default-sort-order-id": 0}`},
		object{"action": "add-sort-order", "sort-order": object{"order-id": 1, "fields": []object{{"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}}}},
		object{"action": "set-default-sort-order", "sort-order-id": -1})
	assert.EqualValues(t, 1, m["default-sort-order-id"])
	m = do(nil, object{"action": "remove-schemas", "schema-ids": []int{0}}, object{"action": "remove-partition-specs", "spec-ids": []int{0}})
	assert.Len(t, m["schemas"], 1)
	assert.Len(t, m["partition-specs"], 1)
	m = do(nil, object{"action": "add-encryption-key", "encryption-key": object{"key-id": "k", "encrypted-key-metadata": "AAEC"}})
	assert.Len(t, m["encryption-keys"], 1)
	m = do(nil, object{"action": "remove-encryption-key", "key-id": "k"})
	assert.Empty(t, m["encryption-keys"])

	// Snapshots: with a list that is real, since it is read.
	f.Must(t, 200, "POST", tables, newTable("u"))
	first := snapshots(t, f, "u", 1).CurrentSnapshot()
	u := func() object { return f.Must(t, 200, "GET", tables+"/u", nil).JSON()["metadata"].(object) }
	on := func(requirements []string, updates ...object) object {
		t.Helper()
		for _, x := range updates {
			sent[x["action"].(string)] = true
		}
		return f.Must(t, 200, "POST", tables+"/u", body(requirements, texts(t, updates...)...)).JSON()["metadata"].(object)
	}
	ref := func(name, kind string, id int64) object {
		return object{"action": "set-snapshot-ref", "ref-name": name, "type": kind, "snapshot-id": id}
	}
	staged := object{"action": "add-snapshot", "snapshot": object{
		"snapshot-id": 77, "parent-snapshot-id": first.SnapshotID, "sequence-number": 2, "timestamp-ms": first.TimestampMs + 1,
		"manifest-list": first.ManifestList, "summary": object{"operation": "append"}, "schema-id": 0,
	}}
	head := fmt.Sprintf(`{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": %d}`, first.SnapshotID)
	on([]string{head, `{"type": "assert-ref-snapshot-id", "ref": "audit", "snapshot-id": null}`}, staged, ref("audit", "branch", 77))
	on(nil, ref("release", "tag", first.SnapshotID), ref("main", "branch", 77))
	assert.Equal(t, []string{"audit", "main", "release"}, slices.Sorted(maps.Keys(u()["refs"].(object))))
	location := u()["location"].(string)
	on(nil, object{"action": "set-statistics", "statistics": object{
		"snapshot-id": 77, "statistics-path": location + "/metadata/x.stats", "file-size-in-bytes": 5, "file-footer-size-in-bytes": 3, "blob-metadata": []any{},
	}}, object{"action": "set-partition-statistics", "partition-statistics": object{
		"snapshot-id": 77, "statistics-path": location + "/metadata/p.parquet", "file-size-in-bytes": 5,
	}})
	assert.Len(t, u()["statistics"], 1)
	assert.Len(t, u()["partition-statistics"], 1)
	on(nil, object{"action": "remove-statistics", "snapshot-id": 77}, object{"action": "remove-partition-statistics", "snapshot-id": 77})
	assert.Empty(t, u()["statistics"])
	assert.Empty(t, u()["partition-statistics"])
	a := f.Call(t, "POST", tables+"/u", body(nil, texts(t, object{"action": "remove-snapshots", "snapshot-ids": []int64{first.SnapshotID}})...))
	assert.Equal(t, 400, a.Status, "a tag holds it")
	on(nil, object{"action": "remove-snapshot-ref", "ref-name": "release"})
	on(nil, object{"action": "remove-snapshots", "snapshot-ids": []int64{first.SnapshotID}})
	assert.Len(t, u()["snapshots"], 1)
	assert.Len(t, sent, 23, "the specification has 23: %v", slices.Sorted(maps.Keys(sent)))
}

// TestNamesEverywhere: names that need escaping work in every operation that
// takes one in a path, a query or a body.
func TestNamesEverywhere(t *testing.T) {
	f := served(t)
	for _, name := range []string{"a.b", "a/b", "a%2Fb", "100%", "a b", "a+b", "Ünïcödé 雪", "?#&=", `"quoted"`, "..", "tables", "~a'b;"} {
		seg := func(levels ...string) string {
			text := ""
			for i, l := range levels {
				if i > 0 {
					text += "%1F"
				}
				text += url.PathEscape(l)
				if l == "a+b" {
					text = text[:len(text)-len("a+b")] + "a%2Bb"
				}
			}
			return text
		}
		outer := "/v1/namespaces/" + seg(name)
		inner := "/v1/namespaces/" + seg(name, name)
		f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{name}})
		f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{name, name}})
		children := f.Must(t, 200, "GET", "/v1/namespaces?parent="+url.QueryEscape(name), nil).JSON()["namespaces"]
		assert.Equal(t, []any{[]any{name, name}}, children, name)
		assert.Equal(t, []any{name, name}, f.Must(t, 200, "GET", inner, nil).JSON()["namespace"], name)
		f.Must(t, 200, "POST", inner+"/tables", newTable(name))
		one := inner + "/tables/" + seg(name)
		f.Must(t, 204, "HEAD", one, nil)
		f.Must(t, 200, "POST", one, body(nil, setProperties("a", "b")))
		f.Must(t, 204, "POST", transactions, object{"table-changes": []object{{
			"identifier": object{"namespace": []string{name, name}, "name": name}, "requirements": []any{},
			"updates": []object{{"action": "set-properties", "updates": object{"c": "d"}}},
		}}})
		loaded := f.Must(t, 200, "GET", one, nil).JSON()
		assert.Equal(t, object{"a": "b", "c": "d"}, loaded["metadata"].(object)["properties"], name)
		assert.NotContains(t, loaded["metadata-location"], name)
		assert.Equal(t, []any{object{"namespace": []any{name, name}, "name": name}}, f.Must(t, 200, "GET", inner+"/tables", nil).JSON()["identifiers"], name)
		f.Must(t, 200, "POST", inner+"/views", newView(name+"v", "SELECT 1"))
		f.Must(t, 204, "HEAD", inner+"/views/"+seg(name)+"v", nil)
		f.Must(t, 204, "POST", "/v1/tables/rename", object{
			"source": object{"namespace": []string{name, name}, "name": name}, "destination": object{"namespace": []string{name}, "name": name},
		})
		f.Must(t, 204, "DELETE", outer+"/tables/"+seg(name)+"?purgeRequested=true", nil)
		f.Must(t, 204, "DELETE", inner+"/views/"+seg(name)+"v", nil)
		f.Must(t, 204, "DELETE", inner, nil)
		f.Must(t, 204, "DELETE", outer, nil)
	}
}

// texts encodes updates.
func texts(t *testing.T, updates ...object) []string {
	t.Helper()
	out := make([]string, len(updates))
	for i, u := range updates {
		data, err := json.Marshal(u)
		require.NoError(t, err)
		out[i] = string(data)
	}
	return out
}
