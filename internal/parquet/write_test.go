package parquet_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/codec"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	"github.com/firnlake/firn/internal/parquet"
)

func metadataOf(t testing.TB, bucket *objstore.Bucket, schema *iceberg.Schema, spec iceberg.PartitionSpec) table.Metadata {
	t.Helper()
	meta, err := table.NewMetadata(schema, &spec, table.UnsortedSortOrder, bucket.Location("wh/t"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return meta
}

func sequence(batches []arrow.RecordBatch, fail error) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, b := range batches {
			if !yield(b, nil) {
				return
			}
		}
		if fail != nil {
			yield(nil, fail)
		}
	}
}

// TestWriteFiles writes many partitions with room for few, and small targets:
// every row is in the bucket once, in order within its partition, in files
// whose descriptions are true.
func TestWriteFiles(t *testing.T) {
	bucket := objstoretest.New(t)
	schema := everything()
	for name, c := range map[string]struct {
		spec    iceberg.PartitionSpec
		options parquet.WriteOptions
		files   int // at least
	}{
		"one file":         {*iceberg.UnpartitionedSpec, parquet.WriteOptions{}, 1},
		"rolling":          {*iceberg.UnpartitionedSpec, parquet.WriteOptions{BufferBytes: 100 << 10}, 5},
		"partitions":       {spec(t, schema, "int/bucket[9]"), parquet.WriteOptions{}, 10},
		"many, small room": {spec(t, schema, "uuid/bucket[150]"), parquet.WriteOptions{BufferBytes: 50 << 10, Workers: 1, Puts: 2, MergeReady: true}, 100},
	} {
		t.Run(name, func(t *testing.T) {
			meta := metadataOf(t, bucket, schema, c.spec)
			var batches []arrow.RecordBatch
			want := int64(0)
			for i := range 5 {
				b := someRows(t, schema, 400, uint64(i))
				batches = append(batches, b)
				want += b.NumRows()
			}
			files, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data/"), sequence(batches, nil), c.options)
			if err != nil {
				t.Fatal(err)
			}
			if len(files) < c.files {
				t.Errorf("%d files, want %d or more", len(files), c.files)
			}
			got := int64(0)
			for _, f := range files {
				if !strings.HasPrefix(f.FilePath(), bucket.Location("wh/t/data/")) || int(f.SpecID()) != meta.DefaultPartitionSpec() {
					t.Errorf("file %s of spec %d", f.FilePath(), f.SpecID())
				}
				key, err := bucket.Key(f.FilePath())
				if err != nil {
					t.Fatal(err)
				}
				data, err := bucket.Get(context.Background(), key)
				if err != nil || int64(len(data)) != f.FileSizeBytes() {
					t.Fatalf("%s: %d bytes, described %d (%v)", key, len(data), f.FileSizeBytes(), err)
				}
				tbl := readBack(t, data)
				if tbl.NumRows() != f.Count() {
					t.Errorf("%d rows, described %d", tbl.NumRows(), f.Count())
				}
				got += tbl.NumRows()
				inOrder(t, tbl)
			}
			if got != want {
				t.Errorf("%d rows of %d", got, want)
			}
		})
	}
}

// inOrder checks that ids rise, but for starting again at each of 5 batches.
func inOrder(t *testing.T, tbl arrow.Table) {
	t.Helper()
	last, falls := int64(-1), 0
	for _, c := range tbl.Column(0).Data().Chunks() {
		for _, v := range c.(*array.Int64).Int64Values() {
			if v <= last {
				falls++
			}
			last = v
		}
	}
	if falls > 4 {
		t.Errorf("the ids fall %d times", falls)
	}
}

func TestWriteFilesFails(t *testing.T) {
	bucket := objstoretest.New(t)
	schema := everything()
	meta := metadataOf(t, bucket, schema, *iceberg.UnpartitionedSpec)
	good := someRows(t, schema, 10, 1)
	planted := errors.New("planted")
	if _, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data"), sequence([]arrow.RecordBatch{good}, planted), parquet.WriteOptions{}); !errors.Is(err, planted) {
		t.Errorf("failing source: %v", err)
	}
	if _, err := parquet.WriteFiles(t.Context(), bucket, meta, "s3://elsewhere/data", sequence([]arrow.RecordBatch{good}, nil), parquet.WriteOptions{}); err == nil {
		t.Error("a location in another bucket was accepted")
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(planted)
	if _, err := parquet.WriteFiles(ctx, bucket, meta, bucket.Location("wh/t/data"), sequence([]arrow.RecordBatch{good}, nil), parquet.WriteOptions{}); !errors.Is(err, planted) {
		t.Errorf("cancelled: %v", err)
	}
	files, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data"), sequence(nil, nil), parquet.WriteOptions{})
	if err != nil || len(files) != 0 {
		t.Errorf("no rows: %v %v", files, err)
	}
	other := column(t, "idd", arrow.PrimitiveTypes.Int64, "[1]")
	if _, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data"), sequence([]arrow.RecordBatch{other}, nil), parquet.WriteOptions{}); err == nil || !strings.Contains(err.Error(), "did you mean id?") {
		t.Errorf("wrong schema: %v", err)
	}
	if _, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data"), sequence([]arrow.RecordBatch{good}, nil), parquet.WriteOptions{Codec: "zip"}); err == nil || !strings.Contains(err.Error(), "unknown compression codec") {
		t.Errorf("codec: %v", err)
	}
}

// TestPartitionValuesInManifest: what Cluster computes is what a manifest
// encodes and decodes, NULL included.
func TestPartitionValuesInManifest(t *testing.T) {
	bucket := objstoretest.New(t)
	schema := everything()
	for _, c := range []string{"string/identity", "dec18/identity", "date/day", "ts/hour", "tstz/month", "uuid/identity", "fixed/identity", "binary/truncate[1]", "long/bucket[4]", "time/identity", "bool/identity", "double/identity", "dec9/truncate[10]", "long/void"} {
		meta := metadataOf(t, bucket, schema, spec(t, schema, c))
		files, err := parquet.WriteFiles(t.Context(), bucket, meta, bucket.Location("wh/t/data"), sequence([]arrow.RecordBatch{someRows(t, schema, 60, 3)}, nil), parquet.WriteOptions{})
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		for _, f := range files {
			raw, err := codec.EncodeDataFile(f, meta.PartitionSpec(), meta.CurrentSchema(), meta.Version())
			if err != nil {
				t.Fatalf("%s: encode %v: %v", c, f.Partition(), err)
			}
			back, err := codec.DecodeDataFile(raw, meta.PartitionSpec(), meta.CurrentSchema(), meta.Version())
			if err != nil {
				t.Fatalf("%s: decode: %v", c, err)
			}
			if a, b := fmt.Sprint(f.Partition()), fmt.Sprint(back.Partition()); a != b {
				t.Errorf("%s: %s became %s", c, a, b)
			}
		}
	}
}
