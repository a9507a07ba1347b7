package fuse_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"

	"github.com/firnlake/firn/internal/parquet/fuse"
)

// written writes files of one row group each, without dictionaries.
func written(t *testing.T, n, rows int) (paths []string, files [][]byte) {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(4, uint64(n)))
	schema := arrow.NewSchema(everyType.Fields()[:6], nil)
	for i := range n {
		data := encode(t, []arrow.RecordBatch{batch(rng, schema, rows)}, parquet.WithDictionaryDefault(false))
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		paths, files = append(paths, path), append(files, data)
	}
	return paths, files
}

// opened is how many files this process has open.
func opened(t *testing.T) int {
	t.Helper()
	d, err := os.ReadDir("/dev/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(d)
}

// Any number of files becomes one while no more than a batch of them is open, or has
// its footers in memory: each batch is a row group.
func TestJoinTakesBatches(t *testing.T) {
	for _, c := range []struct {
		name              string
		files, rows       int
		options           fuse.Options
		groups, mostFiles int
	}{
		{"files", 200, 5000, fuse.Options{BatchFiles: 32}, 7, 32}, // too large to be held
		{"tiny files", 200, 20, fuse.Options{BatchFiles: 32}, 7, 0},
		{"chunks", 50, 20, fuse.Options{BatchChunks: 60}, 5, 0},
		{"one batch", 50, 20, fuse.Options{}, 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			paths, files := written(t, c.files, c.rows)
			out := filepath.Join(t.TempDir(), "out")
			before, most := opened(t), 0
			c.options.Progress = func(int64) { most = max(most, opened(t)) }
			res, err := fuse.Files(t.Context(), paths, out, c.options)
			if err != nil {
				t.Fatal(err)
			}
			if res.RowGroupsOut != c.groups || res.Rows != int64(c.files*c.rows) || res.RowGroupsIn != c.files {
				t.Errorf("%d row groups of %d rows from %d, want %d", res.RowGroupsOut, res.Rows, res.RowGroupsIn, c.groups)
			}
			if more := most - before - 1; more > c.mostFiles { // the output is open as well
				t.Errorf("%d files were open at once, want at most %d", more, c.mostFiles)
			}
			data, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			sameRows(t, data, files)
		})
	}
}

// Footers of too many files are not held for a plan.
func TestPlansAreBounded(t *testing.T) {
	_, files := written(t, 5, 10)
	for _, o := range []fuse.Options{{BatchFiles: 4}, {BatchChunks: 24}} {
		if _, err := fuse.NewPlan(t.Context(), sources(files), o); !errors.Is(err, fuse.ErrHeavy) {
			t.Errorf("%+v: %v", o, err)
		}
		if _, err := fuse.NewPlan(t.Context(), sources(files[:4]), o); err != nil {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

// A file of a later batch with another schema is refused, and nothing is left.
func TestJoinRefusesLateFiles(t *testing.T) {
	paths, _ := written(t, 5, 10)
	odd := filepath.Join(t.TempDir(), "odd")
	schema := arrow.NewSchema(everyType.Fields()[:5], nil)
	if err := os.WriteFile(odd, encode(t, []arrow.RecordBatch{batch(rand.New(rand.NewPCG(1, 1)), schema, 10)}), 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	_, err := fuse.Files(t.Context(), append(paths, odd), out, fuse.Options{BatchFiles: 5})
	if !errors.Is(err, fuse.ErrNotFusable) {
		t.Errorf("joined a file with another schema: %v", err)
	}
	if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("left an output behind: %v", err)
	}
}
