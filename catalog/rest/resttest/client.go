package resttest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	icerest "github.com/apache/iceberg-go/catalog/rest"
	iceio "github.com/apache/iceberg-go/io"
)

// Answer is one answer of the server.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body; nil when it is none.
func (a Answer) JSON() map[string]any {
	var v map[string]any
	if json.Unmarshal(a.Body, &v) != nil {
		return nil
	}
	return v
}

// Error is the type in the error model, or "".
func (a Answer) Error() string {
	e, ok := a.JSON()["error"].(map[string]any)
	if !ok {
		return ""
	}
	kind, ok := e["type"].(string)
	if !ok || int(e["code"].(float64)) != a.Status {
		return fmt.Sprintf("malformed error model: %s", a.Body)
	}
	return kind
}

// Call sends one request. body is JSON text or a value to encode; headers are
// pairs of name and value.
func (f *Fixture) Call(t testing.TB, method, path string, body any, headers ...string) Answer {
	t.Helper()
	var data []byte
	switch b := body.(type) {
	case nil:
	case string:
		data = []byte(b)
	default:
		var err error
		if data, err = json.Marshal(b); err != nil {
			t.Fatalf("encode the body of %s %s: %v", method, path, err)
		}
	}
	req, err := http.NewRequestWithContext(context.Background(), method, f.URL+path, bytes.NewReader(data))
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	answer := Answer{Status: res.StatusCode, Header: res.Header}
	if answer.Body, err = io.ReadAll(res.Body); err != nil {
		t.Fatalf("%s %s: read the answer: %v", method, path, err)
	}
	return answer
}

// Must is Call that fails the test unless the status is the one that is wanted.
func (f *Fixture) Must(t testing.TB, status int, method, path string, body any, headers ...string) Answer {
	t.Helper()
	a := f.Call(t, method, path, body, headers...)
	if a.Status != status {
		t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a
}

// buckets lets iceberg-go's client find the bucket of a location.
var (
	buckets  sync.Map
	register sync.Once
)

// Client is iceberg-go's own REST client on the catalog. The files of its tables
// go through the fixture's bucket.
func (f *Fixture) Client(t testing.TB) *icerest.Catalog {
	t.Helper()
	register.Do(func() {
		iceio.Register("s3", func(_ context.Context, u *url.URL, _ map[string]string) (iceio.IO, error) {
			files, ok := buckets.Load(u.Host)
			if !ok {
				return nil, fmt.Errorf("no test serves the bucket %s", u.Host)
			}
			return files.(iceio.IO), nil
		})
	})
	buckets.Store(f.Bucket.Name(), f.Bucket.FileIO())
	c, err := icerest.NewCatalog(context.Background(), "firn", f.URL)
	if err != nil {
		t.Fatalf("connect iceberg-go's client: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close the client: %v", err)
		}
	})
	return c
}

// Escape makes a path segment of a namespace or a name.
func Escape(levels ...string) string {
	return strings.ReplaceAll(url.QueryEscape(strings.Join(levels, "\x1f")), "+", "%20")
}
