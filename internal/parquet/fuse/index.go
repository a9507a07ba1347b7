package fuse

import (
	"bytes"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// pageIndex is that of one chunk of the output, as bytes; nil where there is none.
type pageIndex struct{ columns, offsets []byte }

// indexed says whether all chunks that will be copied say where their pages are.
// Some readers refuse a file in which only some do.
func (p *Plan) indexed() bool {
	for _, g := range p.groups {
		for _, part := range g.parts {
			for n := range part.src.columns.chunks {
				c := part.chunk(n)
				m := c.src.md.RowGroups[c.rg].Columns[c.col]
				if !c.src.holds(m.OffsetIndexOffset, m.OffsetIndexLength) {
					return false
				}
			}
		}
	}
	return true
}

// holds says whether something lies within the file.
func (s *source) holds(offset *int64, length *int32) bool {
	return offset != nil && length != nil && *length > 0 && *offset >= int64(len(magic)) && *offset <= s.Size-int64(*length)
}

// index makes the page index of a chunk that begins at start of those of the
// chunks it is made of. The second answer is false when one of these is not what
// it should be: then the output has none at all.
func index(chunks []chunk, start int64) (pageIndex, bool) {
	var offsets metadata.OffsetIndexBuilder
	columns := metadata.NewColumnIndexBuilder(chunks[0].column())
	bounded := columns != nil && pagesBounded(chunks[0].column())
	row := int64(0)
	for _, c := range chunks {
		pages, ok := c.pages()
		if !ok {
			return pageIndex{}, false
		}
		begin, length := c.extent()
		for _, p := range pages {
			if offsets.AddPage(p.Offset-begin+start, p.FirstRowIndex+row, p.CompressedPageSize) != nil {
				return pageIndex{}, false
			}
		}
		bounded = bounded && c.addBounds(columns, len(pages))
		start, row = start+length, row+c.src.md.RowGroups[c.rg].NumRows
	}
	var out pageIndex
	var b bytes.Buffer
	if offsets.Finish(0) != nil {
		return out, false
	}
	if _, err := offsets.WriteTo(&b, nil); err != nil {
		return out, false
	}
	out.offsets = b.Bytes()
	if bounded {
		var b bytes.Buffer
		if columns.Finish() != nil { // and finds the order of bounds anew
			return out, true
		}
		if _, err := columns.WriteTo(&b, nil); err == nil && b.Len() > 0 {
			out.columns = b.Bytes()
		}
	}
	return out, true
}

func (c chunk) column() *schema.Column { return c.src.md.Schema.Column(c.col) }

// pagesBounded leaves out columns of floats: a page index does not say whether a
// page has a NaN, which its bounds do not cover, and Spark skips such pages. So
// it does columns whose values have no order.
func pagesBounded(c *schema.Column) bool {
	o := orderOf(c)
	return o != nil && o.nan == nil
}

// pages are where the data pages of a chunk are. They must lie one after the
// other from its first data page to its end, and their rows ascend from 0.
func (c chunk) pages() ([]*metadata.PageLocation, bool) {
	rg := c.src.md.RowGroups[c.rg]
	m := rg.Columns[c.col]
	b, ok := c.src.section(m.OffsetIndexOffset, m.OffsetIndexLength)
	if !ok {
		return nil, false
	}
	idx, err := decoded(func() metadata.OffsetIndex { return metadata.NewOffsetIndex(b, nil, nil) })
	if err != nil {
		return nil, false
	}
	begin, length := c.extent()
	return idx.GetPageLocations(), tile(idx.GetPageLocations(), m.MetaData.DataPageOffset, begin+length, rg.NumRows) == nil
}

// tile checks that pages cover bytes and rows, without gaps.
func tile(pages []*metadata.PageLocation, from, to, rows int64) error {
	row := int64(0)
	for i, p := range pages {
		switch {
		case p.Offset != from || p.CompressedPageSize <= 0:
			return fmt.Errorf("page %d is said to be at %d, it is at %d", i, p.Offset, from)
		case p.FirstRowIndex < row || i == 0 && p.FirstRowIndex != 0 || p.FirstRowIndex >= rows:
			return fmt.Errorf("page %d is said to begin with row %d of %d", i, p.FirstRowIndex, rows)
		}
		from, row = from+int64(p.CompressedPageSize), p.FirstRowIndex
	}
	if from != to {
		return fmt.Errorf("pages are said to end at %d, they end at %d", from, to)
	}
	return nil
}

// addBounds adds what is known of the pages of a chunk.
func (c chunk) addBounds(to metadata.ColumnIndexBuilder, pages int) bool {
	m := c.src.md.RowGroups[c.rg].Columns[c.col]
	b, ok := c.src.section(m.ColumnIndexOffset, m.ColumnIndexLength)
	if !ok || !c.trusted() {
		return false
	}
	idx, err := decoded(func() metadata.ColumnIndex {
		return metadata.NewColumnIndex(c.column(), b, parquet.NewReaderProperties(nil), nil)
	})
	if err != nil || len(idx.GetNullPages()) != pages {
		return false
	}
	order := orderOf(c.column())
	for i, null := range idx.GetNullPages() {
		s := &metadata.EncodedStatistics{AllNullValue: null}
		if !null {
			s.SetMin(idx.GetMinValues()[i]).SetMax(idx.GetMaxValues()[i])
			if order.invalid(s.Min) || order.invalid(s.Max) || order.less(s.Max, s.Min) {
				return false
			}
		}
		if idx.IsSetNullCounts() {
			s.SetNullCount(idx.GetNullCounts()[i])
		}
		if to.AddPage(s) != nil {
			return false
		}
	}
	return true
}

func (s *source) section(offset *int64, length *int32) ([]byte, bool) {
	if !s.holds(offset, length) {
		return nil, false
	}
	b := make([]byte, *length)
	_, err := s.R.ReadAt(b, *offset)
	return b, err == nil || err == io.EOF
}

// decoded calls a decoder that panics on what it cannot decode.
func decoded[T any](decode func() T) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return decode(), nil
}

// writeIndexes puts the page indexes behind the row groups, and their places into
// the footer: first all of one kind, then all of the other.
func (c *copier) writeIndexes(out *metadata.FileMetaData) {
	put := func(b []byte) (offset *int64, length *int32) {
		if len(b) == 0 {
			return nil, nil
		}
		offset, length = new(c.offset), new(int32(len(b)))
		c.bytes(b)
		return offset, length
	}
	n := 0
	for _, rg := range out.RowGroups {
		for _, m := range rg.Columns {
			m.ColumnIndexOffset, m.ColumnIndexLength = put(c.indexes[n].columns)
			n++
		}
	}
	n = 0
	for _, rg := range out.RowGroups {
		for _, m := range rg.Columns {
			m.OffsetIndexOffset, m.OffsetIndexLength = put(c.indexes[n].offsets)
			n++
		}
	}
}
