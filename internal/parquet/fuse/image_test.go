package fuse_test

import (
	"bytes"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/iotest"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// An image reads as the file that would have been written, from any place and in
// any pieces, as often as one likes.
func TestImageIsTheFile(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var files []tracked
	for i := range 5 {
		files = append(files, track(t, rng, int64(i)*1000, 3, []int{40, 0, 70}, [][]int{nil, {0, 1}}[i%2], 1, parquet.WithDictionaryDefault(i == 2)))
	}
	var sources []fuse.Source
	for _, f := range files {
		sources = append(sources, f.source)
	}
	p, err := fuse.NewPlan(t.Context(), sources, fuse.Options{Lineage: true})
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if _, err := p.Write(t.Context(), &want); err != nil {
		t.Fatal(err)
	}
	im, err := p.Assemble(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if im.Size != int64(want.Len()) || im.CRC != crc32.Checksum(want.Bytes(), crc32.MakeTable(crc32.Castagnoli)) {
		t.Fatalf("%d bytes with %08x, the file has %d", im.Size, im.CRC, want.Len())
	}
	for range 2 {
		if err := iotest.TestReader(im.Reader(), want.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	got, err := io.ReadAll(im.Reader())
	if err != nil {
		t.Fatal(err)
	}
	if err := fuse.Verify(bytes.NewReader(got), int64(len(got)), im.Result); err != nil {
		t.Fatal(err)
	}
}

// An input that changed between two readings is found by the checksum of the
// whole, and by those of its pieces; one that is gone is an error.
func TestImageOfInputsThatChange(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	data := encode(t, []arrow.RecordBatch{batch(rng, everyType, 5000)}, parquet.WithDictionaryDefault(false))
	for len(data) <= 1<<20 { // smaller files are held in memory
		data = encode(t, []arrow.RecordBatch{batch(rng, everyType, 20_000)}, parquet.WithDictionaryDefault(false))
	}
	file := bytes.Clone(data)
	r := bytes.NewReader(file)
	p, err := fuse.NewPlan(t.Context(), []fuse.Source{{Name: "one", R: r, Size: int64(len(file))}}, fuse.Options{})
	if err != nil {
		t.Fatal(err)
	}
	im, err := p.Assemble(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	file[len(file)/2] ^= 4
	got, err := io.ReadAll(im.Reader())
	if err != nil {
		t.Fatal(err)
	}
	if crc32.Checksum(got, crc32.MakeTable(crc32.Castagnoli)) == im.CRC {
		t.Error("another file with the same checksum")
	}
	if err := fuse.Verify(bytes.NewReader(got), int64(len(got)), im.Result); !errors.Is(err, fuse.ErrDamaged) {
		t.Errorf("a changed input: %v", err)
	}
	r.Reset(file[:len(file)/2])
	if _, err := io.ReadAll(im.Reader()); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("half an input: %v", err)
	}
}

// What does not fit into memory is no image; it can still be written.
func TestImageIsBounded(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	p, err := fuse.NewPlan(t.Context(), []fuse.Source{track(t, rng, 0, 1, []int{5000}, []int{0, 1}, 0).source}, fuse.Options{Lineage: true, ImageBytes: 10_000})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Assemble(t.Context()); !errors.Is(err, fuse.ErrHeavy) {
		t.Errorf("got %v", err)
	}
	if _, err := p.WriteFile(t.Context(), filepath.Join(t.TempDir(), "out")); err != nil {
		t.Error(err)
	}
}
