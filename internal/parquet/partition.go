package parquet

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// partitionField computes one field of a partition tuple.
type partitionField struct {
	id        int
	name      string
	path      []string // nil: always NULL
	source    iceberg.Type
	transform func(any) any
}

func bindSpec(schema *iceberg.Schema, spec iceberg.PartitionSpec) ([]partitionField, error) {
	var out []partitionField
	for _, f := range spec.Fields() {
		pf := partitionField{id: f.FieldID, name: f.Name}
		if _, void := f.Transform.(iceberg.VoidTransform); void {
			out = append(out, pf)
			continue
		}
		typ, ok := schema.FindTypeByID(f.SourceID())
		if !ok {
			return nil, fmt.Errorf("partition field %s: its source column (id %d) is not in the schema", f.Name, f.SourceID())
		}
		path, ok := columnPath(schema.Fields(), f.SourceID())
		if !ok {
			return nil, fmt.Errorf("partition field %s: its source column lies in a list or map", f.Name)
		}
		transform, err := bindTransform(f.Transform, typ)
		if err != nil {
			return nil, fmt.Errorf("partition field %s: %w", f.Name, err)
		}
		pf.path, pf.source, pf.transform = path, typ, transform
		out = append(out, pf)
	}
	return out, nil
}

// columnPath finds a column through structs, which alone may hold partition
// sources.
func columnPath(fields []iceberg.NestedField, id int) ([]string, bool) {
	for _, f := range fields {
		if f.ID == id {
			return []string{f.Name}, true
		}
		if st, ok := f.Type.(*iceberg.StructType); ok {
			if rest, ok := columnPath(st.FieldList, id); ok {
				return append([]string{f.Name}, rest...), true
			}
		}
	}
	return nil, false
}

// bindTransform answers the transform as a function from a source value, in
// Iceberg's Go types, to a partition value or nil.
func bindTransform(t iceberg.Transform, source iceberg.Type) (func(any) any, error) {
	if !t.CanTransform(source) {
		return nil, fmt.Errorf("transform %s cannot be applied to %s", t, source)
	}
	ints := func(f func(any) iceberg.Optional[int32]) func(any) any {
		return func(v any) any {
			if out := f(v); out.Valid {
				return out.Val
			}
			return nil
		}
	}
	switch t := t.(type) {
	case iceberg.IdentityTransform:
		return func(v any) any { return v }, nil
	case iceberg.BucketTransform:
		return ints(t.Transformer(source)), nil
	case iceberg.TruncateTransform:
		return t.Transformer(source)
	case iceberg.DayTransform:
		f, err := t.Transformer(source)
		if err != nil {
			return nil, err
		}
		return func(v any) any {
			if out := f(v); out.Valid {
				return iceberg.Date(out.Val)
			}
			return nil
		}, nil
	case iceberg.TimeTransform:
		f, err := t.Transformer(source)
		if err != nil {
			return nil, err
		}
		return ints(f), nil
	}
	return nil, fmt.Errorf("transform %s is not known here, so no rows can be written by it", t)
}

// coded is a partition field's value for each row of a batch: values[codes[i]],
// or values[0] for all rows when codes is nil.
type coded struct {
	codes  []int32
	values []any
}

func (c coded) value(row int) any {
	if c.codes == nil {
		return c.values[0]
	}
	return c.values[c.codes[row]]
}

// key appends an unambiguous form of the value, NULL apart from all texts.
func (c coded) key(to *bytes.Buffer, row int) {
	v := keyOf(c.value(row))
	if v == nil {
		to.WriteByte(0)
		return
	}
	text := fmt.Sprintf("%T:%v", v, v)
	to.WriteByte(1)
	to.Write(binary.AppendUvarint(nil, uint64(len(text))))
	to.WriteString(text)
}

// Values that == would not compare as partition values do.
type (
	bytesKey   string
	float32Key uint32
	float64Key uint64
)

func keyOf(v any) any {
	switch v := v.(type) {
	case []byte:
		return bytesKey(v)
	case float32:
		if v != v {
			v = float32(math.NaN())
		}
		return float32Key(math.Float32bits(v))
	case float64:
		if v != v {
			v = math.NaN()
		}
		return float64Key(math.Float64bits(v))
	}
	return v
}

// codes computes the field for every row of b.
func (f partitionField) codes(b arrow.RecordBatch) (coded, error) {
	if f.path == nil {
		return coded{values: []any{nil}}, nil
	}
	chain, err := f.leaf(b)
	if err != nil {
		return coded{}, err
	}
	leaf := chain[len(chain)-1]
	isNull := func(row int) bool {
		for _, a := range chain {
			if a.IsNull(row) {
				return true
			}
		}
		return false
	}
	switch a := leaf.(type) {
	case *array.String:
		return distinct(f, a.Len(), isNull, a.Value, func(s string) any { return strings.Clone(s) }), nil
	case *array.Binary:
		return distinct(f, a.Len(), isNull, a.ValueString, func(s string) any { return []byte(s) }), nil
	case *array.FixedSizeBinary:
		return distinct(f, a.Len(), isNull, func(i int) string { return string(a.Value(i)) }, func(s string) any { return []byte(s) }), nil
	case *extensions.UUIDArray:
		return distinct(f, a.Len(), isNull, a.Value, func(u uuid.UUID) any { return u }), nil
	case *array.Boolean:
		return distinct(f, a.Len(), isNull, a.Value, func(v bool) any { return v }), nil
	case *array.Int32:
		return distinct(f, a.Len(), isNull, a.Value, func(v int32) any { return v }), nil
	case *array.Int64:
		return distinct(f, a.Len(), isNull, a.Value, func(v int64) any { return v }), nil
	case *array.Float32:
		return distinct(f, a.Len(), isNull, func(i int) uint32 { return uint32(keyOf(a.Value(i)).(float32Key)) },
			func(v uint32) any { return math.Float32frombits(v) }), nil
	case *array.Float64:
		return distinct(f, a.Len(), isNull, func(i int) uint64 { return uint64(keyOf(a.Value(i)).(float64Key)) },
			func(v uint64) any { return math.Float64frombits(v) }), nil
	case *array.Date32:
		return distinct(f, a.Len(), isNull, a.Value, func(v arrow.Date32) any { return iceberg.Date(v) }), nil
	case *array.Time64:
		return distinct(f, a.Len(), isNull, a.Value, func(v arrow.Time64) any { return iceberg.Time(v) }), nil
	case *array.Timestamp:
		nanos := a.DataType().(*arrow.TimestampType).Unit == arrow.Nanosecond
		return distinct(f, a.Len(), isNull, a.Value, func(v arrow.Timestamp) any {
			if nanos {
				return iceberg.TimestampNano(v)
			}
			return iceberg.Timestamp(v)
		}), nil
	case *array.Decimal128:
		scale := int(a.DataType().(*arrow.Decimal128Type).Scale)
		return distinct(f, a.Len(), isNull, a.Value, func(v decimal128.Num) any {
			return iceberg.Decimal{Val: v, Scale: scale}
		}), nil
	}
	return coded{}, fmt.Errorf("partition field %s: rows of Arrow type %s cannot be partitioned by", f.name, leaf.DataType())
}

// leaf resolves the column, with the structs above it.
func (f partitionField) leaf(b arrow.RecordBatch) ([]arrow.Array, error) {
	at := b.Schema().FieldIndices(f.path[0])
	if len(at) != 1 {
		return nil, fmt.Errorf("partition field %s: the rows have no column %s", f.name, f.path[0])
	}
	chain := []arrow.Array{b.Column(at[0])}
	for _, name := range f.path[1:] {
		st, ok := chain[len(chain)-1].(*array.Struct)
		if !ok {
			return nil, fmt.Errorf("partition field %s: column %s is not a struct", f.name, f.path[0])
		}
		i, ok := st.DataType().(*arrow.StructType).FieldIdx(name)
		if !ok {
			return nil, fmt.Errorf("partition field %s: struct %s has no field %s", f.name, f.path[0], name)
		}
		chain = append(chain, st.Field(i))
	}
	return chain, nil
}

// distinct runs the transform once for each distinct source value. Rows in
// runs, the usual case of one contributor a batch, cost one comparison each.
func distinct[K comparable](f partitionField, n int, isNull func(int) bool, at func(int) K, lift func(K) any) coded {
	out := coded{codes: make([]int32, n)}
	byValue := map[any]int32{}
	code := func(v any) int32 {
		key := keyOf(v)
		c, ok := byValue[key]
		if !ok {
			c = int32(len(out.values))
			byValue[key] = c
			out.values = append(out.values, v)
		}
		return c
	}
	bySource := map[K]int32{}
	null := int32(-1)
	var last K
	lastCode := int32(-1)
	for i := range n {
		if isNull(i) {
			if null < 0 {
				null = code(nil)
			}
			out.codes[i] = null
			continue
		}
		k := at(i)
		if lastCode >= 0 && k == last {
			out.codes[i] = lastCode
			continue
		}
		c, ok := bySource[k]
		if !ok {
			c = code(f.transform(lift(k)))
			bySource[k] = c
		}
		out.codes[i], last, lastCode = c, k, c
	}
	if len(out.values) == 1 {
		out.codes = nil
	}
	return out
}
