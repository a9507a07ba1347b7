package parquet

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
)

// ConformOptions steers a Conformer.
type ConformOptions struct {
	// Fill makes a column that the rows lack, by its name.
	Fill map[string]func(rows int) arrow.Array
	// CheckText checks that text is UTF-8, for rows that come from outside.
	CheckText bool
	// MaxBytes bounds what the columns that are made anew may hold, for rows
	// that come from outside: a dictionary, a view or a column of nulls is
	// small on the wire and large in memory. 0 means no bound. Beyond it
	// Conform answers a *LimitError.
	MaxBytes int64
}

// Conformer fits batches of one Arrow schema to a table schema: columns by
// name, in the table's order, with field ids. Only conversions that lose
// nothing are made: wider integers and floats, the layouts of text and binary
// (large, view, dictionary), units of time and scales of decimals where every
// value is exact. Optional columns that the rows lack are NULL. Columns of
// equal type are not copied. It may be used from several goroutines.
type Conformer struct {
	src     *arrow.Schema
	dst     *arrow.Schema
	columns []column
	opts    ConformOptions
}

type column struct {
	name     string
	from     int // index in the source, or -1
	cast     caster
	fill     func(rows int) arrow.Array
	required bool
}

// ColumnFault says why one column of a schema does not fit.
type ColumnFault struct{ Column, Message string }

// SchemaError says that rows cannot fit the table whatever their values.
type SchemaError struct{ Faults []ColumnFault }

func (e *SchemaError) Error() string {
	texts := make([]string, 0, len(e.Faults))
	for _, f := range e.Faults[:min(len(e.Faults), MaxFaults)] {
		texts = append(texts, fmt.Sprintf("column %s: %s", f.Column, f.Message))
	}
	if more := len(e.Faults) - len(texts); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return "the rows do not fit the table: " + strings.Join(texts, "; ")
}

// RowFault says why one row does not fit.
type RowFault struct {
	Row     int64
	Column  string
	Message string
}

// RowError says that values of some rows cannot be stored in the table.
type RowError struct {
	// Faults holds the first ones.
	Faults []RowFault
	// Rows are all faulty rows, in order, once each.
	Rows []int64
}

func (e *RowError) Error() string {
	f := e.Faults[0]
	return fmt.Sprintf("%d rows cannot be stored; the first is row %d: column %s: %s", len(e.Rows), f.Row, f.Column, f.Message)
}

// MaxFaults is the number of faults an error describes.
const MaxFaults = 20

// NewConformer binds a source schema to a table schema, or answers a
// *SchemaError that names every column at fault.
func NewConformer(src *arrow.Schema, schema *iceberg.Schema, o ConformOptions) (*Conformer, error) {
	dst, err := ArrowSchema(schema)
	if err != nil {
		return nil, err
	}
	c := &Conformer{src: src, dst: dst, opts: o}
	var faults []ColumnFault
	known := make([]string, 0, dst.NumFields())
	for _, f := range dst.Fields() {
		known = append(known, f.Name)
	}
	seen := map[string]bool{}
	for _, f := range src.Fields() {
		switch {
		case seen[f.Name]:
			faults = append(faults, ColumnFault{ShowName(f.Name), "occurs more than once"})
		case !slices.Contains(known, f.Name):
			faults = append(faults, ColumnFault{ShowName(f.Name), NoSuchColumn(f.Name, known)})
		}
		seen[f.Name] = true
	}
	for _, f := range dst.Fields() {
		col := column{name: f.Name, from: -1, required: !f.Nullable}
		if at := src.FieldIndices(f.Name); len(at) > 0 {
			col.from = at[0]
			cast, err := bindCast(src.Field(at[0]).Type, f.Type, o.CheckText)
			if err != nil {
				faults = append(faults, ColumnFault{f.Name, err.Error()})
				continue
			}
			col.cast = cast
		} else if fill := o.Fill[f.Name]; fill != nil {
			col.fill = fill
		} else if !f.Nullable {
			faults = append(faults, ColumnFault{f.Name, fmt.Sprintf("is required (%s) and missing", TypeName(f.Type))})
			continue
		}
		c.columns = append(c.columns, col)
	}
	if len(faults) > 0 {
		return nil, &SchemaError{Faults: faults}
	}
	return c, nil
}

// Source answers the schema this conformer takes.
func (c *Conformer) Source() *arrow.Schema { return c.src }

// Schema answers the schema of the batches it makes.
func (c *Conformer) Schema() *arrow.Schema { return c.dst }

// Conform answers b in the form of the table, or a *RowError. The answer is the
// caller's to release; b is not released.
func (c *Conformer) Conform(b arrow.RecordBatch) (_ arrow.RecordBatch, err error) {
	defer func() {
		if r := recover(); r != nil {
			if limit, ok := r.(*LimitError); ok {
				err = limit
				return
			}
			err = fmt.Errorf("fit rows to the table: %v", r)
		}
	}()
	rows := int(b.NumRows())
	s := &sink{limit: c.opts.MaxBytes}
	columns := make([]arrow.Array, 0, len(c.columns))
	defer func() {
		for _, a := range columns {
			a.Release()
		}
	}()
	for i, col := range c.columns {
		s.column = col.name
		var a arrow.Array
		switch {
		case col.from >= 0:
			a = col.cast(b.Column(col.from), s)
		case col.fill != nil:
			a = col.fill(rows)
		default:
			a = nulls(c.dst.Field(i).Type, rows, s)
		}
		columns = append(columns, a)
		if col.required && a.NullN() > 0 {
			for row := range rows {
				if a.IsNull(row) {
					s.fault(row, "is required and must not be null")
				}
			}
		}
	}
	if err := s.err(); err != nil {
		return nil, err
	}
	return array.NewRecordBatch(c.dst, columns, int64(rows)), nil
}

// sink gathers the faults of one batch.
type sink struct {
	column string
	faults []RowFault
	rows   map[int64]struct{}
	// up maps a position in a nested array to its row; nil means identity.
	up func(int) int
	// at is appended to the column's name within nested types.
	at string
	// spent counts the bytes of columns made anew, against limit if there is one.
	spent, limit int64
}

// spend panics with a *LimitError, which Conform recovers, when n bytes more
// are too many.
func (s *sink) spend(n int64) {
	s.spent += n
	if s.limit > 0 && (n < 0 || s.spent > s.limit) {
		panic(&LimitError{Limit: s.limit, Wanted: s.spent})
	}
}

// nulls makes a column of nulls.
func nulls(t arrow.DataType, n int, s *sink) arrow.Array {
	width := int64(8)
	if fixed, ok := t.(arrow.FixedWidthDataType); ok {
		width = int64(fixed.Bytes())
	}
	s.spend(int64(n) * (width + 1))
	return array.MakeArrayOfNull(memory.DefaultAllocator, t, n)
}

func (s *sink) fault(i int, format string, args ...any) {
	if s.up != nil {
		i = s.up(i)
	}
	if s.rows == nil {
		s.rows = map[int64]struct{}{}
	}
	s.rows[int64(i)] = struct{}{}
	if len(s.faults) < MaxFaults {
		s.faults = append(s.faults, RowFault{Row: int64(i), Column: s.column + s.at, Message: fmt.Sprintf(format, args...)})
	}
}

func (s *sink) err() error {
	if len(s.rows) == 0 {
		return nil
	}
	rows := make([]int64, 0, len(s.rows))
	for r := range s.rows {
		rows = append(rows, r)
	}
	slices.Sort(rows)
	slices.SortStableFunc(s.faults, func(a, b RowFault) int { return int(a.Row - b.Row) })
	return &RowError{Faults: s.faults, Rows: rows}
}

// within runs f for the children of a nested array.
func (s *sink) within(at string, up func(int) int, f func() arrow.Array) arrow.Array {
	oldAt, oldUp := s.at, s.up
	s.at += at
	if up != nil {
		s.up = up
		if oldUp != nil {
			s.up = func(i int) int { return oldUp(up(i)) }
		}
	}
	defer func() { s.at, s.up = oldAt, oldUp }()
	return f()
}

// maxListed is how many columns of a table an error lists.
const maxListed = 12

// NoSuchColumn says that no column has that name, and which may have been
// meant.
func NoSuchColumn(name string, known []string) string {
	const fault = "the table has no such column"
	if nearest := didYouMean(name, known); nearest != "" {
		return fault + nearest
	}
	listed := make([]string, 0, maxListed)
	for _, k := range known[:min(len(known), maxListed)] {
		listed = append(listed, ShowName(k))
	}
	text := fault + "; it has " + strings.Join(listed, ", ")
	if more := len(known) - len(listed); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// ShowName is a name that a client sent, fit for an error: at most 64
// characters, and none that a terminal acts on.
func ShowName(name string) string {
	shown := []rune(strings.ToValidUTF8(name[:min(len(name), 4*65)], "\uFFFD"))
	if len(shown) > 64 {
		shown = append(shown[:61], '.', '.', '.')
	}
	for i, r := range shown {
		if !unicode.IsPrint(r) {
			shown[i] = '\uFFFD'
		}
	}
	return string(shown)
}

// didYouMean answers " (did you mean x?)" for the closest of known, or "".
func didYouMean(name string, known []string) string {
	best, bestDistance := "", math.MaxInt
	for _, k := range known {
		if d := distance(strings.ToLower(name), strings.ToLower(k)); d <= max(1, min(len(name), len(k))/3) && d < bestDistance {
			best, bestDistance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %s?)", best)
}

// distance counts the edits between two names; long ones are cut.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(row[j+1]+1, row[j]+1, diagonal+cost)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
