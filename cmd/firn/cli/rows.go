package cli

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// rowSink writes the rows of a query in one output format.
type rowSink interface {
	begin(*arrow.Schema) error
	batch(arrow.RecordBatch) error
	end() error
}

type gridSink struct {
	out io.Writer
	g   grid
}

func (s *gridSink) begin(schema *arrow.Schema) error {
	s.g.asIs = true
	for i, f := range schema.Fields() {
		s.g.header = append(s.g.header, f.Name)
		if id := f.Type.ID(); arrow.IsInteger(id) || arrow.IsFloating(id) || arrow.IsDecimal(id) {
			s.g.right = append(s.g.right, i)
		}
	}
	return nil
}

func (s *gridSink) batch(b arrow.RecordBatch) error {
	for row := range int(b.NumRows()) {
		s.g.rows = append(s.g.rows, cells(b, row, "NULL"))
	}
	return nil
}

func (s *gridSink) end() error { return s.g.write(s.out) }

func cells(b arrow.RecordBatch, row int, null string) []string {
	out := make([]string, b.NumCols())
	for i, column := range b.Columns() {
		if column.IsNull(row) {
			out[i] = null
			continue
		}
		out[i] = cell(column, row)
	}
	return out
}

// cell writes a decimal with all its places, as money is read: 221509.470.
func cell(column arrow.Array, row int) string {
	switch c := column.(type) {
	case *array.Decimal128:
		return c.Value(row).ToString(c.DataType().(*arrow.Decimal128Type).Scale)
	case *array.Decimal256:
		return c.Value(row).ToString(c.DataType().(*arrow.Decimal256Type).Scale)
	}
	return column.ValueStr(row)
}

// csvSink writes NULL as an empty field.
type csvSink struct{ w *csv.Writer }

func (s *csvSink) begin(schema *arrow.Schema) error {
	var header []string
	for _, f := range schema.Fields() {
		header = append(header, f.Name)
	}
	return s.w.Write(header)
}

func (s *csvSink) batch(b arrow.RecordBatch) error {
	for row := range int(b.NumRows()) {
		if err := s.w.Write(cells(b, row, "")); err != nil {
			return err
		}
	}
	return nil
}

func (s *csvSink) end() error {
	s.w.Flush()
	return s.w.Error()
}

// jsonSink writes one object a line, or all of them as one array; the columns
// stand in the query's order.
type jsonSink struct {
	out   io.Writer
	array bool
	rows  int
	names [][]byte
}

func (s *jsonSink) begin(schema *arrow.Schema) error {
	for _, f := range schema.Fields() {
		name, err := json.Marshal(f.Name)
		if err != nil {
			return err
		}
		s.names = append(s.names, name)
	}
	if s.array {
		_, err := fmt.Fprint(s.out, "[")
		return err
	}
	return nil
}

func (s *jsonSink) batch(b arrow.RecordBatch) error {
	var text bytes.Buffer
	for row := range int(b.NumRows()) {
		switch {
		case s.array && s.rows > 0:
			text.WriteString(",\n ")
		case s.array:
			text.WriteString("\n ")
		}
		s.rows++
		if err := s.object(&text, b, row); err != nil {
			return err
		}
		if !s.array {
			text.WriteByte('\n')
		}
	}
	_, err := s.out.Write(text.Bytes())
	return err
}

func (s *jsonSink) object(text *bytes.Buffer, b arrow.RecordBatch, row int) error {
	text.WriteByte('{')
	for i, column := range b.Columns() {
		if i > 0 {
			text.WriteByte(',')
		}
		var value any
		switch {
		case column.IsNull(row):
		case arrow.IsDecimal(column.DataType().ID()):
			value = cell(column, row)
		default:
			value = column.GetOneForMarshal(row)
		}
		data, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("turn column %s into json: %w", s.names[i], err)
		}
		text.Write(s.names[i])
		text.WriteByte(':')
		text.Write(data)
	}
	text.WriteByte('}')
	return nil
}

func (s *jsonSink) end() error {
	if s.array {
		_, err := fmt.Fprint(s.out, "\n]\n")
		return err
	}
	return nil
}
