package parquet

import (
	"context"
	"math"
	"math/big"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// bindScalar casts between types without children.
func bindScalar(src, dst arrow.DataType, checkText bool) (caster, error) {
	switch dst := dst.(type) {
	case *arrow.StringType:
		return bindText(src, dst, checkText)
	case *arrow.BinaryType:
		return bindBinary(src, dst)
	case *arrow.FixedSizeBinaryType:
		return bindFixed(src, dst)
	case *arrow.Decimal128Type:
		return bindDecimal(src, dst)
	case *arrow.TimestampType:
		return bindTimestamp(src, dst)
	case *arrow.Time64Type:
		return bindTime(src, dst)
	}
	if arrow.TypeEqual(src, dst) {
		return keep(dst), nil
	}
	switch dst.(type) {
	case *arrow.Int32Type:
		switch src.(type) {
		case *arrow.Int8Type:
			return widen(array.NewInt32Builder, func(v int8) int32 { return int32(v) }), nil
		case *arrow.Int16Type:
			return widen(array.NewInt32Builder, func(v int16) int32 { return int32(v) }), nil
		case *arrow.Uint8Type:
			return widen(array.NewInt32Builder, func(v uint8) int32 { return int32(v) }), nil
		case *arrow.Uint16Type:
			return widen(array.NewInt32Builder, func(v uint16) int32 { return int32(v) }), nil
		}
	case *arrow.Int64Type:
		switch src.(type) {
		case *arrow.Int8Type:
			return widen(array.NewInt64Builder, func(v int8) int64 { return int64(v) }), nil
		case *arrow.Int16Type:
			return widen(array.NewInt64Builder, func(v int16) int64 { return int64(v) }), nil
		case *arrow.Int32Type:
			return widen(array.NewInt64Builder, func(v int32) int64 { return int64(v) }), nil
		case *arrow.Uint8Type:
			return widen(array.NewInt64Builder, func(v uint8) int64 { return int64(v) }), nil
		case *arrow.Uint16Type:
			return widen(array.NewInt64Builder, func(v uint16) int64 { return int64(v) }), nil
		case *arrow.Uint32Type:
			return widen(array.NewInt64Builder, func(v uint32) int64 { return int64(v) }), nil
		}
	case *arrow.Float64Type:
		if _, ok := src.(*arrow.Float32Type); ok {
			return widen(array.NewFloat64Builder, func(v float32) float64 { return float64(v) }), nil
		}
	case *arrow.Date32Type:
		if _, ok := src.(*arrow.Date64Type); ok {
			return narrow(array.NewDate32Builder, func(v arrow.Date64) (arrow.Date32, bool) {
				days := int64(v) / 86_400_000
				return arrow.Date32(days), int64(v)%86_400_000 == 0 && days == int64(int32(days))
			}, "the date has a time of day"), nil
		}
	}
	return nil, mismatch(src, dst, "")
}

type valued[S any] interface {
	arrow.Array
	Value(int) S
}

type builder[D any] interface {
	array.Builder
	Append(D)
}

func widen[S, D any, B builder[D]](build func(memory.Allocator) B, f func(S) D) caster {
	return narrow(build, func(v S) (D, bool) { return f(v), true }, "")
}

// narrow converts each value and faults the rows whose value does not fit.
func narrow[S, D any, B builder[D]](build func(memory.Allocator) B, f func(S) (D, bool), why string) caster {
	return func(a arrow.Array, s *sink) arrow.Array {
		src := a.(valued[S])
		b := build(memory.DefaultAllocator)
		defer b.Release()
		b.Reserve(a.Len())
		for i := range a.Len() {
			if a.IsNull(i) {
				b.AppendNull()
				continue
			}
			in := src.Value(i)
			s.spend(valueBytes(in))
			v, ok := f(in)
			if !ok {
				s.fault(i, "%s", why)
			}
			b.Append(v)
		}
		return b.NewArray()
	}
}

// valueBytes is what a value takes in an array, about.
func valueBytes(v any) int64 {
	switch v := v.(type) {
	case string:
		return int64(len(v)) + 4
	case []byte:
		return int64(len(v)) + 4
	}
	return 16
}

func bindText(src, dst arrow.DataType, check bool) (caster, error) {
	switch src.(type) {
	case *arrow.StringType:
		if !check {
			return keep(dst), nil
		}
		return func(a arrow.Array, s *sink) arrow.Array {
			checkText(a.(*array.String), s)
			return retype(a, dst)
		}, nil
	case *arrow.LargeStringType, *arrow.StringViewType:
		return narrow(array.NewStringBuilder, func(v string) (string, bool) {
			return v, !check || utf8.ValidString(v)
		}, "the text is not valid UTF-8"), nil
	}
	return nil, mismatch(src, dst, "; send text")
}

// checkText finds rows that are not UTF-8. The whole buffer is checked at once,
// then, if that fails or a value begins inside a rune, row by row.
func checkText(a *array.String, s *sink) {
	if a.Len() == 0 {
		return
	}
	whole := a.ValueBytes()
	good := utf8.Valid(whole)
	if good && !ascii(whole) {
		base := a.ValueOffset(0)
		for i := range a.Len() {
			if at := a.ValueOffset(i) - base; at < len(whole) && !utf8.RuneStart(whole[at]) {
				good = false
				break
			}
		}
	}
	if good {
		return
	}
	for i := range a.Len() {
		if a.IsValid(i) && !utf8.ValidString(a.Value(i)) {
			s.fault(i, "the text is not valid UTF-8")
		}
	}
}

func ascii(b []byte) bool {
	var or byte
	for _, c := range b {
		or |= c
	}
	return or < utf8.RuneSelf
}

func bindBinary(src, dst arrow.DataType) (caster, error) {
	build := func(m memory.Allocator) *array.BinaryBuilder {
		return array.NewBinaryBuilder(m, arrow.BinaryTypes.Binary)
	}
	switch src.(type) {
	case *arrow.BinaryType:
		return keep(dst), nil
	case *arrow.LargeBinaryType, *arrow.BinaryViewType, *arrow.FixedSizeBinaryType:
		return widen(build, func(v []byte) []byte { return v }), nil
	}
	return nil, mismatch(src, dst, "; send binary")
}

func bindFixed(src arrow.DataType, dst *arrow.FixedSizeBinaryType) (caster, error) {
	build := func(m memory.Allocator) *array.FixedSizeBinaryBuilder { return array.NewFixedSizeBinaryBuilder(m, dst) }
	zero := make([]byte, dst.ByteWidth)
	switch src := src.(type) {
	case *arrow.FixedSizeBinaryType:
		if src.ByteWidth != dst.ByteWidth {
			return nil, mismatch(src, dst, "")
		}
		return keep(dst), nil
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return narrow(build, func(v []byte) ([]byte, bool) {
			if len(v) != dst.ByteWidth {
				return zero, false
			}
			return v, true
		}, "the value has the wrong length"), nil
	}
	return nil, mismatch(src, dst, "")
}

func bindTimestamp(src arrow.DataType, dst *arrow.TimestampType) (caster, error) {
	st, ok := src.(*arrow.TimestampType)
	if !ok {
		return nil, mismatch(src, dst, "")
	}
	if (st.TimeZone == "") != (dst.TimeZone == "") {
		if dst.TimeZone == "" {
			return nil, mismatch(src, dst, "; send timestamps without a time zone")
		}
		return nil, mismatch(src, dst, "; send timestamps with time zone UTC")
	}
	if st.Unit == dst.Unit {
		return keep(dst), nil
	}
	build := func(m memory.Allocator) *array.TimestampBuilder { return array.NewTimestampBuilder(m, dst) }
	return narrow(build, func(v arrow.Timestamp) (arrow.Timestamp, bool) {
		out, ok := rescaleUnit(int64(v), st.Unit, dst.Unit)
		return arrow.Timestamp(out), ok
	}, "the timestamp is not exact in the table's unit, or out of its range"), nil
}

func bindTime(src arrow.DataType, dst *arrow.Time64Type) (caster, error) {
	build := func(m memory.Allocator) *array.Time64Builder { return array.NewTime64Builder(m, dst) }
	const why = "the time is not exact in microseconds"
	switch st := src.(type) {
	case *arrow.Time64Type:
		if st.Unit == dst.Unit {
			return keep(dst), nil
		}
		return narrow(build, func(v arrow.Time64) (arrow.Time64, bool) {
			out, ok := rescaleUnit(int64(v), st.Unit, dst.Unit)
			return arrow.Time64(out), ok
		}, why), nil
	case *arrow.Time32Type:
		return narrow(build, func(v arrow.Time32) (arrow.Time64, bool) {
			out, ok := rescaleUnit(int64(v), st.Unit, dst.Unit)
			return arrow.Time64(out), ok
		}, why), nil
	}
	return nil, mismatch(src, dst, "")
}

// rescaleUnit converts between units of time, if the value stays exact.
func rescaleUnit(v int64, from, to arrow.TimeUnit) (int64, bool) {
	a, b := int64(from.Multiplier()), int64(to.Multiplier()) // nanoseconds each
	if a >= b {
		f := a / b
		if v > math.MaxInt64/f || v < math.MinInt64/f {
			return 0, false
		}
		return v * f, true
	}
	f := b / a
	return v / f, v%f == 0
}

func bindDecimal(src arrow.DataType, dst *arrow.Decimal128Type) (caster, error) {
	build := func(m memory.Allocator) *array.Decimal128Builder { return array.NewDecimal128Builder(m, dst) }
	const why = "the decimal is not exact in the table's scale, or out of its precision"
	switch st := src.(type) {
	case *arrow.Decimal128Type:
		if st.Scale == dst.Scale && st.Precision <= dst.Precision {
			return func(a arrow.Array, s *sink) arrow.Array {
				// The type's precision is a claim; the values decide.
				d := a.(*array.Decimal128)
				for i := range d.Len() {
					if d.IsValid(i) && !d.Value(i).FitsInPrecision(dst.Precision) {
						s.fault(i, why)
					}
				}
				return retype(a, dst)
			}, nil
		}
		return narrow(build, func(v decimal128.Num) (decimal128.Num, bool) {
			return rescaleDecimal(v.BigInt(), st.Scale, dst)
		}, why), nil
	case *arrow.Decimal32Type, *arrow.Decimal64Type, *arrow.Decimal256Type:
		scale := st.(arrow.DecimalType).GetScale()
		return func(a arrow.Array, s *sink) arrow.Array {
			b := build(memory.DefaultAllocator)
			defer b.Release()
			for i := range a.Len() {
				if a.IsNull(i) {
					b.AppendNull()
					continue
				}
				out, ok := rescaleDecimal(bigOf(a, i), scale, dst)
				if !ok {
					s.fault(i, why)
				}
				b.Append(out)
			}
			return b.NewArray()
		}, nil
	}
	return nil, mismatch(src, dst, "; send decimals (in JSON: as text or number)")
}

func bigOf(a arrow.Array, i int) *big.Int {
	switch a := a.(type) {
	case *array.Decimal32:
		return big.NewInt(int64(a.Value(i)))
	case *array.Decimal64:
		return big.NewInt(int64(a.Value(i)))
	}
	return a.(*array.Decimal256).Value(i).BigInt()
}

// rescaleDecimal changes the scale of an unscaled value, if it stays exact and
// within the precision.
func rescaleDecimal(v *big.Int, from int32, dst *arrow.Decimal128Type) (decimal128.Num, bool) {
	if v.Sign() == 0 {
		return decimal128.Num{}, true
	}
	shift := int64(dst.Scale) - int64(from)
	if shift > 80 || shift < -80 {
		return decimal128.Num{}, false
	}
	out := new(big.Int)
	power := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(shift, -shift)), nil)
	if shift >= 0 {
		out.Mul(v, power)
	} else if _, rest := out.QuoRem(v, power, new(big.Int)); rest.Sign() != 0 {
		return decimal128.Num{}, false
	}
	if out.BitLen() > 127 {
		return decimal128.Num{}, false
	}
	n := decimal128.FromBigInt(out)
	return n, n.FitsInPrecision(dst.Precision)
}

// RescaleDecimal answers unscaled*10^-from as a value of a decimal type, if it
// is exact and fits.
func RescaleDecimal(unscaled *big.Int, from int32, dst *arrow.Decimal128Type) (decimal128.Num, bool) {
	return rescaleDecimal(unscaled, from, dst)
}

// pick gathers rows of a; -1 is null.
func pick(a arrow.Array, rows []int) arrow.Array {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.Reserve(len(rows))
	for _, r := range rows {
		if r < 0 {
			b.AppendNull()
			continue
		}
		b.Append(int64(r))
	}
	at := b.NewInt64Array()
	defer at.Release()
	out, err := compute.TakeArray(context.Background(), a, at)
	if err != nil {
		panic(err) // Conform recovers: the type cannot be gathered
	}
	return out
}
