package hot

import (
	"fmt"
	"io"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/firnlake/firn/integration/bench/report"
)

// Report is the file under docs/benchmarks.
type Report struct {
	report.Head

	Tables []*Table     `json:"tables"`
	Bars   []report.Bar `json:"bars"`
}

// Table is one load, and its layouts.
type Table struct {
	Name       string    `json:"name"`
	Text       string    `json:"text"`
	Rows       int64     `json:"rows"`
	Partitions int       `json:"partitions"`
	Hot        string    `json:"hot_partition"`
	Share      float64   `json:"share_of_bytes"`
	Layouts    []*Layout `json:"layouts"`
}

// Layout is how a table lies, and what that costs.
type Layout struct {
	Name string `json:"name"`
	// Detail of what was done, in the words of the job's proof.
	Detail string `json:"detail,omitempty"`
	Files  uint64 `json:"files"`
	// Of the hot partition.
	HotFiles uint64  `json:"hot_files"`
	Skew     float64 `json:"skew"`
	// Lookups as PyIceberg plans them.
	Lookups []Lookup `json:"lookups"`
	// Query is the median time of the lookups in Firn's SQL.
	Query float64 `json:"query_ms"`
	// Commits that were appended to it, one after the other.
	CommitP50 float64 `json:"commit_p50_ms"`
	CommitP95 float64 `json:"commit_p95_ms"`
	// Seconds and bytes that making it took.
	Seconds float64 `json:"seconds"`
	Read    uint64  `json:"read_bytes"`
}

// Lookup of one value of a column, on average.
type Lookup struct {
	Column string  `json:"column"`
	Files  float64 `json:"files"`
	Bytes  float64 `json:"bytes"`
}

// Layout by its name; nil when there is none.
func (t *Table) Layout(name string) *Layout {
	i := slices.IndexFunc(t.Layouts, func(l *Layout) bool { return l.Name == name })
	if i < 0 {
		return nil
	}
	return t.Layouts[i]
}

// The layouts, in their order.
const (
	Ingested  = "as ingested"
	Compacted = "compacted by size"
	Clustered = "clustered"
	Bucketed  = "bucketed"
)

// Judge compares the layouts with the one that a compactor makes which knows of
// small files only.
func (r *Report) Judge() {
	for _, t := range r.Tables {
		base := t.Layout(Compacted)
		for _, name := range []string{Clustered, Bucketed} {
			l := t.Layout(name)
			if base == nil || l == nil {
				continue
			}
			for i, x := range l.Lookups {
				b := base.Lookups[i]
				r.bar(fmt.Sprintf("%s: files a lookup by %s opens, %s / %s", t.Name, x.Column, base.Name, name), b.Files/max(x.Files, 0.01), 2)
				r.bar(fmt.Sprintf("%s: bytes a lookup by %s reads, %s / %s", t.Name, x.Column, base.Name, name), b.Bytes/max(x.Bytes, 1), 2)
			}
		}
		if c := t.Layout(Clustered); base != nil && c != nil {
			slower := c.CommitP50 / base.CommitP50
			r.Bars = append(r.Bars, report.Bar{Name: fmt.Sprintf("%s: commit latency, %s / %s", t.Name, c.Name, base.Name), Value: slower, Bar: "at most 1.25", Met: slower <= 1.25})
		}
	}
}

func (r *Report) bar(name string, value, least float64) {
	r.Bars = append(r.Bars, report.Bar{Name: name, Value: value, Bar: fmt.Sprintf("at least %g", least), Met: value >= least})
}

// Print writes the report as tables.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n", r.Line("hot partitions", 0))
	for _, t := range r.Tables {
		fmt.Fprintf(out, "\n%s: %s; %d rows in %d partitions, %s has %.1f %% of the bytes\n\n", t.Name, t.Text, t.Rows, t.Partitions, t.Hot, 100*t.Share)
		header := table.Row{"layout", "files", "hot", "skew"}
		for _, l := range t.Layouts[0].Lookups {
			header = append(header, "files by "+l.Column, "kB")
		}
		w := report.NewTable(append(header, "query ms", "commit p50", "p95 ms", "took s"), 1)
		for _, l := range t.Layouts {
			row := table.Row{l.Name, l.Files, l.HotFiles, fmt.Sprintf("%.0f", l.Skew)}
			for _, x := range l.Lookups {
				row = append(row, fmt.Sprintf("%.1f", x.Files), fmt.Sprintf("%.0f", x.Bytes/1000))
			}
			w.AppendRow(append(row, fmt.Sprintf("%.1f", l.Query), fmt.Sprintf("%.1f", l.CommitP50), fmt.Sprintf("%.1f", l.CommitP95), fmt.Sprintf("%.1f", l.Seconds)))
		}
		report.PrintTable(out, w)
		for _, l := range t.Layouts {
			if l.Detail != "" {
				fmt.Fprintf(out, "  %s: %s\n", l.Name, l.Detail)
			}
		}
	}
	report.PrintBars(out, "%-78s %8.3g  %-14s", r.Bars)
}

// Write writes the report into a folder: by its day, and as the latest.
func (r *Report) Write(dir string) error {
	return report.Write(dir, "hot", r.At, r)
}
