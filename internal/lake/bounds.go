package lake

import (
	"bytes"
	"cmp"
	"math"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// span is what is known of the values of one column in a set of rows. A nil
// bound is unknown.
type span struct {
	lower, upper iceberg.Literal
	noNulls      bool // certainly no NULL
	onlyNulls    bool // certainly nothing else
}

// unknownSpan says nothing, so nothing is pruned.
var unknownSpan = span{}

// fileSpan answers the span of a column of a data file, from its metrics.
//
// DuckDB orders NaN above all numbers, and Iceberg leaves it out of bounds: the
// upper bound of a floating point column counts only if it has no NaN.
func fileSpan(f iceberg.DataFile, field iceberg.NestedField) span {
	var s span
	nulls, haveNulls := f.NullValueCounts()[field.ID]
	values, haveValues := f.ValueCounts()[field.ID]
	s.noNulls = haveNulls && nulls == 0
	s.onlyNulls = haveNulls && haveValues && values > 0 && nulls == values
	s.lower = boundLiteral(field.Type, f.LowerBoundValues()[field.ID])
	switch field.Type.(type) {
	case iceberg.Float32Type, iceberg.Float64Type:
		if nans, ok := f.NaNValueCounts()[field.ID]; !ok || nans > 0 {
			return s
		}
	}
	s.upper = boundLiteral(field.Type, f.UpperBoundValues()[field.ID])
	return s
}

// valueSpan is the span of a single partition value.
func valueSpan(typ iceberg.Type, v any) span {
	if v == nil {
		return span{onlyNulls: true}
	}
	if b, err := partitionLiteral(typ, v); err == nil && b != nil {
		if isNaN(b) {
			return span{noNulls: true}
		}
		return span{lower: b, upper: b, noNulls: true}
	}
	return unknownSpan
}

// summarySpan is the span of a partition field over a manifest.
func summarySpan(typ iceberg.Type, sum iceberg.FieldSummary) span {
	s := span{noNulls: !sum.ContainsNull}
	if sum.LowerBound != nil {
		s.lower = boundLiteral(typ, *sum.LowerBound)
	}
	if sum.UpperBound != nil {
		s.upper = boundLiteral(typ, *sum.UpperBound)
	}
	switch typ.(type) {
	case iceberg.Float32Type, iceberg.Float64Type:
		if sum.ContainsNaN == nil || *sum.ContainsNaN {
			s.upper = nil
		}
	}
	s.onlyNulls = sum.ContainsNull && sum.LowerBound == nil && sum.ContainsNaN != nil && !*sum.ContainsNaN
	return s
}

// boundLiteral decodes a bound. Bounds of files that were written before a
// column was promoted have the narrower form. Anything it cannot read is
// unknown.
func boundLiteral(typ iceberg.Type, data []byte) iceberg.Literal {
	if data == nil {
		return nil
	}
	as := typ
	switch typ.(type) {
	case iceberg.Int64Type:
		if len(data) == 4 {
			as = iceberg.PrimitiveTypes.Int32
		}
	case iceberg.Float64Type:
		if len(data) == 4 {
			as = iceberg.PrimitiveTypes.Float32
		}
	case iceberg.TimestampType, iceberg.TimestampTzType, iceberg.TimestampNsType, iceberg.TimestampTzNsType:
		if len(data) == 4 { // promoted from date
			return nil
		}
	}
	lit, err := iceberg.LiteralFromBytes(as, data)
	if err != nil || isNaN(lit) {
		return nil
	}
	if as != typ {
		if lit, err = lit.To(typ); err != nil {
			return nil
		}
	}
	return lit
}

func partitionLiteral(typ iceberg.Type, v any) (iceberg.Literal, error) {
	var lit iceberg.Literal
	switch v := v.(type) {
	case bool:
		lit = iceberg.NewLiteral(v)
	case int:
		lit = iceberg.NewLiteral(int64(v))
	case int32:
		lit = iceberg.NewLiteral(v)
	case int64:
		lit = iceberg.NewLiteral(v)
	case float32:
		lit = iceberg.NewLiteral(v)
	case float64:
		lit = iceberg.NewLiteral(v)
	case string:
		lit = iceberg.NewLiteral(v)
	case []byte:
		lit = iceberg.NewLiteral(v)
	case uuid.UUID:
		lit = iceberg.NewLiteral(v)
	case iceberg.Date:
		lit = iceberg.NewLiteral(v)
	case iceberg.Time:
		lit = iceberg.NewLiteral(v)
	case iceberg.Timestamp:
		lit = iceberg.NewLiteral(v)
	case iceberg.TimestampNano:
		lit = iceberg.NewLiteral(v)
	case iceberg.Decimal:
		lit = iceberg.NewLiteral(v)
	case iceberg.DecimalLiteral:
		lit = v
	default:
		return nil, nil
	}
	if lit.Type().Equals(typ) {
		return lit, nil
	}
	return lit.To(typ)
}

func isNaN(lit iceberg.Literal) bool {
	switch v := lit.Any().(type) {
	case float32:
		return math.IsNaN(float64(v))
	case float64:
		return math.IsNaN(v)
	}
	return false
}

// compare orders two literals of one type; ok is false where there is no
// order known.
func compare(a, b iceberg.Literal) (order int, ok bool) {
	switch x := a.Any().(type) {
	case bool:
		if y, is := b.Any().(bool); is {
			return cmp.Compare(number(x), number(y)), true
		}
	case int32:
		return ordered(x, b)
	case int64:
		return ordered(x, b)
	case float32:
		return ordered(x, b)
	case float64:
		return ordered(x, b)
	case string:
		return ordered(x, b)
	case iceberg.Date:
		return ordered(x, b)
	case iceberg.Time:
		return ordered(x, b)
	case iceberg.Timestamp:
		return ordered(x, b)
	case iceberg.TimestampNano:
		return ordered(x, b)
	case []byte:
		if y, is := b.Any().([]byte); is {
			return bytes.Compare(x, y), true
		}
	case iceberg.Decimal:
		if y, is := b.Any().(iceberg.Decimal); is && x.Scale == y.Scale {
			return x.Val.Cmp(y.Val), true
		}
	}
	return 0, false
}

func ordered[T cmp.Ordered](x T, b iceberg.Literal) (int, bool) {
	y, ok := b.Any().(T)
	return cmp.Compare(x, y), ok
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
