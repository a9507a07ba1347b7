package tpch_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/tpch"
	"github.com/firnlake/firn/integration/engines"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// subject is an engine on the lake as it is now.
type subject interface {
	// rows answers a query, and warms what it needs.
	rows(b *testing.B, sql string) engines.Rows
	// seconds is one run on the clock.
	seconds(b *testing.B, sql string) float64
	// reads says what one run opens and reads.
	reads(b *testing.B, sql string) tpch.Reads
	version() string
}

// open makes a subject.
func open(b *testing.B, lake *engines.Lake, name string) subject {
	b.Helper()
	switch name {
	case "firn":
		return &firn{lake}
	case "duckdb":
		return openDuckDB(b, lake)
	case "spark":
		// Tables stay in its catalog for the time of a benchmark, as by default;
		// a catalog of its own sees what compaction changed.
		s := lake.With(b, engines.Spark, map[string]string{"cache-enabled": "true"})
		s.Exec(b, "USE "+s.Namespace(namespace))
		return &remote{s, lake}
	case "trino":
		s := lake.With(b, engines.Trino, nil)
		s.Exec(b, "USE "+s.Namespace(namespace))
		return &remote{s, lake}
	}
	b.Fatalf("no engine is called %q", name)
	return nil
}

// firn is Firn's own SQL, as `firn sql` and the page ask it.
type firn struct{ lake *engines.Lake }

func (f *firn) version() string { return "this" }

func (f *firn) ask(b *testing.B, sql string) (engines.Rows, *firnv1.QueryStats) {
	b.Helper()
	rows, stats, err := f.lake.SQL(b.Context(), &firnv1.QueryRequest{Sql: sql, Namespace: []string{namespace}})
	require.NoError(b, err, sql)
	return rows, stats
}

func (f *firn) rows(b *testing.B, sql string) engines.Rows {
	rows, _ := f.ask(b, sql)
	return rows
}

func (f *firn) seconds(b *testing.B, sql string) float64 {
	begin := time.Now()
	f.ask(b, sql)
	return time.Since(begin).Seconds()
}

// opened is where a plan with figures tells how many files a scan read.
var opened = regexp.MustCompile(`Total Files Read:[^0-9]*([0-9]+)`)

func (f *firn) reads(b *testing.B, sql string) tpch.Reads {
	_, stats := f.ask(b, sql)
	plan, _ := f.ask(b, "EXPLAIN ANALYZE "+sql)
	r := tpch.Reads{Bytes: int64(stats.GetReadBytes())}
	for _, line := range plan.Lines() {
		for _, match := range opened.FindAllStringSubmatch(line, -1) {
			n, err := strconv.Atoi(match[1])
			require.NoError(b, err)
			r.Files += n
		}
	}
	return r
}

// duckDB is plain DuckDB, with the threads and memory of a statement of Firn.
type duckDB struct{ *engines.Session }

// duckMemory is what Firn gives DuckDB of a statement's gibibyte.
const duckMemory = 1 << 30 * 3 / 4

func openDuckDB(b *testing.B, lake *engines.Lake) subject {
	s := lake.On(b, engines.DuckDB)
	s.Exec(b, "SET threads = 2", fmt.Sprintf("SET memory_limit = '%dB'", duckMemory))
	for table, paths := range files(b, lake) {
		quoted := make([]string, len(paths))
		for i, path := range paths {
			quoted[i] = "'" + strings.ReplaceAll(path, "'", "''") + "'"
		}
		s.Exec(b, "CREATE OR REPLACE VIEW "+table+" AS SELECT * FROM read_parquet(["+strings.Join(quoted, ", ")+"])")
	}
	return &duckDB{s}
}

func (d *duckDB) version() string { return d.Version() }

func (d *duckDB) rows(b *testing.B, sql string) engines.Rows { return d.Query(b, sql) }

// text is the first cell of an answer of Python.
func (d *duckDB) text(b *testing.B, code string) string {
	b.Helper()
	cell := d.Python(b, code).Cell(0, 0)
	if plain, err := strconv.Unquote(cell); err == nil {
		return plain
	}
	return cell
}

// seconds is taken inside of its process: what brings the rows here is not
// DuckDB's.
func (d *duckDB) seconds(b *testing.B, sql string) float64 {
	text := d.text(b, "import time\n_begin = time.perf_counter()\n_ = con.execute("+strconv.Quote(sql)+").to_arrow_table()\nstr(time.perf_counter() - _begin)")
	v, err := strconv.ParseFloat(text, 64)
	require.NoError(b, err)
	return v
}

// reads runs without the cache of file contents, which would read nothing.
func (d *duckDB) reads(b *testing.B, sql string) tpch.Reads {
	d.Exec(b, "SET enable_external_file_cache = false")
	defer d.Exec(b, "SET enable_external_file_cache = true")
	const rchar = "int(open('/proc/self/io').readline().split()[1])"
	text := d.text(b, "_before = "+rchar+"\n_ = con.execute("+strconv.Quote(sql)+").to_arrow_table()\nstr("+rchar+" - _before)")
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(b, err)
	r := tpch.Reads{Bytes: n}
	plan := d.text(b, "con.execute("+strconv.Quote("EXPLAIN (ANALYZE, FORMAT JSON) "+sql)+").fetchall()[0][1]")
	var root planNode
	require.NoError(b, json.Unmarshal([]byte(plan), &root))
	r.Files = root.files(b)
	return r
}

// planNode is an operator of a plan of DuckDB.
type planNode struct {
	Info     map[string]any `json:"extra_info"`
	Children []planNode     `json:"children"`
}

func (n planNode) files(b *testing.B) (total int) {
	if text, ok := n.Info["Total Files Read"].(string); ok {
		var err error
		total, err = strconv.Atoi(text)
		require.NoError(b, err)
	}
	for _, child := range n.Children {
		total += child.files(b)
	}
	return total
}

// remote is an engine that reads through the object store.
type remote struct {
	*engines.Session
	lake *engines.Lake
}

func (r *remote) version() string { return r.Version() }

func (r *remote) rows(b *testing.B, sql string) engines.Rows { return r.Query(b, sql) }

func (r *remote) seconds(b *testing.B, sql string) float64 {
	begin := time.Now()
	r.Query(b, sql)
	return time.Since(begin).Seconds()
}

func (r *remote) reads(b *testing.B, sql string) tpch.Reads {
	gets, sent, err := gateway(b.Context(), r.lake)
	require.NoError(b, err)
	r.Query(b, sql)
	after, sentAfter, err := gateway(b.Context(), r.lake)
	require.NoError(b, err)
	return tpch.Reads{Requests: int(after - gets), Bytes: int64(sentAfter - sent)}
}
