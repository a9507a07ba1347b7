package duck

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// Most rows that Exec answers.
const maxExecRows = 1_000_000

// Exec runs the job and answers all rows, for results that are known to be
// small: one map a row, by column name. Integers are int64 (wider ones, and
// decimals, are their exact text), floating point is float64, dates and
// timestamps are time.Time in UTC, lists []any, structs map[string]any.
func (p *Pool) Exec(ctx context.Context, job Job) ([]map[string]any, error) {
	rows, _, err := p.ExecStats(ctx, job)
	return rows, err
}

// ExecStats is Exec, and what the job cost.
func (p *Pool) ExecStats(ctx context.Context, job Job) ([]map[string]any, Stats, error) {
	res, err := p.Query(ctx, job)
	if err != nil {
		return nil, Stats{}, err
	}
	defer res.Release()
	var rows []map[string]any
	for res.Next() {
		rec := res.RecordBatch()
		if int64(len(rows))+rec.NumRows() > maxExecRows {
			return nil, Stats{}, fmt.Errorf("result has more than %d rows: stream it with Query", maxExecRows)
		}
		for i := range int(rec.NumRows()) {
			row := make(map[string]any, rec.NumCols())
			for c, f := range rec.Schema().Fields() {
				row[f.Name] = GoValue(rec.Column(c), i)
			}
			rows = append(rows, row)
		}
	}
	return rows, res.Stats(), res.Err()
}

// Describe answers the columns that job.SQL would have, without running it.
func (p *Pool) Describe(ctx context.Context, job Job) ([]Column, error) {
	req, err := p.request(opDescribe, job)
	if err != nil {
		return nil, err
	}
	run, err := p.start(ctx, req, job)
	if err != nil {
		return nil, err
	}
	res, err := newResult(run)
	if err != nil {
		return nil, err
	}
	defer res.Release()
	var cols []Column
	for res.Next() {
		rec := res.RecordBatch()
		for i := range int(rec.NumRows()) {
			name, _ := GoValue(rec.Column(0), i).(string)
			typ, _ := GoValue(rec.Column(1), i).(string)
			cols = append(cols, Column{Name: name, Type: typ})
		}
	}
	return cols, res.Err()
}

// Explain answers DuckDB's plan of job.SQL as text. With analyze the statement
// is run.
func (p *Pool) Explain(ctx context.Context, job Job, analyze bool) (string, error) {
	job.Explain = "EXPLAIN"
	if analyze {
		job.Explain = "EXPLAIN ANALYZE"
	}
	rows, err := p.Exec(ctx, job)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	for _, row := range rows {
		if s, ok := row["explain_value"].(string); ok {
			text.WriteString(s)
		}
	}
	return text.String(), nil
}

// GoValue is the value of a row as Exec gives it.
func GoValue(col arrow.Array, i int) any {
	if col.IsNull(i) {
		return nil
	}
	switch c := col.(type) {
	case *array.Boolean:
		return c.Value(i)
	case *array.Int8:
		return int64(c.Value(i))
	case *array.Int16:
		return int64(c.Value(i))
	case *array.Int32:
		return int64(c.Value(i))
	case *array.Int64:
		return c.Value(i)
	case *array.Uint8:
		return int64(c.Value(i))
	case *array.Uint16:
		return int64(c.Value(i))
	case *array.Uint32:
		return int64(c.Value(i))
	case *array.Uint64:
		if v := c.Value(i); v <= 1<<63-1 {
			return int64(v)
		}
		return c.ValueStr(i)
	case *array.Float32:
		return float64(c.Value(i))
	case *array.Float64:
		return c.Value(i)
	case *array.String:
		return string([]byte(c.Value(i)))
	case *array.LargeString:
		return string([]byte(c.Value(i)))
	case *array.Binary:
		return append([]byte{}, c.Value(i)...)
	case *array.LargeBinary:
		return append([]byte{}, c.Value(i)...)
	case *array.Decimal128:
		d := c.DataType().(*arrow.Decimal128Type)
		v := c.Value(i)
		// HUGEINT, which count and sum answer, comes as a decimal.
		if d.Scale == 0 && (v.HighBits() == 0 && v.LowBits() <= 1<<63-1 || v.HighBits() == -1 && v.LowBits() >= 1<<63) {
			return int64(v.LowBits())
		}
		return v.ToString(d.Scale)
	case *array.Date32:
		return c.Value(i).ToTime()
	case *array.Timestamp:
		return c.Value(i).ToTime(c.DataType().(*arrow.TimestampType).Unit).In(time.UTC)
	case *array.Struct:
		m := map[string]any{}
		for f, field := range c.DataType().(*arrow.StructType).Fields() {
			m[field.Name] = GoValue(c.Field(f), i)
		}
		return m
	case *array.Map:
		from, to := c.ValueOffsets(i)
		m := make([]any, 0, to-from)
		for j := from; j < to; j++ {
			m = append(m, map[string]any{"key": GoValue(c.Keys(), int(j)), "value": GoValue(c.Items(), int(j))})
		}
		return m
	case array.ListLike:
		from, to := c.ValueOffsets(i)
		list := make([]any, 0, to-from)
		for j := from; j < to; j++ {
			list = append(list, GoValue(c.ListValues(), int(j)))
		}
		return list
	default:
		return col.ValueStr(i)
	}
}
