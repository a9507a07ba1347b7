package intake

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/parquet"
)

// appendJSON appends exactly one value to b, whatever happens: a null when the
// value does not fit, with the reason.
func appendJSON(b array.Builder, t arrow.DataType, v *jsonValue) (why string) {
	if v.kind == jsonNull {
		b.AppendNull()
		return ""
	}
	switch b := b.(type) {
	case *array.StructBuilder:
		return appendStruct(b, t.(*arrow.StructType), v)
	case *array.MapBuilder:
		return appendMap(b, t.(*arrow.MapType), v)
	case *array.ListBuilder:
		return appendList(b, t.(*arrow.ListType), v)
	}
	why = appendScalar(b, t, v)
	if why != "" {
		b.AppendNull()
	}
	return why
}

func wrong(v *jsonValue, t arrow.DataType) string {
	return fmt.Sprintf("is %s; the column is %s", v.kind, parquet.TypeName(t))
}

func appendScalar(b array.Builder, t arrow.DataType, v *jsonValue) string {
	switch b := b.(type) {
	case *array.StringBuilder:
		if v.kind != jsonString {
			return wrong(v, t)
		}
		b.Append(v.text)
	case *array.BooleanBuilder:
		if v.kind != jsonBool {
			return wrong(v, t)
		}
		b.Append(v.text == "true")
	case *array.Int32Builder:
		n, why := integer(v, t, 32)
		if why != "" {
			return why
		}
		b.Append(int32(n))
	case *array.Int64Builder:
		n, why := integer(v, t, 64)
		if why != "" {
			return why
		}
		b.Append(n)
	case *array.Float32Builder:
		f, why := float(v, t, 32)
		if why != "" {
			return why
		}
		b.Append(float32(f))
	case *array.Float64Builder:
		f, why := float(v, t, 64)
		if why != "" {
			return why
		}
		b.Append(f)
	case *array.Decimal128Builder:
		return appendDecimal(b, t.(*arrow.Decimal128Type), v)
	case *array.Date32Builder:
		day, err := time.Parse(time.DateOnly, v.text)
		if v.kind != jsonString || err != nil {
			return "is not a date; write \"2026-01-31\""
		}
		b.Append(arrow.Date32FromTime(day))
	case *array.Time64Builder:
		at, err := time.Parse("15:04:05.999999999", v.text)
		if v.kind != jsonString || err != nil {
			return "is not a time; write \"15:04:05.123456\""
		}
		n := at.Sub(at.Truncate(24 * time.Hour))
		if n%time.Microsecond != 0 {
			return "the time is not exact in microseconds"
		}
		b.Append(arrow.Time64(n / time.Microsecond))
	case *array.TimestampBuilder:
		return appendTimestamp(b, t.(*arrow.TimestampType), v)
	case *array.BinaryBuilder:
		raw, why := bytesOf(v)
		if why != "" {
			return why
		}
		b.Append(raw)
	case *array.FixedSizeBinaryBuilder:
		raw, why := bytesOf(v)
		if why != "" {
			return why
		}
		if width := t.(*arrow.FixedSizeBinaryType).ByteWidth; len(raw) != width {
			return fmt.Sprintf("has %d bytes; the column has %d", len(raw), width)
		}
		b.Append(raw)
	case *extensions.UUIDBuilder:
		id, err := uuid.Parse(v.text)
		if v.kind != jsonString || len(v.text) != 36 || err != nil {
			return "is not a UUID; write \"f79c3e09-677c-4bbd-a479-3f349cb785e7\""
		}
		b.Append(id)
	default:
		return fmt.Sprintf("columns of type %s cannot be sent as JSON; send Arrow", t)
	}
	return ""
}

// integer takes numbers without a fraction, and text, which is how JavaScript
// has to send 64 bits.
func integer(v *jsonValue, t arrow.DataType, bits int) (int64, string) {
	if v.kind != jsonNumber && v.kind != jsonString {
		return 0, wrong(v, t)
	}
	n, err := strconv.ParseInt(v.text, 10, bits)
	if err == nil {
		return n, ""
	}
	if v.kind == jsonString || !strings.ContainsAny(v.text, ".eE") {
		if isInteger(v.text) {
			return 0, fmt.Sprintf("%s is out of range for %s", short(v.text), parquet.TypeName(t))
		}
		return 0, wrong(v, t)
	}
	f, err := strconv.ParseFloat(v.text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 || (bits == 32 && math.Abs(f) > math.MaxInt32) {
		return 0, fmt.Sprintf("%s is not a whole number in the range of %s", short(v.text), parquet.TypeName(t))
	}
	return int64(f), ""
}

func isInteger(s string) bool {
	s = strings.TrimPrefix(s, "-")
	return s != "" && strings.Trim(s, "0123456789") == ""
}

func float(v *jsonValue, t arrow.DataType, bits int) (float64, string) {
	if v.kind == jsonString {
		switch v.text {
		case "NaN":
			return math.NaN(), ""
		case "Infinity":
			return math.Inf(1), ""
		case "-Infinity":
			return math.Inf(-1), ""
		}
	}
	if v.kind != jsonNumber {
		return 0, wrong(v, t)
	}
	f, err := strconv.ParseFloat(v.text, bits)
	if err != nil {
		return 0, fmt.Sprintf("%s is out of range for %s", short(v.text), parquet.TypeName(t))
	}
	return f, ""
}

func appendDecimal(b *array.Decimal128Builder, t *arrow.Decimal128Type, v *jsonValue) string {
	if v.kind != jsonNumber && v.kind != jsonString {
		return wrong(v, t)
	}
	unscaled, scale, ok := parseDecimal(v.text)
	if !ok {
		return fmt.Sprintf("%q is not a decimal number", short(v.text))
	}
	n, ok := parquet.RescaleDecimal(unscaled, scale, t)
	if !ok {
		return fmt.Sprintf("%s is not exact in %s, or out of its range", short(v.text), parquet.TypeName(t))
	}
	b.Append(n)
	return ""
}

// parseDecimal reads a decimal literal as unscaled * 10^-scale. Text longer
// than any decimal(38) with its exponent is refused before any big arithmetic.
func parseDecimal(s string) (*big.Int, int32, bool) {
	if len(s) > 100 {
		return nil, 0, false
	}
	mantissa, exponent := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		n, err := strconv.Atoi(s[i+1:])
		if err != nil || n > 100 || n < -100 {
			return nil, 0, false
		}
		mantissa, exponent = s[:i], n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimPrefix(whole, "-") + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return nil, 0, false
	}
	n, ok := new(big.Int).SetString(digits, 10)
	if !ok {
		return nil, 0, false
	}
	if strings.HasPrefix(whole, "-") {
		n.Neg(n)
	}
	return n, int32(len(fraction) - exponent), true
}

const (
	zoned   = "2006-01-02T15:04:05.999999999Z07:00"
	unzoned = "2006-01-02T15:04:05.999999999"
)

func appendTimestamp(b *array.TimestampBuilder, t *arrow.TimestampType, v *jsonValue) string {
	if v.kind != jsonString {
		return wrong(v, t) + ", as text"
	}
	text := v.text
	if len(text) > 10 && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	layout, advice := unzoned, "; write \"2026-01-31T15:04:05.123456\", without a time zone"
	if t.TimeZone != "" {
		layout, advice = zoned, "; write \"2026-01-31T15:04:05.123456Z\", with a time zone"
	}
	at, err := time.Parse(layout, text)
	if err != nil {
		return fmt.Sprintf("%q is not a %s%s", short(v.text), parquet.TypeName(t), advice)
	}
	if t.Unit == arrow.Nanosecond {
		if at.Year() < 1678 || at.Year() > 2261 {
			return "the timestamp is out of range for nanoseconds"
		}
		b.Append(arrow.Timestamp(at.UnixNano()))
		return ""
	}
	if at.Nanosecond()%1000 != 0 {
		return "the timestamp is not exact in microseconds"
	}
	b.Append(arrow.Timestamp(at.UnixMicro()))
	return ""
}

func bytesOf(v *jsonValue) ([]byte, string) {
	if v.kind != jsonString {
		return nil, fmt.Sprintf("is %s; the column is binary, sent as base64 text", v.kind)
	}
	raw, err := base64.StdEncoding.DecodeString(v.text)
	if err != nil {
		return nil, "is not base64"
	}
	return raw, ""
}

func appendStruct(b *array.StructBuilder, t *arrow.StructType, v *jsonValue) (why string) {
	if v.kind != jsonObject {
		b.AppendNull()
		return wrong(v, t)
	}
	slots := make([]*jsonValue, t.NumFields())
	for i, key := range v.keys {
		at, ok := t.FieldIdx(key)
		if !ok {
			b.AppendNull()
			return "the table's struct has no field " + short(key)
		}
		slots[at] = &v.items[i]
	}
	b.Append(true)
	for i, f := range t.Fields() {
		inner := ""
		switch slot := slots[i]; {
		case slot == nil || slot.kind == jsonNull:
			b.FieldBuilder(i).AppendNull()
			if !f.Nullable {
				inner = "is required and must not be null"
			}
		default:
			inner = appendJSON(b.FieldBuilder(i), f.Type, slot)
		}
		if inner != "" && why == "" {
			why = f.Name + ": " + inner
		}
	}
	return why
}

func appendList(b *array.ListBuilder, t *arrow.ListType, v *jsonValue) (why string) {
	if v.kind != jsonArray {
		b.AppendNull()
		return wrong(v, t)
	}
	b.Append(true)
	for i := range v.items {
		item := &v.items[i]
		inner := ""
		if item.kind == jsonNull && !t.ElemField().Nullable {
			inner = "is required and must not be null"
		}
		if bad := appendJSON(b.ValueBuilder(), t.Elem(), item); bad != "" {
			inner = bad
		}
		if inner != "" && why == "" {
			why = fmt.Sprintf("element %d: %s", i, inner)
		}
	}
	return why
}

// appendMap takes an object for text keys, and a list of {"key", "value"} for
// any.
func appendMap(b *array.MapBuilder, t *arrow.MapType, v *jsonValue) (why string) {
	entry := func(key, value *jsonValue, name string) {
		inner := ""
		if key.kind == jsonNull {
			inner = "the key is null"
		}
		if bad := appendJSON(b.KeyBuilder(), t.KeyType(), key); bad != "" {
			inner = "key " + bad
		}
		if value.kind == jsonNull && !t.ItemField().Nullable {
			inner = "is required and must not be null"
		}
		if bad := appendJSON(b.ItemBuilder(), t.ItemType(), value); bad != "" {
			inner = bad
		}
		if inner != "" && why == "" {
			why = fmt.Sprintf("entry %s: %s", short(name), inner)
		}
	}
	switch {
	case v.kind == jsonObject && t.KeyType().ID() == arrow.STRING:
		b.Append(true)
		for i, key := range v.keys {
			entry(&jsonValue{kind: jsonString, text: key}, &v.items[i], key)
		}
		return why
	case v.kind == jsonArray:
		pairs, ok := pairsOf(v)
		if !ok {
			b.AppendNull()
			return `each entry of a map must be {"key": ..., "value": ...}`
		}
		b.Append(true)
		for i, p := range pairs {
			entry(p[0], p[1], strconv.Itoa(i))
		}
		return why
	}
	b.AppendNull()
	return wrong(v, t)
}

func pairsOf(v *jsonValue) ([][2]*jsonValue, bool) {
	var out [][2]*jsonValue
	for i := range v.items {
		item := &v.items[i]
		if item.kind != jsonObject || len(item.keys) != 2 {
			return nil, false
		}
		var pair [2]*jsonValue
		for j, key := range item.keys {
			switch key {
			case "key":
				pair[0] = &item.items[j]
			case "value":
				pair[1] = &item.items[j]
			}
		}
		if pair[0] == nil || pair[1] == nil {
			return nil, false
		}
		out = append(out, pair)
	}
	return out, true
}

// short keeps clients' text in messages short.
func short(s string) string {
	if len(s) <= 48 {
		return s
	}
	return strings.ToValidUTF8(s[:45], "") + "..."
}
