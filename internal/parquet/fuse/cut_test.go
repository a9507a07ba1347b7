package fuse_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// Parts hold the rows of the whole, in order, are near the target and no runts.
func TestCutKeepsRowsAndOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var batches []arrow.RecordBatch
	for range 24 {
		batches = append(batches, batch(rng, everyType, 200))
	}
	data := encode(t, batches, parquet.WithDictionaryDefault(true))
	for _, c := range []struct {
		divide     float64
		most, last int
	}{{0.5, 1, 1}, {1, 1, 1}, {1.4, 1, 1}, {2, 2, 2}, {5, 5, 5}, {1000, 24, 24}} {
		dir := t.TempDir()
		path := filepath.Join(dir, "whole.parquet")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		target := int64(float64(len(data)) / c.divide)
		parts, err := fuse.Cut(t.Context(), []string{path}, target, func(i int) string { return filepath.Join(dir, fmt.Sprint("part-", i)) })
		if err != nil || len(parts) != c.most {
			t.Fatalf("1/%g of the size: %d parts, %v", c.divide, len(parts), err)
		}
		var read [][]byte
		for _, p := range parts {
			b, err := os.ReadFile(p)
			if err != nil {
				t.Fatal(err)
			}
			if n := float64(len(b)) / float64(target); len(parts) > 1 && c.divide < 100 && (n < 0.7 || n > 1.4) {
				t.Errorf("1/%g of the size: a part of %.2f times the target", c.divide, n)
			}
			read = append(read, b)
		}
		whole, err := os.ReadFile(path)
		if gone := os.IsNotExist(err); gone != (len(parts) > 1) {
			t.Errorf("the whole stays: %v", err)
		}
		if whole == nil {
			whole = data
		}
		sameRows(t, whole, read)
	}
}

// Several files are one sequence of rows; those without rows add nothing.
func TestCutJoinsFiles(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	dir := t.TempDir()
	var paths []string
	var files [][]byte
	for i, rows := range []int{300, 0, 500, 100, 700, 0} {
		files = append(files, encode(t, []arrow.RecordBatch{batch(rng, everyType, rows), batch(rng, everyType, rows/2)}))
		paths = append(paths, filepath.Join(dir, fmt.Sprint(i, ".parquet")))
		if err := os.WriteFile(paths[i], files[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []int64{3, 1} {
		var size int64
		for _, p := range paths {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			size += info.Size()
		}
		parts, err := fuse.Cut(t.Context(), paths, size/want, func(i int) string { return filepath.Join(dir, fmt.Sprint("part-", want, "-", i)) })
		if err != nil || int64(len(parts)) != want {
			t.Fatalf("%d parts, %v", len(parts), err)
		}
		paths = parts
	}
	whole, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	sameRows(t, whole, files)
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// A target that is met by no part, and a name that is taken: nothing is left.
func TestCutLeavesNothingAfterAnError(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	path := filepath.Join(dir, "whole.parquet")
	data := encode(t, []arrow.RecordBatch{batch(rng, everyType, 50), batch(rng, everyType, 50), batch(rng, everyType, 50)})
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "part-1")
	if err := os.WriteFile(taken, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if parts, err := fuse.Cut(t.Context(), []string{path}, 1, func(i int) string { return filepath.Join(dir, fmt.Sprint("part-", i)) }); err == nil || parts != nil {
		t.Fatalf("%v, %v", parts, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "part-0")); !os.IsNotExist(err) {
		t.Error(err)
	}
	for _, p := range []string{path, taken} {
		if _, err := os.Stat(p); err != nil {
			t.Error(err)
		}
	}
}
