package badinput

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

const schema = `"schema":{"type":"struct","schema-id":0,"fields":[{"id":1,"name":"id","required":false,"type":"long"}]}`

// elsewhere are locations that no client may name.
var elsewhere = []string{
	"s3://other-bucket/x", "file:///etc/passwd", "/etc/passwd", "etc/passwd", "s3://lake/../other/x", "s3://lake/default/../../x",
	"s3://user:secret@lake/x", "s3://lake/a%2f..%2fb", "s3://lake/a?x=1", "s3://lake/a#b", "s3://lake//a", "s3://LAKE/x", "s3://lake",
	"http://127.0.0.1:1/x", "https://example.com/x", "gs://lake/x", "s3://lake/a\\b", "s3://lake/\u202ea", "s3://lake/a/\x00", "s3://lake@evil/x",
	"s3://lake:80/x", "s3:/lake/x", "s3n://lake/x", "hdfs://lake/x", "s3://lake/" + strings.Repeat("a", 10<<10), "s3://lake/*",
}

// ours is where the server puts a table.
var ours = regexp.MustCompile(`^s3://lake/default/[0-9a-f]{8}-[0-9a-f-]{27}$`)

func TestHostileLocations(t *testing.T) {
	s := start(t)
	loaded := s.send(t, http.MethodGet, "/v1/default/namespaces/bronze/tables/t", nil, nil)
	_, rest, _ := strings.Cut(loaded.body, `"table-uuid":"`)
	uuid, _, _ := strings.Cut(rest, `"`)
	if len(uuid) != 36 {
		t.Fatal(loaded)
	}
	s.holdsStill(t, 64<<20, func() {
		for i, at := range elsewhere {
			t.Run(fmt.Sprintf("%d %q", i, at[:min(len(at), 30)]), func(t *testing.T) {
				post := func(path, body string) answer {
					return s.send(t, http.MethodPost, path, strings.NewReader(body), nil)
				}
				location := quote(at)
				const tables = "/v1/default/namespaces/bronze/tables"
				// A wish for a location is not granted: the server chooses.
				for _, stage := range []string{"true", "false"} {
					a := post(tables, `{"name":"made","stage-create":`+stage+`,"location":`+location+`,`+schema+`}`)
					_, rest, _ := strings.Cut(a.body, `"location":"`)
					chosen, _, _ := strings.Cut(rest, `"`)
					if a.status != http.StatusOK || !ours.MatchString(chosen) {
						t.Errorf("stage %s: the table is at %q: %s", stage, chosen, a)
					}
				}
				if a := s.send(t, http.MethodDelete, tables+"/made?purgeRequested=true", nil, nil); a.status != http.StatusNoContent {
					t.Errorf("%s", a)
				}
				refused(t, post("/v1/default/namespaces/bronze/register", `{"name":"bad","metadata-location":`+location+`}`), http.StatusBadRequest)
				commit := func(update string) answer {
					return post(tables+"/t", `{"requirements":[],"updates":[`+update+`]}`)
				}
				refused(t, commit(`{"action":"set-location","location":`+location+`}`), http.StatusBadRequest, "location")
				refused(t, commit(`{"action":"add-snapshot","snapshot":{"snapshot-id":7,"sequence-number":99,"timestamp-ms":`+"4102444800000"+`,"manifest-list":`+location+`,"summary":{"operation":"append"},"schema-id":0}},{"action":"set-snapshot-ref","ref-name":"main","type":"branch","snapshot-id":7}`), http.StatusBadRequest)
				if a := s.send(t, http.MethodHead, tables+"/bad", nil, nil); a.status != http.StatusNotFound {
					t.Errorf("the table was made: %s", a)
				}
			})
		}
	})
}

// TestSteeringProperties: what one client stores must not turn another to a
// server or a key of its choice.
func TestSteeringProperties(t *testing.T) {
	s := start(t)
	keys := []string{
		"s3.endpoint", "S3.Endpoint", "s3.access-key-id", "s3.secret-access-key", "s3.session-token", "s3.signer.uri", "uri", "token", "credential",
		"header.Authorization", "rest.sigv4-enabled", "oauth2-server-uri", "client.region", "gcs.oauth2.token", "adls.sas-token.x",
		"io-impl", "py-io-impl", "warehouse", "prefix", "write.data.path", "write.metadata.path", "write.folder-storage.path", "write.object-storage.path",
	}
	s.holdsStill(t, 64<<20, func() {
		for _, key := range keys {
			t.Run(key, func(t *testing.T) {
				post := func(path, body string) answer {
					return s.send(t, http.MethodPost, path, strings.NewReader(body), nil)
				}
				properties := `{` + quote(key) + `:"http://127.0.0.1:1/"}`
				refused(t, post("/v1/default/namespaces/bronze/tables", `{"name":"bad",`+schema+`,"properties":`+properties+`}`), http.StatusBadRequest, key)
				refused(t, post("/v1/default/namespaces/bronze/tables/t", `{"requirements":[],"updates":[{"action":"set-properties","updates":`+properties+`}]}`), http.StatusBadRequest, key)
				refused(t, s.call(t, "CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":"bad"},"columns":[{"name":"a","type":"long"}],"properties":`+properties+`}`), http.StatusBadRequest, key)
			})
		}
	})
}

func TestRESTBodies(t *testing.T) {
	s := start(t)
	post := func(path, body string, head map[string]string) answer {
		return s.send(t, http.MethodPost, path, strings.NewReader(body), head)
	}
	const tables = "/v1/default/namespaces/bronze/tables"
	for name, c := range map[string]struct {
		path, body string
		status     int
		words      []string
	}{
		"empty":             {tables, "", http.StatusBadRequest, []string{"no body", "JSON"}},
		"no JSON":           {tables, "{", http.StatusBadRequest, []string{"not JSON"}},
		"two documents":     {tables, "{} {}", http.StatusBadRequest, []string{"more than one"}},
		"key twice":         {tables, `{"name":"a","name":"b"}`, http.StatusBadRequest, []string{`"name"`, "twice"}},
		"deep":              {tables, strings.Repeat("[", 100_000), http.StatusBadRequest, []string{"nested deeper"}},
		"not UTF-8":         {tables, "{\"name\":\"\xff\"}", http.StatusBadRequest, []string{"UTF-8"}},
		"no schema":         {tables, `{"name":"bad"}`, http.StatusBadRequest, []string{"schema"}},
		"wrong kind":        {tables, `{"name":7}`, http.StatusBadRequest, []string{"does not fit"}},
		"1 MB and a byte":   {tables, strings.Repeat(" ", 1<<20+1), http.StatusRequestEntityTooLarge, []string{"1048576 bytes"}},
		"commit of 17 MB":   {tables + "/t", strings.Repeat(" ", 17<<20), http.StatusRequestEntityTooLarge, []string{"16777216 bytes"}},
		"unknown transform": {tables, `{"name":"bad",` + schema + `,"partition-spec":{"spec-id":0,"fields":[{"name":"p","source-id":1,"transform":"evil"}]}}`, http.StatusBadRequest, []string{"evil"}},
		"missing column":    {tables, `{"name":"bad",` + schema + `,"partition-spec":{"spec-id":0,"fields":[{"name":"p","source-id":9,"transform":"identity"}]}}`, http.StatusBadRequest, []string{"column 9"}},
		"no such namespace": {"/v1/default/namespaces/nope/tables", `{"name":"a",` + schema + `}`, http.StatusNotFound, []string{"nope"}},
		"no such path":      {"/v1/default/nothing", `{}`, http.StatusNotFound, []string{"/v1/config"}},
		"no such warehouse": {"/v1/other/namespaces", `{"namespace":["a"]}`, http.StatusNotFound, []string{"/v1/config"}},
		"unknown update":    {tables + "/t", `{"requirements":[],"updates":[{"action":"evil"}]}`, http.StatusBadRequest, []string{"evil"}},
		"unknown condition": {tables + "/t", `{"requirements":[{"type":"evil"}],"updates":[]}`, http.StatusBadRequest, []string{"evil"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.holdsStill(t, 128<<20, func() { refused(t, post(c.path, c.body, nil), c.status, c.words...) })
		})
	}
	t.Run("method", func(t *testing.T) {
		a := s.send(t, http.MethodPut, tables, strings.NewReader("{}"), nil)
		refused(t, a, http.StatusMethodNotAllowed, "GET, POST")
	})
	t.Run("gzip bomb", func(t *testing.T) {
		body := gzipped(t, zeros)
		s.holdsStill(t, 64<<20, func() {
			a := post(tables, string(body), map[string]string{"Content-Encoding": "gzip"})
			if a.status < 400 || a.status >= 500 {
				t.Errorf("%s", a)
			}
		})
	})
}

// TestRawPaths sends request lines that no library would.
func TestRawPaths(t *testing.T) {
	s := start(t)
	for _, line := range []string{
		"GET /../../../../etc/passwd HTTP/1.1", "GET //etc/passwd HTTP/1.1", "GET /assets/../../../etc/passwd HTTP/1.1", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1",
		"GET /assets/..%2f..%2f..%2fetc%2fpasswd HTTP/1.1", "GET /v1/default/namespaces/../../../etc HTTP/1.1", "GET /v1/default/namespaces/%2e%2e/tables/%2e%2e HTTP/1.1",
		"GET /v1/default/namespaces/%ff/tables HTTP/1.1", "GET /v1/default/namespaces/%00/tables HTTP/1.1", "GET /v1/default/namespaces/a%0d%0aSet-Cookie:x/tables HTTP/1.1",
		"GET http://evil.example/v1/config HTTP/1.1", "GET /" + strings.Repeat("a", 200<<10) + " HTTP/1.1", "BOGUS", "GET / HTTP/9.9", "\x16\x03\x01\x02\x00",
		"POST /firn.v1.IngestService/Append HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: -1", "POST /firn.v1.IngestService/Append HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\nContent-Type: application/json\r\n\r\nffffffffffffffff\r\n",
	} {
		t.Run(fmt.Sprintf("%.60q", line), func(t *testing.T) {
			conn, err := net.Dial("tcp", strings.TrimPrefix(s.HTTP, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := fmt.Fprintf(conn, "%s\r\nHost: localhost\r\nConnection: close\r\n\r\n", line); err == nil {
				response, err := http.ReadResponse(bufio.NewReader(conn), nil)
				if err == nil {
					defer response.Body.Close()
					t.Log(response.Status)
					if response.StatusCode >= 500 && response.StatusCode != http.StatusHTTPVersionNotSupported {
						t.Errorf("%s", response.Status)
					}
					body := make([]byte, 4096)
					n, _ := response.Body.Read(body)
					if strings.Contains(string(body[:n]), "root:") {
						t.Errorf("a file of the machine: %q", body[:n])
					}
					if response.Header.Get("Set-Cookie") != "" {
						t.Error("a header came out of a path")
					}
				}
			}
			s.lives(t)
		})
	}
}

// TestOtherOrigins: a page of another site cannot use the browser of somebody
// on this machine.
func TestOtherOrigins(t *testing.T) {
	s := start(t)
	body := `{"table":{"namespace":["bronze"],"name":"t"},"ndjson":"{\"id\":1}"}`
	for name, head := range map[string]map[string]string{
		"origin":         {"Origin": "https://evil.example"},
		"fetch metadata": {"Sec-Fetch-Site": "cross-site"},
		"null origin":    {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
		"same site":      {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:3000"},
	} {
		t.Run(name, func(t *testing.T) {
			s.holdsStill(t, 64<<20, func() {
				refused(t, s.send(t, http.MethodPost, "/firn.v1.IngestService/Append", strings.NewReader(body), head), http.StatusForbidden, "cross-origin")
				refused(t, s.send(t, http.MethodPost, "/v1/default/namespaces", strings.NewReader(`{"namespace":["x"]}`), head), http.StatusForbidden, "cross-origin")
				refused(t, s.send(t, http.MethodDelete, "/v1/default/namespaces/bronze/tables/t", nil, head), http.StatusForbidden, "cross-origin")
			})
		})
	}
	t.Run("rebound name", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			name := "evil.example:" + s.HTTP[strings.LastIndexByte(s.HTTP, ':')+1:]
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.HTTP+"/firn.v1.IngestService/Append", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = name
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("Origin", "http://"+name)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			response, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			refused(t, answer{status: response.StatusCode, body: string(text)}, http.StatusForbidden, "this machine only", s.HTTP)
		})
	})
	own := map[string]string{"Origin": s.HTTP, "Sec-Fetch-Site": "same-origin"}
	if a := s.send(t, http.MethodPost, "/firn.v1.IngestService/Append", strings.NewReader(body), own); a.status != http.StatusOK {
		t.Errorf("the page itself: %s", a)
	}
	page := s.send(t, http.MethodGet, "/tables/bronze.t", nil, map[string]string{"Accept": "text/html", "Origin": "https://evil.example"})
	for key, want := range map[string]string{
		"Content-Security-Policy": "frame-ancestors 'none'", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
		"Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if !strings.Contains(page.head.Get(key), want) {
			t.Errorf("%s is %q", key, page.head.Get(key))
		}
	}
	if allowed := page.head.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("another origin may read the page: %q", allowed)
	}
	for _, path := range []string{"/v1/config", "/metrics", "/firn.v1.CatalogService/ListTables"} {
		a := s.send(t, http.MethodGet, path, nil, nil)
		if a.head.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s without nosniff", path)
		}
	}
}
