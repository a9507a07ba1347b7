package engines

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// Metadata is a table's current metadata.json, as the catalog sends it.
func (l *Lake) Metadata(t testing.TB, path ...string) json.RawMessage {
	t.Helper()
	address := fmt.Sprintf("%s/v1/namespaces/%s/tables/%s", l.HTTP,
		url.QueryEscape(strings.Join(path[:len(path)-1], "\x1f")), url.QueryEscape(path[len(path)-1]))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct {
		Metadata json.RawMessage `json:"metadata"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("load table %s: %s: %v", strings.Join(path, "."), response.Status, err)
	}
	return answer.Metadata
}

// Independent computes a table's rows from its files alone: no Iceberg library
// and nothing of Firn has a part in it but the pointer to the metadata (see
// drivers/parquet.py). Position deletes and deletion vectors are taken off;
// equality deletes are an error.
func (l *Lake) Independent(t testing.TB, path ...string) Rows {
	t.Helper()
	return l.IndependentAt(t, 0, path...)
}

// IndependentAt is Independent for one of the table's snapshots, with the
// columns of today.
func (l *Lake) IndependentAt(t testing.TB, snapshot int64, path ...string) Rows {
	t.Helper()
	d := start(t, DuckDB, false).(*duckDB)
	ctx, cancel := context.WithTimeout(t.Context(), Deadline)
	defer cancel()
	rows, err := d.rows(ctx, "parquet", map[string]any{
		"metadata": l.Metadata(t, path...), "snapshot": snapshot,
		"endpoint": l.S3Endpoint, "region": l.Region, "key": l.AccessKey, "secret": l.SecretKey,
	})
	if err != nil {
		t.Fatalf("compute %s from its files: %v", strings.Join(path, "."), err)
	}
	return rows
}
