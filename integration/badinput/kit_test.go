// Package badinput sends a built Firn what it must not trust, over HTTP and on
// the command line as a stranger would. It holds one promise to each case: an
// error that names the fault and the remedy, the same process alive and ready,
// no memory beyond the caps, nothing committed and nothing lost.
package badinput

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// ingest is the table that takes rows in these tests.
const ingest = "bronze.t"

// server is a running Firn with the table bronze.t (id long required, name
// string, at timestamptz).
type server struct {
	*harness.Firn
}

func start(t *testing.T, args ...string) *server {
	t.Helper()
	return prepare(t, &server{harness.Start(t, t.TempDir(), args...)})
}

func prepare(t *testing.T, s *server) *server {
	t.Helper()
	s.must(t, "CatalogService/CreateNamespace", `{"namespace":{"levels":["bronze"]}}`)
	s.must(t, "CatalogService/CreateTable", `{"table":{"namespace":["bronze"],"name":"t"},"columns":[
		{"name":"id","type":"long","required":true},{"name":"name","type":"string"},{"name":"at","type":"timestamptz"}]}`)
	return s
}

// answer is what a stranger sees of one request.
type answer struct {
	status int
	head   http.Header
	body   string
	// Code and Message are of a Connect error.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Error is of an Iceberg REST error.
	Error struct {
		Message string `json:"message"`
		Type    string `json:"type"`
		Code    int    `json:"code"`
	} `json:"error"`
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, clip(a.body)) }

func clip(s string) string {
	if len(s) > 600 {
		return s[:600] + "..."
	}
	return s
}

// text is the error's message, whatever the surface.
func (a answer) text() string {
	switch {
	case a.Message != "":
		return a.Message
	case a.Error.Message != "":
		return a.Error.Message
	}
	return a.body
}

var client = &http.Client{Timeout: 2 * time.Minute}

func (s *server) send(t *testing.T, method, path string, body io.Reader, head map[string]string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.HTTP+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range head {
		r.Header.Set(k, v)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatalf("%s %s: no answer: %v\n%s", method, path, err, s.Tail())
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s %s: half an answer: %v", method, path, err)
	}
	a := answer{status: response.StatusCode, head: response.Header, body: string(data)}
	_ = json.Unmarshal(data, &a) // not every answer is JSON
	return a
}

// call is `curl -d JSON` to a Connect endpoint.
func (s *server) call(t *testing.T, method, body string) answer {
	t.Helper()
	return s.send(t, http.MethodPost, "/firn.v1."+method, strings.NewReader(body), nil)
}

func (s *server) must(t *testing.T, method, body string) answer {
	t.Helper()
	a := s.call(t, method, body)
	if a.status != http.StatusOK {
		t.Fatalf("%s: %s\n%s", method, a, s.Tail())
	}
	return a
}

// append sends NDJSON to bronze.t; extra is more fields of the request.
func (s *server) append(t *testing.T, ndjson, extra string) answer {
	t.Helper()
	return s.call(t, "IngestService/Append", `{"table":{"namespace":["bronze"],"name":"t"},"ndjson":`+quote(ndjson)+extra+`}`)
}

func quote(s string) string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string always encodes
	}
	return string(data)
}

// rows counts through SQL, so through metadata, manifests and files.
func (s *server) rows(t *testing.T, table string) int {
	t.Helper()
	return s.number(t, "SELECT count(*) AS n FROM "+table)
}

// number runs a statement whose answer is one number in column n.
func (s *server) number(t *testing.T, sql string) int {
	t.Helper()
	out, err := s.CLI(t.Context(), t, "sql", "-o", "json", "-c", sql)
	if err != nil {
		t.Fatalf("%s: %v\n%s", sql, err, s.Tail())
	}
	_, rest, ok := strings.Cut(strings.Join(strings.Fields(out), ""), `"n":`)
	end := strings.IndexAny(rest, ",}")
	if !ok || end < 0 {
		t.Fatalf("%s: answer %q", sql, out)
	}
	n, err := strconv.Atoi(strings.Trim(rest[:end], `"`))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// lives checks that the same process answers and is ready.
func (s *server) lives(t *testing.T) {
	t.Helper()
	select {
	case <-s.Ended():
		t.Fatalf("the process ended\n%s", s.Tail())
	default:
	}
	data, err := os.ReadFile("/proc/" + strconv.Itoa(s.PID) + "/cmdline")
	if err != nil || !strings.Contains(string(data), "dev") {
		t.Fatalf("process %d: %q, %v", s.PID, data, err)
	}
	if !harness.Ready(s.HTTP) {
		t.Fatalf("/readyz is not 200\n%s", s.Tail())
	}
}

// peak resets the high-water mark of resident memory, runs f, and answers by
// how many bytes memory rose above what it was.
func (s *server) peak(t *testing.T, f func()) int64 {
	t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID), []byte("5"), 0); err != nil {
		t.Fatalf("reset the high-water mark: %v", err)
	}
	before := s.status(t, "VmRSS:")
	f()
	return s.status(t, "VmHWM:") - before
}

func (s *server) status(t *testing.T, key string) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if value, ok := strings.CutPrefix(line, key); ok {
			n, err := strconv.ParseInt(strings.Fields(value)[0], 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n << 10
		}
	}
	t.Fatalf("no %s in /proc/%d/status", key, s.PID)
	return 0
}

// refused checks an answer: the status, and that its text has every word.
func refused(t *testing.T, a answer, status int, words ...string) {
	t.Helper()
	t.Logf("%d %s", a.status, clip(a.text()))
	if a.status != status {
		t.Errorf("status %d, want %d: %s", a.status, status, a)
	}
	for _, w := range words {
		if !strings.Contains(a.text(), w) {
			t.Errorf("the answer does not say %q: %s", w, clip(a.text()))
		}
	}
	for _, leak := range []string{"goroutine ", ".go:", "panic", "/tmp/"} {
		if strings.Contains(a.body, leak) {
			t.Errorf("the answer shows the inside (%q): %s", leak, a)
		}
	}
}

// holdsStill runs bad input against bronze.t, and checks what must hold after
// it: the process lives, memory rose by less than most, the rows are as
// before, and a good batch commits.
func (s *server) holdsStill(t *testing.T, most int64, bad func()) {
	t.Helper()
	before := s.rows(t, ingest)
	rose := s.peak(t, bad)
	s.lives(t)
	t.Logf("memory rose by %d MiB", rose>>20)
	if rose > most {
		t.Errorf("memory rose by %d MiB, the bound is %d MiB", rose>>20, most>>20)
	}
	if after := s.rows(t, ingest); after != before {
		t.Errorf("%d rows before, %d after", before, after)
	}
	if a := s.append(t, `{"id":1,"name":"good"}`, ""); a.status != http.StatusOK {
		t.Fatalf("a good batch afterwards: %s\n%s", a, s.Tail())
	}
	if after := s.rows(t, ingest); after != before+1 {
		t.Errorf("a good batch afterwards: %d rows, want %d", after, before+1)
	}
}

func gzipped(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(write(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// command is one run of the binary that is not a server.
type command struct {
	stdout, stderr string
	code           int
}

func run(t *testing.T, env []string, args ...string) command {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Binary(t), args...)
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	c := command{stdout: stdout.String(), stderr: stderr.String(), code: cmd.ProcessState.ExitCode()}
	if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatalf("firn %s: %v (%v)", strings.Join(args, " "), err, exit)
	}
	if ctx.Err() != nil {
		t.Fatalf("firn %s did not end: %s", strings.Join(args, " "), c.stderr)
	}
	return c
}

// fails checks a command's exit code, the three lines of its error and their
// words.
func fails(t *testing.T, c command, code int, words ...string) {
	t.Helper()
	t.Logf("exit %d\n%s", c.code, clip(c.stderr))
	if c.code != code {
		t.Errorf("exit code %d, want %d\n%s", c.code, code, clip(c.stderr))
	}
	for _, line := range []string{"error: ", "  why: ", "  try: "} {
		if !strings.Contains("\n"+c.stderr, "\n"+line) {
			t.Errorf("no line %q in\n%s", line, clip(c.stderr))
		}
	}
	for _, w := range words {
		if !strings.Contains(c.stderr, w) {
			t.Errorf("the error does not say %q:\n%s", w, clip(c.stderr))
		}
	}
	for _, leak := range []string{"goroutine ", "panic:"} {
		if strings.Contains(c.stderr, leak) {
			t.Errorf("the error shows the inside (%q):\n%s", leak, clip(c.stderr))
		}
	}
}

// cli runs a command line against the server.
func (s *server) cli(t *testing.T, args ...string) command {
	t.Helper()
	return run(t, nil, append([]string{"--server", s.HTTP}, args...)...)
}
