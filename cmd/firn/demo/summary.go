package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/firnlake/firn/cmd/firn/cli"
)

// Summary is what the demo prints and, with --summary, writes as JSON. Sizes
// are bytes, times are seconds.
type Summary struct {
	Version     string           `json:"version"`
	ObjectStore string           `json:"object_store"`
	Address     string           `json:"address"`
	RowsIn      int64            `json:"rows_in"`
	Batches     int64            `json:"batches"`
	Layers      []Layer          `json:"layers"`
	Quarantined map[string]int64 `json:"quarantined_by_reason"`
	Steps       []Step           `json:"steps"`
	Checks      []Check          `json:"checks"`
	StartupSec  float64          `json:"startup_seconds"`
	WallSec     float64          `json:"wall_seconds"`
	PeakMemory  int64            `json:"peak_memory_bytes"`
	OK          bool             `json:"ok"`
}

// Layer is one table: its rows, and its files as they were written and as they
// are after maintenance.
type Layer struct {
	Table        string `json:"table"`
	Rows         int64  `json:"rows"`
	FilesBefore  int64  `json:"files_before"`
	AvgBefore    int64  `json:"average_file_bytes_before"`
	FilesAfter   int64  `json:"files_after"`
	AvgAfter     int64  `json:"average_file_bytes_after"`
	FilesWritten int64  `json:"files_written"`
	AvgWritten   int64  `json:"average_file_bytes_written"`
	Health       int32  `json:"health_score"`
}

// Step is one stage with its rate in rows per second.
type Step struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
	Rows    int64   `json:"rows,omitempty"`
	Rate    float64 `json:"rows_per_second,omitempty"`
	Note    string  `json:"note,omitempty"`
}

// Check is one statement about the lake that was tested against the source
// file.
type Check struct {
	Name string `json:"name"`
	Want string `json:"want"`
	Got  string `json:"got"`
	OK   bool   `json:"ok"`
}

func (s *Summary) step(name string, begin time.Time, rows int64, note string) {
	seconds := time.Since(begin).Seconds()
	step := Step{Name: name, Seconds: seconds, Rows: rows, Note: note}
	if rows > 0 && seconds > 0 {
		step.Rate = float64(rows) / seconds
	}
	s.Steps = append(s.Steps, step)
}

// layer is the entry of a table, made when there is none.
func (s *Summary) layer(name string) *Layer {
	for i := range s.Layers {
		if s.Layers[i].Table == name {
			return &s.Layers[i]
		}
	}
	s.Layers = append(s.Layers, Layer{Table: name})
	return &s.Layers[len(s.Layers)-1]
}

func (s *Summary) check(name, want, got string) {
	s.Checks = append(s.Checks, Check{Name: name, Want: want, Got: got, OK: want == got})
}

func (s *Summary) held() bool {
	for _, c := range s.Checks {
		if !c.OK {
			return false
		}
	}
	return len(s.Checks) > 0
}

func (s *Summary) write(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the summary: %w", err)
	}
	return nil
}

func (s *Summary) print(out io.Writer) {
	section := func(title string, header table.Row, right []int, rows []table.Row) {
		fmt.Fprintf(out, "\n%s\n", title)
		t := table.NewWriter()
		t.SetStyle(table.StyleLight)
		t.Style().Options = table.OptionsNoBordersAndSeparators
		t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "  ", " "
		t.Style().Format.Header = text.FormatLower
		var columns []table.ColumnConfig
		for _, number := range right {
			columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
		t.SetColumnConfigs(columns)
		t.AppendHeader(header)
		t.AppendRows(rows)
		for line := range strings.Lines(t.Render() + "\n") {
			fmt.Fprintln(out, strings.TrimRight(line, " \n"))
		}
	}

	var rows []table.Row
	for _, l := range s.Layers {
		rows = append(rows, table.Row{l.Table, cli.Count(l.Rows), cli.Count(l.FilesWritten), cli.Bytes(l.AvgWritten), cli.Count(l.FilesBefore), cli.Bytes(l.AvgBefore), cli.Count(l.FilesAfter), cli.Bytes(l.AvgAfter), l.Health})
	}
	section("Tables", table.Row{"table", "rows", "files written", "average", "before compaction", "average", "after", "average", "health"}, []int{2, 3, 4, 5, 6, 7, 8, 9}, rows)

	rows = nil
	for _, name := range sortedKeys(s.Quarantined) {
		rows = append(rows, table.Row{name, cli.Count(s.Quarantined[name])})
	}
	section("Quarantined rows by reason (a row may have several)", table.Row{"reason", "rows"}, []int{2}, rows)

	rows = nil
	for _, step := range s.Steps {
		rate := ""
		if step.Rate > 0 {
			rate = cli.Count(int64(step.Rate)) + " rows/s"
		}
		rows = append(rows, table.Row{step.Name, fmt.Sprintf("%.2f s", step.Seconds), rate, step.Note})
	}
	section("Steps", table.Row{"step", "time", "rate", ""}, []int{2, 3}, rows)

	rows = nil
	for _, c := range s.Checks {
		mark := "ok"
		if !c.OK {
			mark = "FAILED"
		}
		rows = append(rows, table.Row{mark, c.Name, c.Want, c.Got})
	}
	section("Checks against the source file", table.Row{"", "what", "expected", "in the lake"}, []int{3, 4}, rows)

	fmt.Fprintf(out, "\n%s rows in, %.1f s in all, start-up %.2f s, peak memory %s (service and workers)\n",
		cli.Count(s.RowsIn), s.WallSec, s.StartupSec, cli.Bytes(s.PeakMemory))
}
