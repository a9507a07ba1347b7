package fuse_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// BenchmarkFuse prints MB per CPU-second of fusing 128 files, verification
// included, beside a byte copy of the same files.
func BenchmarkFuse(b *testing.B) {
	dir := b.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	schema := arrow.NewSchema([]arrow.Field{
		field(1, "contributor", arrow.BinaryTypes.String), field(2, "id", arrow.PrimitiveTypes.Int64),
		field(3, "at", arrow.FixedWidthTypes.Timestamp_us), field(4, "value", arrow.PrimitiveTypes.Float64),
		field(5, "payload", &arrow.FixedSizeBinaryType{ByteWidth: 16}), field(6, "note", arrow.BinaryTypes.String),
	}, nil)
	data := encode(b, []arrow.RecordBatch{batch(rng, schema, 30_000)}, parquet.WithDictionaryDefault(false),
		parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDataPageSize(1<<20))
	var inputs []string
	for i := range 128 {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
		inputs = append(inputs, path)
	}
	total := int64(len(data)) * int64(len(inputs))
	run := func(name string, f func(out string) error) {
		b.Run(name, func(b *testing.B) {
			out := filepath.Join(dir, "out")
			b.SetBytes(total)
			start := cpu()
			for b.Loop() {
				if err := f(out); err != nil {
					b.Fatal(err)
				}
				if err := os.Remove(out); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(total)*float64(b.N)/1e6/(cpu()-start).Seconds(), "MB/CPU-s")
		})
	}
	run("fuse", func(out string) error {
		_, err := fuse.Files(b.Context(), inputs, out, fuse.Options{})
		return err
	})
	run("copy", func(out string) error { return copyAll(inputs, out) })
}

func copyAll(inputs []string, out string) error {
	w, err := os.Create(out)
	if err != nil {
		return err
	}
	defer w.Close()
	buf := make([]byte, 1<<20)
	for _, path := range inputs {
		r, err := os.Open(path)
		if err != nil {
			return err
		}
		_, err = io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{r}, buf)
		r.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
