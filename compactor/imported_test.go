package compactor_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/lake"
)

// Files that were imported lack the partition's column, and may lack field ids:
// a compaction reads them as queries do, and writes what the files lacked.
func TestImportedFilesAreRewrittenWhole(t *testing.T) {
	const mapping = `[{"field-id": 1, "names": ["country"]}, {"field-id": 2, "names": ["id"]}, {"field-id": 3, "names": ["amount"]}]`
	const all = `SELECT * REPLACE (score::VARCHAR AS score) FROM %s ORDER BY id`
	for name, c := range map[string]struct {
		options string
		props   iceberg.Properties
	}{
		"field ids":    {", FIELD_IDS {id: 2, amount: 3}", nil},
		"no field ids": {"", iceberg.Properties{table.DefaultNameMappingKey: mapping}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			h.Run(h.service.Run)
			tbl := h.create("bronze.imported", c.props)
			const rows = "SELECT 100 + range AS id, 1.5::DECIMAL(18,3) AS amount FROM range(20)"
			for range 3 {
				h.Commit(tbl, table.OpAppend, h.Import(tbl, rows, c.options, map[int]any{1000: "France"}))
			}
			h.append(tbl, "France", 0, 20)
			before := h.query(tbl, lake.RelationOptions{}, all)
			require.Len(t, before, 80)
			for _, row := range before {
				require.Equal(t, "France", row["country"])
				require.NotNil(t, row["amount"])
			}
			j := h.job(compactor.KindCompact, tbl)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Equal(t, "rewrite", j.Outcome.Tier)
			live := h.live(tbl)
			require.Len(t, live, 1)
			require.EqualValues(t, 80, live[0].Data.ValueCounts()[1], "the file holds the partition's column")
			require.Equal(t, before, h.query(tbl, lake.RelationOptions{}, all))
		})
	}
}

// Files that lack the same columns could be copied whole, but not those without
// field ids.
func TestFilesWithoutFieldIDsAreNotFused(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	// The name that the files give to amount is another column's by now.
	tbl := h.create("bronze.imported", iceberg.Properties{table.DefaultNameMappingKey: `[{"field-id": 2, "names": ["id"]}, {"field-id": 3, "names": ["score"]}]`})
	for range 4 {
		h.Commit(tbl, table.OpAppend, h.Import(tbl, "SELECT range AS id, 7::DECIMAL(18,3) AS score FROM range(20)", "", map[int]any{1000: "France"}))
	}
	const sums = "SELECT sum(amount)::BIGINT AS amount, count(score) AS scores FROM %s"
	want := []map[string]any{{"amount": int64(560), "scores": int64(0)}}
	require.Equal(t, want, h.query(tbl, lake.RelationOptions{}, sums))
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "rewrite", j.Outcome.Tier)
	require.Equal(t, want, h.query(tbl, lake.RelationOptions{}, sums))
}

// What can be neither fused nor rewritten stays as it is, with the reason.
func TestImportedFilesThatNothingCanCompactAreLeftAlone(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	require.NoError(t, h.Catalog.EnsureNamespace(t.Context(), catalog.Namespace{"a"}))
	tbl, err := h.Catalog.CreateTable(t.Context(), catalog.NewTable{
		Ident:      catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: "fixed"},
		Schema:     iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "f", Type: iceberg.FixedTypeOf(4)}, iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64}),
		Properties: iceberg.Properties{table.DefaultNameMappingKey: `[{"field-id": 2, "names": ["id"]}]`},
	})
	require.NoError(t, err)
	for range 4 {
		h.Commit(tbl, table.OpAppend, h.Import(tbl, "SELECT range AS id FROM range(20)", "", nil))
	}
	head := h.load(tbl).CurrentSnapshot().SnapshotID
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Zero(t, j.Outcome.FilesIn)
	require.Contains(t, j.Outcome.Proof["why_not_more"], "has no field id")
	require.Contains(t, j.Outcome.Proof["why_not_more"], "fixed")
	require.Equal(t, head, h.load(tbl).CurrentSnapshot().SnapshotID)
}
