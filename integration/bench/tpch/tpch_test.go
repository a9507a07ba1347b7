package tpch_test

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/integration/bench/tpch"
	"github.com/firnlake/firn/integration/engines"
	"github.com/firnlake/firn/integration/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engines.Stop()
	os.Exit(code)
}

// BenchmarkTPCH is `make bench-engines`. ENGINES, QUERIES (numbers) and RUNS
// measure less; then nothing is written. DIR keeps the lake, and finds it again.
func BenchmarkTPCH(b *testing.B) {
	everyone := "firn,duckdb,trino,spark"
	names := cmp.Or(os.Getenv("ENGINES"), everyone)
	numbers, partial := chosen(b)
	runs, err := strconv.Atoi(cmp.Or(os.Getenv("RUNS"), "3"))
	require.NoError(b, err)
	partial = partial || names != everyone || runs < 3
	engines.Roomy = true

	root := harness.Root(b)
	r := &tpch.Report{Head: report.Begin(root), Scale: 1, Runs: runs}
	dir := cmp.Or(os.Getenv("DIR"), filepath.Join(b.TempDir(), "lake"))
	_, err = os.Stat(filepath.Join(dir, "store.db"))
	loaded := err == nil
	lake := engines.OpenLake(b, dir)
	if !loaded {
		b.Log("loading")
		load(b, lake)
	}
	want := map[int]engines.Rows{}
	for range b.N { // -benchtime 1x
		for _, phase := range []string{"small files", "compacted"} {
			if phase == "compacted" {
				begin := time.Now()
				compact(b, lake)
				r.CompactionSeconds = time.Since(begin).Seconds()
			}
			p := &tpch.Phase{Name: phase, Files: map[string]int{}}
			for table, paths := range files(b, lake) {
				p.Files[table] = len(paths)
			}
			for _, group := range together(strings.Split(names, ",")) {
				p.Engines = append(p.Engines, measure(b, lake, group, numbers, runs, want)...)
			}
			r.Phases = append(r.Phases, p)
		}
	}
	r.Judge()
	r.Print(os.Stdout)
	if b.Failed() {
		return
	}
	if !partial {
		require.NoError(b, r.Write(filepath.Join(root, "docs", "benchmarks")))
	}
	b.ReportMetric(0, "ns/op")
}

// together are the engines in groups whose runs take turns, so that what else
// the machine does falls on both: Firn and its limit. Those on a JVM are alone.
func together(names []string) (groups [][]string) {
	var local []string
	for _, name := range names {
		if name == "firn" || name == "duckdb" {
			local = append(local, name)
		} else {
			groups = append(groups, []string{name})
		}
	}
	if local != nil {
		groups = slices.Insert(groups, 0, local)
	}
	return groups
}

// measure runs the queries in engines by turns. want holds the rows that the
// first engine answered; others must answer the same.
func measure(b *testing.B, lake *engines.Lake, names []string, numbers []int, runs int, want map[int]engines.Rows) []*tpch.Engine {
	b.Helper()
	subjects, results := make([]subject, len(names)), make([]*tpch.Engine, len(names))
	for i, name := range names {
		subjects[i] = open(b, lake, name)
		results[i] = &tpch.Engine{Name: name, Version: subjects[i].version()}
	}
	for _, number := range numbers {
		sql, err := tpch.Text(number)
		require.NoError(b, err)
		times := make([][]float64, len(names))
		for i, s := range subjects {
			rows := s.rows(b, sql)
			if first, ok := want[number]; !ok {
				require.NotEmpty(b, rows.Values, "query %d answers no row", number)
				want[number] = rows
			} else if !engines.Same(b, first, rows) {
				b.Fatalf("query %d in %s has other rows than before", number, names[i])
			}
		}
		for range runs {
			for i, s := range subjects {
				times[i] = append(times[i], s.seconds(b, sql))
			}
		}
		for i, s := range subjects {
			results[i].Add(number, times[i], s.reads(b, sql))
		}
	}
	for _, e := range results {
		b.Logf("%s: %.2f s", e.Name, e.Seconds)
	}
	return results
}

// chosen are the queries to run.
func chosen(b *testing.B) (numbers []int, partial bool) {
	b.Helper()
	for part := range strings.SplitSeq(os.Getenv("QUERIES"), ",") {
		if part != "" {
			n, err := strconv.Atoi(part)
			require.NoError(b, err)
			numbers = append(numbers, n)
		}
	}
	if numbers == nil {
		for n := range tpch.Queries {
			numbers = append(numbers, n+1)
		}
	}
	slices.Sort(numbers)
	return numbers, len(numbers) < tpch.Queries
}
