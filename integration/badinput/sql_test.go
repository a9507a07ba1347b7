package badinput

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestHostileSQL sends statements through `firn sql`. None reads a file that
// is no table's, writes anything, reaches the network, or outlives its limits.
func TestHostileSQL(t *testing.T) {
	s := start(t, "--query.timeout", "3s", "--query.memory", "256MiB")
	s.append(t, `{"id":1}`+"\n"+`{"id":2}`, "")
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a,b\nhidden,text\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	written := filepath.Join(t.TempDir(), "out.csv")
	const only = "only SELECT statements"
	cases := []refusal{
		{"COPY bronze.t TO '" + written + "'", 2, []string{only}},
		{"COPY (SELECT 1) TO '" + written + "'", 2, []string{only}},
		{"ATTACH '" + written + "' AS x", 2, []string{only}},
		{"EXPORT DATABASE '" + filepath.Dir(written) + "'", 2, []string{only}},
		{"INSTALL httpfs", 2, []string{only}},
		{"LOAD '/x.so'", 2, []string{only}},
		{"SET memory_limit='100GB'", 2, []string{only}},
		{"PRAGMA threads=100", 2, []string{only}},
		{"CALL pragma_version()", 2, []string{only}},
		{"INSERT INTO bronze.t VALUES (3, 'x', NULL)", 2, []string{only}},
		{"DELETE FROM bronze.t", 2, []string{only}},
		{"DROP TABLE bronze.t", 2, []string{only}},
		{"CREATE TABLE x AS SELECT 1", 2, []string{only}},
		{"SELECT 1; SELECT 2", 2, []string{"one statement, found 2", "one at a time"}},
		{"SELECT 1; COPY (SELECT 1) TO '" + written + "'", 2, []string{only}},
		{"SELECT * FROM read_csv('/etc/passwd')", 2, nil},
		{"SELECT * FROM read_csv('" + secret + "')", 2, nil},
		{"SELECT * FROM '" + secret + "'", 2, nil},
		{"SELECT * FROM read_text('" + secret + "')", 2, nil},
		{"SELECT * FROM read_blob('/proc/self/environ')", 2, nil},
		{"SELECT * FROM glob('/etc/*')", 2, nil},
		{"SELECT * FROM sniff_csv('" + secret + "')", 2, nil},
		{"SELECT * FROM read_parquet('https://127.0.0.1:1/x.parquet')", 2, nil},
		{"SELECT * FROM read_parquet('s3://lake/x.parquet')", 2, nil},
		{"SELECT * FROM query('COPY (SELECT 1) TO ''" + written + "''')", 2, nil},
		{"SELECT getenv('HOME')", 2, nil},
		{"SELECT * FROM nowhere.t", 3, []string{"nowhere.t"}},
		{"SELECT * FROM bronze.tt", 3, []string{"did you mean bronze.t"}},
		{"SELECT idd FROM bronze.t", 2, []string{"idd", "line 1"}},
		{"SELECT id FROM", 2, []string{"line 1", "syntax"}},
		{"", 2, []string{"statement is empty"}},
		{"SELECT '\x00'", 2, []string{"NUL character", "remove it"}},
		{"SELECT 1/*", 2, nil},
		{"SELECT " + strings.Repeat("(", 20_000) + "1" + strings.Repeat(")", 20_000), 2, nil},
		{"SELECT 1 + " + strings.Repeat("1 + ", 60_000) + "1", 2, nil},
		{"WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n FROM r) SELECT sum(n) FROM r", 6, nil},
	}
	s.holdsStill(t, 160<<20, func() {
		for _, c := range cases {
			s.refuses(t, c, func(t *testing.T, got command) {
				for _, leak := range []string{"hidden", "root:", "goroutine", s.Data, "HOME="} {
					if strings.Contains(got.stdout+strings.ReplaceAll(got.stderr, secret, ""), leak) {
						t.Errorf("the answer holds %q: %s %s", leak, clip(got.stdout), clip(got.stderr))
					}
				}
				if _, err := os.Stat(written); err == nil {
					t.Fatal("a statement wrote a file")
				}
			})
		}
	})
}

// TestStatementLimits has statements meet one limit each: the other one is out
// of reach, whatever the machine's speed and load.
func TestStatementLimits(t *testing.T) {
	none := func(*testing.T, command) {}
	t.Run("memory", func(t *testing.T) {
		s := start(t, "--query.timeout", "10m", "--query.memory", "256MiB")
		s.holdsStill(t, 160<<20, func() {
			for _, sql := range []string{
				"SELECT list(range) FROM range(1000000000)",
				"SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)",
			} {
				s.refuses(t, refusal{sql, 6, []string{"memory", "query.memory"}}, none)
			}
		})
	})
	t.Run("time", func(t *testing.T) {
		s := start(t, "--query.timeout", "3s")
		s.holdsStill(t, 160<<20, func() {
			s.refuses(t, refusal{
				"SELECT count(*) FROM range(100000) a, range(100000) b, range(10000) c WHERE (a.range * b.range + c.range) % 7 = 3",
				6,
				[]string{"deadline", "3s"},
			}, none)
		})
	})
}

// refusal is a statement, and how the command line ends that sends it.
type refusal struct {
	sql   string
	code  int
	words []string
}

// refuses sends a statement that must fail as it says, and shows what came to
// more.
func (s *server) refuses(t *testing.T, c refusal, more func(t *testing.T, got command)) {
	t.Helper()
	t.Run(c.sql[:min(len(c.sql), 60)], func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "q.sql")
		if err := os.WriteFile(file, []byte(c.sql), 0o600); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		got := s.cli(t, "sql", "-o", "csv", "-f", file)
		t.Logf("%s: exit %d: %s", time.Since(begin).Round(time.Millisecond), got.code, clip(got.stderr))
		if got.code != c.code {
			t.Errorf("exit code %d, want %d", got.code, c.code)
		}
		for _, w := range append(c.words, "error: ") {
			if !strings.Contains(got.stderr, w) {
				t.Errorf("the error does not say %q: %s", w, clip(got.stderr))
			}
		}
		if len(got.stderr) > 8<<10 {
			t.Errorf("an error of %d bytes", len(got.stderr))
		}
		more(t, got)
	})
}
