package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
)

// A table that is upgraded gives row ids to files of before with its next
// commit, in manifests that were read, and are cached, without.
func TestRowIDsAfterUpgrade(t *testing.T) {
	tbl := laketest.New(t, iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64}), nil, nil)
	tbl.Append(`[{"id": 1}, {"id": 2}]`)
	ids := func() []map[string]any {
		scan, err := tbl.Lake.Plan(t.Context(), tbl.Meta, 0, nil)
		require.NoError(t, err)
		return tbl.Query(scan, lake.RelationOptions{WithRowID: true}, "SELECT count(*) AS n, count(DISTINCT _row_id) AS ids FROM t")
	}
	require.Equal(t, []map[string]any{{"n": int64(2), "ids": int64(0)}}, ids())
	tbl.Change(func(tx *table.Transaction) error { return tx.UpgradeFormatVersion(3) })
	require.Equal(t, []map[string]any{{"n": int64(2), "ids": int64(0)}}, ids())
	tbl.Append(`[{"id": 3}]`)
	require.Equal(t, []map[string]any{{"n": int64(3), "ids": int64(3)}}, ids())
}
