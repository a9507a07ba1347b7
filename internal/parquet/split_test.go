package parquet_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/parquet"
)

// lines are the rows of batches as text.
func lines(batches ...arrow.RecordBatch) (out []string) {
	for _, b := range batches {
		for i := range int(b.NumRows()) {
			var row []string
			for _, c := range b.Columns() {
				row = append(row, c.ValueStr(i))
			}
			out = append(out, strings.Join(row, "|"))
		}
	}
	return out
}

// Split makes the partitions of Cluster, with its rows in its order, however
// little it may hold and however few files may be open.
func TestSplitMakesThePartitionsOfCluster(t *testing.T) {
	schema := everything()
	for _, fields := range [][]string{{"long/bucket[16]"}, {"string/truncate[1]", "date/year"}, {"uuid/identity"}, {"ts/day"}, {}} {
		for _, o := range []parquet.SplitOptions{{}, {BufferBytes: 1}, {OpenFiles: 2, BufferBytes: 10_000}} {
			sp := iceberg.NewPartitionSpecID(0)
			if len(fields) > 0 {
				sp = spec(t, schema, fields...)
			}
			var batches []arrow.RecordBatch
			for i := range uint64(4) {
				batches = append(batches, someRows(t, schema, 90, i+1))
			}
			want := map[string][]string{}
			parts, err := parquet.Cluster(batches, schema, sp)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range parts {
				want[fmt.Sprintf("%#v", p.Values)] = lines(p.Batches...)
			}
			dir := t.TempDir()
			opts := parquet.FileOptions{Schema: schema, Spec: sp, RowGroupBytes: 20_000}
			files, err := parquet.Split(t.Context(), dir, opts, sequence(batches, nil), o)
			if err != nil {
				t.Fatal(err)
			}
			if o.OpenFiles == 0 && len(parts) <= 256 && len(files) != len(parts) || len(files) < len(parts) {
				t.Errorf("%v: %d files for %d partitions", fields, len(files), len(parts))
			}
			got := map[string][]string{}
			for _, f := range files {
				rows := readLines(t, f.Path)
				if int64(len(rows)) != f.Rows {
					t.Errorf("%d rows, %d said", len(rows), f.Rows)
				}
				key := fmt.Sprintf("%#v", f.Values)
				got[key] = append(got[key], rows...)
			}
			for key, rows := range want {
				if !slices.Equal(rows, got[key]) {
					t.Errorf("%v, %+v: partition %s differs: %d rows, want %d", fields, o, key, len(got[key]), len(rows))
				}
			}
			if len(got) != len(want) {
				t.Errorf("%d partitions, want %d", len(got), len(want))
			}
		}
	}
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := file.NewParquetReader(f)
	if err != nil {
		t.Fatal(err)
	}
	ar, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 20}, memory.DefaultAllocator)
	if err != nil {
		t.Fatal(err)
	}
	rr, err := ar.GetRecordReader(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer rr.Release()
	var out []string
	for rr.Next() {
		out = append(out, lines(rr.RecordBatch())...)
	}
	return out
}

// Rows that come to an error leave no file open.
func TestSplitEndsWithItsSource(t *testing.T) {
	schema := everything()
	broken := func(yield func(arrow.RecordBatch, error) bool) {
		if yield(someRows(t, schema, 50, 1), nil) {
			yield(nil, os.ErrClosed)
		}
	}
	files, err := parquet.Split(t.Context(), t.TempDir(), parquet.FileOptions{Schema: schema, Spec: spec(t, schema, "long/bucket[4]")}, broken, parquet.SplitOptions{BufferBytes: 1})
	if err == nil || files != nil {
		t.Errorf("%v, %v", files, err)
	}
}

// Every value that Cluster puts into a partition belongs there, and to no other.
func TestBelongsAgreesWithCluster(t *testing.T) {
	schema := everything()
	for _, c := range []string{
		"string/identity", "string/bucket[7]", "string/truncate[2]", "binary/bucket[5]", "int/truncate[10]", "long/bucket[16]", "dec18/identity", "dec18/bucket[4]", "dec18/truncate[50]",
		"date/identity", "date/month", "date/day", "ts/year", "ts/hour", "ts/bucket[4]", "tstz/day", "time/identity", "uuid/bucket[8]", "fixed/identity", "bool/identity", "double/identity",
	} {
		sp := spec(t, schema, c)
		f := sp.Field(0)
		path, typ, ok, err := parquet.SourcePath(schema, f)
		if err != nil || !ok {
			t.Fatal(c, err)
		}
		parts, err := parquet.Cluster([]arrow.RecordBatch{someRows(t, schema, 300, 9)}, schema, sp)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range parts {
			for _, b := range p.Batches {
				at := b.Schema().FieldIndices(path[0])
				source := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{b.Schema().Field(at[0])}, nil), []arrow.Array{b.Column(at[0])}, b.NumRows())
				if err := parquet.Belongs(f, typ, p.Values[f.FieldID], source); err != nil {
					t.Errorf("%s: %v", c, err)
				}
				other := parts[(i+1)%len(parts)].Values[f.FieldID]
				if err := parquet.Belongs(f, typ, other, source); err == nil && len(parts) > 1 {
					t.Errorf("%s: rows of %v belong to %v too", c, p.Values[f.FieldID], other)
				}
			}
		}
	}
}
