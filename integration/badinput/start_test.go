package badinput

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// dev runs `firn dev` where it cannot start.
func dev(t *testing.T, data string, args ...string) command {
	t.Helper()
	return run(t, nil, append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}, args...)...)
}

func TestCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	port := taken.Addr().String()
	config := func(text string) string {
		path := filepath.Join(t.TempDir(), "firn.yml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	file := config("a file")
	for name, c := range map[string]struct {
		args  []string
		code  int
		words []string
	}{
		"unreachable bucket":       {[]string{"--s3.endpoint", "http://127.0.0.1:1"}, 2, []string{"object store", "127.0.0.1:1", "refused", "s3.endpoint", "firn doctor"}},
		"no such host":             {[]string{"--s3.endpoint", "http://firn.invalid:9000"}, 2, []string{"object store", "firn.invalid", "s3.endpoint"}},
		"endpoint that is no URL":  {[]string{"--s3.endpoint", "ftp://x"}, 2, []string{"s3.endpoint", "ftp"}},
		"port that is taken":       {[]string{"--listen", port}, 2, []string{port, "in use", "--listen"}},
		"S3 port that is taken":    {[]string{"--s3-listen", port}, 2, []string{port, "in use", "--s3-listen"}},
		"metrics port taken":       {[]string{"--metrics-listen", port}, 2, []string{port, "in use", "--metrics-listen"}},
		"beyond loopback":          {[]string{"--listen", "0.0.0.0:0"}, 2, []string{"0.0.0.0", "--insecure"}},
		"S3 beyond loopback":       {[]string{"--s3-listen", "0.0.0.0:0"}, 2, []string{"0.0.0.0", "--insecure"}},
		"unknown key in a file":    {[]string{"--config", config("writer:\n  byte_bugdet: 1MiB\n")}, 2, []string{"writer.byte_bugdet", "byte_budget"}},
		"key twice in a file":      {[]string{"--config", config("data: a\ndata: b\n")}, 2, []string{"data"}},
		"file that is no YAML":     {[]string{"--config", config("a: [")}, 2, []string{"firn.yml"}},
		"file that is not there":   {[]string{"--config", "/nowhere/firn.yml"}, 2, []string{"/nowhere/firn.yml"}},
		"value of the wrong type":  {[]string{"--config", config("writer:\n  byte_budget: lots\n")}, 2, []string{"writer.byte_budget", "lots"}},
		"unknown flag":             {[]string{"--listne", "x"}, 2, []string{"--listne"}},
		"unknown role":             {[]string{"--role", "king"}, 2, []string{"king", "catalog"}},
		"data folder that is file": {[]string{"--data", file}, 1, []string{"firn.yml"}},
	} {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			got := dev(t, t.TempDir(), c.args...)
			if name == "unknown flag" {
				// A usage error has no why.
				got.stderr = strings.Replace(got.stderr, "  try:", "  why: -\n  try:", 1)
			}
			fails(t, got, c.code, c.words...)
			if strings.Contains(got.stderr, "firn-dev-secret") {
				t.Error("a secret is in the error")
			}
			if took := time.Since(begin); took > 30*time.Second {
				t.Errorf("it took %s to find out", took)
			}
		})
	}
	t.Run("unknown variable", func(t *testing.T) {
		fails(t, run(t, []string{"FIRN_WRITER__BYTE_BUGDET=1MiB"}, "config", "check"), 2, "FIRN_WRITER__BYTE_BUGDET", "FIRN_WRITER__BYTE_BUDGET")
	})
	t.Run("no server", func(t *testing.T) {
		fails(t, run(t, nil, "--server", "http://127.0.0.1:1", "table", "ls"), 6, "no Firn answers at http://127.0.0.1:1", "firn dev")
	})
}

func TestDataFolderInUse(t *testing.T) {
	s := start(t)
	s.holdsStill(t, 64<<20, func() {
		fails(t, dev(t, s.Data), 5, "data folder is in use", s.Data, "--data")
	})
}

// TestDamagedStore: a catalog store that was cut off or overwritten is refused
// as it is; nothing is created in its place.
func TestDamagedStore(t *testing.T) {
	f := harness.Start(t, t.TempDir())
	s := prepare(t, &server{f})
	s.append(t, `{"id":1}`, "")
	f.Stop(t)
	path := filepath.Join(f.Data, "store.db")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(strings.Repeat("this is no database\n", 1000))
	flipped := append([]byte(nil), whole...)
	for i := range 2 * 4096 { // both meta pages
		flipped[i] ^= 0x5a
	}
	for name, content := range map[string][]byte{
		"cut to one page": whole[:4096], "cut to three pages": whole[:3*4096], "cut in half": whole[:len(whole)/2],
		"text": text, "meta pages overwritten": flipped, "one byte": {1},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
			got := dev(t, f.Data)
			fails(t, got, 1, "catalog store is damaged", "store.db", "backup")
			after, err := os.ReadFile(path)
			if err != nil || string(after) != string(content) {
				t.Errorf("the damaged file was changed: %d bytes, were %d: %v", len(after), len(content), err)
			}
		})
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again := &server{harness.Start(t, f.Data)}
	if n := again.rows(t, ingest); n != 1 {
		t.Errorf("%d rows with the whole file", n)
	}
}

// TestMissingDataFile: a file that somebody deleted behind Firn's back fails
// what reads it, with its class and what helps, and nothing else.
func TestMissingDataFile(t *testing.T) {
	s := start(t)
	s.append(t, `{"id":1}`, "")
	s.must(t, "CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":"whole"},"columns":[{"name":"id","type":"long"}]}`)
	s.must(t, "IngestService/Append", `{"table":{"namespace":["bronze"],"name":"whole"},"ndjson":"{\"id\":1}"}`)
	table := location(t, s.must(t, "CatalogService/GetTable", `{"table":{"namespace":["bronze"],"name":"t"}}`))
	folder := filepath.Join(s.Data, "s3", strings.TrimPrefix(table, "s3://"))
	remove := func(pattern string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(folder, pattern))
		if err != nil || len(found) == 0 {
			out, _ := exec.CommandContext(context.Background(), "find", folder).CombinedOutput()
			t.Fatalf("no %s: %v\n%s", pattern, err, out)
		}
		for _, path := range found {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
	remove("data/*.parquet")
	fails(t, s.cli(t, "sql", "-c", "SELECT sum(id) FROM bronze.t"), 1, "data file", "bronze.t", "missing from the bucket", "firn table snapshots")
	s.lives(t)
	if n := s.rows(t, "bronze.whole"); n != 1 {
		t.Errorf("another table has %d rows", n)
	}
	if a := s.append(t, `{"id":2}`, ""); a.status != 200 {
		t.Errorf("an append to the table: %s", a)
	}
	// After a restart nothing is cached: the manifests are gone, too, and then
	// the metadata.
	s.Stop(t)
	remove("metadata/*.avro")
	s = &server{harness.Start(t, s.Data)}
	fails(t, s.cli(t, "sql", "-c", "SELECT sum(id) FROM bronze.t"), 1, "manifest", "bronze.t", "missing from the bucket")
	s.Stop(t)
	remove("metadata/*.json")
	s = &server{harness.Start(t, s.Data)}
	fails(t, s.cli(t, "sql", "-c", "SELECT sum(id) FROM bronze.t"), 1, "metadata", "bronze.t", "missing from the bucket")
	refused(t, s.append(t, `{"id":3}`, ""), http.StatusInternalServerError, "metadata", "missing", "nothing was committed")
	refused(t, s.call(t, "CatalogService/GetTable", `{"table":{"namespace":["bronze"],"name":"t"}}`), http.StatusInternalServerError, "metadata", "missing")
	refused(t, s.send(t, http.MethodGet, "/v1/default/namespaces/bronze/tables/t", nil, nil), http.StatusInternalServerError, "metadata", "missing")
	if n := s.rows(t, "bronze.whole"); n != 1 {
		t.Errorf("another table has %d rows", n)
	}
	s.lives(t)
}
