package compactor_test

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// query runs SQL over "t", the table's rows with lineage.
func (h *house) query(t *catalog.Table, o lake.RelationOptions, sql string) []map[string]any {
	h.T.Helper()
	scan, err := h.Lake.Plan(h.T.Context(), h.load(t).Metadata, 0, nil)
	require.NoError(h.T, err)
	return h.queryScan(scan, o, sql)
}

func (h *house) queryScan(scan *lake.Scan, o lake.RelationOptions, sql string) []map[string]any {
	h.T.Helper()
	rel, err := h.Lake.Relation(h.T.Context(), scan, o)
	require.NoError(h.T, err)
	defer rel.Release()
	rows, err := pool.Exec(h.T.Context(), duck.Job{Setup: rel.Setup, Read: rel.Paths, SQL: fmt.Sprintf(sql, rel.SQL)})
	require.NoError(h.T, err)
	return rows
}

func TestRewriteSorts(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", iceberg.Properties{"firn.compact.sort": "id DESC"})
	for i := range 5 {
		h.append(tbl, "France", (i*37%5)*30_000, 30_000)
	}
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Len(t, h.live(tbl), 1)
	require.Equal(t, before, h.rows(tbl, 0))
	disorder := h.query(tbl, lake.RelationOptions{WithFile: true}, `SELECT count(*) AS n FROM (SELECT id, lag(id) OVER (ORDER BY _pos) AS before FROM %s) WHERE before < id`)
	require.EqualValues(t, 0, disorder[0]["n"])
}

func TestOversizedFileIsSplit(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", nil)
	h.append(tbl, "France", 0, 60_000)
	size := h.live(tbl)[0].Data.FileSizeBytes()
	before := h.rows(tbl, 0)
	require.Greater(t, size, int64(400_000))
	h.property(tbl, "write.target-file-size-bytes", fmt.Sprint(size/4))
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Len(t, h.live(tbl), 4)
	require.Equal(t, before, h.rows(tbl, 0))
}

// Columns that came, went and were renamed since the files were written.
func TestRewriteAfterSchemaEvolution(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", nil)
	for i := range 3 {
		h.append(tbl, "France", i*100, 20)
	}
	h.evolve(tbl)
	for i := range 3 {
		h.Commit(h.load(tbl), "append", h.Write(h.load(tbl), fmt.Sprintf(`SELECT 'France' AS country, i::BIGINT AS id, 1::DECIMAL(18,3) AS total, TIMESTAMP '2026-01-01' AS "at", NULL::VARCHAR[] AS tags, 'new' AS note FROM range(%d, %d) t(i)`, 1000+i*100, 1000+i*100+20))...)
	}
	before := h.query(tbl, lake.RelationOptions{}, `SELECT * FROM %s ORDER BY id`)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "rewrite", j.Outcome.Tier, "files of different schemas cannot be fused")
	require.Len(t, h.live(tbl), 1)
	require.Equal(t, before, h.query(tbl, lake.RelationOptions{}, `SELECT * FROM %s ORDER BY id`))
	require.Equal(t, "new", before[60]["note"])
	require.NotNil(t, before[1]["total"])
}

// A type that DuckDB would change is never rewritten: the files are fused or
// left alone, with the reason.
func TestTypesThatARewriteWouldChangeAreLeftAlone(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	require.NoError(t, h.Catalog.EnsureNamespace(t.Context(), catalog.Namespace{"a"}))
	tbl, err := h.Catalog.CreateTable(t.Context(), catalog.NewTable{
		Ident:      catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: "fixed"},
		Schema:     iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "f", Type: iceberg.FixedTypeOf(4)}),
		Properties: iceberg.Properties{"firn.write.merge-ready": "true", "firn.compact.fuse": "false"},
	})
	require.NoError(t, err)
	for i := range 5 {
		h.Commit(tbl, "append", h.Write(tbl, fmt.Sprintf("SELECT 'abc%d'::BLOB AS f", i))...)
	}
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Zero(t, j.Outcome.FilesIn)
	require.Contains(t, j.Outcome.Proof["why_not_more"], "fixed")
	h.property(tbl, "firn.compact.fuse", "true")
	j = h.job(compactor.KindCompact, tbl)
	require.Equal(t, "fuse", j.Outcome.Tier, j.Error)
	require.Equal(t, before, h.rows(tbl, 0))
}
