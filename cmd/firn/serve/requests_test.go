package serve

import (
	"strings"
	"testing"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func TestStrictRequests(t *testing.T) {
	codec := strictJSON{"json"}
	for body, want := range map[string]string{
		``:                            "the request is empty; send a JSON object",
		`{"a"`:                        "not one JSON object",
		`{} {}`:                       "not one JSON object",
		`[]`:                          "the request is no AppendRequest",
		`{"idempotencykey":"a"}`:      `unknown field "idempotencykey"; its fields are table, arrowIpc, ndjson,`,
		`{"table":{"Name":"a"}}`:      `unknown field "Name"`,
		`{"ndjson":"a","ndjson":"b"}`: "duplicate field",
		`{"ndjson":7}`:                "invalid value for string field ndjson",
		`{"` + strings.Repeat("k", 10_000) + `":1}`: "unknown field",
	} {
		err := codec.Unmarshal([]byte(body), &firnv1.AppendRequest{})
		if err == nil || !strings.Contains(err.Error(), want) || len(err.Error()) > 600 {
			t.Errorf("%.40s: %v, want %q", body, err, want)
		}
	}
	var m firnv1.AppendRequest
	if err := codec.Unmarshal([]byte(`{"table":{"namespace":["a"],"name":"t"},"idempotency_key":"k"}`), &m); err != nil || m.GetIdempotencyKey() != "k" {
		t.Errorf("a good request: %v, %v", &m, err)
	}
	text, err := codec.Marshal(&m)
	if err != nil || !strings.Contains(string(text), "idempotencyKey") {
		t.Errorf("%s, %v", text, err)
	}
}
