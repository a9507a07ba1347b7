package lake

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/duck"
)

// valueText is a value of metadata (a partition value of a manifest, or a
// default of a schema, which JSON may have made a number or a string) as the
// text that DuckDB casts to the column's type. What could change on the way is
// refused.
func valueText(typ iceberg.Type, v any) (string, error) {
	switch typ := typ.(type) {
	case iceberg.BooleanType:
		if v, ok := v.(bool); ok {
			return strconv.FormatBool(v), nil
		}
	case iceberg.Int32Type, iceberg.Int64Type:
		return integerText(v)
	case iceberg.Float32Type, iceberg.Float64Type:
		return floatText(v)
	case iceberg.DecimalType:
		return decimalText(v)
	case iceberg.DateType, iceberg.TimeType, iceberg.TimestampType, iceberg.TimestampTzType, iceberg.TimestampNsType:
		return momentText(typ, v)
	case iceberg.StringType:
		if v, ok := v.(string); ok {
			return v, nil
		}
	case iceberg.UUIDType:
		switch v := v.(type) {
		case uuid.UUID:
			return v.String(), nil
		case string:
			id, err := uuid.Parse(v)
			return id.String(), err
		}
	case iceberg.BinaryType, iceberg.FixedType:
		switch v := v.(type) {
		case []byte:
			return blobText(v), nil
		case iceberg.BinaryLiteral:
			return blobText(v), nil
		case iceberg.FixedLiteral:
			return blobText(v), nil
		case string: // of JSON: hexadecimal
			data, err := hex.DecodeString(v)
			return blobText(data), err
		}
	}
	return "", fmt.Errorf("%w: %v (%T) as a value of type %s", ErrUnsupported, v, v, typ)
}

func integerText(v any) (string, error) {
	switch v := v.(type) {
	case int, int32, int64:
		return fmt.Sprint(v), nil
	case float64: // of JSON, which has lost the digits beyond 2^53
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return strconv.FormatInt(int64(v), 10), nil
		}
	}
	return "", fmt.Errorf("%w: %v (%T) as a whole number", ErrUnsupported, v, v)
}

func floatText(v any) (string, error) {
	var f float64
	bits := 64
	switch v := v.(type) {
	case float32:
		f, bits = float64(v), 32
	case float64:
		f = v
	case int, int32, int64:
		return fmt.Sprint(v), nil
	default:
		return "", fmt.Errorf("%w: %v (%T) as a number", ErrUnsupported, v, v)
	}
	switch {
	case math.IsNaN(f):
		return "NaN", nil
	case math.IsInf(f, 1):
		return "Infinity", nil
	case math.IsInf(f, -1):
		return "-Infinity", nil
	}
	return strconv.FormatFloat(f, 'g', -1, bits), nil
}

func decimalText(v any) (string, error) {
	switch v := v.(type) {
	case iceberg.Decimal:
		return v.Val.ToString(int32(v.Scale)), nil
	case iceberg.DecimalLiteral:
		return v.Val.ToString(int32(v.Scale)), nil
	case string: // of JSON
		return v, nil
	}
	return "", fmt.Errorf("%w: %v (%T) as a decimal", ErrUnsupported, v, v)
}

// momentText is a date, a time or a point in time; JSON has them as ISO 8601.
func momentText(typ iceberg.Type, v any) (string, error) {
	zone := ""
	if _, ok := typ.(iceberg.TimestampTzType); ok {
		zone = "+00"
	}
	const day, clock = "2006-01-02", "15:04:05.999999999"
	at := func(t time.Time) (string, error) {
		if t.Year() < 1 || t.Year() > 9999 {
			return "", fmt.Errorf("%w: %s is outside the years 1 to 9999", ErrUnsupported, t)
		}
		return t.Format(day+" "+clock) + zone, nil
	}
	switch v := v.(type) {
	case iceberg.Date:
		if _, ok := typ.(iceberg.DateType); ok {
			text, err := at(v.ToTime())
			return strings.TrimSuffix(text, " 00:00:00"), err
		}
		return at(v.ToTime()) // a date that became a timestamp
	case iceberg.Time:
		return v.ToTime().Format(clock), nil
	case iceberg.Timestamp:
		return at(v.ToTime())
	case iceberg.TimestampNano:
		return at(v.ToTime())
	case string:
		return v, nil
	}
	return "", fmt.Errorf("%w: %v (%T) as a value of type %s", ErrUnsupported, v, v, typ)
}

// blobText escapes every byte as DuckDB's cast to BLOB reads it.
func blobText(data []byte) string {
	var b strings.Builder
	for _, c := range data {
		fmt.Fprintf(&b, `\x%02X`, c)
	}
	return b.String()
}

// defaultSQL is what a field is that a file has not: its initial default, for
// a struct with the empty object as default the struct of its fields'
// defaults, or NULL.
func defaultSQL(f iceberg.NestedField) (string, error) {
	typ, err := duckType(f.Type)
	if err != nil {
		return "", err
	}
	if f.InitialDefault == nil {
		return "NULL::" + typ, nil
	}
	switch t := f.Type.(type) {
	case *iceberg.StructType:
		if object, ok := f.InitialDefault.(map[string]any); !ok || len(object) > 0 {
			return "", fmt.Errorf("%w: %s is a struct, whose default can only be {}, and has %v", ErrUnsupported, f.Name, f.InitialDefault)
		}
		parts := make([]string, len(t.FieldList))
		for i, inner := range t.FieldList {
			value, err := defaultSQL(inner)
			if err != nil {
				return "", err
			}
			parts[i] = duck.QuoteName(inner.Name) + " := " + value
		}
		return "struct_pack(" + strings.Join(parts, ", ") + ")", nil
	case iceberg.NestedType:
		return "", fmt.Errorf("%w: the default %v of %s, a %s", ErrUnsupported, f.InitialDefault, f.Name, t)
	}
	text, err := valueText(f.Type, f.InitialDefault)
	if err != nil {
		return "", fmt.Errorf("default of %s: %w", f.Name, err)
	}
	return "CAST(" + duck.Quote(text) + " AS " + typ + ")", nil
}

// hasDefault says whether a type holds a field with an initial default.
func hasDefault(t iceberg.Type) bool {
	nested, ok := t.(iceberg.NestedType)
	if !ok {
		return false
	}
	for _, f := range nested.Fields() {
		if f.InitialDefault != nil || hasDefault(f.Type) {
			return true
		}
	}
	return false
}
