package fuse_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

var codecs = map[string]compress.Compression{
	"none": compress.Codecs.Uncompressed, "snappy": compress.Codecs.Snappy, "gzip": compress.Codecs.Gzip,
	"brotli": compress.Codecs.Brotli, "zstd": compress.Codecs.Zstd, "lz4": compress.Codecs.Lz4Raw,
}

func TestRoundTripEveryTypeCodecAndPageVersion(t *testing.T) {
	for name, codec := range codecs {
		for _, pages := range []parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2} {
			for _, dict := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/v%d/dict=%v", name, pages+1, dict), func(t *testing.T) {
					rng := rand.New(rand.NewPCG(1, 2))
					schema := everyType
					if name == "brotli" && pages == parquet.DataPageV2 {
						// arrow-go 18.8 cannot read its own empty brotli page.
						schema = arrow.NewSchema(everyType.Fields()[:everyType.NumFields()-1], nil)
					}
					var files [][]byte
					for i := range 5 {
						batches := []arrow.RecordBatch{batch(rng, schema, 50+i*97), batch(rng, schema, 13)}
						files = append(files, encode(t, batches, parquet.WithCompression(codec), parquet.WithDataPageVersion(pages), parquet.WithDictionaryDefault(dict)))
					}
					out, res := fuseAll(t, files, fuse.Options{})
					sameRows(t, out, files)
					want := 1
					if dict {
						want = 10 // dictionaries stay with their row groups
					}
					if res.RowGroupsIn != 10 || res.RowGroupsOut != want {
						t.Errorf("%d row groups became %d, want %d", res.RowGroupsIn, res.RowGroupsOut, want)
					}
				})
			}
		}
	}
}

func TestMixedInputsKeepEveryRow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		rng := rand.New(rand.NewPCG(seed, 7))
		var files [][]byte
		for range rapid.IntRange(1, 6).Draw(rt, "files") {
			var batches []arrow.RecordBatch
			for range rapid.IntRange(1, 3).Draw(rt, "groups") {
				batches = append(batches, batch(rng, everyType, rapid.IntRange(0, 80).Draw(rt, "rows")))
			}
			files = append(files, encode(t, batches,
				parquet.WithDictionaryDefault(rapid.Bool().Draw(rt, "dict")),
				parquet.WithStats(rapid.Bool().Draw(rt, "stats")),
				parquet.WithPageIndexEnabled(rapid.Bool().Draw(rt, "index")),
				parquet.WithBloomFilterEnabled(rapid.Bool().Draw(rt, "bloom")),
				parquet.WithCompression([]compress.Compression{compress.Codecs.Snappy, compress.Codecs.Zstd}[rapid.IntRange(0, 1).Draw(rt, "codec")]),
				parquet.WithDataPageVersion([]parquet.DataPageVersion{parquet.DataPageV1, parquet.DataPageV2}[rapid.IntRange(0, 1).Draw(rt, "pages")])))
		}
		o := fuse.Options{RowGroupBytes: int64(rapid.IntRange(1, 1<<16).Draw(rt, "bytes")), RowGroupRows: int64(rapid.IntRange(1, 500).Draw(rt, "limit"))}
		out, _ := fuseAll(t, files, o)
		sameRows(t, out, files)
		checkFooter(t, out)
	})
}

// A fused file is an ordinary input of the next fusion.
func TestFusingAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var files, fused [][]byte
	for range 3 {
		var round [][]byte
		for range 4 {
			round = append(round, encode(t, []arrow.RecordBatch{batch(rng, everyType, 40)}, parquet.WithDictionaryDefault(false)))
		}
		out, _ := fuseAll(t, round, fuse.Options{})
		files, fused = append(files, round...), append(fused, out)
	}
	out, res := fuseAll(t, fused, fuse.Options{})
	sameRows(t, out, files)
	if res.RowGroupsOut != 1 {
		t.Errorf("%d row groups", res.RowGroupsOut)
	}
}

func TestRefusals(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	one := func(fields ...arrow.Field) []byte {
		return encode(t, []arrow.RecordBatch{batch(rng, arrow.NewSchema(fields, nil), 9)})
	}
	base := one(field(1, "a", arrow.PrimitiveTypes.Int64))
	for name, other := range map[string][]byte{
		"field id": one(field(2, "a", arrow.PrimitiveTypes.Int64)),
		"name":     one(field(1, "b", arrow.PrimitiveTypes.Int64)),
		"type":     one(field(1, "a", arrow.PrimitiveTypes.Int32)),
		"more":     one(field(1, "a", arrow.PrimitiveTypes.Int64), field(2, "b", arrow.PrimitiveTypes.Int64)),
		"unit":     one(field(1, "a", &arrow.TimestampType{Unit: arrow.Microsecond})),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fuse.NewPlan(t.Context(), sources([][]byte{base, other}), fuse.Options{})
			if !errors.Is(err, fuse.ErrNotFusable) {
				t.Errorf("got %v", err)
			}
		})
	}
	for name, junk := range map[string][]byte{"empty": {}, "text": []byte("no parquet file at all"), "cut": base[:len(base)-9]} {
		t.Run(name, func(t *testing.T) {
			if _, err := fuse.NewPlan(t.Context(), sources([][]byte{base, junk}), fuse.Options{}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

// Every checker must turn red: each kind of damage to an output is noticed.
func TestVerifyFindsDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	var files [][]byte
	for range 4 {
		files = append(files, encode(t, []arrow.RecordBatch{batch(rng, everyType, 60)}, parquet.WithDictionaryDefault(false)))
	}
	out, res := fuseAll(t, files, fuse.Options{})
	verify := func(data []byte, res fuse.Result) error {
		return fuse.Verify(bytes.NewReader(data), int64(len(data)), &res)
	}
	for range 200 { // any byte of any chunk
		bad := bytes.Clone(out)
		bad[4+rng.Int64N(res.Copied)] ^= 1 << rng.IntN(8)
		if err := verify(bad, *res); !errors.Is(err, fuse.ErrDamaged) {
			t.Fatalf("a flipped bit: %v", err)
		}
	}
	lost := *res
	lost.Rows++
	if err := verify(out, lost); !errors.Is(err, fuse.ErrDamaged) {
		t.Errorf("a lost row: %v", err)
	}
	swapped := *res
	swapped.Pieces = append([]fuse.Piece(nil), res.Pieces...)
	swapped.Pieces[0].CRC, swapped.Pieces[1].CRC = swapped.Pieces[1].CRC, swapped.Pieces[0].CRC
	if err := verify(out, swapped); !errors.Is(err, fuse.ErrDamaged) {
		t.Errorf("pieces in the wrong order: %v", err)
	}
	short := *res
	short.Pieces = res.Pieces[:len(res.Pieces)-1]
	if err := verify(out, short); !errors.Is(err, fuse.ErrDamaged) {
		t.Errorf("an uncopied column: %v", err)
	}
	if err := verify(out[:len(out)-1], *res); !errors.Is(err, fuse.ErrDamaged) {
		t.Errorf("a cut file: %v", err)
	}
}

func TestFilesLeavesNothingAfterAnError(t *testing.T) {
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	in := filepath.Join(dir, "in.parquet")
	if err := os.WriteFile(in, encode(t, []arrow.RecordBatch{batch(rng, everyType, 10)}), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out.parquet")
	if _, err := fuse.Files(t.Context(), []string{in, in}, out, fuse.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := fuse.Files(t.Context(), []string{in}, out, fuse.Options{}); !errors.Is(err, os.ErrExist) {
		t.Errorf("overwrote an output: %v", err)
	}
	bad := filepath.Join(dir, "bad.parquet")
	if err := os.WriteFile(bad, []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fuse.Files(t.Context(), []string{in, bad}, filepath.Join(dir, "none"), fuse.Options{}); err == nil {
		t.Error("accepted a file that is none")
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left an output behind: %v", err)
	}
}

// checkFooter holds the conditions on footers that readers rely on.
func checkFooter(t testing.TB, data []byte) {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for i, rg := range r.MetaData().RowGroups {
		if rg.Ordinal == nil || int(*rg.Ordinal) != i {
			t.Errorf("row group %d has ordinal %v", i, rg.Ordinal)
		}
		var size int64
		for _, c := range rg.Columns {
			m := c.MetaData
			size += m.TotalUncompressedSize
			if m.BloomFilterOffset != nil || m.SizeStatistics != nil {
				t.Errorf("row group %d still points at indexes of an input", i)
			}
			if m.DictionaryPageOffset != nil && *m.DictionaryPageOffset >= m.DataPageOffset {
				t.Errorf("dictionary at %d after data at %d", *m.DictionaryPageOffset, m.DataPageOffset)
			}
		}
		if size != rg.TotalByteSize {
			t.Errorf("row group %d says %d bytes, columns %d", i, rg.TotalByteSize, size)
		}
	}
	checkIndexes(t, data)
}
