package rest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"testing"
)

// FuzzFind: any path finds a route or an error, and the names of a route that was
// found escape back to a path that finds the same.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{"/v1/config", "/v1/default/namespaces/a%1Fb/tables/t", "/v1/%2e%2e/x", "/v1/namespaces/+/views/%", "//v1//"} {
		f.Add(seed)
	}
	r := newRouter("default", routes())
	f.Fuzz(func(t *testing.T, path string) {
		u, err := url.Parse(path)
		if err != nil {
			return
		}
		rt, vars, err := r.find(http.MethodGet, u)
		if err != nil {
			model, _ := answer(err)
			if model.Code != http.StatusNotFound && model.Code != http.StatusBadRequest && model.Code != http.StatusMethodNotAllowed {
				t.Fatalf("%q: %v is answered with %d", path, err, model.Code)
			}
			return
		}
		for name, value := range vars {
			again, err := url.QueryUnescape(url.QueryEscape(value))
			if err != nil || again != value {
				t.Fatalf("%s: %s=%q does not survive", rt, name, value)
			}
		}
	})
}

// FuzzCommitBody: any text is decoded or is a request's own error, and never
// costs the process.
func FuzzCommitBody(f *testing.F) {
	f.Add([]byte(`{"requirements": [{"type": "assert-create"}], "updates": [{"action": "assign-uuid", "uuid": "0193e7e2-79b0-7cc3-98c4-dc0c0c07398f"}]}`))
	f.Add([]byte(`{"updates": [{"action": "add-snapshot", "snapshot": {"snapshot-id": 1}}]}`))
	f.Add([]byte(`{"updates": [{"action": "add-schema", "schema": {"type": "struct", "fields": [{"id": 1, "name": "a", "type": {"type": "list"}}]}}]}`))
	f.Add([]byte(`{"a": 1, "a": 2}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var body commitBodyJSON
		if err := decode(data, &body); err != nil {
			if model, _ := answer(err); model.Code != http.StatusBadRequest {
				t.Fatalf("%q: %v is answered with %d", data, err, model.Code)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q was decoded", data)
		}
	})
}
