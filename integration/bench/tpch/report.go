package tpch

import (
	"fmt"
	"math"
	"slices"

	"github.com/firnlake/firn/integration/bench/report"
)

// Bars of the benchmark.
const (
	// MostOfDuckDB is Firn's sum of times over plain DuckDB's.
	MostOfDuckDB = 1.3
	// LeastGain is an engine's sum over the queries that scan small files, before
	// over after compaction.
	LeastGain = 3.0
)

// Report is the file under docs/benchmarks.
type Report struct {
	report.Head

	Scale  int      `json:"scale"`
	Runs   int      `json:"runs"`
	Phases []*Phase `json:"phases"` // small files, compacted
	// CompactionSeconds is how long Firn's compaction took between them.
	CompactionSeconds float64      `json:"compaction_seconds,omitempty"`
	Bars              []report.Bar `json:"bars"`
}

// Phase is a state of the files.
type Phase struct {
	Name    string         `json:"name"`
	Files   map[string]int `json:"files"` // of each table
	Engines []*Engine      `json:"engines"`
}

// Engine is what one engine took.
type Engine struct {
	Name    string   `json:"name"`
	Version string   `json:"version"`
	Seconds float64  `json:"seconds"` // the sum of the medians
	Queries []*Query `json:"queries"`
}

// Query is what one query took.
type Query struct {
	Number  int       `json:"query"`
	Seconds float64   `json:"seconds"` // the median
	Runs    []float64 `json:"runs"`
	Reads
}

// Reads is what one run opens and reads; an engine tells files or, through the
// object store, requests.
type Reads struct {
	Files    int   `json:"files,omitempty"`
	Requests int   `json:"requests,omitempty"`
	Bytes    int64 `json:"bytes"`
}

// Add puts a query's runs to an engine.
func (e *Engine) Add(number int, runs []float64, r Reads) {
	q := &Query{Number: number, Runs: runs, Reads: r, Seconds: report.Median(runs)}
	e.Queries = append(e.Queries, q)
	e.Seconds = round(e.Seconds + q.Seconds)
}

// Judge holds the report to the bars.
func (r *Report) Judge() {
	r.Bars = nil
	for _, p := range r.Phases {
		firn, duck := p.engine("firn"), p.engine("duckdb")
		if firn != nil && duck != nil && duck.Seconds > 0 {
			ratio := firn.Seconds / duck.Seconds
			r.Bars = append(r.Bars, report.Bar{Name: "Firn's sum over plain DuckDB's, " + p.Name, Value: round(ratio), Bar: fmt.Sprintf("at most %.1f", MostOfDuckDB), Met: ratio <= MostOfDuckDB})
		}
	}
	if len(r.Phases) < 2 {
		return
	}
	for _, before := range r.Phases[0].Engines {
		after := r.Phases[1].engine(before.Name)
		if after == nil {
			continue
		}
		small, joined := 0.0, 0.0
		for _, q := range before.Queries {
			at := slices.IndexFunc(after.Queries, func(o *Query) bool { return o.Number == q.Number })
			if at >= 0 && ScansSmallFiles(q.Number) {
				small += q.Seconds
				joined += after.Queries[at].Seconds
			}
		}
		if joined > 0 {
			gain := small / joined
			r.Bars = append(r.Bars, report.Bar{Name: before.Name + ", queries over small files: before over after compaction", Value: round(gain), Bar: fmt.Sprintf("at least %.0f", LeastGain), Met: gain >= LeastGain})
		}
	}
}

func (p *Phase) engine(name string) *Engine {
	for _, e := range p.Engines {
		if e.Name == name {
			return e
		}
	}
	return nil
}

// Write writes the report into a folder: by its day, and as the latest.
func (r *Report) Write(dir string) error {
	return report.Write(dir, "engines", r.At, r)
}

// round keeps a tenth of a thousandth.
func round(v float64) float64 { return math.Round(v*1e4) / 1e4 }
