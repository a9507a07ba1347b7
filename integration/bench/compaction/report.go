package compaction

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/firnlake/firn/integration/bench/report"
)

// Bars of the benchmark (DESIGN.md, section 11).
const (
	LeastFuse    = 1000.0      // MB per CPU-second
	LeastRewrite = 60.0        // MB per CPU-second
	MostWorker   = 512 << 20   // bytes
	MostFive     = 1.0         // seconds, from plan to commit
	MostHash     = 1.15        // CPU with the hash of rows over CPU without
	MostWait     = 2 * 60 * 1. // seconds from commit to compacted, 95th percentile
)

// Report is the file under docs/benchmarks.
type Report struct {
	report.Head

	Scale  float64      `json:"scale"`
	Runs   int          `json:"runs"`
	Cases  []*Case      `json:"cases"`
	Stream *Stream      `json:"stream,omitempty"`
	Bars   []report.Bar `json:"bars"`
}

// Case is one input, and what each contender made of it.
type Case struct {
	Name    string    `json:"name"`
	Text    string    `json:"text"`
	Files   int       `json:"files"`
	Bytes   int64     `json:"bytes"` // of data files
	Rows    int64     `json:"rows"`  // less those that are deleted
	Deleted int64     `json:"rows_deleted,omitempty"`
	Results []*Result `json:"results"`
}

// Outcome is one run.
type Outcome struct {
	CPU    float64 `json:"cpu_seconds"`
	Wall   float64 `json:"wall_seconds"`
	Peak   int64   `json:"peak_bytes"`                  // resident, all processes
	Worker int64   `json:"worker_peak_bytes,omitempty"` // resident, the largest worker of Firn
	Files  int     `json:"files"`
	Bytes  int64   `json:"bytes"`
	Detail string  `json:"detail,omitempty"`
}

// Result is the runs of one contender on one case.
type Result struct {
	Contender string    `json:"contender"`
	Runs      []Outcome `json:"runs"`
	// Median of each figure.
	Median Outcome `json:"median"`
	// Rate is MB of input per CPU-second.
	Rate float64 `json:"mb_per_cpu_second,omitempty"`
	// OfFirn is the contender's rate over that of Firn, its first row of the case.
	OfFirn float64 `json:"of_firn,omitempty"`
	// Error says why there is no figure, Note what a figure does not tell.
	Error string `json:"error,omitempty"`
	Note  string `json:"note,omitempty"`
}

// Stream is the time that commits of a streaming load waited for the compaction
// that took their files.
type Stream struct {
	Commits    int     `json:"commits"`
	Partitions int     `json:"partitions"`
	Seconds    float64 `json:"seconds"` // of load
	Jobs       int     `json:"compactions"`
	P50        float64 `json:"p50_seconds"`
	P95        float64 `json:"p95_seconds"`
	Most       float64 `json:"max_seconds"`
	Backlog    int     `json:"most_live_files"`
	Left       int     `json:"live_files_at_the_end"`
	Untaken    int     `json:"files_never_taken"`
	Drain      float64 `json:"drain_seconds"` // from the last commit to the last compaction
	Conflicts  int     `json:"refused_commits"`
}

// Result of a contender on a case; it is made when there is none.
func (c *Case) Result(contender string) *Result {
	for _, r := range c.Results {
		if r.Contender == contender {
			return r
		}
	}
	r := &Result{Contender: contender}
	c.Results = append(c.Results, r)
	return r
}

// Add adds a run of a contender.
func (c *Case) Add(contender string, o Outcome) {
	r := c.Result(contender)
	r.Runs = append(r.Runs, o)
	r.Median = Outcome{
		CPU: of(r.Runs, func(o Outcome) float64 { return o.CPU }), Wall: of(r.Runs, func(o Outcome) float64 { return o.Wall }),
		Peak: of(r.Runs, func(o Outcome) int64 { return o.Peak }), Worker: of(r.Runs, func(o Outcome) int64 { return o.Worker }),
		Files: of(r.Runs, func(o Outcome) int { return o.Files }), Bytes: of(r.Runs, func(o Outcome) int64 { return o.Bytes }),
	}
	if r.Median.CPU > 0 {
		r.Rate = report.Round(float64(c.Bytes) / 1e6 / r.Median.CPU)
	}
	for _, r := range c.Results {
		if c.Results[0].Rate > 0 {
			r.OfFirn = report.Round(r.Rate / c.Results[0].Rate)
		}
	}
}

// of is the median of a figure.
func of[T cmp.Ordered](runs []Outcome, figure func(Outcome) T) T {
	values := make([]T, len(runs))
	for i, o := range runs {
		values[i] = figure(o)
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// find answers the median of a contender's runs on a case, if there is one.
func (r *Report) find(name, contender string) (*Result, bool) {
	for _, c := range r.Cases {
		for _, found := range c.Results {
			if c.Name == name && found.Contender == contender && len(found.Runs) > 0 {
				return found, true
			}
		}
	}
	return nil, false
}

// Judge compares what was measured with the bars.
func (r *Report) Judge() {
	r.Bars = nil
	add := func(name string, value float64, bar string, met bool) {
		r.Bars = append(r.Bars, report.Bar{Name: name, Value: report.Round(value), Bar: bar, Met: met})
	}
	if f, ok := r.find("a", Firn); ok {
		add("fuse, 500 small files, MB per CPU-second", f.Rate, fmt.Sprintf("at least %g", LeastFuse), f.Rate >= LeastFuse)
	}
	if f, ok := r.find("a", FirnRewrite); ok {
		add("rewrite, 500 small files, MB per CPU-second", f.Rate, fmt.Sprintf("at least %g", LeastRewrite), f.Rate >= LeastRewrite)
		if hash, ok := r.find("a", FirnHash); ok {
			ratio := hash.Median.CPU / f.Median.CPU
			add("rewrite, CPU with the hash of rows over CPU without", ratio, fmt.Sprintf("at most %g", MostHash), ratio <= MostHash)
		}
	}
	for _, tier := range []string{Firn, FirnRewrite} {
		if f, ok := r.find("five", tier); ok {
			add("five small files, plan to commit, seconds, "+tier, f.Median.Wall, fmt.Sprintf("under %g", MostFive), f.Median.Wall < MostFive)
		}
	}
	most := int64(0)
	for _, c := range r.Cases {
		for _, result := range c.Results {
			for _, o := range result.Runs {
				most = max(most, o.Worker)
			}
		}
	}
	if most > 0 {
		add("peak memory of a worker, MB, all cases", float64(most)/1e6, fmt.Sprintf("at most %.0f", MostWorker/1e6), most <= MostWorker)
	}
	if s := r.Stream; s != nil {
		add("commit to compacted under a stream, p95, seconds", s.P95, fmt.Sprintf("under %g", MostWait), s.P95 < MostWait)
		add("live files when the stream has ended and drained", float64(s.Left), fmt.Sprintf("at most %d", s.Partitions), s.Left <= s.Partitions)
		add("commits of the stream that were refused", float64(s.Conflicts), "none", s.Conflicts == 0)
	}
}

// Write writes the report into a folder: by its day, and as the latest.
func (r *Report) Write(dir string) error {
	return report.Write(dir, "compaction", r.At, r)
}
