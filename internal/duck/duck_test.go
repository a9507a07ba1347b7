package duck_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/firnlake/firn/internal/duck"
)

func TestMain(m *testing.M) {
	duck.WorkerMain()
	goleak.VerifyTestMain(m)
}

func newPool(t *testing.T, cfg duck.PoolConfig) *duck.Pool {
	t.Helper()
	cfg.TempDir = t.TempDir()
	p, err := duck.NewPool(cfg)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func one(t *testing.T, p *duck.Pool, job duck.Job) any {
	t.Helper()
	rows, err := p.Exec(t.Context(), job)
	require.NoError(t, err)
	require.Len(t, rows, 1)
	require.Len(t, rows[0], 1)
	for _, v := range rows[0] {
		return v
	}
	return nil
}

func TestExecValues(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	rows, err := p.Exec(t.Context(), duck.Job{SQL: `SELECT 42 AS i, 'x' AS s, 1.50::DECIMAL(9,2) AS d, TIMESTAMP '2026-01-02 03:04:05.678901' AS ts,
		DATE '2026-01-02' AS day, [1, NULL, 3] AS l, {'a': 1, 'b': [true]} AS st, MAP {'k': 1} AS m, NULL AS n,
		sum(x) AS su, count(*) AS c, 0.5::DOUBLE AS f, 'ab'::BLOB AS b, 18446744073709551615::UBIGINT AS u,
		170141183460469231731687303715884105727::HUGEINT AS h, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID AS id FROM range(10) r(x)`})
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{
		"i": int64(42), "s": "x", "d": "1.50", "ts": time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC),
		"day": time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), "l": []any{int64(1), nil, int64(3)},
		"st": map[string]any{"a": int64(1), "b": []any{true}}, "m": []any{map[string]any{"key": "k", "value": int64(1)}}, "n": nil,
		"su": int64(45), "c": int64(10), "f": 0.5, "b": []byte("ab"), "u": "18446744073709551615",
		"h": "170141183460469231731687303715884105727", "id": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
	}}, rows)
	require.Equal(t, "UTC", one(t, p, duck.Job{SQL: "SELECT current_setting('TimeZone')"}))
}

func TestJobsShareNothing(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	_, err := p.Exec(t.Context(), duck.Job{SQL: "CREATE TABLE t AS SELECT 1 AS x"})
	require.NoError(t, err)
	_, err = p.Exec(t.Context(), duck.Job{SQL: "FROM t"})
	e, ok := errors.AsType[*duck.SQLError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, "Catalog", e.Kind)
}

func TestEmptyResultHasItsSchema(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	res, err := p.Query(t.Context(), duck.Job{SQL: "SELECT 1 AS a, 'x' AS b WHERE false"})
	require.NoError(t, err)
	defer res.Release()
	require.Equal(t, 2, res.Schema().NumFields())
	require.False(t, res.Next())
	require.NoError(t, res.Err())
}

func TestSetupAndFiles(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	dir := t.TempDir()
	file := filepath.Join(dir, "a b'c.parquet")
	_, err := p.Exec(t.Context(), duck.Job{SQL: "COPY (SELECT range AS x FROM range(1000)) TO " + duck.Quote(file) + " (FORMAT parquet)", WriteDir: dir})
	require.NoError(t, err)
	job := duck.Job{Setup: []string{"CREATE VIEW v AS FROM read_parquet(" + duck.QuoteList([]string{file}) + ")"}, SQL: "SELECT sum(x) FROM v", Read: []string{file}, Untrusted: true}
	require.Equal(t, int64(499500), one(t, p, job))
	cols, err := p.Describe(t.Context(), job)
	require.NoError(t, err)
	require.Len(t, cols, 1)
	require.Equal(t, "HUGEINT", cols[0].Type)
	plan, err := p.Explain(t.Context(), job, false)
	require.NoError(t, err)
	require.Contains(t, plan, "READ_PARQUET")

	// A trusted job, too, reads and writes only what it was given: models are
	// user's text inside trusted statements.
	_, err = p.Exec(t.Context(), duck.Job{SQL: "FROM read_parquet(" + duck.Quote(file) + ")"})
	require.Error(t, err)
	_, err = p.Exec(t.Context(), duck.Job{SQL: "COPY (SELECT 1) TO " + duck.Quote(filepath.Join(dir, "b.parquet")), Read: []string{file}})
	require.Error(t, err)
}

func TestStatementErrors(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	for _, untrusted := range []bool{false, true} {
		_, err := p.Exec(t.Context(), duck.Job{SQL: "SELECT nosuch FROM range(3)", Untrusted: untrusted})
		e, ok := errors.AsType[*duck.SQLError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "Binder", e.Kind)
		require.Equal(t, 7, e.Position)
		require.NotContains(t, e.Message, "LINE 1")

		_, err = p.Exec(t.Context(), duck.Job{SQL: "SELEC 1", Untrusted: untrusted})
		e, ok = errors.AsType[*duck.SQLError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, "parser", strings.ToLower(e.Kind))
	}
	// An error in the middle of a stream.
	res, err := p.Query(t.Context(), duck.Job{SQL: "SELECT CASE WHEN range < 1999999 THEN 1 ELSE error('late') END FROM range(2000000)", PreserveOrder: true})
	if err == nil {
		for res.Next() {
		}
		err = res.Err()
		res.Release()
	}
	e, ok := errors.AsType[*duck.SQLError](err)
	require.True(t, ok, "%v", err)
	require.Contains(t, e.Message, "late")
	require.Equal(t, int64(1), one(t, p, duck.Job{SQL: "SELECT 1"}))
}

func TestParse(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	tree, err := p.Parse(t.Context(), "SELECT * FROM a.b JOIN c USING (x)")
	require.NoError(t, err)
	require.Contains(t, string(tree), `"table_name":"b"`)
	require.Contains(t, string(tree), `"table_name":"c"`)
	for _, sql := range []string{"SELEC", "DROP TABLE x", "SELECT 1; SELECT 2", "", "/* nothing */"} {
		_, err = p.Parse(t.Context(), sql)
		_, ok := errors.AsType[*duck.SQLError](err)
		require.True(t, ok, "%q: %v", sql, err)
	}
}

func TestCancelKills(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	const forever = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * 3 = b.range + 1.5"
	ctx, cancel := context.WithCancel(t.Context())
	running := make(chan struct{})
	var once sync.Once
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := p.Exec(ctx, duck.Job{SQL: forever, OnProgress: func(float64) { once.Do(func() { close(running) }) }})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled job answered %v", err)
		}
	})
	<-running
	cancel()
	wg.Wait()
	_, err := p.Exec(t.Context(), duck.Job{SQL: forever, Timeout: 200 * time.Millisecond})
	require.ErrorIs(t, err, duck.ErrTimeout)
	require.Equal(t, int64(1), one(t, p, duck.Job{SQL: "SELECT 1"}))
}

func TestReleaseBeforeTheEnd(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	res, err := p.Query(t.Context(), duck.Job{SQL: "SELECT range, repeat('x', 100) FROM range(100000000)"})
	require.NoError(t, err)
	require.True(t, res.Next())
	res.Release()
	require.Equal(t, int64(1), one(t, p, duck.Job{SQL: "SELECT 1"}))
}

func TestBigResultIsStreamed(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1, MemoryBytes: 128 << 20})
	// 2 GB go through 128 MiB.
	res, err := p.Query(t.Context(), duck.Job{SQL: "SELECT range AS i, repeat('y', 1000) AS s FROM range(2000000)"})
	require.NoError(t, err)
	defer res.Release()
	var rows int64
	for res.Next() {
		rows += res.RecordBatch().NumRows()
	}
	require.NoError(t, res.Err())
	require.Equal(t, int64(2000000), rows)
	st := res.Stats()
	require.Equal(t, rows, st.Rows)
	require.Positive(t, st.CPU)
	// Batches of wide rows are cut by size: in 62 of 32 MB they took the worker
	// to 208 of the 224 MiB that it may hold.
	require.Greater(t, st.Batches, int64(300))
	require.Less(t, st.PeakRSS, int64(1<<30)) // with the race detector; without it 110 MB
}

func TestMemoryBomb(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1, MemoryBytes: 128 << 20})
	for _, sql := range []string{
		"SELECT list(repeat('x', 1000) || range::VARCHAR) AS l FROM range(20000000)",
		"SELECT length(repeat('x', 4000000000))",
		"SELECT string_agg(repeat('x', 10000) || range, ',') FROM range(10000000)",
		"WITH RECURSIVE r AS (SELECT 1 AS n, 'x' AS s UNION ALL SELECT n + 1, s || s FROM r) SELECT max(n) FROM r",
	} {
		_, err := p.Exec(t.Context(), duck.Job{SQL: sql, Untrusted: true, Timeout: 60 * time.Second, TempBytes: 16 << 20})
		_, isSQL := errors.AsType[*duck.SQLError](err)
		require.True(t, errors.Is(err, duck.ErrMemory) || isSQL, "%s: %v", sql, err)
		require.Equal(t, int64(1), one(t, p, duck.Job{SQL: "SELECT 1"}))
	}
}

func TestEndlessRecursion(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	_, err := p.Exec(t.Context(), duck.Job{SQL: "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT (n + 1) % 7 FROM r) SELECT count(*) FROM r", Untrusted: true, Timeout: 300 * time.Millisecond})
	require.True(t, errors.Is(err, duck.ErrTimeout) || errors.Is(err, duck.ErrMemory), "%v", err)
}

func TestHostile(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 2})
	dir := t.TempDir()
	mine, other := filepath.Join(dir, "mine.parquet"), filepath.Join(dir, "other.parquet")
	for _, f := range []string{mine, other} {
		_, err := p.Exec(t.Context(), duck.Job{SQL: "COPY (SELECT 'secret' AS s) TO " + duck.Quote(f), WriteDir: dir})
		require.NoError(t, err)
	}
	secret := filepath.Join(dir, "secret.csv")
	require.NoError(t, os.WriteFile(secret, []byte("a\nsecret\n"), 0o600))
	for _, sql := range []string{
		"FROM read_text('/etc/passwd')", "FROM read_csv('/etc/passwd')", "FROM '/etc/passwd'", "FROM '" + other + "'",
		"FROM read_parquet('" + other + "')", "FROM read_parquet('" + dir + "/*.parquet')", "FROM read_parquet('" + dir + "/mine.parquet/../other.parquet')",
		"FROM read_blob('" + secret + "')", "FROM read_csv('" + secret + "')", "FROM parquet_metadata('" + other + "')", "FROM parquet_schema('" + other + "')",
		"FROM sniff_csv('" + secret + "')", "FROM read_text('/proc/self/environ')", "FROM read_text('/proc/self/maps')",
		"COPY (SELECT 1) TO '/tmp/firn-hostile.csv'", "COPY (SELECT 1) TO '" + dir + "/x.csv'", "ATTACH '" + dir + "/x.db'", "ATTACH ':memory:' AS m",
		"INSTALL httpfs", "LOAD httpfs", "LOAD '" + dir + "/x.so'", "PRAGMA database_list", "SET enable_external_access = true", "SET lock_configuration = false",
		"RESET ALL", "SET memory_limit = '100GB'", "PRAGMA memory_limit = '100GB'", "SELECT 1; SELECT 2", "SELECT 1; COPY (SELECT 1) TO '/tmp/x'",
		"CREATE TABLE t AS SELECT 1", "CREATE MACRO f() AS 1", "CREATE SECRET (TYPE s3)", "INSERT INTO t VALUES (1)", "DROP VIEW v", "EXPORT DATABASE '" + dir + "'",
		"IMPORT DATABASE '" + dir + "'", "CALL pragma_version()", "CHECKPOINT", "VACUUM", "EXECUTE p", "PREPARE p AS SELECT 1", "EXPLAIN ANALYZE COPY (SELECT 1) TO '/tmp/x'",
		"FROM read_csv('http://127.0.0.1:1/x.csv')", "FROM 's3://bucket/x.parquet'", "FROM read_parquet('https://example.com/x')", "SELECT getenv('HOME')",
		"FROM query('COPY (SELECT 1) TO ''/tmp/x''')", "FROM query_table('" + other + "')", "FROM read_json('" + secret + "')", "FROM read_duckdb('" + dir + "/x.db')",
		"SELECT * FROM postgres_scan('', '', '')", "SELECT * FROM sqlite_scan('" + secret + "', 't')", "SUMMARIZE '" + secret + "'",
		"DESCRIBE FROM read_csv('" + secret + "')", "SHOW ALL TABLES; SELECT 1", "FORCE INSTALL spatial", "BEGIN", "DETACH memory", "USE memory",
	} {
		rows, err := p.Exec(t.Context(), duck.Job{
			Setup: []string{"CREATE VIEW v AS FROM read_parquet(" + duck.Quote(mine) + ")"},
			SQL:   sql, Untrusted: true, Read: []string{mine}, Timeout: 20 * time.Second,
		})
		e, ok := errors.AsType[*duck.SQLError](err)
		if !ok {
			t.Errorf("%s: answered %v, %v", sql, rows, err)
			continue
		}
		if strings.Contains(e.Message, "secret\n") {
			t.Errorf("%s: leaks: %s", sql, e.Message)
		}
	}
	require.NoFileExists(t, "/tmp/firn-hostile.csv")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, entries, 3)
}

func TestUntrustedNeedsNoReadRights(t *testing.T) {
	p := newPool(t, duck.PoolConfig{Workers: 1})
	for _, sql := range []string{"SELECT 1", "VALUES (1)", "WITH a AS (SELECT 1) FROM a", "DESCRIBE SELECT 1", "FROM range(3)", "SELECT 1 UNION ALL SELECT 2", "SUMMARIZE SELECT 1", "PIVOT (SELECT 1 AS a, 2 AS b) ON a USING sum(b)"} {
		_, err := p.Exec(t.Context(), duck.Job{SQL: sql, Untrusted: true})
		if err != nil {
			t.Logf("%s: %v", sql, err)
		}
	}
}
