package compaction_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	pqfile "github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

var (
	// errRows: a contender left other rows than those that it should.
	errRows = errors.New("other rows than before")
	// errOrder: they are not in the order that was asked for.
	errOrder = errors.New("not sorted")
)

// same compares the rows of the table with what they should be, by Firn's SQL.
func same(b *testing.B, lake *engines.Lake, want sums) error {
	b.Helper()
	rows, _, err := lake.SQL(b.Context(), &firnv1.QueryRequest{Sql: "SELECT " + checks + " FROM " + name, Namespace: []string{namespace}})
	if err != nil {
		return err
	}
	return compare(rows.Values[0], want)
}

func compare(got []string, want sums) error {
	if !slices.Equal(got, want.texts()) {
		return fmt.Errorf("%w: count and sums are %v, and should be %v", errRows, got, want.texts())
	}
	return nil
}

// live answers the data files of the table's head on this machine, and their
// size. Delete files that are left are not among them.
func live(b *testing.B, lake *engines.Lake) (paths []string, size int64) {
	b.Helper()
	tasks, err := load(b, lake).Scan().PlanFiles(b.Context())
	require.NoError(b, err)
	for _, t := range tasks {
		path := storage(lake).Path(t.File.FilePath())
		if slices.Contains(paths[max(0, len(paths)-16):], path) {
			continue // a large file is several tasks, one after the other
		}
		paths = append(paths, path)
		size += t.File.FileSizeBytes()
	}
	return paths, size
}

// inOrder says whether ids rise within each file, and no two files overlap.
func inOrder(b *testing.B, paths []string) error {
	b.Helper()
	return rising(len(paths), func(i int) iter.Seq[[]int64] { return idsOf(b, paths[i]) })
}

func rising(files int, idsOf func(file int) iter.Seq[[]int64]) error {
	type span struct{ from, to int64 }
	var spans []span
	for i := range files {
		var s span
		first := true
		for ids := range idsOf(i) {
			for _, id := range ids {
				if first {
					s.from, first = id, false
				} else if id < s.to {
					return fmt.Errorf("%w: ids fall within a file", errOrder)
				}
				s.to = id
			}
		}
		spans = append(spans, s)
	}
	slices.SortFunc(spans, func(x, y span) int { return cmp.Compare(x.from, y.from) })
	for i := range len(spans) - 1 {
		if spans[i].to > spans[i+1].from {
			return fmt.Errorf("%w: files overlap", errOrder)
		}
	}
	return nil
}

// idsOf are the values of id, in the order of a file.
func idsOf(b *testing.B, path string) iter.Seq[[]int64] {
	return func(yield func([]int64) bool) {
		f, err := os.Open(path)
		require.NoError(b, err)
		defer f.Close()
		r, err := pqfile.NewParquetReader(f)
		require.NoError(b, err)
		in, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 64 << 10}, memory.DefaultAllocator)
		require.NoError(b, err)
		rows, err := in.GetRecordReader(b.Context(), []int{1}, nil)
		require.NoError(b, err)
		defer rows.Release()
		for rows.Next() {
			if !yield(rows.RecordBatch().Column(0).(*array.Int64).Int64Values()) {
				return
			}
		}
		require.NoError(b, rows.Err())
	}
}
