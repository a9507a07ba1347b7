package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/firnlake/firn/internal/lake"
	"github.com/stretchr/testify/require"
)

// compact replaces all files by one, as a compaction does.
func (f *fixture) compact() int64 {
	f.t.Helper()
	var old []iceberg.DataFile
	for e, err := range f.lake.Entries(f.t.Context(), f.meta, 0) {
		require.NoError(f.t, err)
		old = append(old, e.Data)
	}
	all, err := f.table().Scan().ToArrowTable(f.t.Context())
	require.NoError(f.t, err)
	return f.change(func(tx *table.Transaction) error {
		var fresh []iceberg.DataFile
		for df, err := range table.WriteRecords(f.t.Context(), f.table(), all.Schema(), batchesOf(all)) {
			if err != nil {
				return err
			}
			fresh = append(fresh, df)
		}
		return tx.NewRewrite(nil).Apply(old, fresh, nil).Commit(f.t.Context())
	})
}

func TestAdded(t *testing.T) {
	f := newFixture(t, simpleSchema(), nil, nil)
	ctx := t.Context()
	added := func(from, to int64) []string {
		t.Helper()
		scan, err := f.lake.Added(ctx, f.meta, from, to)
		require.NoError(t, err)
		return f.texts(scan)
	}
	s1 := f.append(simpleRows(0, 10, "a"))
	s2 := f.append(simpleRows(10, 12, "a"))
	s3 := f.append(simpleRows(12, 15, "a"))
	require.Empty(t, added(s3, 0))
	require.Len(t, added(s2, 0), 3)
	require.Len(t, added(s1, s2), 2)
	require.Len(t, added(s1, 0), 5)
	require.Len(t, added(0, 0), 15)

	// What a compaction replaced is still read as it was appended, and what
	// it wrote is not.
	s4 := f.compact()
	s5 := f.append(simpleRows(15, 19, "a"))
	require.Len(t, f.rows(0), 19)
	require.Len(t, added(s1, 0), 9)
	require.Len(t, added(s3, s4), 0)
	require.Len(t, added(s3, 0), 4)
	require.Len(t, added(s4, s5), 4)
	f.compact()
	s6 := f.append(simpleRows(19, 20, "a"))
	require.Len(t, added(s1, 0), 10)

	// Not in the history of that snapshot.
	_, err := f.lake.Added(ctx, f.meta, s6, s2)
	require.ErrorIs(t, err, lake.ErrNotAncestor)
	_, err = f.lake.Added(ctx, f.meta, 12345, 0)
	require.ErrorIs(t, err, lake.ErrNotAncestor)

	// A delete between.
	s7 := f.delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
	_, err = f.lake.Added(ctx, f.meta, s6, 0)
	require.ErrorIs(t, err, lake.ErrNotAppendOnly)
	require.Empty(t, added(s7, 0))
	require.Len(t, added(0, 0), 19)

	// A rollback.
	f.change(func(tx *table.Transaction) error { return tx.RollbackToSnapshot(s5) })
	_, err = f.lake.Added(ctx, f.meta, s7, 0)
	require.ErrorIs(t, err, lake.ErrNotAncestor)
}

func TestAddedAfterExpiry(t *testing.T) {
	f := newFixture(t, simpleSchema(), nil, nil)
	s1 := f.append(simpleRows(0, 10, "a"))
	f.append(simpleRows(10, 12, "a"))
	s3 := f.append(simpleRows(12, 15, "a"))
	f.append(simpleRows(15, 16, "a"))
	f.change(func(tx *table.Transaction) error {
		return tx.ExpireSnapshots(table.WithRetainLast(2), table.WithOlderThan(0), table.WithPostCommit(false))
	})
	scan, err := f.lake.Added(t.Context(), f.meta, s3, 0)
	require.NoError(t, err)
	require.Len(t, scan.Files, 1)
	_, err = f.lake.Added(t.Context(), f.meta, s1, 0)
	require.ErrorIs(t, err, lake.ErrChainBroken)
	scan, err = f.lake.Added(t.Context(), f.meta, 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(16), scan.Rows)
}
