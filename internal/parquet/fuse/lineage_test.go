package fuse_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// lineageRow is what a row of a v3 table has: an id, and the sequence number of
// its last update.
type lineageRow struct{ id, sequence int64 }

// tracked is a file of a v3 table and the lineage of its rows.
type tracked struct {
	source fuse.Source
	rows   []lineageRow
	data   []byte // without the columns of row lineage
}

var narrow = []arrow.Field{field(1, "id", arrow.PrimitiveTypes.Int64), field(2, "text", arrow.BinaryTypes.String), field(3, "tags", arrow.ListOfField(field(4, "element", arrow.BinaryTypes.String)))}

// track writes a file; holds says which of the columns it holds, at which place.
func track(t testing.TB, rng *rand.Rand, first, sequence int64, groups []int, holds []int, at int, opts ...parquet.WriterProperty) tracked {
	out := tracked{source: fuse.Source{Name: fmt.Sprint("file from ", first), FirstRowID: &first, Sequence: sequence}}
	columns := []arrow.Field{field(2147483540, "_row_id", arrow.PrimitiveTypes.Int64), field(2147483539, "_last_updated_sequence_number", arrow.PrimitiveTypes.Int64)}
	var extra []arrow.Field
	for _, h := range holds {
		extra = append(extra, columns[h])
	}
	var plain, batches []arrow.RecordBatch
	row := int64(0)
	for _, n := range groups {
		b := batch(rng, arrow.NewSchema(narrow, nil), n)
		plain = append(plain, b)
		builders := make([]*array.Int64Builder, len(holds))
		for i := range holds {
			builders[i] = array.NewInt64Builder(memory.DefaultAllocator)
		}
		for range n {
			l := lineageRow{first + row, sequence}
			for i, h := range holds {
				v := []int64{1e9 + rng.Int64N(1e6), rng.Int64N(sequence)}[h]
				switch {
				case rng.IntN(4) == 0:
					builders[i].AppendNull()
					continue
				case h == 0:
					l.id = v
				default:
					l.sequence = v
				}
				builders[i].Append(v)
			}
			out.rows = append(out.rows, l)
			row++
		}
		arrays := slices.Clone(b.Columns())
		var held []arrow.Array
		for i := range builders {
			held = append(held, builders[i].NewArray())
		}
		batches = append(batches, array.NewRecordBatch(arrow.NewSchema(slices.Insert(slices.Clone(narrow), at, extra...), nil), slices.Insert(arrays, at, held...), int64(n)))
	}
	out.data = encode(t, plain, opts...)
	data := encode(t, batches, opts...)
	out.source.R, out.source.Size = bytes.NewReader(data), int64(len(data))
	return out
}

// fuseTracked fuses files with their lineage and checks every row of the output.
func fuseTracked(t testing.TB, files []tracked, o fuse.Options) ([]byte, *fuse.Result) {
	t.Helper()
	o.Lineage = true
	var sources []fuse.Source
	var plain [][]byte
	var want []lineageRow
	for _, f := range files {
		sources, plain, want = append(sources, f.source), append(plain, f.data), append(want, f.rows...)
	}
	p, err := fuse.NewPlan(t.Context(), sources, o)
	if err != nil {
		t.Fatal(err)
	}
	var buf bytes.Buffer
	res, err := p.Write(t.Context(), &buf)
	if err != nil {
		t.Fatal(err)
	}
	out := buf.Bytes()
	if err := fuse.Verify(bytes.NewReader(out), int64(len(out)), res); err != nil {
		t.Fatal(err)
	}
	tbl := decode(t, out)
	if n := int(tbl.NumCols()); n != len(narrow)+2 {
		t.Fatalf("%d columns", n)
	}
	got := make([]lineageRow, 0, len(want))
	ids, sequences := tbl.Column(len(narrow)).Data().Chunks(), tbl.Column(len(narrow)+1).Data().Chunks()
	for i := range ids {
		a, b := ids[i].(*array.Int64), sequences[i].(*array.Int64)
		if a.NullN()+b.NullN() > 0 {
			t.Fatal("a row has no id or no sequence number")
		}
		for r := range a.Len() {
			got = append(got, lineageRow{a.Value(r), b.Value(r)})
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("lineage of %d rows differs from that of %d", len(got), len(want))
	}
	sameColumns(t, tbl, plain, len(narrow))
	checkFooter(t, out)
	checkLineageChunks(t, out)
	return out, res
}

// checkLineageChunks: the two columns come last, have their ids, are optional,
// delta encoded and have true bounds.
func checkLineageChunks(t testing.TB, data []byte) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	md := r.MetaData()
	for i, id := range []int32{2147483540, 2147483539} {
		col := md.NumColumns() - 2 + i
		n := md.Schema.Column(col).SchemaNode()
		if n.FieldID() != id || n.RepetitionType() != parquet.Repetitions.Optional {
			t.Errorf("column %d is %v %v", col, n.FieldID(), n.RepetitionType())
		}
		for g, rg := range md.RowGroups {
			m := rg.Columns[col].MetaData
			for _, e := range m.Encodings {
				if e := parquet.Encoding(e); e != parquet.Encodings.DeltaBinaryPacked && e != parquet.Encodings.RLE {
					t.Errorf("row group %d: encoding %v", g, e)
				}
			}
			if m.NumValues != rg.NumRows || m.Statistics == nil || m.Statistics.NullCount == nil || *m.Statistics.NullCount != 0 || len(m.Statistics.MinValue) != 8 {
				t.Errorf("row group %d: %v", g, m)
			}
		}
	}
}

// Every row keeps its id and sequence number, whether files hold them, inherit
// them, or both, and wherever the columns stand.
func TestLineageOfEveryRow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 7))
		var files []tracked
		first := int64(rapid.IntRange(0, 1000).Draw(rt, "first"))
		for range rapid.IntRange(1, 6).Draw(rt, "files") {
			groups := rapid.SliceOfN(rapid.IntRange(0, 90), 1, 4).Draw(rt, "groups")
			holds := rapid.SampledFrom([][]int{nil, {0, 1}, {1, 0}, {0}, {1}}).Draw(rt, "holds")
			files = append(files, track(t, rng, first, int64(rapid.IntRange(1, 50).Draw(rt, "sequence")), groups, holds, rapid.IntRange(0, len(narrow)).Draw(rt, "at"),
				parquet.WithDictionaryDefault(rapid.Bool().Draw(rt, "dict"))))
			first += int64(rapid.IntRange(500, 1000).Draw(rt, "gap"))
		}
		fuseTracked(t, files, fuse.Options{RowGroupBytes: int64(rapid.IntRange(1, 1<<16).Draw(rt, "bytes")), RowGroupRows: int64(rapid.IntRange(1, 500).Draw(rt, "limit"))})
	})
}

// More rows than are encoded at a time, and a fused file as the next one's input.
func TestLineageIsFusedAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	files := []tracked{track(t, rng, 0, 1, []int{20_000}, nil, 0, parquet.WithDictionaryDefault(false)), track(t, rng, 1<<40, 7, []int{5, 9_000}, nil, 0, parquet.WithDictionaryDefault(false))}
	out, res := fuseTracked(t, files, fuse.Options{})
	if res.RowGroupsOut != 1 {
		t.Errorf("%d row groups", res.RowGroupsOut)
	}
	again := tracked{source: fuse.Source{Name: "fused", R: bytes.NewReader(out), Size: int64(len(out)), FirstRowID: new(int64(5)), Sequence: 99}, rows: slices.Concat(files[0].rows, files[1].rows), data: without(t, files)}
	more := track(t, rng, 1<<41, 8, []int{100}, []int{0, 1}, len(narrow), parquet.WithDictionaryDefault(false))
	if _, res = fuseTracked(t, []tracked{again, more}, fuse.Options{}); res.RowGroupsOut != 1 {
		t.Errorf("%d row groups", res.RowGroupsOut)
	}
}

// without are the rows of several files as one, without lineage.
func without(t testing.TB, files []tracked) []byte {
	t.Helper()
	var plain [][]byte
	for _, f := range files {
		plain = append(plain, f.data)
	}
	out, _ := fuseAll(t, plain, fuse.Options{})
	return out
}

// Rows that have no ids, and columns that only look like those of row lineage,
// are none of fuse's business.
func TestLineageRefusals(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	without := func(f tracked) tracked {
		f.source.FirstRowID = nil
		return f
	}
	odd := func(f arrow.Field) tracked {
		data := encode(t, []arrow.RecordBatch{batch(rng, arrow.NewSchema(append(slices.Clone(narrow), f), nil), 10)})
		return tracked{source: fuse.Source{Name: "odd", R: bytes.NewReader(data), Size: int64(len(data)), FirstRowID: new(int64(0))}}
	}
	for name, f := range map[string]tracked{
		"upgraded":       without(track(t, rng, 0, 1, []int{10}, nil, 0)),
		"upgraded, null": without(track(t, rng, 0, 1, []int{100}, []int{0, 1}, 0)),
		"name":           odd(field(9, "_row_id", arrow.PrimitiveTypes.Int64)),
		"type":           odd(field(2147483540, "_row_id", arrow.PrimitiveTypes.Int32)),
		"list":           odd(field(2147483540, "_row_id", arrow.ListOfField(field(8, "element", arrow.PrimitiveTypes.Int64)))),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := fuse.NewPlan(t.Context(), []fuse.Source{f.source}, fuse.Options{Lineage: true})
			if err == nil {
				_, err = p.Write(t.Context(), &bytes.Buffer{})
			}
			if !errors.Is(err, fuse.ErrNotFusable) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// A column of row lineage that holds anything but what was to be encoded: one
// value more, two rows changed for each other, one row less.
func TestVerifyFindsWrongLineage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	out, res := fuseTracked(t, []tracked{track(t, rng, 10, 1, []int{300}, nil, 0), track(t, rng, 400, 2, []int{300}, []int{0, 1}, 0)}, fuse.Options{})
	for name, bug := range map[string]func(l *fuse.Lineage){
		"sum":   func(l *fuse.Lineage) { l.Sum++ },
		"order": func(l *fuse.Lineage) { l.Hash++ },
		"rows":  func(l *fuse.Lineage) { l.Rows-- },
	} {
		for which := range 2 {
			bad := *res
			bug(&bad.Lineage[which])
			if err := fuse.Verify(bytes.NewReader(out), int64(len(out)), &bad); !errors.Is(err, fuse.ErrDamaged) {
				t.Errorf("%s of column %d: %v", name, which, err)
			}
		}
	}
	// Another order gives another hash, and the same sum.
	_, swapped := fuseTracked(t, []tracked{track(t, rng, 400, 2, []int{300}, nil, 0), track(t, rng, 10, 2, []int{300}, nil, 0)}, fuse.Options{})
	_, straight := fuseTracked(t, []tracked{track(t, rng, 10, 2, []int{300}, nil, 0), track(t, rng, 400, 2, []int{300}, nil, 0)}, fuse.Options{})
	if swapped.Lineage[0].Sum != straight.Lineage[0].Sum || swapped.Lineage[0].Hash == straight.Lineage[0].Hash {
		t.Errorf("%+v, %+v", swapped.Lineage, straight.Lineage)
	}
}
