package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// Bar is a demand, and whether it is met.
type Bar struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Bar   string  `json:"bar"`
	Met   bool    `json:"met"`
}

// PrintBars writes bars line by line, after an empty one. Row has the verbs for
// name, value and bar, with their widths.
func PrintBars(out io.Writer, row string, bars []Bar) {
	fmt.Fprintln(out)
	for _, b := range bars {
		fmt.Fprintf(out, row+" %s\n", b.Name, b.Value, b.Bar, Verdict(b.Met))
	}
}

// Verdict is the word for a bar that is met, or is not.
func Verdict(met bool) string {
	if met {
		return "met"
	}
	return "MISSED"
}

// NewTable is a table without borders. Its columns are those of header, aligned to
// the right except those named by left, counted from 1.
func NewTable(header table.Row, left ...int) table.Writer {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Format.Header = text.FormatDefault
	var right []table.ColumnConfig
	for i := range header {
		if !slices.Contains(left, i+1) {
			right = append(right, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.SetColumnConfigs(right)
	t.AppendHeader(header)
	return t
}

// PrintTable writes a table, without spaces at the ends of its lines.
func PrintTable(out io.Writer, t table.Writer) {
	for line := range strings.Lines(t.Render() + "\n") {
		fmt.Fprintln(out, strings.TrimRight(line, " \n"))
	}
}
