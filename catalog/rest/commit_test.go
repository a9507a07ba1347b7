package rest_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/catalog/rest"
	"github.com/firnlake/firn/catalog/rest/resttest"
)

func setProperties(key, value string) string {
	return fmt.Sprintf(`{"action": "set-properties", "updates": {%q: %q}}`, key, value)
}

// body of a commit.
func body(requirements []string, updates ...string) string {
	return fmt.Sprintf(`{"requirements": [%s], "updates": [%s]}`, strings.Join(requirements, ","), strings.Join(updates, ","))
}

func commit(t *testing.T, f *resttest.Fixture, name string, requirements []string, updates ...string) object {
	t.Helper()
	return f.Must(t, 200, "POST", tables+"/"+name, body(requirements, updates...)).JSON()
}

func property(t *testing.T, f *resttest.Fixture, name, key string) any {
	t.Helper()
	meta := f.Must(t, 200, "GET", tables+"/"+name, nil).JSON()["metadata"].(object)
	props, _ := meta["properties"].(object)
	return props[key]
}

func tableUUID(t *testing.T, f *resttest.Fixture, name string) string {
	t.Helper()
	return f.Must(t, 200, "GET", tables+"/"+name, nil).JSON()["metadata"].(object)["table-uuid"].(string)
}

func assertUUID(id string) string {
	return fmt.Sprintf(`{"type": "assert-table-uuid", "uuid": %q}`, id)
}

func TestCommit(t *testing.T) {
	f := served(t)
	before := f.Must(t, 200, "POST", tables, newTable("t")).JSON()
	a := f.Must(t, 200, "POST", tables+"/t", body([]string{assertUUID(tableUUID(t, f, "t"))}, setProperties("a", "1")))
	assert.NotEqual(t, before["metadata-location"], a.JSON()["metadata-location"])
	assert.Equal(t, "1", a.JSON()["metadata"].(object)["properties"].(object)["a"])
	loaded := f.Must(t, 200, "GET", tables+"/t", nil)
	assert.Equal(t, loaded.Header.Get("ETag"), a.Header.Get("ETag"), "the commit's ETag is the load's")

	named := `{"identifier": {"namespace": ["ns"], "name": "t"}, "requirements": [], "updates": [` + setProperties("b", "2") + `]}`
	f.Must(t, 200, "POST", tables+"/t", named)
	f.Must(t, 400, "POST", tables+"/t", strings.Replace(named, `"t"`, `"u"`, 1))
	assert.Equal(t, "NoSuchTableException", f.Must(t, 404, "POST", tables+"/none", body(nil, setProperties("a", "1"))).Error())
}

func TestCommitConflicts(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", tables, newTable("t"))
	for _, requirement := range []string{
		assertUUID(uuid.NewString()),
		`{"type": "assert-create"}`,
		`{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": 12}`,
		`{"type": "assert-last-assigned-field-id", "last-assigned-field-id": 99}`,
		`{"type": "assert-current-schema-id", "current-schema-id": 99}`,
		`{"type": "assert-last-assigned-partition-id", "last-assigned-partition-id": 7}`,
		`{"type": "assert-default-spec-id", "default-spec-id": 9}`,
		`{"type": "assert-default-sort-order-id", "default-sort-order-id": 9}`,
	} {
		a := f.Call(t, "POST", tables+"/t", body([]string{requirement}, setProperties("lost", "1")))
		assert.Equal(t, 409, a.Status, "%s: %s", requirement, a.Body)
		assert.Contains(t, []string{"CommitFailedException", "AlreadyExistsException"}, a.Error(), requirement)
	}
	assert.Nil(t, property(t, f, "t", "lost"))
	for _, holds := range []string{
		`{"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": null}`, `{"type": "assert-current-schema-id", "current-schema-id": 0}`,
	} {
		commit(t, f, "t", []string{holds}, setProperties("won", "1"))
	}
}

func TestCommitRefusesWhatItDoesNotKnow(t *testing.T) {
	f := served(t)
	f.Must(t, 200, "POST", tables, newTable("t"))
	uid := tableUUID(t, f, "t")
	for name, bad := range map[string]string{
		"update action":      body(nil, `{"action": "explode"}`),
		"no action":          body(nil, `{"updates": {"a": "b"}}`),
		"requirement":        body([]string{`{"type": "assert-sunshine"}`}, setProperties("a", "b")),
		"requirement field":  body([]string{`{"type": "assert-table-uuid"}`}, setProperties("a", "b")),
		"update field":       body(nil, `{"action": "set-location"}`),
		"twice":              `{"requirements": [], "updates": [{"action": "set-properties", "updates": {"a": "1", "a": "2"}}]}`,
		"schema id":          body(nil, `{"action": "set-current-schema", "schema-id": 17}`),
		"downgrade":          body(nil, `{"action": "upgrade-format-version", "format-version": 1}`),
		"future version":     body(nil, `{"action": "upgrade-format-version", "format-version": 4}`),
		"foreign uuid":       body([]string{assertUUID(uid)}, fmt.Sprintf(`{"action": "assign-uuid", "uuid": %q}`, uuid.NewString())),
		"steering property":  body(nil, setProperties("s3.endpoint", "http://evil")),
		"foreign location":   body(nil, `{"action": "set-location", "location": "s3://other/x"}`),
		"local location":     body(nil, `{"action": "set-location", "location": "file:///etc"}`),
		"dotted location":    body(nil, fmt.Sprintf(`{"action": "set-location", "location": "s3://%s/default/../x"}`, f.Bucket.Name())),
		"sibling location":   body(nil, fmt.Sprintf(`{"action": "set-location", "location": "s3://%s/default/%s_other"}`, f.Bucket.Name(), uid)),
		"ref to nothing":     body(nil, `{"action": "set-snapshot-ref", "ref-name": "x", "type": "tag", "snapshot-id": 1}`),
		"foreign statistics": body(nil, `{"action": "set-statistics", "statistics": {"snapshot-id": 1, "statistics-path": "s3://other/x", "file-size-in-bytes": 1, "file-footer-size-in-bytes": 1, "blob-metadata": []}}`),
		"foreign manifests": body(nil, `{"action": "add-snapshot", "snapshot": {"snapshot-id": 5, "sequence-number": 1, "timestamp-ms": 9999999999999, "manifest-list": "http://169.254.169.254/x", "summary": {"operation": "append"}, "schema-id": 0}}`,
			`{"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": 5}`),
	} {
		a := f.Call(t, "POST", tables+"/t", bad)
		assert.Equal(t, 400, a.Status, "%s: %s", name, a.Body)
		assert.Equal(t, "BadRequestException", a.Error(), name)
	}
	updates, _ := staged(t, f, "future")
	updates[1] = `{"action": "upgrade-format-version", "format-version": 4}`
	assert.Equal(t, "BadRequestException", f.Must(t, 400, "POST", tables+"/future", body([]string{assertCreate}, updates...)).Error())
	assert.Equal(t, "RequestTooLargeException", f.Must(t, 413, "POST", tables+"/t", strings.Repeat(" ", 17<<20)).Error())
	big := body(nil, setProperties("big", strings.Repeat("x", 900<<10)))
	f.Must(t, 200, "POST", tables+"/t", big+strings.Repeat(" ", 3<<20))
}

func change(name string, requirements []string, updates ...string) string {
	return fmt.Sprintf(`{"identifier": {"namespace": ["ns"], "name": %q}, "requirements": [%s], "updates": [%s]}`, name, strings.Join(requirements, ","), strings.Join(updates, ","))
}

const transactions = "/v1/default/transactions/commit"

func TestTransactionIsAtomic(t *testing.T) {
	f := served(t)
	for _, name := range []string{"a", "b", "c"} {
		f.Must(t, 200, "POST", tables, newTable(name))
	}
	send := func(changes ...string) resttest.Answer {
		return f.Call(t, "POST", transactions, `{"table-changes": [`+strings.Join(changes, ",")+`]}`)
	}
	require.Equal(t, 204, send(change("a", nil, setProperties("x", "1")), change("b", nil, setProperties("x", "1"))).Status)
	assert.Equal(t, "1", property(t, f, "a", "x"))
	assert.Equal(t, "1", property(t, f, "b", "x"))

	// The last change fails: none happens.
	lost := send(change("a", nil, setProperties("x", "2")), change("b", nil, setProperties("x", "2")), change("c", []string{assertUUID(uuid.NewString())}, setProperties("x", "2")))
	assert.Equal(t, 409, lost.Status)
	assert.Equal(t, "CommitFailedException", lost.Error())
	assert.Equal(t, 404, send(change("a", nil, setProperties("x", "3")), change("none", nil, setProperties("x", "3"))).Status)
	assert.Equal(t, 400, send(change("a", nil, setProperties("x", "4")), change("b", nil, `{"action": "explode"}`)).Status)
	assert.Equal(t, 400, send(change("a", nil, setProperties("x", "5")), change("a", nil, setProperties("x", "6"))).Status)
	for _, name := range []string{"a", "b"} {
		assert.Equal(t, "1", property(t, f, name, "x"), name)
	}
	assert.Nil(t, property(t, f, "c", "x"))

	assert.Equal(t, 400, send().Status)
	assert.Equal(t, 400, send(`{"requirements": [], "updates": []}`).Status)
	f.Must(t, 400, "POST", transactions, `{}`)
}

// staged answers the updates with which an engine commits a staged table.
func staged(t *testing.T, f *resttest.Fixture, name string) (updates []string, location string) {
	t.Helper()
	body := newTable(name)
	body["stage-create"] = true
	a := f.Must(t, 200, "POST", tables, body)
	assert.NotContains(t, a.JSON(), "metadata-location", "a staged table has no metadata file")
	assert.Empty(t, a.Header.Get("ETag"))
	meta := a.JSON()["metadata"].(object)
	schema, err := json.Marshal(meta["schemas"].([]any)[0])
	require.NoError(t, err)
	location = meta["location"].(string)
	return []string{
		fmt.Sprintf(`{"action": "assign-uuid", "uuid": %q}`, meta["table-uuid"]),
		fmt.Sprintf(`{"action": "upgrade-format-version", "format-version": %v}`, meta["format-version"]),
		fmt.Sprintf(`{"action": "add-schema", "schema": %s, "last-column-id": 2}`, schema),
		`{"action": "set-current-schema", "schema-id": -1}`,
		`{"action": "add-spec", "spec": {"spec-id": 0, "fields": []}}`,
		`{"action": "set-default-spec", "spec-id": -1}`,
		`{"action": "add-sort-order", "sort-order": {"order-id": 0, "fields": []}}`,
		`{"action": "set-default-sort-order", "sort-order-id": -1}`,
		fmt.Sprintf(`{"action": "set-location", "location": %q}`, location),
		setProperties("made", "staged"),
	}, location
}

const assertCreate = `{"type": "assert-create"}`

func TestStagedCreate(t *testing.T) {
	f := served(t)
	updates, location := staged(t, f, "s")
	f.Must(t, 404, "HEAD", tables+"/s", nil)
	a := f.Must(t, 200, "POST", tables+"/s", body([]string{assertCreate}, updates...))
	meta := a.JSON()["metadata"].(object)
	assert.Equal(t, location, meta["location"])
	assert.Equal(t, "staged", meta["properties"].(object)["made"])
	f.Must(t, 204, "HEAD", tables+"/s", nil)

	// Another stage of a name that is taken meanwhile.
	second, _ := staged(t, f, "raced")
	f.Must(t, 200, "POST", tables, newTable("raced"))
	lost := f.Must(t, 409, "POST", tables+"/raced", body([]string{assertCreate}, second...))
	assert.Contains(t, []string{"CommitFailedException", "AlreadyExistsException"}, lost.Error())

	exists := newTable("s")
	exists["stage-create"] = true
	assert.Equal(t, "AlreadyExistsException", f.Must(t, 409, "POST", tables, exists).Error())

	// A location that is not the staged one.
	third, place := staged(t, f, "moved")
	other := strings.Replace(place, place[len(place)-4:], "0000", 1)
	for i := range third {
		third[i] = strings.Replace(third[i], place, other, 1)
	}
	moved := f.Call(t, "POST", tables+"/moved", body([]string{assertCreate}, third...))
	assert.Equal(t, 400, moved.Status, "%s", moved.Body)

	// DuckDB chooses the current schema last.
	late, _ := staged(t, f, "late")
	late = append(append(slices.Clone(late[:3]), late[4:]...), late[3])
	f.Must(t, 200, "POST", tables+"/late", body([]string{assertCreate}, late...))

	// Created in one transaction with a change of another table.
	fourth, _ := staged(t, f, "both")
	f.Must(t, 204, "POST", transactions, `{"table-changes": [`+change("both", []string{assertCreate}, fourth...)+`,`+change("s", nil, setProperties("with", "both"))+`]}`)
	f.Must(t, 204, "HEAD", tables+"/both", nil)
	assert.Equal(t, "both", property(t, f, "s", "with"))
}

func TestIdempotencyKeys(t *testing.T) {
	f := served(t)
	const header = "Idempotency-Key"
	key := func() string { return uuid.Must(uuid.NewV7()).String() }

	// Each mutation, sent twice with its key: once is effect, twice is answer.
	create := key()
	first := f.Must(t, 200, "POST", tables, newTable("t"), header, create)
	again := f.Must(t, 200, "POST", tables, newTable("t"), header, create)
	assert.Equal(t, first.JSON()["metadata-location"], again.JSON()["metadata-location"])
	mismatch := f.Must(t, 422, "POST", tables, newTable("u"), header, create)
	assert.Equal(t, "UnprocessableEntityException", mismatch.Error())
	f.Must(t, 404, "HEAD", tables+"/u", nil)

	request := body([]string{`{"type": "assert-current-schema-id", "current-schema-id": 0}`},
		`{"action": "add-schema", "schema": {"type": "struct", "fields": [{"id": 1, "name": "id", "type": "long", "required": true}, {"id": 2, "name": "data", "type": "string", "required": false}, {"id": 3, "name": "x", "type": "int", "required": false}]}, "last-column-id": 3}`,
		`{"action": "set-current-schema", "schema-id": -1}`)
	evolve := key()
	one := f.Must(t, 200, "POST", tables+"/t", request, header, evolve)
	two := f.Must(t, 200, "POST", tables+"/t", request, header, evolve)
	assert.Equal(t, one.JSON()["metadata-location"], two.JSON()["metadata-location"], "its requirement no longer holds, and it is the same commit")
	f.Must(t, 409, "POST", tables+"/t", request, header, key())
	f.Must(t, 422, "POST", tables+"/t", body(nil, setProperties("a", "b")), header, evolve)
	f.Must(t, 422, "DELETE", tables+"/t", nil, header, evolve)

	both := key()
	many := `{"table-changes": [` + change("t", []string{`{"type": "assert-current-schema-id", "current-schema-id": 1}`}, setProperties("n", "1")) + `]}`
	f.Must(t, 204, "POST", transactions, many, header, both)
	f.Must(t, 204, "POST", transactions, many, header, both)

	space := key()
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"k"}}, header, space)
	f.Must(t, 200, "POST", "/v1/namespaces", object{"namespace": []string{"k"}}, header, space)
	props := key()
	for range 2 {
		a := f.Must(t, 200, "POST", "/v1/namespaces/k/properties", object{"updates": object{"a": "b"}, "removals": []string{"no"}}, header, props)
		assert.Equal(t, object{"updated": []any{"a"}, "removed": []any{}, "missing": []any{"no"}}, a.JSON())
	}
	move := key()
	for range 2 {
		f.Must(t, 204, "POST", "/v1/tables/rename", object{"source": object{"namespace": []string{"ns"}, "name": "t"}, "destination": object{"namespace": []string{"k"}, "name": "t2"}}, header, move)
	}
	drop := key()
	for range 2 {
		f.Must(t, 204, "DELETE", "/v1/namespaces/k/tables/t2?purgeRequested=false", nil, header, drop)
	}
	f.Must(t, 422, "DELETE", "/v1/namespaces/k/tables/t2?purgeRequested=true", nil, header, drop)
	gone := key()
	for range 2 {
		f.Must(t, 204, "DELETE", "/v1/namespaces/k", nil, header, gone)
	}
	view := key()
	var locations []any
	for range 2 {
		locations = append(locations, f.Must(t, 200, "POST", "/v1/namespaces/ns/views", newView("v", "SELECT 1"), header, view).JSON()["metadata-location"])
	}
	assert.Equal(t, locations[0], locations[1])

	for _, bad := range []string{"x", "", strings.ReplaceAll(key(), "-", ""), key() + key()} {
		a := f.Call(t, "POST", tables, newTable("bad"), header, bad)
		assert.Equal(t, 400, a.Status, "%q: %s", bad, a.Body)
	}
}

var errPlanned = errors.New("planned: /var/lib/hidden")

// The two failure rows of a commit: it did not happen, and it happened but
// looked failed.
func TestUnknownOutcomes(t *testing.T) {
	var log bytes.Buffer
	f := served(t, func(c *rest.Config) { c.Logger = slog.New(slog.NewTextHandler(io.MultiWriter(&log), nil)) })
	f.Must(t, 200, "POST", tables, newTable("t"))
	once := func(fault memstore.Fault) {
		var used atomic.Bool
		f.Store.InjectApply(func(catalog.Batch) memstore.Fault {
			if used.Swap(true) {
				return memstore.Fault{}
			}
			return fault
		})
	}

	// It happened: the answer is either the success or an unknown outcome, never a conflict.
	once(memstore.Fault{After: errPlanned})
	a := f.Call(t, "POST", tables+"/t", body(nil, setProperties("after", "1")))
	f.Store.InjectApply(nil)
	assert.Contains(t, []int{200, 500}, a.Status, "%s", a.Body)
	assert.NotContains(t, string(a.Body), "hidden")
	assert.Equal(t, "1", property(t, f, "t", "after"))

	// It did not happen: the same, and the truth is what a load says.
	once(memstore.Fault{Before: errPlanned})
	a = f.Call(t, "POST", tables+"/t", body(nil, setProperties("before", "1")))
	f.Store.InjectApply(nil)
	assert.Contains(t, []int{200, 500}, a.Status, "%s", a.Body)
	assert.NotContains(t, string(a.Body), "hidden")
	if a.Status == 500 {
		assert.Equal(t, "CommitStateUnknownException", a.Error())
		assert.Contains(t, log.String(), "request failed")
	} else {
		assert.Equal(t, "1", property(t, f, "t", "before"))
	}

	// With a key a client that saw neither repeats itself without harm.
	key := uuid.Must(uuid.NewV7()).String()
	request := body([]string{assertUUID(tableUUID(t, f, "t"))}, setProperties("keyed", "1"))
	once(memstore.Fault{After: errPlanned})
	f.Call(t, "POST", tables+"/t", request, "Idempotency-Key", key)
	f.Store.InjectApply(nil)
	f.Must(t, 200, "POST", tables+"/t", request, "Idempotency-Key", key)
	assert.Equal(t, "1", property(t, f, "t", "keyed"))

	// A full disk certainly did nothing: 429, which clients retry.
	f.Store.InjectApply(func(catalog.Batch) memstore.Fault { return memstore.Fault{Before: catalog.ErrStoreReadOnly} })
	a = f.Call(t, "POST", tables+"/t", body(nil, setProperties("full", "1")))
	f.Store.InjectApply(nil)
	assert.Equal(t, 429, a.Status, "%s", a.Body)
	assert.Equal(t, "1", a.Header.Get("Retry-After"))
	assert.Nil(t, property(t, f, "t", "full"))
	commit(t, f, "t", nil, setProperties("room", "1"))

	// A read that fails leaks nothing.
	f.Store.InjectRead(func(string) error { return errPlanned })
	a = f.Call(t, "GET", "/v1/namespaces/ns", nil)
	f.Store.InjectRead(nil)
	assert.Equal(t, 500, a.Status)
	assert.NotContains(t, string(a.Body), "hidden")
}

// TestRepeatedAfterTheNameChanged: the answer to a repeated commit does not depend
// on what became of the table since.
func TestRepeatedAfterTheNameChanged(t *testing.T) {
	f := served(t)
	const header = "Idempotency-Key"
	f.Must(t, 200, "POST", tables, newTable("t"))
	commit, many := uuid.NewString(), uuid.NewString()
	first := f.Must(t, 200, "POST", tables+"/t", body(nil, setProperties("a", "b")), header, commit)
	f.Must(t, 204, "POST", transactions, `{"table-changes": [`+change("t", nil, setProperties("n", "1"))+`]}`, header, many)
	again := func(status int) {
		t.Helper()
		a := f.Must(t, 200, "POST", tables+"/t", body(nil, setProperties("a", "b")), header, commit)
		assert.Equal(t, first.JSON()["metadata"].(object)["table-uuid"], a.JSON()["metadata"].(object)["table-uuid"])
		assert.Equal(t, "b", a.JSON()["metadata"].(object)["properties"].(object)["a"])
		f.Must(t, 204, "POST", transactions, `{"table-changes": [`+change("t", nil, setProperties("n", "1"))+`]}`, header, many)
		f.Must(t, status, "HEAD", tables+"/t", nil)
	}
	f.Must(t, 204, "POST", "/v1/tables/rename", object{"source": object{"namespace": []string{"ns"}, "name": "t"}, "destination": object{"namespace": []string{"ns"}, "name": "u"}})
	again(404)
	f.Must(t, 204, "DELETE", tables+"/u", nil)
	again(404)

	stage := newTable("staged")
	stage["stage-create"] = true
	key := uuid.NewString()
	one := f.Must(t, 200, "POST", tables, stage, header, key).JSON()["metadata"].(object)
	two := f.Must(t, 200, "POST", tables, stage, header, key).JSON()["metadata"].(object)
	assert.Equal(t, one["table-uuid"], two["table-uuid"], "the files of one are protected, not those of two")
	assert.Equal(t, one["location"], two["location"])
	other := f.Must(t, 200, "POST", tables, stage, header, uuid.NewString()).JSON()["metadata"].(object)
	assert.NotEqual(t, one["table-uuid"], other["table-uuid"])
}
