package compaction

import (
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/firnlake/firn/integration/bench/report"
)

// The contenders, in the order of the table. Firn decides by its own policy;
// the other two rows of it rewrite where it would fuse.
const (
	Firn        = "firn"
	FirnRewrite = "firn, rewritten"
	FirnHash    = "firn, rewritten, hash of rows"
	Spark       = "spark"
	IcebergGo   = "iceberg-go"
	DuckDB      = "duckdb"
	Bytes       = "bytes"
)

// Print writes the report as tables.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n", r.Line("compaction", r.Runs))
	for _, c := range r.Cases {
		fmt.Fprintf(out, "\n(%s) %s: %d files, %.1f MB, %d rows", c.Name, c.Text, c.Files, float64(c.Bytes)/1e6, c.Rows)
		if c.Deleted > 0 {
			fmt.Fprintf(out, " and %d deleted", c.Deleted)
		}
		fmt.Fprint(out, "\n\n")
		c.print(out)
	}
	if s := r.Stream; s != nil {
		fmt.Fprintf(out, "\nstream: %d commits in %.0f s onto %d partitions, %d compactions; commit to compacted p50 %.1f s, p95 %.1f s, max %.1f s; at most %d live files, %d at the end, %.1f s after the last commit; %d commits refused\n",
			s.Commits, s.Seconds, s.Partitions, s.Jobs, s.P50, s.P95, s.Most, s.Backlog, s.Left, s.Drain, s.Conflicts)
	}
	report.PrintBars(out, "%-62s %8.4g  %-14s", r.Bars)
}

func (c *Case) print(out io.Writer) {
	t := report.NewTable(table.Row{"contender", "MB/CPU-s", "of firn", "CPU s", "wall s", "peak MB", "worker MB", "files", "MB out", ""}, 1, 10)
	for _, r := range c.Results {
		if len(r.Runs) == 0 {
			t.AppendRow(table.Row{r.Contender, "", "", "", "", "", "", "", "", r.Error})
			continue
		}
		m := r.Median
		worker := ""
		if m.Worker > 0 {
			worker = fmt.Sprintf("%.0f", float64(m.Worker)/1e6)
		}
		t.AppendRow(table.Row{
			r.Contender, fmt.Sprintf("%.4g", r.Rate), fmt.Sprintf("%.3g", r.OfFirn), fmt.Sprintf("%.2f", m.CPU), fmt.Sprintf("%.2f", m.Wall),
			fmt.Sprintf("%.0f", float64(m.Peak)/1e6), worker, m.Files, fmt.Sprintf("%.1f", float64(m.Bytes)/1e6), strings.TrimSpace(r.Note + " " + r.Error),
		})
	}
	report.PrintTable(out, t)
}
