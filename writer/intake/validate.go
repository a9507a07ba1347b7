package intake

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// validate proves that a decoded batch can be read safely: every buffer holds
// what its column's length says, and offsets, views and dictionary indices
// stay within their values. It answers the batch with null counts taken from
// the bitmaps, not from the sender.
func validate(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, b.NumCols())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, col := range b.Columns() {
		if int64(col.Len()) != b.NumRows() {
			return nil, malformed("column %q has %d values for %d rows", b.ColumnName(i), col.Len(), b.NumRows())
		}
		data, err := check(col.Data())
		if err != nil {
			return nil, malformed("column %q: %v", b.ColumnName(i), err)
		}
		columns = append(columns, array.MakeFromData(data))
		data.Release()
	}
	return array.NewRecordBatch(b.Schema(), columns, b.NumRows()), nil
}

func check(d arrow.ArrayData) (arrow.ArrayData, error) {
	n, off := d.Len(), d.Offset()
	if n < 0 || off < 0 {
		return nil, fmt.Errorf("a length is negative")
	}
	end := int64(n) + int64(off)
	buffers := d.Buffers()
	get := func(i int) []byte {
		if i >= len(buffers) || buffers[i] == nil {
			return nil
		}
		return buffers[i].Bytes()
	}
	typ := d.DataType()
	if ext, ok := typ.(arrow.ExtensionType); ok {
		typ = ext.StorageType()
	}
	nulls := array.UnknownNullCount
	if _, isNull := typ.(*arrow.NullType); isNull {
		nulls = n
	} else if bits := get(0); len(bits) == 0 {
		nulls = 0
	} else if int64(len(bits))*8 < end {
		return nil, fmt.Errorf("its validity bitmap is too short")
	}
	if err := checkValues(typ, d, get, end); err != nil {
		return nil, err
	}
	children := make([]arrow.ArrayData, 0, len(d.Children()))
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for _, c := range d.Children() {
		out, err := check(c)
		if err != nil {
			return nil, err
		}
		children = append(children, out)
	}
	if dict, ok := typ.(*arrow.DictionaryType); ok {
		values, err := check(d.Dictionary())
		if err != nil {
			return nil, err
		}
		defer values.Release()
		if err := checkIndices(dict, d, get(0), get(1), values.Len()); err != nil {
			return nil, err
		}
		return array.NewDataWithDictionary(d.DataType(), n, buffers, nulls, off, values.(*array.Data)), nil
	}
	return array.NewData(d.DataType(), n, buffers, children, nulls, off), nil
}

func checkValues(typ arrow.DataType, d arrow.ArrayData, get func(int) []byte, end int64) error {
	switch t := typ.(type) {
	case *arrow.NullType:
		return nil
	case *arrow.StringType, *arrow.BinaryType:
		return checkOffsets(get(1), 4, end, int64(len(get(2))))
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return checkOffsets(get(1), 8, end, int64(len(get(2))))
	case *arrow.StringViewType, *arrow.BinaryViewType:
		return checkViews(d, get, end)
	case *arrow.ListType, *arrow.MapType:
		return checkOffsets(get(1), 4, end, int64(d.Children()[0].Len()))
	case *arrow.LargeListType:
		return checkOffsets(get(1), 8, end, int64(d.Children()[0].Len()))
	case *arrow.FixedSizeListType:
		if width := int64(t.Len()); width < 0 || width > 1<<24 || end > 1<<36 || int64(d.Children()[0].Len()) < end*width {
			return fmt.Errorf("its lists hold too few values")
		}
		return nil
	case *arrow.StructType:
		for _, c := range d.Children() {
			if int64(c.Len()) < end {
				return fmt.Errorf("a struct field has %d values for %d", c.Len(), end)
			}
		}
		return nil
	case *arrow.DictionaryType:
		return checkFixed(t.IndexType, get(1), end)
	}
	return checkFixed(typ, get(1), end)
}

func checkFixed(typ arrow.DataType, values []byte, end int64) error {
	fixed, ok := typ.(arrow.FixedWidthDataType)
	if !ok {
		return fmt.Errorf("type %s cannot be stored in a table", typ)
	}
	width := int64(fixed.BitWidth())
	if width <= 0 || width > 1<<27 || end > 1<<33 || int64(len(values))*8 < end*width {
		return fmt.Errorf("it has %d bytes of values for %d rows of %s", len(values), end, typ)
	}
	return nil
}

func checkOffsets(offsets []byte, width int, end, limit int64) error {
	if end == 0 {
		return nil
	}
	if int64(len(offsets)) < (end+1)*int64(width) {
		return fmt.Errorf("its offsets are too short")
	}
	last := int64(0)
	for i := range end + 1 {
		var at int64
		if width == 4 {
			at = int64(int32(binary.LittleEndian.Uint32(offsets[i*4:])))
		} else {
			at = int64(binary.LittleEndian.Uint64(offsets[i*8:]))
		}
		if at < last || at > limit {
			return fmt.Errorf("its offsets run outside its values")
		}
		last = at
	}
	return nil
}

// checkViews checks 16-byte views: length, then inline bytes or prefix, buffer
// and offset.
func checkViews(d arrow.ArrayData, get func(int) []byte, end int64) error {
	views := get(1)
	if int64(len(views)) < end*16 {
		return fmt.Errorf("its views are too short")
	}
	for i := range end {
		v := views[i*16 : i*16+16]
		n := int64(int32(binary.LittleEndian.Uint32(v)))
		if n < 0 {
			return fmt.Errorf("a view has a negative length")
		}
		if n <= 12 {
			continue
		}
		buffer := int64(int32(binary.LittleEndian.Uint32(v[8:])))
		off := int64(int32(binary.LittleEndian.Uint32(v[12:])))
		if buffer < 0 || off < 0 || buffer >= int64(len(d.Buffers())-2) || off+n > int64(len(get(int(buffer)+2))) {
			return fmt.Errorf("a view points outside its buffers")
		}
	}
	return nil
}

func checkIndices(t *arrow.DictionaryType, d arrow.ArrayData, valid, indices []byte, size int) error {
	width := t.IndexType.(arrow.FixedWidthDataType).BitWidth() / 8
	signed := arrow.IsSignedInteger(t.IndexType.ID())
	for i := d.Offset(); i < d.Offset()+d.Len(); i++ {
		if len(valid) > 0 && valid[i/8]&(1<<(i%8)) == 0 {
			continue
		}
		var raw [8]byte
		copy(raw[:], indices[i*width:(i+1)*width])
		v := binary.LittleEndian.Uint64(raw[:])
		if (signed && raw[width-1]&0x80 != 0) || v >= uint64(size) {
			return fmt.Errorf("a dictionary index lies outside its dictionary of %d", size)
		}
	}
	return nil
}
