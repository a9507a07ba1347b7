package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
)

// compact replaces all files by one, as a compaction does.
func compact(t testing.TB, f *laketest.Table) int64 {
	t.Helper()
	var old []iceberg.DataFile
	for e, err := range f.Lake.Entries(t.Context(), f.Meta, 0) {
		require.NoError(t, err)
		old = append(old, e.Data)
	}
	all, err := f.Iceberg().Scan().ToArrowTable(t.Context())
	require.NoError(t, err)
	return f.Change(func(tx *table.Transaction) error {
		var fresh []iceberg.DataFile
		for df, err := range table.WriteRecords(t.Context(), f.Iceberg(), all.Schema(), laketest.Batches(all)) {
			if err != nil {
				return err
			}
			fresh = append(fresh, df)
		}
		return tx.NewRewrite(nil).Apply(old, fresh, nil).Commit(t.Context()) //nolint:staticcheck // the tables of this test have no deletion vectors
	})
}

func TestAdded(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, nil)
	ctx := t.Context()
	added := func(from, to int64) []string {
		t.Helper()
		scan, err := f.Lake.Added(ctx, f.Meta, from, to)
		require.NoError(t, err)
		return f.Texts(scan)
	}
	s1 := f.Append(simpleRows(0, 10, "a"))
	s2 := f.Append(simpleRows(10, 12, "a"))
	s3 := f.Append(simpleRows(12, 15, "a"))
	require.Empty(t, added(s3, 0))
	require.Len(t, added(s2, 0), 3)
	require.Len(t, added(s1, s2), 2)
	require.Len(t, added(s1, 0), 5)
	require.Len(t, added(0, 0), 15)

	// What a compaction replaced is still read as it was appended, and what
	// it wrote is not.
	s4 := compact(t, f)
	s5 := f.Append(simpleRows(15, 19, "a"))
	require.Len(t, f.Rows(0), 19)
	require.Len(t, added(s1, 0), 9)
	require.Len(t, added(s3, s4), 0)
	require.Len(t, added(s3, 0), 4)
	require.Len(t, added(s4, s5), 4)
	compact(t, f)
	s6 := f.Append(simpleRows(19, 20, "a"))
	require.Len(t, added(s1, 0), 10)

	// Not in the history of that snapshot.
	_, err := f.Lake.Added(ctx, f.Meta, s6, s2)
	require.ErrorIs(t, err, lake.ErrNotAncestor)
	_, err = f.Lake.Added(ctx, f.Meta, 12345, 0)
	require.ErrorIs(t, err, lake.ErrNotAncestor)

	// A delete between.
	s7 := f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
	_, err = f.Lake.Added(ctx, f.Meta, s6, 0)
	require.ErrorIs(t, err, lake.ErrNotAppendOnly)
	require.Empty(t, added(s7, 0))
	require.Len(t, added(0, 0), 19)

	// A rollback.
	f.Change(func(tx *table.Transaction) error { return tx.RollbackToSnapshot(s5) })
	_, err = f.Lake.Added(ctx, f.Meta, s7, 0)
	require.ErrorIs(t, err, lake.ErrNotAncestor)
}

func TestAddedAfterExpiry(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, nil)
	s1 := f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(10, 12, "a"))
	s3 := f.Append(simpleRows(12, 15, "a"))
	f.Append(simpleRows(15, 16, "a"))
	f.Change(func(tx *table.Transaction) error {
		return tx.ExpireSnapshots(table.WithRetainLast(2), table.WithOlderThan(0), table.WithPostCommit(false))
	})
	scan, err := f.Lake.Added(t.Context(), f.Meta, s3, 0)
	require.NoError(t, err)
	require.Len(t, scan.Files, 1)
	_, err = f.Lake.Added(t.Context(), f.Meta, s1, 0)
	require.ErrorIs(t, err, lake.ErrChainBroken)
	scan, err = f.Lake.Added(t.Context(), f.Meta, 0, 0)
	require.NoError(t, err)
	require.Equal(t, int64(16), scan.Rows)
}
