package medallion

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
)

// prunable tells whether ranges of a column's values can leave out files.
func prunable(c Column) bool {
	switch c.Type {
	case "int", "long", "date", "timestamp", "timestamptz", "string":
		return true
	}
	return false
}

// keyRange is what was seen of one column: its least and greatest value and the
// number of NULLs, as duck.Pool.Exec answers them.
type keyRange struct {
	column   Column
	min, max any
	nulls    int64
}

// rangesOf takes min<i>, max<i>, null<i> out of a row of counts.
func rangesOf(columns []Column, indexes []int, row map[string]any) []keyRange {
	var out []keyRange
	for _, i := range indexes {
		if prunable(columns[i]) {
			out = append(out, keyRange{columns[i], row[fmt.Sprintf("min%d", i)], row[fmt.Sprintf("max%d", i)], count(row, fmt.Sprintf("null%d", i))})
		}
	}
	return out
}

// filter is the condition that all ranges hold; nil when nothing is known.
func filter(ranges []keyRange) iceberg.BooleanExpression {
	var all iceberg.BooleanExpression
	for _, r := range ranges {
		e := r.expression()
		switch {
		case e == nil:
		case all == nil:
			all = e
		default:
			all = iceberg.NewAnd(all, e)
		}
	}
	return all
}

func (r keyRange) expression() iceberg.BooleanExpression {
	ref := iceberg.Reference(r.column.Name)
	if r.min == nil || r.max == nil {
		if r.nulls > 0 {
			return iceberg.IsNull(ref)
		}
		return nil
	}
	var within iceberg.BooleanExpression
	switch r.column.Type {
	case "int", "long":
		lo, ok1 := r.min.(int64)
		hi, ok2 := r.max.(int64)
		if !ok1 || !ok2 {
			return nil
		}
		if r.column.Type == "int" {
			if lo < math.MinInt32 || hi > math.MaxInt32 {
				return nil
			}
			within = between(ref, int32(lo), int32(hi))
		} else {
			within = between(ref, lo, hi)
		}
	case "string":
		lo, ok1 := r.min.(string)
		hi, ok2 := r.max.(string)
		if !ok1 || !ok2 {
			return nil
		}
		within = between(ref, lo, hi)
	default:
		lo, ok1 := r.min.(time.Time)
		hi, ok2 := r.max.(time.Time)
		if !ok1 || !ok2 {
			return nil
		}
		if r.column.Type == "date" {
			within = between(ref, days(lo), days(hi))
		} else {
			within = between(ref, iceberg.Timestamp(lo.UnixMicro()), iceberg.Timestamp(hi.UnixMicro()))
		}
	}
	if r.nulls > 0 {
		return iceberg.NewOr(within, iceberg.IsNull(ref))
	}
	return within
}

func between[T iceberg.LiteralType](ref iceberg.Reference, lo, hi T) iceberg.BooleanExpression {
	return iceberg.NewAnd(iceberg.GreaterThanEqual(ref, lo), iceberg.LessThanEqual(ref, hi))
}

func days(t time.Time) iceberg.Date {
	return iceberg.Date(int32(math.Floor(float64(t.Unix()) / 86400)))
}

// sourceRanges turns ranges of an aggregate's grain into ranges of the columns
// of its source: a grain column is a source column, or the date of one.
func (c *Compiled) sourceRanges(ranges []keyRange) []keyRange {
	var out []keyRange
	for _, i := range c.Grain {
		for _, r := range ranges {
			if r.column.Name != c.Columns[i].Name {
				continue
			}
			o := c.Outputs[i]
			switch {
			case o.Ref >= 0:
				r.column = c.SourceColumns[o.Ref]
				out = append(out, r)
			case o.Day >= 0:
				r.column = c.SourceColumns[o.Day]
				if hi, ok := r.max.(time.Time); ok {
					r.max = hi.Add(24*time.Hour - time.Microsecond)
				}
				out = append(out, r)
			}
		}
	}
	return out
}

// count reads an integer of a result row.
func count(row map[string]any, name string) int64 {
	switch v := row[name].(type) {
	case int64:
		return v
	case int32:
		return int64(v)
	case string:
		var n int64
		if _, err := fmt.Sscan(strings.TrimSpace(v), &n); err == nil {
			return n
		}
	}
	return 0
}
