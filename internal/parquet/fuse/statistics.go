package fuse

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// bounds are the statistics of a joined chunk.
type bounds struct {
	min, max           []byte
	minExact, maxExact *bool
	nulls, nans        *int64
}

func (b bounds) empty() bool {
	return b.min == nil && b.max == nil && b.nulls == nil && b.nans == nil
}

// mergeStatistics joins what the footers say about one column. Counts are
// summed over all parts, also those without bounds; what one part lacks, the
// result lacks. A part that holds only nulls has no bounds and takes none away.
func mergeStatistics(chunks []chunk) bounds {
	column := chunks[0].src.md.Schema.Column(chunks[0].col)
	order := orderOf(column)
	out := bounds{nulls: new(int64(0)), nans: new(int64(0))}
	bounded := order != nil
	for _, c := range chunks {
		m := c.src.md.RowGroups[c.rg].Columns[c.col].MetaData
		s := m.Statistics
		if s == nil {
			return bounds{}
		}
		out.nulls = sum(out.nulls, s.NullCount)
		out.nans = sum(out.nans, s.NanCount)
		if !bounded || s.NullCount != nil && *s.NullCount == m.NumValues {
			continue
		}
		if s.MinValue == nil || s.MaxValue == nil || !c.trusted() ||
			order.invalid(s.MinValue) || order.invalid(s.MaxValue) || s.NanCount != nil && *s.NanCount > 0 {
			bounded = false
			continue
		}
		if out.min == nil || order.less(s.MinValue, out.min) {
			out.min, out.minExact = s.MinValue, s.IsMinValueExact
		}
		if out.max == nil || order.less(out.max, s.MaxValue) {
			out.max, out.maxExact = s.MaxValue, s.IsMaxValueExact
		}
	}
	if !bounded {
		out.min, out.max, out.minExact, out.maxExact = nil, nil, nil, nil
	}
	return out
}

func sum(a, b *int64) *int64 {
	if a == nil || b == nil {
		return nil
	}
	return new(*a + *b)
}

// trusted asks whether the writer of a file is known for right statistics.
func (c chunk) trusted() bool {
	s := c.src.md.RowGroups[c.rg].Columns[c.col].MetaData.Statistics
	column := c.column()
	if s == nil || column.SortOrder() == schema.SortUNKNOWN {
		return false
	}
	var bounds metadata.EncodedStatistics
	if s.MinValue != nil && s.MaxValue != nil {
		bounds.SetMin(s.MinValue).SetMax(s.MaxValue)
	}
	return c.src.md.WriterVersion().HasCorrectStatistics(column.PhysicalType(), column.LogicalType(), bounds, column.SortOrder())
}

// order compares statistics of one column in their plain encoding.
type order struct {
	width   int // 0: any
	compare func(a, b []byte) int
	nan     func([]byte) bool
}

func (o *order) less(a, b []byte) bool { return o.compare(a, b) < 0 }

// invalid: not a value of the type, or no number, which bounds nothing.
func (o *order) invalid(v []byte) bool {
	return o.width > 0 && len(v) != o.width || o.nan != nil && o.nan(v)
}

// orderOf is nil where values have no order that all readers agree on.
func orderOf(c *schema.Column) *order {
	if o := c.ColumnOrder(); o != parquet.ColumnOrders.TypeDefinedOrder {
		return nil
	}
	sort := c.SortOrder()
	if sort == schema.SortUNKNOWN {
		return nil
	}
	unsigned := sort == schema.SortUNSIGNED
	_, decimal := c.LogicalType().(schema.DecimalLogicalType)
	decimal = decimal || c.ConvertedType() == schema.ConvertedTypes.Decimal
	_, half := c.LogicalType().(schema.Float16LogicalType)
	switch c.PhysicalType() {
	case parquet.Types.Boolean:
		return &order{width: 1, compare: bytes.Compare}
	case parquet.Types.Int32:
		if unsigned {
			return &order{width: 4, compare: by(binary.LittleEndian.Uint32)}
		}
		return &order{width: 4, compare: by(func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) })}
	case parquet.Types.Int64:
		if unsigned {
			return &order{width: 8, compare: by(binary.LittleEndian.Uint64)}
		}
		return &order{width: 8, compare: by(func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) })}
	case parquet.Types.Float:
		return floats(4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) })
	case parquet.Types.Double:
		return floats(8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) })
	case parquet.Types.ByteArray, parquet.Types.FixedLenByteArray:
		switch {
		case half:
			return floats(2, func(b []byte) float64 { return float64(float16.FromLEBytes(b).Float32()) })
		case decimal:
			return &order{width: max(c.TypeLength(), 0), compare: compareSigned}
		case unsigned:
			return &order{compare: bytes.Compare}
		}
	}
	return nil
}

func by[T cmp.Ordered](decode func([]byte) T) func(a, b []byte) int {
	return func(a, b []byte) int { return cmp.Compare(decode(a), decode(b)) }
}

// floats orders -0 before +0, so that of two zeros the wider bound wins.
func floats(width int, decode func([]byte) float64) *order {
	return &order{
		width: width,
		nan:   func(b []byte) bool { return math.IsNaN(decode(b)) },
		compare: func(a, b []byte) int {
			x, y := decode(a), decode(b)
			if x == 0 && y == 0 {
				return cmp.Compare(math.Copysign(1, x), math.Copysign(1, y))
			}
			return cmp.Compare(x, y)
		},
	}
}

// compareSigned compares big-endian two's complement numbers of any length.
func compareSigned(a, b []byte) int {
	na, nb := len(a) > 0 && a[0]&0x80 != 0, len(b) > 0 && b[0]&0x80 != 0
	if na != nb {
		if na {
			return -1
		}
		return 1
	}
	fill := byte(0)
	if na {
		fill = 0xff
	}
	n := max(len(a), len(b))
	for i := range n {
		if c := cmp.Compare(digit(a, i, n, fill), digit(b, i, n, fill)); c != 0 {
			return c
		}
	}
	return 0
}

// digit i of v as if it had n bytes.
func digit(v []byte, i, n int, fill byte) byte {
	if i -= n - len(v); i >= 0 {
		return v[i]
	}
	return fill
}
