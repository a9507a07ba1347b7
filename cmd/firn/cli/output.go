package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/itchyny/gojq"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

var formats = []string{"table", "json", "yaml", "ndjson", "csv"}

// grid is what a person reads: a header and rows of text.
type grid struct {
	header []string
	rows   [][]string
	// right says which columns hold numbers.
	right []int
	// asIs keeps the header as it is written: the columns of a query.
	asIs bool
}

// print writes msg to stdout in the format asked for. The grid serves table
// and csv; items serves ndjson (one message a line; msg itself when empty).
func (a *app) print(msg proto.Message, g grid, items ...proto.Message) error {
	if a.jq != "" {
		return a.printJQ(msg)
	}
	switch a.format {
	case "json":
		return writeJSON(a.out, msg)
	case "yaml":
		data, err := toJSON(msg)
		if err != nil {
			return err
		}
		text, err := yaml.JSONToYAML(data)
		if err != nil {
			return fmt.Errorf("turn the answer into yaml: %w", err)
		}
		_, err = a.out.Write(text)
		return err
	case "ndjson":
		if len(items) == 0 {
			items = []proto.Message{msg}
		}
		for _, item := range items {
			data, err := toJSON(item)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(a.out, "%s\n", data); err != nil {
				return err
			}
		}
		return nil
	case "csv":
		w := csv.NewWriter(a.out)
		if err := w.Write(g.header); err != nil {
			return err
		}
		if err := w.WriteAll(g.rows); err != nil {
			return err
		}
		return w.Error()
	default:
		return g.write(a.out)
	}
}

// write draws the grid; headers are upper case unless they are a query's own.
func (g grid) write(out io.Writer) error {
	t := table.NewWriter()
	t.SetStyle(table.StyleLight)
	t.Style().Options = table.OptionsNoBordersAndSeparators
	t.Style().Box.PaddingLeft, t.Style().Box.PaddingRight = "", "   "
	if t.Style().Format.Header = text.FormatUpper; g.asIs {
		t.Style().Format.Header = text.FormatDefault
	}
	header := make(table.Row, len(g.header))
	var columns []table.ColumnConfig
	for i, name := range g.header {
		header[i] = name
		if slices.Contains(g.right, i) {
			columns = append(columns, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(columns)
	for _, cells := range g.rows {
		row := make(table.Row, len(cells))
		for i, cell := range cells {
			row[i] = printable(cell)
		}
		t.AppendRow(row)
	}
	for line := range strings.Lines(t.Render() + "\n") {
		if _, err := fmt.Fprintln(out, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// printable keeps control characters of names and payloads out of a terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r < 0x20 || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\ufffd'
		}
		return r
	}, s)
}

func (a *app) printJQ(msg proto.Message) error {
	data, err := toJSON(msg)
	if err != nil {
		return err
	}
	return a.filter(data)
}

// filter writes what the jq expression makes of a JSON text.
func (a *app) filter(data []byte) error {
	query, err := gojq.Parse(a.jq)
	if err != nil {
		return usage("--jq: "+err.Error(), "firn table ls --jq '.tables[].table.name'")
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return fmt.Errorf("read the answer for --jq: %w", err)
	}
	results := query.Run(value)
	for {
		v, ok := results.Next()
		if !ok {
			return nil
		}
		if err, ok := v.(error); ok {
			return usage("--jq: "+err.Error(), "see the whole answer with -o json")
		}
		if s, ok := v.(string); ok {
			fmt.Fprintln(a.out, s)
			continue
		}
		line, err := json.Marshal(v)
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s\n", line)
	}
}

// toJSON is the compact JSON form. protojson varies white space on purpose, so
// it is compacted.
func toJSON(msg proto.Message) ([]byte, error) {
	data, err := protojson.MarshalOptions{EmitUnpopulated: true}.Marshal(msg)
	if err != nil {
		return nil, fmt.Errorf("turn the answer into json: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, fmt.Errorf("turn the answer into json: %w", err)
	}
	return compact.Bytes(), nil
}

func writeJSON(w io.Writer, msg proto.Message) error {
	data, err := toJSON(msg)
	if err != nil {
		return err
	}
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "  "); err != nil {
		return err
	}
	indented.WriteByte('\n')
	_, err = w.Write(indented.Bytes())
	return err
}

// Count writes a number with separators, as 541,909.
func Count[N ~int | ~int64 | ~uint64 | ~uint32](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(digits, "-") {
		sign, digits = "-", digits[1:]
	}
	var parts []string
	for len(digits) > 3 {
		parts = append([]string{digits[len(digits)-3:]}, parts...)
		digits = digits[:len(digits)-3]
	}
	return sign + strings.Join(append([]string{digits}, parts...), ",")
}

// Bytes writes a size in binary units, as 3.5 MiB.
func Bytes[N ~int | ~int64 | ~uint64](n N) string {
	size, units := float64(n), []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	unit := 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, units[unit])
}

// Counted writes a number with its noun, as 1 row and 2 rows.
func Counted[N ~int | ~int64 | ~uint64 | ~uint32](n N, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		return Count(n) + " " + noun + "es"
	}
	return Count(n) + " " + noun + "s"
}

func ago(ts *timestamppb.Timestamp) string {
	if ts == nil || ts.AsTime().Unix() <= 0 {
		return "-"
	}
	switch d := time.Since(ts.AsTime()); {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	default:
		return ts.AsTime().Format(time.DateOnly)
	}
}
