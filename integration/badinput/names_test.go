package badinput

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// hostile are names that are only names: each is taken as it is and means
// nothing to a path, a pattern or a statement.
var hostile = []string{
	"..", ".", "../../../etc/passwd", "a/b", "/", "%2f", "%2e%2e%2f", "%00", `a\b`, "*", "?x=1#y", "a.b",
	"'; DROP TABLE bronze.t; --", `"; COPY bronze.t TO '/x'; --`, "a b", " ", "--", "/*", "${HOME}", "$(id)", "{{.}}",
	"line\u2028separator", "rtl\u202etxt", "zero\u200bwidth", "\ufeffbom", "e\u0301", "\U0001F9CA", "<script>alert(1)</script>", "NULL", "main", strings.Repeat("n", 255),
}

// refusedNames are no names.
var refusedNames = map[string]struct{ name, why string }{
	"empty":          {"", "is empty"},
	"NUL":            {"a\x00b", "control character"},
	"new line":       {"a\nb", "control character"},
	"escape":         {"a\x1b[31mb", "control character"},
	"C1 control":     {"a\u0085b", "control character"},
	"unit separator": {"a\x1fb", "control character"},
	"10 KB":          {strings.Repeat("n", 10<<10), "10240 bytes, the most is 255"},
}

func sqlName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

func TestHostileNames(t *testing.T) {
	s := start(t)
	for i, name := range hostile {
		t.Run(fmt.Sprintf("%d %q", i, name[:min(len(name), 20)]), func(t *testing.T) {
			ref := `{"namespace":[` + quote(name) + `],"name":` + quote(name) + `}`
			s.must(t, "CatalogService/CreateNamespace", `{"namespace":{"levels":[`+quote(name)+`]}}`)
			// The column and the partition value are as hostile as the name.
			s.must(t, "CatalogService/CreateTable", `{"table":`+ref+`,"columns":[{"name":"n","type":"long"},{"name":`+quote(name)+`,"type":"string"}]}`)
			s.must(t, "IngestService/Append", `{"table":`+ref+`,"ndjson":`+quote(fmt.Sprintf(`{"n":%d,%s:%s}`, i, quote(name), quote(name)))+`}`)
			table := sqlName(name) + "." + sqlName(name)
			if n := s.number(t, "SELECT n FROM "+table+" WHERE "+sqlName(name)+" = '"+strings.ReplaceAll(name, "'", "''")+"'"); n != i {
				t.Errorf("row %d came back as %d", i, n)
			}
			if a := s.must(t, "CatalogService/GetTable", `{"table":`+ref+`}`); strings.Contains(location(t, a), name) && len(name) > 1 {
				t.Errorf("the name is in the location %s", location(t, a))
			}
			path := "/v1/default/namespaces/" + url.QueryEscape(name) + "/tables/" + url.QueryEscape(name)
			path = strings.ReplaceAll(strings.ReplaceAll(path, "+", "%20"), "/.", "/%2E")
			a := s.send(t, http.MethodGet, strings.ReplaceAll(path, "%2E.", "%2E%2E"), nil, nil)
			if a.status != http.StatusOK || !strings.Contains(a.body, `"table-uuid"`) {
				t.Errorf("GET %s: %s", path, a)
			}
			s.must(t, "CatalogService/DropTable", `{"table":`+ref+`,"purge":true}`)
			s.must(t, "CatalogService/DropNamespace", `{"levels":[`+quote(name)+`]}`)
		})
	}
	s.lives(t)
	// Nothing was made outside the folders that Firn gives tables.
	err := filepath.WalkDir(filepath.Join(s.Data, "s3"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // the collector removes files meanwhile
		}
		for _, name := range []string{"passwd", "DROP", "script", "%2f", "separator"} {
			if strings.Contains(filepath.Base(path), name) {
				t.Errorf("a name became a path: %s", path)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func location(t *testing.T, a answer) string {
	t.Helper()
	_, rest, ok := strings.Cut(a.body, `"location":"`)
	text, _, found := strings.Cut(rest, `"`)
	if !ok || !found {
		t.Fatalf("no location in %s", a)
	}
	return text
}

func TestRefusedNames(t *testing.T) {
	s := start(t)
	for what, c := range refusedNames {
		t.Run(what, func(t *testing.T) {
			s.holdsStill(t, 64<<20, func() {
				name := quote(c.name)
				for _, call := range []struct{ method, body string }{
					{"CatalogService/CreateNamespace", `{"namespace":{"levels":[` + name + `]}}`},
					{"CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":` + name + `},"columns":[{"name":"a","type":"long"}]}`},
					{"CatalogService/GetTable", `{"table":{"namespace":["bronze"],"name":` + name + `}}`},
					{"CatalogService/DropTable", `{"table":{"namespace":["bronze"],"name":` + name + `}}`},
					{"IngestService/Append", `{"table":{"namespace":["bronze"],"name":` + name + `},"ndjson":"{}"}`},
					{"MaintenanceService/SubmitJob", `{"kind":"JOB_KIND_COMPACT","table":{"namespace":["bronze"],"name":` + name + `}}`},
				} {
					a := s.call(t, call.method, call.body)
					refused(t, a, http.StatusBadRequest, c.why)
					if strings.ContainsAny(a.Message, "\x00\x1b") {
						t.Errorf("%s: control characters in %q", call.method, a.Message)
					}
				}
				for path, body := range map[string]string{
					"/v1/default/namespaces":               `{"namespace":[` + name + `]}`,
					"/v1/default/namespaces/bronze/tables": `{"name":` + name + `,"schema":{"type":"struct","fields":[]}}`,
					"/v1/default/tables/rename":            `{"source":{"namespace":["bronze"],"name":"t"},"destination":{"namespace":["bronze"],"name":` + name + `}}`,
				} {
					refused(t, s.send(t, http.MethodPost, path, strings.NewReader(body), nil), http.StatusBadRequest, c.why)
				}
			})
		})
	}
	t.Run("hostile columns", func(t *testing.T) {
		for what, column := range map[string]struct{ name, typ, why string }{
			"control character": {"a\x00b", "long", "control character"},
			"10 KB":             {strings.Repeat("n", 10<<10), "long", "bytes"},
			"empty":             {"", "long", "no name"},
			"unknown type":      {"a", "varchar2(7)", "varchar2(7)"},
			"deep type":         {"a", strings.Repeat("list<", 5000) + "long" + strings.Repeat(">", 5000), ""},
			"huge precision":    {"a", "decimal(99999,2)", "decimal"},
		} {
			t.Run(what, func(t *testing.T) {
				s.holdsStill(t, 64<<20, func() {
					a := s.call(t, "CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":"bad"},"columns":[{"name":`+quote(column.name)+`,"type":`+quote(column.typ)+`}]}`)
					refused(t, a, http.StatusBadRequest, column.why)
					refused(t, s.call(t, "CatalogService/GetTable", `{"table":{"namespace":["bronze"],"name":"bad"}}`), http.StatusNotFound)
				})
			})
		}
	})
}
