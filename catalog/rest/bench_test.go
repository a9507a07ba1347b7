package rest_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog/rest/resttest"
	"github.com/firnlake/firn/internal/objstore"
)

// BenchmarkLoad measures the handler alone; compare it with Static, which sends
// as many bytes and does nothing else.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{1, 200, 9000} {
		f := benchTable(b, size)
		request := func(query string, headers ...string) *http.Request {
			r := httptest.NewRequest(http.MethodGet, tables+"/t"+query, nil)
			for i := 0; i < len(headers); i += 2 {
				r.Header.Set(headers[i], headers[i+1])
			}
			return r
		}
		first := httptest.NewRecorder()
		f.ServeHTTP(first, request(""))
		if first.Code != http.StatusOK {
			b.Fatalf("load: %d %s", first.Code, first.Body)
		}
		etag := first.Header().Get("ETag")
		payload := first.Body.Bytes()
		static := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) })
		for _, c := range []struct {
			name    string
			handler http.Handler
			request func() *http.Request
		}{
			{"static", static, func() *http.Request { return request("") }},
			{"all", f, func() *http.Request { return request("") }},
			{"refs", f, func() *http.Request { return request("?snapshots=refs") }},
			{"not-modified", f, func() *http.Request { return request("", "If-None-Match", etag) }},
		} {
			b.Run(fmt.Sprintf("snapshots=%d/%s", size, c.name), func(b *testing.B) {
				b.ReportAllocs()
				r := c.request()
				for b.Loop() {
					c.handler.ServeHTTP(discard{http.Header{}}, r)
				}
			})
		}
	}
}

type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(p []byte) (int, error) { return len(p), nil }
func (d discard) WriteHeader(int)             {}

// benchTable serves a table with so many snapshots.
func benchTable(b *testing.B, n int) http.Handler {
	b.Helper()
	f := served(b)
	f.Must(b, http.StatusOK, "POST", tables, newTable("t"))
	past(b, f, "t", n)
	return f.Server
}

// past gives a table so many snapshots with one commit: the others are copies of its
// snapshot, in metadata that is registered.
func past(b *testing.B, f *resttest.Fixture, name string, n int) {
	b.Helper()
	t := snapshots(b, f, name, 1)
	last := *t.CurrentSnapshot()
	m, err := table.MetadataBuilderFromBase(t.Metadata, t.MetadataLocation)
	require.NoError(b, err)
	for i := range n - 1 {
		s := last
		s.SnapshotID, s.ParentSnapshotID = int64(i+1), new(last.SnapshotID)
		s.SequenceNumber++
		s.TimestampMs++
		require.NoError(b, m.AddSnapshot(&s))
		require.NoError(b, m.SetSnapshotRef(table.MainBranch, s.SnapshotID, table.BranchRef))
		last = s
	}
	meta, err := m.Build()
	require.NoError(b, err)
	data, err := json.Marshal(meta)
	require.NoError(b, err)
	location := t.Location() + "/metadata/past.metadata.json"
	key, err := f.Bucket.Key(location)
	require.NoError(b, err)
	require.NoError(b, f.Bucket.PutBytes(b.Context(), key, data, objstore.PutOptions{}))
	_, err = f.Catalog.RegisterTable(b.Context(), t.Ident, location, true)
	require.NoError(b, err)
}

// BenchmarkLoadLatency is what a client on the same machine waits for, in the
// middle: of a table with a long past, whole, refs only and unchanged. Bars: 5, 0.5
// and 0.15 ms.
func BenchmarkLoadLatency(b *testing.B) {
	f := served(b)
	f.Must(b, http.StatusOK, "POST", tables, newTable("t"))
	past(b, f, "t", 9000)
	client := &http.Client{}
	etag := f.Must(b, http.StatusOK, "GET", tables+"/t", nil).Header.Get("ETag")
	payload := f.Must(b, http.StatusOK, "GET", tables+"/t", nil).Body
	static := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	b.Cleanup(static.Close)
	for _, c := range []struct{ name, url, etag string }{
		{"static", static.URL, ""},
		{"all", f.URL + tables + "/t", ""},
		{"refs", f.URL + tables + "/t?snapshots=refs", ""},
		{"not-modified", f.URL + tables + "/t", etag},
	} {
		b.Run(c.name, func(b *testing.B) {
			var took []time.Duration
			size := int64(0)
			for b.Loop() {
				r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, c.url, nil)
				require.NoError(b, err)
				if c.etag != "" {
					r.Header.Set("If-None-Match", c.etag)
				}
				begin := time.Now()
				res, err := client.Do(r)
				require.NoError(b, err)
				size, err = io.Copy(io.Discard, res.Body)
				require.NoError(b, err)
				res.Body.Close()
				took = append(took, time.Since(begin))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2])/1e6, "p50-ms")
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkWire loads one table over a socket with parallel clients, beside a
// static handler that sends the same bytes.
func BenchmarkWire(b *testing.B) {
	f := served(b)
	f.Must(b, http.StatusOK, "POST", tables, newTable("t"))
	snapshots(b, f, "t", 5)
	payload := f.Must(b, http.StatusOK, "GET", tables+"/t", nil).Body
	static := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(payload) }))
	b.Cleanup(static.Close)
	for _, c := range []struct{ name, url string }{{"static", static.URL}, {"load", f.URL + tables + "/t"}} {
		b.Run(c.name, func(b *testing.B) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					res, err := client.Get(c.url)
					if err != nil {
						b.Error(err)
						return
					}
					_, _ = io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			})
		})
	}
}
