package parquet

import (
	"fmt"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// caster makes an array of the table's type of one of the rows' type. Values
// that do not fit become faults in the sink, and anything in the answer, which
// is the caller's to release.
type caster func(a arrow.Array, s *sink) arrow.Array

// TypeName is the name of a type in messages: Iceberg's words where they exist.
func TypeName(t arrow.DataType) string {
	switch t := t.(type) {
	case *arrow.StringType:
		return "string"
	case *arrow.Int32Type:
		return "int"
	case *arrow.Int64Type:
		return "long"
	case *arrow.Float32Type:
		return "float"
	case *arrow.Float64Type:
		return "double"
	case *arrow.BooleanType:
		return "boolean"
	case *arrow.Date32Type:
		return "date"
	case *arrow.Decimal128Type:
		return fmt.Sprintf("decimal(%d,%d)", t.Precision, t.Scale)
	case *arrow.TimestampType:
		name := "timestamp"
		if t.TimeZone != "" {
			name = "timestamptz"
		}
		if t.Unit != arrow.Microsecond {
			name += "[" + t.Unit.String() + "]"
		}
		return name
	}
	return t.String()
}

func mismatch(src, dst arrow.DataType, advice string) error {
	return fmt.Errorf("is %s in the rows and %s in the table%s", TypeName(src), TypeName(dst), advice)
}

// bindCast answers the caster from src to dst, or why there is none.
func bindCast(src, dst arrow.DataType, checkText bool) (caster, error) {
	switch src := src.(type) {
	case *arrow.DictionaryType:
		if _, nested := dst.(arrow.NestedType); nested {
			return nil, mismatch(src, dst, "; send it without a dictionary")
		}
		inner, err := bindCast(src.ValueType, dst, checkText)
		if err != nil {
			return nil, mismatch(src.ValueType, dst, "")
		}
		return castDictionary(inner), nil
	case *arrow.NullType:
		return func(a arrow.Array, s *sink) arrow.Array { return nulls(dst, a.Len(), s) }, nil
	}
	if ext, ok := src.(arrow.ExtensionType); ok {
		if arrow.TypeEqual(src, dst) {
			return keep(dst), nil
		}
		inner, err := bindCast(ext.StorageType(), dst, checkText)
		if err != nil {
			return nil, mismatch(src, dst, "")
		}
		return func(a arrow.Array, s *sink) arrow.Array {
			return inner(a.(array.ExtensionArray).Storage(), s)
		}, nil
	}
	switch dst := dst.(type) {
	case *arrow.StructType:
		return bindStruct(src, dst, checkText)
	case *arrow.MapType:
		return bindMap(src, dst, checkText)
	case *arrow.ListType:
		return bindList(src, dst, checkText)
	case arrow.ExtensionType:
		return bindExtension(src, dst)
	}
	return bindScalar(src, dst, checkText)
}

// keep answers the array itself under the table's type.
func keep(dst arrow.DataType) caster {
	return func(a arrow.Array, _ *sink) arrow.Array { return retype(a, dst) }
}

func retype(a arrow.Array, dst arrow.DataType) arrow.Array {
	d := a.Data()
	data := array.NewData(dst, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset())
	defer data.Release()
	return array.MakeFromData(data)
}

// bindExtension takes the storage of the table's extension type (uuid).
func bindExtension(src arrow.DataType, dst arrow.ExtensionType) (caster, error) {
	inner, err := bindCast(src, dst.StorageType(), false)
	if err != nil {
		return nil, mismatch(src, dst, "")
	}
	return func(a arrow.Array, s *sink) arrow.Array {
		storage := inner(a, s)
		defer storage.Release()
		return retype(storage, dst)
	}, nil
}

// pickedBytes answers what the picked rows of a scalar array take.
func pickedBytes(a arrow.Array, rows []int) int64 {
	n := int64(len(rows)) * 8
	switch a := a.(type) {
	case *array.String:
		for _, r := range rows {
			if r >= 0 {
				n += int64(a.ValueLen(r))
			}
		}
	case *array.Binary:
		for _, r := range rows {
			if r >= 0 {
				n += int64(a.ValueLen(r))
			}
		}
	default:
		if fixed, ok := a.DataType().(arrow.FixedWidthDataType); ok {
			n += int64(len(rows)) * int64(fixed.Bytes())
		}
	}
	return n
}

// castDictionary decodes, value by value.
func castDictionary(inner caster) caster {
	return func(a arrow.Array, s *sink) arrow.Array {
		d := a.(*array.Dictionary)
		// Faults of dictionary values are faults of the rows that use them.
		probe := &sink{spent: s.spent, limit: s.limit}
		values := inner(d.Dictionary(), probe)
		defer values.Release()
		bad := map[int]string{}
		for _, f := range probe.faults {
			bad[int(f.Row)] = f.Message
		}
		for r := range probe.rows {
			if _, ok := bad[int(r)]; !ok {
				bad[int(r)] = "the value does not fit"
			}
		}
		n := d.Len()
		rows := make([]int, n)
		for i := range n {
			if d.IsNull(i) || values.IsNull(d.GetValueIndex(i)) {
				rows[i] = -1
				continue
			}
			at := d.GetValueIndex(i)
			rows[i] = at
			if why, ok := bad[at]; ok {
				s.fault(i, "%s", why)
			}
		}
		s.spend(pickedBytes(values, rows))
		return pick(values, rows)
	}
}

func bindStruct(src arrow.DataType, dst *arrow.StructType, checkText bool) (caster, error) {
	st, ok := src.(*arrow.StructType)
	if !ok {
		return nil, mismatch(src, dst, "")
	}
	names := make([]string, 0, dst.NumFields())
	for _, f := range dst.Fields() {
		names = append(names, f.Name)
	}
	for _, f := range st.Fields() {
		if _, ok := dst.FieldIdx(f.Name); !ok {
			return nil, fmt.Errorf("the table's struct has no field %s%s", f.Name, didYouMean(f.Name, names))
		}
	}
	type child struct {
		from int
		cast caster
	}
	children := make([]child, dst.NumFields())
	for i, f := range dst.Fields() {
		at, ok := st.FieldIdx(f.Name)
		if !ok {
			if !f.Nullable {
				return nil, fmt.Errorf("field %s is required and missing", f.Name)
			}
			children[i] = child{from: -1}
			continue
		}
		cast, err := bindCast(st.Field(at).Type, f.Type, checkText)
		if err != nil {
			return nil, fmt.Errorf("field %s: %w", f.Name, err)
		}
		children[i] = child{from: at, cast: cast}
	}
	return func(a arrow.Array, s *sink) arrow.Array {
		src := a.(*array.Struct)
		n := src.Len()
		data := make([]arrow.ArrayData, len(children))
		for i, c := range children {
			f := dst.Field(i)
			var out arrow.Array
			if c.from < 0 {
				out = nulls(f.Type, n, s)
			} else {
				// Field slices the child to the struct's own window.
				out = s.within("."+f.Name, nil, func() arrow.Array { return c.cast(src.Field(c.from), s) })
			}
			defer out.Release()
			if !f.Nullable {
				s.within("."+f.Name, nil, func() arrow.Array { requireValid(out, src, s); return nil })
			}
			data[i] = out.Data()
		}
		valid := validity(a)
		if valid != nil {
			defer valid.Release()
		}
		d := array.NewData(dst, n, []*memory.Buffer{valid}, data, a.NullN(), 0)
		defer d.Release()
		return array.MakeFromData(d)
	}, nil
}

// requireValid faults the null children of valid parents.
func requireValid(child, parent arrow.Array, s *sink) {
	if child.NullN() == 0 {
		return
	}
	for i := range child.Len() {
		if child.IsNull(i) && !parent.IsNull(i) {
			s.fault(i, "is required and must not be null")
		}
	}
}

func bindList(src arrow.DataType, dst *arrow.ListType, checkText bool) (caster, error) {
	if _, isMap := src.(*arrow.MapType); isMap {
		return nil, mismatch(src, dst, "")
	}
	list, ok := src.(arrow.ListLikeType)
	if !ok {
		return nil, mismatch(src, dst, "")
	}
	cast, err := bindCast(list.Elem(), dst.Elem(), checkText)
	if err != nil {
		return nil, fmt.Errorf("element: %w", err)
	}
	required := !dst.ElemField().Nullable
	return func(a arrow.Array, s *sink) arrow.Array {
		return castList(a, dst, s, func(values arrow.Array, s *sink) arrow.Array {
			out := s.within(".element", nil, func() arrow.Array { return cast(values, s) })
			if required {
				s.within(".element", nil, func() arrow.Array { requireAll(out, s); return nil })
			}
			return out
		})
	}, nil
}

func bindMap(src arrow.DataType, dst *arrow.MapType, checkText bool) (caster, error) {
	m, ok := src.(*arrow.MapType)
	if !ok {
		return nil, mismatch(src, dst, "")
	}
	key, err := bindCast(m.KeyType(), dst.KeyType(), checkText)
	if err != nil {
		return nil, fmt.Errorf("key: %w", err)
	}
	item, err := bindCast(m.ItemType(), dst.ItemType(), checkText)
	if err != nil {
		return nil, fmt.Errorf("value: %w", err)
	}
	entries := dst.Elem().(*arrow.StructType)
	return func(a arrow.Array, s *sink) arrow.Array {
		return castList(a, dst, s, func(values arrow.Array, s *sink) arrow.Array {
			st := values.(*array.Struct)
			keys := s.within(".key", nil, func() arrow.Array {
				out := key(st.Field(0), s)
				requireAll(out, s)
				return out
			})
			defer keys.Release()
			items := s.within(".value", nil, func() arrow.Array {
				out := item(st.Field(1), s)
				if !dst.ItemField().Nullable {
					requireAll(out, s)
				}
				return out
			})
			defer items.Release()
			d := array.NewData(entries, st.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{keys.Data(), items.Data()}, 0, 0)
			defer d.Release()
			return array.MakeFromData(d)
		})
	}, nil
}

func requireAll(a arrow.Array, s *sink) {
	if a.NullN() == 0 {
		return
	}
	for i := range a.Len() {
		if a.IsNull(i) {
			s.fault(i, "is required and must not be null")
		}
	}
}

// castList rebuilds any list-like array with 32-bit offsets that start at 0 and
// cover exactly the values in use.
func castList(a arrow.Array, dst arrow.DataType, s *sink, inner caster) arrow.Array {
	list := a.(array.ListLike)
	n := list.Len()
	values := list.ListValues()
	offsets := make([]int32, n+1)
	first, next := int64(-1), int64(0)
	contiguous := true
	for i := range n {
		if a.IsNull(i) {
			offsets[i+1] = offsets[i]
			continue
		}
		from, to := list.ValueOffsets(i)
		if to > from {
			if first < 0 {
				first, next = from, from
			}
			contiguous = contiguous && from == next
			next = to
		}
		offsets[i+1] = offsets[i] + int32(to-from)
	}
	var window arrow.Array
	switch {
	case first < 0:
		window = array.NewSlice(values, 0, 0)
	case contiguous:
		window = array.NewSlice(values, first, next)
	default:
		// Null lists may have values; leave them out.
		rows := make([]int, 0, offsets[n])
		for i := range n {
			if a.IsNull(i) {
				continue
			}
			from, to := list.ValueOffsets(i)
			for at := from; at < to; at++ {
				rows = append(rows, int(at))
			}
		}
		window = pick(values, rows)
	}
	defer window.Release()
	up := func(at int) int { return sort.Search(n, func(i int) bool { return int(offsets[i+1]) > at }) }
	out := s.within("", up, func() arrow.Array { return inner(window, s) })
	defer out.Release()
	valid := validity(a)
	if valid != nil {
		defer valid.Release()
	}
	d := array.NewData(dst, n, []*memory.Buffer{valid, memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets))},
		[]arrow.ArrayData{out.Data()}, a.NullN(), 0)
	defer d.Release()
	return array.MakeFromData(d)
}

// validity copies the validity bits of a to a bitmap that starts at 0, or
// answers nil when nothing is null.
func validity(a arrow.Array) *memory.Buffer {
	if a.NullN() == 0 {
		return nil
	}
	bits := make([]byte, (a.Len()+7)/8)
	for i := range a.Len() {
		if a.IsValid(i) {
			bits[i/8] |= 1 << (i % 8)
		}
	}
	return memory.NewBufferBytes(bits)
}
