// Command bench measures Firn from outside, against named peers in the same
// run, and says which figure meets the bar of DESIGN.md, section 11.
//
// It starts the built bin/firn on folders of its own (bbolt with fsync,
// embedded object store), prints a table, and writes the same as JSON under
// docs/benchmarks: one file a day, and latest.json. Figures are medians over
// the runs. A figure on a busy machine is a figure of that machine.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/firnlake/firn/integration/bench/host"
	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/internal/duck"
)

// Report is the file under docs/benchmarks.
type Report struct {
	At       time.Time    `json:"at"`
	Commit   string       `json:"commit"`
	Modified bool         `json:"modified"` // the work tree had changes
	Runs     int          `json:"runs"`
	Machine  host.Machine `json:"machine"`
	Load     string       `json:"load_average_before"`
	Figures  []*Figure    `json:"figures"`
}

type bench struct {
	root     string // of the repository
	binary   string
	temp     string
	runs     int
	progress io.Writer
	rows     *retail
	pool     *duck.Pool
	figures  []*Figure
}

// section is one group of measurements, on lakes of its own.
type section struct {
	name string
	once func(*bench, context.Context) error
}

var sections = []section{
	{"ingest", (*bench).ingest},
	{"visible", (*bench).visible},
	{"acks", (*bench).acks},
	{"commits", (*bench).commits},
	{"load", (*bench).load},
	{"promote", (*bench).promote},
	{"compact", (*bench).compact},
	{"small", (*bench).small},
	{"start", (*bench).startup},
	{"demo", (*bench).demo},
}

func main() {
	duck.WorkerMain()
	if serveIfPeer() {
		return
	}
	names := make([]string, len(sections))
	for i, s := range sections {
		names[i] = s.name
	}
	runs := flag.Int("runs", 3, "runs of each section; figures are medians")
	only := flag.String("only", strings.Join(names, ","), "sections to measure")
	out := flag.String("out", "", "folder for the JSON files (default docs/benchmarks; none when -only is given)")
	binary := flag.String("firn", "", "binary to measure (default bin/firn)")
	temp := flag.String("temp", "", "folder for lakes (default: the system's)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	partial := *only != strings.Join(names, ",")
	if err := run(ctx, *runs, strings.Split(*only, ","), *out, *temp, *binary, partial); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, runs int, only []string, out, temp, binary string, partial bool) (err error) {
	for _, name := range only {
		if !slices.ContainsFunc(sections, func(s section) bool { return s.name == name }) {
			return fmt.Errorf("there is no section %q", name)
		}
	}
	b := &bench{runs: max(runs, 1), progress: os.Stderr}
	if b.root, err = repository(); err != nil {
		return err
	}
	b.binary = cmp.Or(binary, filepath.Join(b.root, "bin", "firn"))
	if b.temp, err = os.MkdirTemp(temp, "firn-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(b.temp)
	if b.rows, err = readRetail(ctx, filepath.Join(b.root, "docs", "examples", "retail", "data", "online_retail.parquet")); err != nil {
		return err
	}
	if b.pool, err = duck.NewPool(duck.PoolConfig{Workers: 1, MemoryBytes: 1 << 30, TempDir: b.temp}); err != nil {
		return fmt.Errorf("start DuckDB, the peer: %w", err)
	}
	defer b.pool.Close()
	taken := Report{At: time.Now().UTC().Truncate(time.Second), Runs: b.runs, Machine: host.This(), Load: host.Load()}
	taken.Commit, taken.Modified = host.Commit(b.root)
	for _, s := range sections {
		if !slices.Contains(only, s.name) {
			continue
		}
		for i := range b.runs {
			fmt.Fprintf(b.progress, "%s, run %d of %d\n", s.name, i+1, b.runs)
			if err := s.once(b, ctx); err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
	}
	taken.Figures = b.figures
	fmt.Printf("\n%s, %d cores, %.0f GiB, %s, commit %.12s, median of %d runs, load before %s\n\n",
		taken.Machine.CPU, taken.Machine.Cores, float64(taken.Machine.Memory)/(1<<30), taken.Machine.Go, taken.Commit, b.runs, taken.Load)
	render(os.Stdout, b.figures)
	if partial && out == "" {
		return nil
	}
	return report.Write(cmp.Or(out, filepath.Join(b.root, "docs", "benchmarks")), "", taken.At, &taken)
}

// repository is the folder above with go.mod.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != "/"; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no go.mod here or above: run `make bench` in the repository")
}
