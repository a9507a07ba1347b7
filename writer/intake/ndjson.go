package intake

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlake/firn/internal/parquet"
)

// JSONRows are rows read from JSON lines. Release them.
type JSONRows struct {
	// Batch holds the rows without a fault, in the table's schema; nil when
	// there are none.
	Batch arrow.RecordBatch
	// Good is the number of rows in Batch, Bad of those with faults.
	Good, Bad int64
	// Faults describes the first faults; BadLines has every faulty row, if they
	// are to be kept.
	Faults   []parquet.RowFault
	BadLines []BadLine
}

// BadLine is a row that cannot be stored, as it was sent, and why: the first
// reasons.
type BadLine struct {
	Row     int64
	Reasons []string
	Payload string
}

// Bytes is what the line takes in memory, about.
func (l *BadLine) Bytes() int64 {
	const headers = 128 // of the line, its slices and their allocations
	n := int64(headers + len(l.Payload))
	for _, r := range l.Reasons {
		n += int64(16 + len(r))
	}
	return n
}

// Release gives the batch back.
func (r *JSONRows) Release() {
	if r.Batch != nil {
		r.Batch.Release()
		r.Batch = nil
	}
}

// DecodeNDJSON reads JSON lines into the table's Arrow schema. Faulty rows are
// reported, never partly taken. fill appends the value of a column that a row
// does not name, by the column's name; other absent columns are null. Blank
// lines are skipped and not counted. With keepBad faulty rows are kept as they
// were sent. The only errors are of the whole request: limits, what Limits.Take
// answered, and text that is not UTF-8.
func DecodeNDJSON(data string, schema *arrow.Schema, fill map[string]func(array.Builder), keepBad bool, l Limits) (*JSONRows, error) {
	l = l.withDefaults()
	if !utf8.ValidString(data) {
		return nil, fmt.Errorf("%w JSON lines: the text is not valid UTF-8", ErrMalformed)
	}
	mem := newMemory(l)
	d := newJSONDecoder(mem, schema, fill, l)
	d.keepBad = keepBad
	defer d.release()
	rows := &JSONRows{}
	err := mem.guard(func() error { return d.decode(data, rows) })
	if err != nil {
		rows.Release()
		if limit, ok := errors.AsType[*parquet.LimitError](err); ok {
			return nil, limit
		}
		return nil, err
	}
	return rows, nil
}

type jsonDecoder struct {
	mem      *askedMemory
	keepBad  bool
	schema   *arrow.Schema
	names    []string
	index    map[string]int
	builders []array.Builder
	fill     []func(array.Builder)
	limits   Limits
	// slots holds the values of the row at hand, nil where it names none.
	slots []*jsonValue
	// good says which of the rows taken have no fault.
	good []bool
}

func newJSONDecoder(mem *askedMemory, schema *arrow.Schema, fill map[string]func(array.Builder), l Limits) *jsonDecoder {
	n := schema.NumFields()
	d := &jsonDecoder{
		mem: mem, schema: schema, limits: l, index: make(map[string]int, n),
		builders: make([]array.Builder, n), fill: make([]func(array.Builder), n), slots: make([]*jsonValue, n),
	}
	for i, f := range schema.Fields() {
		d.names = append(d.names, f.Name)
		d.index[f.Name] = i
		d.builders[i] = array.NewBuilder(mem, f.Type)
		d.fill[i] = fill[f.Name]
	}
	return d
}

func (d *jsonDecoder) release() {
	for _, b := range d.builders {
		b.Release()
	}
}

func (d *jsonDecoder) decode(data string, rows *JSONRows) error {
	var row int64
	for data != "" {
		line, rest, _ := strings.Cut(data, "\n")
		data = rest
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if row >= d.limits.Rows {
			return fmt.Errorf("%w JSON lines: more than %d rows; send smaller batches", ErrMalformed, d.limits.Rows)
		}
		faults := d.row(line)
		if len(faults) == 0 {
			rows.Good++
		} else {
			rows.Bad++
			if err := d.note(rows, row, line, faults); err != nil {
				return err
			}
		}
		row++
	}
	if rows.Good == 0 {
		return nil
	}
	return d.finish(rows)
}

// note puts a faulty row down.
func (d *jsonDecoder) note(rows *JSONRows, row int64, line string, faults []parquet.RowFault) error {
	for _, f := range faults[:min(len(faults), parquet.MaxFaults-len(rows.Faults))] {
		f.Row = row
		rows.Faults = append(rows.Faults, f)
	}
	if !d.keepBad {
		return nil
	}
	// A copy, so that one bad line does not keep the whole request alive.
	bad := BadLine{Row: row, Payload: strings.Clone(line)}
	for _, f := range faults {
		reason := f.Message
		if f.Column != "" {
			reason = f.Column + ": " + f.Message
		}
		bad.Reasons = append(bad.Reasons, reason)
	}
	rows.BadLines = append(rows.BadLines, bad)
	return d.mem.keep(bad.Bytes())
}

// row appends one line to the builders. A faulty row is appended only as far
// as it must be to keep the columns equally long; finish leaves it out.
func (d *jsonDecoder) row(line string) []parquet.RowFault {
	if len(line) > d.limits.LineBytes {
		return []parquet.RowFault{{Message: fmt.Sprintf("the row has %d bytes; the most is %d", len(line), d.limits.LineBytes)}}
	}
	v, err := parseJSON(line, d.limits.Depth, d.limits.Values)
	if err != nil {
		return []parquet.RowFault{{Message: err.Error()}}
	}
	if v.kind != jsonObject {
		return []parquet.RowFault{{Message: fmt.Sprintf("is %s; a row is one JSON object a line", v.kind)}}
	}
	clear(d.slots)
	var faults []parquet.RowFault
	for i, key := range v.keys {
		at, ok := d.index[key]
		if !ok {
			faults = append(faults, parquet.RowFault{Column: parquet.ShowName(key), Message: parquet.NoSuchColumn(key, d.names)})
			if len(faults) == parquet.MaxFaults {
				return faults
			}
			continue
		}
		d.slots[at] = &v.items[i]
	}
	if len(faults) > 0 {
		return faults
	}
	for i, b := range d.builders {
		f := d.schema.Field(i)
		switch slot := d.slots[i]; {
		case slot == nil && d.fill[i] != nil:
			d.fill[i](b)
		case slot == nil || slot.kind == jsonNull:
			if !f.Nullable {
				faults = append(faults, parquet.RowFault{Column: f.Name, Message: "is required and must not be null"})
			}
			b.AppendNull()
		default:
			if why := appendJSON(b, f.Type, slot); why != "" {
				faults = append(faults, parquet.RowFault{Column: f.Name, Message: why})
			}
		}
	}
	d.good = append(d.good, len(faults) == 0)
	return faults
}

// finish makes the batch of the good rows, in runs, so that a batch without
// faults is not copied.
func (d *jsonDecoder) finish(rows *JSONRows) error {
	columns := make([]arrow.Array, len(d.builders))
	for i, b := range d.builders {
		columns[i] = b.NewArray()
	}
	whole := array.NewRecordBatch(d.schema, columns, int64(len(d.good)))
	for _, c := range columns {
		c.Release()
	}
	if int64(len(d.good)) == rows.Good {
		rows.Batch = whole
		return nil
	}
	defer whole.Release()
	kept, err := parquet.Select(whole, d.good)
	if err != nil {
		return err
	}
	rows.Batch = kept
	return nil
}
