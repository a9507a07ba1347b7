package rest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// TestVoidFieldsOfColumnsThatAreGone is what Spark sends for REPLACE TABLE on
// format v1, which keeps the places of partition fields: a new schema without
// the column, and a spec that has a void field of it.
func TestVoidFieldsOfColumnsThatAreGone(t *testing.T) {
	f := served(t)
	create := newTable("t")
	create["properties"] = object{"format-version": "1"}
	create["partition-spec"] = object{"spec-id": 0, "fields": []object{{"source-id": 1, "field-id": 1000, "transform": "bucket[2]", "name": "id_bucket"}}}
	f.Must(t, 200, "POST", tables, create)
	send := func(transform string) (int, object) {
		t.Helper()
		a := f.Call(t, "POST", tables+"/t", body(nil, texts(
			t,
			object{"action": "add-schema", "schema": object{"type": "struct", "fields": []object{{"id": 3, "name": "only", "type": "string", "required": false}}}, "last-column-id": 3},
			object{"action": "set-current-schema", "schema-id": -1},
			object{"action": "add-spec", "spec": object{"spec-id": 1, "fields": []object{{"source-id": 1, "field-id": 1000, "transform": transform, "name": "id_bucket"}}}},
			object{"action": "set-default-spec", "spec-id": -1},
		)...))
		return a.Status, a.JSON()
	}
	status, _ := send("bucket[4]")
	assert.Equal(t, 400, status, "a field that is not void needs its column")
	status, answer := send("void")
	assert.Equal(t, 200, status)
	meta := answer["metadata"].(object)
	assert.EqualValues(t, 1, meta["current-schema-id"])
	assert.EqualValues(t, 1, meta["default-spec-id"])
	spec := meta["partition-specs"].([]any)[1].(object)["fields"].([]any)[0].(object)
	assert.EqualValues(t, 1, spec["source-id"])
	assert.Equal(t, "void", spec["transform"])
}
