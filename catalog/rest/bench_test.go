package rest_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkLoad measures the handler alone; compare it with Static, which sends
// as many bytes and does nothing else.
func BenchmarkLoad(b *testing.B) {
	for _, size := range []int{1, 200} {
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
	snapshots(b, f, "t", n)
	return f.Server
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
