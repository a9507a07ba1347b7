package engines

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
)

// readArrow reads an Arrow stream that a driver wrote.
func readArrow(path string) (Rows, error) {
	f, err := os.Open(path)
	if err != nil {
		return Rows{}, err
	}
	defer f.Close()
	r, err := ipc.NewReader(f)
	if err != nil {
		return Rows{}, fmt.Errorf("read an Arrow answer: %w", err)
	}
	defer r.Release()
	var rows Rows
	for _, field := range r.Schema().Fields() {
		rows.Columns = append(rows.Columns, field.Name)
	}
	for r.Next() {
		if err := rows.add(r.RecordBatch()); err != nil {
			return Rows{}, err
		}
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return Rows{}, fmt.Errorf("read an Arrow answer: %w", err)
	}
	return rows, nil
}

func (r *Rows) add(batch arrow.RecordBatch) error {
	for i := range int(batch.NumRows()) {
		row := make([]string, batch.NumCols())
		for j, column := range batch.Columns() {
			cell, err := render(column, i)
			if err != nil {
				return fmt.Errorf("column %s: %w", batch.ColumnName(j), err)
			}
			row[j] = cell
		}
		r.Values = append(r.Values, row)
	}
	return nil
}

// render is the one text of a value. A type it does not know is an error, so
// that no two engines agree by accident.
func render(a arrow.Array, i int) (string, error) {
	if a.IsNull(i) {
		return "null", nil
	}
	switch a := a.(type) {
	case *array.Null:
		return "null", nil
	case *array.Boolean:
		return strconv.FormatBool(a.Value(i)), nil
	case *array.Int8, *array.Int16, *array.Int32, *array.Int64, *array.Uint8, *array.Uint16, *array.Uint32, *array.Uint64:
		return a.ValueStr(i), nil
	case *array.Float32:
		return float(float64(a.Value(i)), 32), nil
	case *array.Float64:
		return float(a.Value(i), 64), nil
	case *array.Decimal32:
		return a.Value(i).ToString(a.DataType().(arrow.DecimalType).GetScale()), nil
	case *array.Decimal64:
		return a.Value(i).ToString(a.DataType().(arrow.DecimalType).GetScale()), nil
	case *array.Decimal128:
		return a.Value(i).ToString(a.DataType().(arrow.DecimalType).GetScale()), nil
	case *array.Decimal256:
		return a.Value(i).ToString(a.DataType().(arrow.DecimalType).GetScale()), nil
	case *array.String:
		return strconv.Quote(a.Value(i)), nil
	case *array.LargeString:
		return strconv.Quote(a.Value(i)), nil
	case *array.StringView:
		return strconv.Quote(a.Value(i)), nil
	case *array.Binary:
		return bytesText(a.Value(i)), nil
	case *array.LargeBinary:
		return bytesText(a.Value(i)), nil
	case *array.BinaryView:
		return bytesText(a.Value(i)), nil
	case *array.FixedSizeBinary:
		return bytesText(a.Value(i)), nil
	case *array.Date32:
		return dateText(a.Value(i).ToTime()), nil
	case *array.Date64:
		return dateText(a.Value(i).ToTime()), nil
	case *array.Time32:
		return clockText(a.Value(i).ToTime(a.DataType().(*arrow.Time32Type).Unit)), nil
	case *array.Time64:
		return clockText(a.Value(i).ToTime(a.DataType().(*arrow.Time64Type).Unit)), nil
	case *array.Timestamp:
		return timestampText(int64(a.Value(i)), a.DataType().(*arrow.TimestampType)), nil
	case *array.Dictionary:
		return render(a.Dictionary(), a.GetValueIndex(i))
	case *array.Map:
		return mapText(a, i)
	case array.ListLike:
		return listText(a, i)
	case *array.Struct:
		return structText(a, i)
	case array.ExtensionArray:
		if a.ExtensionType().ExtensionName() == "arrow.uuid" {
			return strconv.Quote(strings.ToLower(a.ValueStr(i))), nil
		}
		return render(a.Storage(), i)
	}
	return "", fmt.Errorf("the rendering of %s is not defined", a.DataType())
}

func float(v float64, bits int) string {
	text := strconv.FormatFloat(v, 'g', -1, bits)
	switch text {
	case "+Inf":
		return "Infinity"
	case "-Inf":
		return "-Infinity"
	}
	return text
}

func bytesText(b []byte) string { return fmt.Sprintf("x'%x'", b) }

func dateText(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%04d-%02d-%02d", t.Year(), int(t.Month()), t.Day())
}

func clockText(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%02d:%02d:%02d", t.Hour(), t.Minute(), t.Second()) + fraction(fmt.Sprintf("%09d", t.Nanosecond()))
}

// fraction is the text of the digits behind the point, without trailing zeros.
func fraction(digits string) string {
	if digits = strings.TrimRight(digits, "0"); digits == "" {
		return ""
	}
	return "." + digits
}

func timestampText(v int64, kind *arrow.TimestampType) string {
	perSecond := int64(time.Second / kind.Unit.Multiplier())
	seconds, rest := v/perSecond, v%perSecond
	if rest < 0 {
		seconds, rest = seconds-1, rest+perSecond
	}
	t := time.Unix(seconds, rest*int64(kind.Unit.Multiplier())).UTC()
	text := dateText(t) + "T" + clockText(t)
	if kind.TimeZone != "" {
		text += "Z"
	}
	return text
}

func listText(a array.ListLike, i int) (string, error) {
	from, to := a.ValueOffsets(i)
	parts := make([]string, 0, to-from)
	for j := from; j < to; j++ {
		part, err := render(a.ListValues(), int(j))
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
	}
	return "[" + strings.Join(parts, ", ") + "]", nil
}

func mapText(a *array.Map, i int) (string, error) {
	from, to := a.ValueOffsets(i)
	parts := make([]string, 0, to-from)
	for j := from; j < to; j++ {
		key, err := render(a.Keys(), int(j))
		if err != nil {
			return "", err
		}
		value, err := render(a.Items(), int(j))
		if err != nil {
			return "", err
		}
		parts = append(parts, key+" => "+value)
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ", ") + "}", nil
}

func structText(a *array.Struct, i int) (string, error) {
	parts := make([]string, a.NumField())
	for j := range parts {
		value, err := render(a.Field(j), i)
		if err != nil {
			return "", err
		}
		parts[j] = a.DataType().(*arrow.StructType).Field(j).Name + ": " + value
	}
	return "{" + strings.Join(parts, ", ") + "}", nil
}
