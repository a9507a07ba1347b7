package parquet

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/iceberg-go"
)

// SourcePath is where the source column of a partition field lies: its name, and
// those of the structs above it. ok is false for a field without one (void).
func SourcePath(schema *iceberg.Schema, f iceberg.PartitionField) (path []string, typ iceberg.Type, ok bool, err error) {
	if _, void := f.Transform.(iceberg.VoidTransform); void {
		return nil, nil, false, nil
	}
	typ, found := schema.FindTypeByID(f.SourceID())
	path, reached := columnPath(schema.Fields(), f.SourceID())
	if !found || !reached {
		return nil, nil, false, fmt.Errorf("partition field %s: its source column (id %d) is not in the schema", f.Name, f.SourceID())
	}
	return path, typ, true, nil
}

// Belongs checks that source values lie in the partition with a given value: it
// applies the transform to each by itself, another way than Cluster does. values
// are the first column of b, which is of the Arrow form of typ.
func Belongs(f iceberg.PartitionField, typ iceberg.Type, want any, b arrow.RecordBatch) error {
	column := b.Column(0)
	for i := range column.Len() {
		source, err := literal(column, i)
		if err != nil {
			return fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		got := f.Transform.Apply(source)
		if got.Valid != (want != nil) || got.Valid && !sameValue(got.Val.Any(), want) {
			text := "NULL"
			if got.Valid {
				text = got.Val.String()
			}
			value := "NULL"
			if source.Valid {
				value = source.Val.String()
			}
			return fmt.Errorf("a row with the %s %s belongs to %s = %s, and is in that of %v", typ, value, f.Name, text, want)
		}
	}
	return nil
}

// sameValue compares partition values; a date and its number of days are one.
func sameValue(a, b any) bool {
	plain := func(v any) any {
		switch v := v.(type) {
		case iceberg.Date:
			return int32(v)
		case iceberg.Decimal:
			return v.String()
		}
		return keyOf(v)
	}
	return plain(a) == plain(b)
}

// literal is one value as iceberg-go has it.
func literal(a arrow.Array, i int) (out iceberg.Optional[iceberg.Literal], err error) {
	if a.IsNull(i) {
		return out, nil
	}
	out.Valid = true
	switch a := a.(type) {
	case *array.String:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Binary:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.FixedSizeBinary:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *extensions.UUIDArray:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Boolean:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Int32:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Int64:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Float32:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Float64:
		out.Val = iceberg.NewLiteral(a.Value(i))
	case *array.Date32:
		out.Val = iceberg.NewLiteral(iceberg.Date(a.Value(i)))
	case *array.Time64:
		out.Val = iceberg.NewLiteral(iceberg.Time(a.Value(i)))
	case *array.Timestamp:
		if a.DataType().(*arrow.TimestampType).Unit == arrow.Nanosecond {
			out.Val = iceberg.NewLiteral(iceberg.TimestampNano(a.Value(i)))
		} else {
			out.Val = iceberg.NewLiteral(iceberg.Timestamp(a.Value(i)))
		}
	case *array.Decimal128:
		out.Val = iceberg.NewLiteral(iceberg.Decimal{Val: a.Value(i), Scale: int(a.DataType().(*arrow.Decimal128Type).Scale)})
	default:
		return out, fmt.Errorf("values of Arrow type %s have no partition", a.DataType())
	}
	return out, nil
}
