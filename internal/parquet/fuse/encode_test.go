package fuse_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// Whatever numbers a file holds, of any size and step, another decoder finds them in
// the output.
func TestLineageOfAnyNumbers(t *testing.T) {
	fields := slices.Concat(narrow, []arrow.Field{field(2147483540, "_row_id", arrow.PrimitiveTypes.Int64), field(2147483539, "_last_updated_sequence_number", arrow.PrimitiveTypes.Int64)})
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 3))
		var columns [2][]int64
		rows := rapid.IntRange(1, 700).Draw(rt, "rows")
		for i := range columns {
			v := rapid.Int64().Draw(rt, "first")
			for len(columns[i]) < rows {
				step := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64()).Draw(rt, "step")
				for range rapid.IntRange(1, 200).Draw(rt, "length") {
					columns[i], v = append(columns[i], v), v+step
				}
			}
		}
		plain := batch(rng, arrow.NewSchema(narrow, nil), rows)
		arrays := slices.Clone(plain.Columns())
		for i := range columns {
			b := array.NewInt64Builder(memory.DefaultAllocator)
			b.AppendValues(columns[i][:rows], nil)
			arrays = append(arrays, b.NewArray())
		}
		data := encode(t, []arrow.RecordBatch{array.NewRecordBatch(arrow.NewSchema(fields, nil), arrays, int64(rows))}, parquet.WithDictionaryDefault(false))
		f := tracked{source: fuse.Source{Name: "any", R: bytes.NewReader(data), Size: int64(len(data)), FirstRowID: new(int64(0))}, data: encode(t, []arrow.RecordBatch{plain})}
		for i := range rows {
			f.rows = append(f.rows, lineageRow{columns[0][i], columns[1][i]})
		}
		fuseTracked(t, []tracked{f, track(t, rng, 1<<50, 4, []int{rapid.IntRange(1, 300).Draw(rt, "more")}, nil, 0)}, fuse.Options{})
	})
}

// More rows than a page holds.
func TestLineageOfSeveralPages(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues(make([]int64, 1_200_000), nil)
	data := encode(t, []arrow.RecordBatch{array.NewRecordBatch(arrow.NewSchema(narrow[:1], nil), []arrow.Array{b.NewArray()}, 1_200_000)}, parquet.WithMaxRowGroupLength(2_000_000))
	p, err := fuse.NewPlan(t.Context(), []fuse.Source{{Name: "long", R: bytes.NewReader(data), Size: int64(len(data)), FirstRowID: new(int64(7)), Sequence: 3}}, fuse.Options{Lineage: true})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	res, err := p.Write(t.Context(), &out)
	if err != nil {
		t.Fatal(err)
	}
	if err := fuse.Verify(bytes.NewReader(out.Bytes()), int64(out.Len()), res); err != nil {
		t.Fatal(err)
	}
	ids, next := decode(t, out.Bytes()).Column(1).Data(), int64(7)
	for _, c := range ids.Chunks() {
		for _, id := range c.(*array.Int64).Int64Values() {
			if id != next {
				t.Fatalf("id %d, want %d", id, next)
			}
			next++
		}
	}
	if next != 1_200_007 || res.RowGroupsOut != 1 {
		t.Errorf("%d ids in %d row groups", next-7, res.RowGroupsOut)
	}
}

// An encoder that wrote any bit of the values, or of the levels before them,
// otherwise is found, though the checksums are those of what it wrote.
func TestVerifyDecodesLineage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	out, res := fuseTracked(t, []tracked{track(t, rng, 10, 1, []int{300}, nil, 0), track(t, rng, 400, 2, []int{300}, []int{0, 1}, 0)}, fuse.Options{})
	tried := 0
	for i := len(res.Pieces) - 2; i < len(res.Pieces); i++ {
		p := res.Pieces[i]
		chunk := out[p.Offset : p.Offset+p.Length]
		levels := bytes.Index(chunk, []byte{3, 0, 0, 0, 0xb0, 9, 1}) // 600 ones
		if levels < 0 {
			t.Fatalf("no levels in %x", chunk)
		}
		for bit := levels * 8; bit < len(chunk)*8; bit++ {
			bad := bytes.Clone(out)
			bad[p.Offset+int64(bit/8)] ^= 1 << (bit % 8)
			forged := *res
			forged.Pieces = slices.Clone(res.Pieces)
			forged.Pieces[i].CRC = crc32.Checksum(bad[p.Offset:p.Offset+p.Length], crc32.MakeTable(crc32.Castagnoli))
			if err := fuse.Verify(bytes.NewReader(bad), int64(len(bad)), &forged); !errors.Is(err, fuse.ErrDamaged) {
				t.Errorf("bit %d of %d of column %d: %v", bit, len(chunk)*8, i, err)
			}
			tried++
		}
	}
	if tried < 500 {
		t.Errorf("%d bits", tried)
	}
}
