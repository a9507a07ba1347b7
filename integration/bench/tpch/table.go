package tpch

import (
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/firnlake/firn/integration/bench/report"
)

// Print writes the report as tables: for each state of the files the time, the
// files or requests and the bytes of each query side by side, and the bars.
func (r *Report) Print(out io.Writer) {
	fmt.Fprintf(out, "\n%s\n", r.Line(fmt.Sprintf("TPC-H scale %d", r.Scale), r.Runs))
	for _, p := range r.Phases {
		fmt.Fprintf(out, "\n%s: lineitem %d files, orders %d files; seconds, files (or GETs) opened, MB read\n\n", p.Name, p.Files["lineitem"], p.Files["orders"])
		p.print(out)
	}
	if r.CompactionSeconds > 0 {
		fmt.Fprintf(out, "\ncompaction took %.1f s\n", r.CompactionSeconds)
	}
	report.PrintBars(out, "%-70s %6.2f  %-12s", r.Bars)
}

func (p *Phase) print(out io.Writer) {
	header := table.Row{"query"}
	for _, e := range p.Engines {
		header = append(header, e.Name+" s", "files", "MB")
		if e.Name != "firn" {
			header = append(header, "of firn")
		}
	}
	if len(p.Engines) == 0 {
		return
	}
	t := report.NewTable(header)
	for i, q := range p.Engines[0].Queries {
		row := table.Row{fmt.Sprintf("Q%d", q.Number)}
		for _, e := range p.Engines {
			row = append(row, e.cells(p, i)...)
		}
		t.AppendRow(row)
	}
	sum := table.Row{"sum"}
	for _, e := range p.Engines {
		sum = append(sum, fmt.Sprintf("%.2f", e.Seconds), "", "")
		if e.Name != "firn" {
			sum = append(sum, p.share(e.Seconds, func(f *Engine) float64 { return f.Seconds }))
		}
	}
	t.AppendRow(sum)
	report.PrintTable(out, t)
}

// cells are an engine's for the query at i.
func (e *Engine) cells(p *Phase, i int) []any {
	if i >= len(e.Queries) {
		return []any{"", "", "", ""}
	}
	q := e.Queries[i]
	opened := fmt.Sprint(q.Files)
	if q.Requests > 0 {
		opened = fmt.Sprintf("%d GET", q.Requests)
	}
	cells := []any{fmt.Sprintf("%.3f", q.Seconds), opened, fmt.Sprintf("%.1f", float64(q.Bytes)/1e6)}
	if e.Name != "firn" {
		cells = append(cells, p.share(q.Seconds, func(f *Engine) float64 { return f.Queries[i].Seconds }))
	}
	return cells
}

// share is Firn's time as a multiple of another engine's.
func (p *Phase) share(seconds float64, of func(*Engine) float64) string {
	firn := p.engine("firn")
	if firn == nil || seconds == 0 {
		return ""
	}
	return fmt.Sprintf("%.2f", of(firn)/seconds)
}
