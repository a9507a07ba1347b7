package compactor_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/lake"
)

// On v3 a compaction keeps every row's id and the sequence number of its last
// change: readers of changes see nothing. An independent decoder finds in the
// output what the manifests said of the inputs.
func TestRowLineageIsKept(t *testing.T) {
	for _, tiers := range [][]string{{"rewrite", "rewrite"}, {"fuse", "fuse"}, {"fuse", "rewrite"}} {
		t.Run(strings.Join(tiers, ", "), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.Run(h.service.Run)
			tbl := h.create("bronze.v3", iceberg.Properties{"format-version": "3"})
			require.Equal(t, 3, h.load(tbl).Metadata.Version())
			h.append(tbl, "Peru", 77, 3) // ids are no positions
			for i := range 5 {
				h.append(tbl, "France", i*100, 20)
			}
			lineage := func() []map[string]any {
				return h.query(tbl, lake.RelationOptions{WithRowID: true}, `SELECT id, _row_id, _last_updated_sequence_number AS seq FROM %s WHERE country = 'France' ORDER BY id`)
			}
			said := map[int64]int64{} // of a row's id, the sequence number
			for _, f := range h.live(tbl) {
				require.NotNil(t, f.Data.FirstRowID())
				for i := range f.Data.Count() {
					said[*f.Data.FirstRowID()+i] = f.Sequence
				}
			}
			before := lineage()
			require.Len(t, before, 100)
			require.NotNil(t, before[0]["_row_id"])
			for i, tier := range tiers { // also from a file that has them written down
				h.property(tbl, "firn.compact.fuse", fmt.Sprint(tier == "fuse"))
				j := h.job(compactor.KindCompact, tbl)
				require.Equal(t, jobs.Succeeded, j.State, j.Error)
				require.Equal(t, tier, j.Outcome.Tier)
				require.Len(t, h.paths(tbl, "France"), 1)
				require.Equal(t, before, lineage())
				held := h.held(h.paths(tbl, "France")[0])
				require.Len(t, held, 100+20*i)
				for id, sequence := range held {
					require.Equal(t, said[id], sequence, "row %d", id)
				}
				h.append(tbl, "France", 10_000, 20)
				before = lineage()
				for _, f := range h.live(tbl) {
					if f.Data.Count() == 20 {
						for i := range f.Data.Count() {
							said[*f.Data.FirstRowID()+i] = f.Sequence
						}
					}
				}
			}
		})
	}
}

// held decodes the columns of row lineage that a file holds: of each row's id the
// sequence number.
func (h *house) held(location string) map[int64]int64 {
	h.T.Helper()
	key, err := h.Bucket.Key(location)
	require.NoError(h.T, err)
	data, err := h.Bucket.Get(h.T.Context(), key)
	require.NoError(h.T, err)
	tbl, err := pqarrow.ReadTable(h.T.Context(), bytes.NewReader(data), nil, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(h.T, err)
	defer tbl.Release()
	var columns [2][]int64
	for i, name := range []string{"_row_id", "_last_updated_sequence_number"} {
		at := tbl.Schema().FieldIndices(name)
		require.Len(h.T, at, 1)
		for _, c := range tbl.Column(at[0]).Data().Chunks() {
			require.Zero(h.T, c.NullN())
			columns[i] = append(columns[i], c.(*array.Int64).Int64Values()...)
		}
	}
	out := map[int64]int64{}
	for i, id := range columns[0] {
		out[id] = columns[1][i]
	}
	require.Len(h.T, out, int(tbl.NumRows()), "ids are unique")
	return out
}

// Rows of a table that was upgraded have no ids before the next commit, and a
// compaction may be that commit: it rewrites then. Later their files are fused.
func TestCompactionAfterAnUpgrade(t *testing.T) {
	for _, appended := range []bool{false, true} {
		h := newHouse(t)
		h.Run(h.service.Run)
		tbl := h.create("bronze.old", nil)
		for i := range 5 {
			h.append(tbl, "France", i*100, 20)
		}
		h.change(tbl, table.NewUpgradeFormatVersionUpdate(3))
		tier := "rewrite"
		if appended {
			h.append(h.load(tbl), "France", 500, 20)
			tier = "fuse"
		}
		lineage := func() []map[string]any {
			return h.query(tbl, lake.RelationOptions{WithRowID: true}, `SELECT id, _row_id, _last_updated_sequence_number AS seq FROM %s ORDER BY id`)
		}
		before := lineage()
		j := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		require.Equal(t, tier, j.Outcome.Tier)
		after := lineage()
		if appended {
			require.Equal(t, before, after)
			continue
		}
		ids := map[any]bool{}
		for i, row := range after {
			require.Equal(t, before[i]["id"], row["id"])
			require.Nil(t, before[i]["_row_id"])
			require.NotNil(t, row["_row_id"])
			ids[row["_row_id"]] = true
		}
		require.Len(t, ids, len(before))
	}
}
