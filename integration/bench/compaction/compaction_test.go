package compaction_test

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/integration/engines"
	"github.com/firnlake/firn/integration/harness"
)

func TestMain(m *testing.M) {
	code := m.Run()
	engines.Stop()
	os.Exit(code)
}

// everyone and everything, unless PEERS and CASES say less.
const (
	everyone   = "firn,spark,iceberg-go,duckdb,bytes"
	everything = "five,a,b,c,d,stream"
)

// BenchmarkCompaction is `make bench-compaction`. PEERS, CASES, RUNS and SCALE
// measure less; then nothing is written.
func BenchmarkCompaction(b *testing.B) {
	peers, cases := cmp.Or(os.Getenv("PEERS"), everyone), cmp.Or(os.Getenv("CASES"), everything)
	runs, err := strconv.Atoi(cmp.Or(os.Getenv("RUNS"), "3"))
	require.NoError(b, err)
	scale, err := strconv.ParseFloat(cmp.Or(os.Getenv("SCALE"), "1"), 64)
	require.NoError(b, err)
	root := harness.Root(b)
	r := &compaction.Report{Head: report.Begin(root), Runs: runs, Scale: scale}
	for range b.N { // -benchtime 1x
		bench := &run{report: r, peers: strings.Split(peers, ","), runs: runs, peer: build(b), spark: spark()}
		for _, in := range inputs {
			if wanted(cases, in.name) || wanted(cases, in.name[:1]) {
				in.files = max(int(float64(in.files)*scale), 5)
				bench.measure(b, in)
			}
		}
		if wanted(cases, "stream") && wanted(peers, "firn") {
			bench.stream(b, max(time.Duration(scale*float64(150*time.Second)), 20*time.Second))
		}
	}
	r.End()
	r.Judge()
	r.Print(os.Stdout)
	if b.Failed() {
		return
	}
	if peers == everyone && cases == everything && runs >= 3 && scale == 1 {
		require.NoError(b, r.Write(filepath.Join(root, "docs", "benchmarks")))
	}
	b.ReportMetric(0, "ns/op")
}

func wanted(list, name string) bool { return slices.Contains(strings.Split(list, ","), name) }

// build makes the program of the peers that are processes of their own.
func build(b *testing.B) string {
	b.Helper()
	out := filepath.Join(b.TempDir(), "peer")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-o", out, "./integration/bench/compaction/peer")
	cmd.Dir = harness.Root(b)
	text, err := cmd.CombinedOutput()
	require.NoError(b, err, string(text))
	return out
}

// run is the whole benchmark.
type run struct {
	report *compaction.Report
	peers  []string
	runs   int
	peer   string // program
	spark  contender
}

// patience is how long a run may take for its contender to have another turn: what
// takes minutes is not known better for being measured three times.
const patience = 30 * time.Second

// measure lets all contenders at an input, by turns.
func (r *run) measure(b *testing.B, in input) {
	b.Helper()
	begin := time.Now()
	m := prepare(b, in)
	defer os.RemoveAll(m.lake)
	c := &compaction.Case{Name: in.name, Text: in.text, Files: in.files, Bytes: m.bytes, Rows: m.left.rows, Deleted: m.delete}
	r.report.Cases = append(r.report.Cases, c)
	b.Logf("(%s) %s: %d files, %.1f MB, made in %.1f s", in.name, in.text, in.files, float64(m.bytes)/1e6, time.Since(begin).Seconds())
	names, contenders := r.contenders(in)
	for range r.runs {
		for i, compete := range contenders {
			result := c.Result(names[i])
			if result.Error != "" || result.Median.Wall > patience.Seconds() {
				continue
			}
			begin := time.Now()
			o, err := compete(b, m)
			own := strings.HasPrefix(names[i], compaction.Firn)
			if err != nil {
				if own {
					b.Fatalf("(%s) %s: %v", in.name, names[i], err)
				}
				b.Logf("(%s) %s: %v", in.name, names[i], err)
				if !errors.Is(err, errOrder) {
					result.Error = firstLine(err)
					continue
				}
				o.Detail += ", " + err.Error()
			}
			if !own {
				result.Note = o.Detail
			}
			c.Add(names[i], o)
			b.Logf("(%s) %s: %.2f CPU-s, %.2f s, %.1f MB/CPU-s, %d files; %s (%.1f s in all)", in.name, names[i], o.CPU, o.Wall, float64(m.bytes)/1e6/max(o.CPU, 0.001), o.Files, o.Detail, time.Since(begin).Seconds())
		}
	}
}

func firstLine(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return text
}

// contenders of an input, Firn first.
func (r *run) contenders(in input) (names []string, all []contender) {
	add := func(name string, c contender) {
		names, all = append(names, name), append(all, c)
	}
	for _, peer := range r.peers {
		switch peer {
		case "firn":
			for _, name := range in.firn {
				switch name {
				case compaction.Firn:
					add(name, firn("", nil))
				case compaction.FirnRewrite:
					add(name, firn("rewrite", map[string]string{"firn.compact.fuse": "false", "firn.compact.row-hash": "false"}))
				case compaction.FirnHash:
					add(name, firn("rewrite", map[string]string{"firn.compact.fuse": "false", "firn.compact.row-hash": "true"}))
				}
			}
		case compaction.Spark:
			add(peer, r.spark)
		case compaction.IcebergGo:
			add(peer, icebergGo(r.peer))
		case compaction.DuckDB:
			add(peer, duckDB)
		case compaction.Bytes:
			add(peer, byteCopy(r.peer))
		}
	}
	return names, all
}
