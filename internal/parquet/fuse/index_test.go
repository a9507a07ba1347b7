package fuse_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// checkIndexes holds the page index of a file against its pages and values, by
// another reader than the one that made it, and answers how many chunks have each
// of its parts: offsets all or none.
func checkIndexes(t testing.TB, data []byte) (chunks, offsets, columns int) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	md := r.MetaData()
	tbl := decode(t, data)
	first := int64(0)
	indexes := r.GetPageIndexReader()
	for g, rg := range md.RowGroups {
		for c, m := range rg.Columns {
			chunks++
			if m.OffsetIndexOffset == nil {
				if m.ColumnIndexOffset != nil {
					t.Errorf("column %d has bounds of pages that are nowhere", c)
				}
				continue
			}
			offsets++
			if err := indexes.WillNeed([]int32{int32(g)}, []int32{int32(c)}, metadata.PageIndexSelection{ColumnIndex: m.ColumnIndexOffset != nil, OffsetIndex: true}); err != nil {
				t.Fatal(err)
			}
			group, err := indexes.RowGroup(g)
			if err != nil {
				t.Fatal(err)
			}
			where, err := group.GetOffsetIndex(c)
			if err != nil {
				t.Fatal(err)
			}
			checkPages(t, r, g, c, where.GetPageLocations())
			if m.ColumnIndexOffset == nil {
				continue
			}
			columns++
			bounds, err := group.GetColumnIndex(c)
			if err != nil {
				t.Fatal(err)
			}
			column := md.Schema.Column(c)
			if len(bounds.GetNullPages()) != len(where.GetPageLocations()) {
				t.Errorf("column %s: bounds of %d pages, there are %d", column.Path(), len(bounds.GetNullPages()), len(where.GetPageLocations()))
			}
			if p := column.PhysicalType(); p == parquet.Types.Float || p == parquet.Types.Double {
				t.Errorf("column %s may hold NaN", column.Path())
			}
			if len(column.ColumnPath()) == 1 {
				values := array.NewChunkedSlice(tbl.Column(tbl.Schema().FieldIndices(column.Name())[0]).Data(), first, first+rg.NumRows)
				checkBounds(t, column, values, where.GetPageLocations(), bounds)
			}
		}
		first += rg.NumRows
	}
	if offsets != 0 && offsets != chunks {
		t.Errorf("%d of %d chunks say where their pages are", offsets, chunks)
	}
	return chunks, offsets, columns
}

// checkPages reads the pages one after the other, and from each place that the
// index says a page is at.
func checkPages(t testing.TB, r *file.Reader, g, c int, where []*metadata.PageLocation) {
	t.Helper()
	pages, err := r.RowGroup(g).GetColumnPageReader(c)
	if err != nil {
		t.Fatal(err)
	}
	row, n := int64(0), 0
	flat := r.MetaData().Schema.Column(c).MaxRepetitionLevel() == 0
	for pages.Next() {
		p, ok := pages.Page().(file.DataPage)
		if !ok {
			continue // a dictionary
		}
		if n >= len(where) || flat && where[n].FirstRowIndex != row {
			t.Fatalf("row group %d, column %d, page %d begins with row %d: %v", g, c, n, row, where)
		}
		row += int64(p.NumValues())
		n++
	}
	if err := pages.Err(); err != nil || n != len(where) {
		t.Fatalf("row group %d, column %d: %d pages, %d in the index, %v", g, c, n, len(where), err)
	}
	for i, w := range where {
		if err := pages.SeekToPageWithRow(w.FirstRowIndex); err != nil || pages.Page() == nil { // it reads the page, too
			t.Fatalf("row group %d, column %d: no page at %d: %v, %v", g, c, w.Offset, err, pages.Err())
		}
		p, ok := pages.Page().(file.DataPage)
		if !ok || flat && i+1 < len(where) && int64(p.NumValues()) != where[i+1].FirstRowIndex-w.FirstRowIndex {
			t.Fatalf("row group %d, column %d: another page at %d", g, c, w.Offset)
		}
	}
}

// checkBounds compares what is said of pages with the values of their rows.
func checkBounds(t testing.TB, column *schema.Column, values *arrow.Chunked, where []*metadata.PageLocation, said metadata.ColumnIndex) {
	t.Helper()
	ordered := true
	for i, w := range where {
		end := int64(values.Len())
		if i+1 < len(where) {
			end = where[i+1].FirstRowIndex
		}
		page := array.NewChunkedSlice(values, w.FirstRowIndex, end)
		if said.GetNullPages()[i] != (page.NullN() == page.Len()) || said.IsSetNullCounts() && said.GetNullCounts()[i] != int64(page.NullN()) {
			t.Errorf("column %s, page %d: %d of %d rows are null, not %v", column.Path(), i, page.NullN(), page.Len(), said)
		}
		low, high := said.GetMinValues()[i], said.GetMaxValues()[i]
		for _, chunk := range page.Chunks() {
			for v := range chunk.Len() {
				if chunk.IsValid(v) && !within(chunk, v, low, high) {
					t.Fatalf("column %s, page %d: %s is out of %x..%x", column.Path(), i, chunk.ValueStr(v), low, high)
				}
			}
		}
		if chunk, ok := values.Chunk(0).(*array.Int64); ok && i > 0 && chunk != nil && !said.GetNullPages()[i-1] && !said.GetNullPages()[i] {
			ordered = ordered && int64(binary.LittleEndian.Uint64(said.GetMinValues()[i-1])) <= int64(binary.LittleEndian.Uint64(low))
		}
	}
	if said.GetBoundaryOrder() == metadata.Ascending && !ordered {
		t.Errorf("column %s: its pages do not ascend", column.Path())
	}
}

// within compares a value with plain bounds; of types it does not know it says yes.
func within(a arrow.Array, i int, low, high []byte) bool {
	number := func(v int64, decode func([]byte) int64) bool { return decode(low) <= v && v <= decode(high) }
	wide := func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }
	narrow := func(b []byte) int64 { return int64(int32(binary.LittleEndian.Uint32(b))) }
	switch a := a.(type) {
	case *array.Int64:
		return number(a.Value(i), wide)
	case *array.Timestamp:
		return number(int64(a.Value(i)), wide)
	case *array.Int32:
		return number(int64(a.Value(i)), narrow)
	case *array.Date32:
		return number(int64(a.Value(i)), narrow)
	case *array.String:
		return cmp.Compare(string(low), a.Value(i)) <= 0 && cmp.Compare(a.Value(i), string(high)) <= 0
	case *array.FixedSizeBinary:
		return bytes.Compare(low, a.Value(i)) <= 0 && bytes.Compare(a.Value(i), high) <= 0
	}
	return true
}

func indexedFiles(t testing.TB, rng *rand.Rand, n int, opts ...parquet.WriterProperty) [][]byte {
	var files [][]byte
	for i := range n {
		files = append(files, encode(t, []arrow.RecordBatch{batch(rng, everyType, 1400+i*90), batch(rng, everyType, 900)}, append([]parquet.WriterProperty{parquet.WithPageIndexEnabled(true)}, opts...)...))
	}
	return files
}

// Page indexes are carried over where every input has them, joined or not, also
// through a second fusion.
func TestPageIndexesAreCarriedOver(t *testing.T) {
	for _, dict := range []bool{false, true} {
		for _, pages := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
			t.Run(fmt.Sprintf("dict=%v/v%d", dict, pages+1), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, 2))
				files := indexedFiles(t, rng, 3, parquet.WithDictionaryDefault(dict), parquet.WithDataPageVersion(pages))
				one, _ := fuseAll(t, files, fuse.Options{})
				more := indexedFiles(t, rng, 1, parquet.WithDictionaryDefault(dict), parquet.WithDataPageVersion(pages))
				out, _ := fuseAll(t, [][]byte{one, more[0]}, fuse.Options{})
				sameRows(t, out, append(files, more...))
				chunks, offsets, columns := checkIndexes(t, out)
				// Neither single, double, place.lat nor what has no order.
				if offsets != chunks || columns*10 < chunks*7 {
					t.Errorf("of %d chunks %d say where pages are, %d what is in them", chunks, offsets, columns)
				}
			})
		}
	}
}

// One input without a page index, or with a wrong one, takes all of it away.
func TestPageIndexesThatAreNotKnownAreAbsent(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	with := indexedFiles(t, rng, 2, parquet.WithDictionaryDefault(false))
	without := encode(t, []arrow.RecordBatch{batch(rng, everyType, 400)}, parquet.WithDictionaryDefault(false))
	for name, other := range map[string][]byte{"without": without, "wrong": shiftIndex(t, with[1], 1)} {
		out, _ := fuseAll(t, [][]byte{with[0], other}, fuse.Options{})
		if _, offsets, columns := checkIndexes(t, out); offsets+columns > 0 {
			t.Errorf("%s: %d, %d", name, offsets, columns)
		}
	}
}

// shiftIndex gives a column an offset index that is wrong by one page.
func shiftIndex(t testing.TB, data []byte, column int) []byte {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	md := r.MetaData()
	m := md.RowGroups[0].Columns[column]
	old := metadata.NewOffsetIndex(data[*m.OffsetIndexOffset:*m.OffsetIndexOffset+int64(*m.OffsetIndexLength)], nil, nil).GetPageLocations()
	if len(old) < 3 {
		t.Fatalf("%d pages", len(old))
	}
	var b metadata.OffsetIndexBuilder
	for i := range old {
		at := old[min(i+1, len(old)-1)]
		if err := b.AddPage(at.Offset, old[i].FirstRowIndex, at.CompressedPageSize); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Finish(0); err != nil {
		t.Fatal(err)
	}
	size := binary.LittleEndian.Uint32(data[len(data)-8:])
	out := bytes.NewBuffer(bytes.Clone(data[:len(data)-8-int(size)]))
	m.OffsetIndexOffset = new(int64(out.Len()))
	n, err := b.WriteTo(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.OffsetIndexLength = new(int32(n))
	length, err := md.WriteTo(out, nil)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.LittleEndian.AppendUint32(out.Bytes(), uint32(length)), "PAR1"...)
}

// An index that is wrong by one page is noticed before anything refers to the file.
func TestVerifyFindsAWrongIndex(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	out, res := fuseAll(t, indexedFiles(t, rng, 2, parquet.WithDictionaryDefault(false)), fuse.Options{})
	for _, column := range []int{1, 2, 9, 14} {
		bad := shiftIndex(t, out, column)
		r := *res
		r.Size = int64(len(bad))
		if err := fuse.Verify(bytes.NewReader(bad), r.Size, &r); !errors.Is(err, fuse.ErrDamaged) {
			t.Errorf("column %d: %v", column, err)
		}
	}
}

// On v3 the columns of row lineage have page indexes too.
func TestPageIndexesWithLineage(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	var files []tracked
	for i := range 3 {
		files = append(files, track(t, rng, int64(i)*1000, int64(i)+1, []int{300, 200}, nil, 0, parquet.WithPageIndexEnabled(true), parquet.WithDictionaryDefault(false)))
	}
	out, _ := fuseTracked(t, files, fuse.Options{})
	if chunks, offsets, columns := checkIndexes(t, out); offsets != chunks || columns != chunks {
		t.Errorf("of %d chunks %d say where pages are, %d what is in them", chunks, offsets, columns)
	}
}
