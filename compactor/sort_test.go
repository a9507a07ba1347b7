package compactor_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/lake"
)

var pointSchema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "x", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 2, Name: "y", Type: iceberg.PrimitiveTypes.Float64},
	iceberg.NestedField{ID: 3, Name: "name of it", Type: iceberg.PrimitiveTypes.String},
	iceberg.NestedField{ID: 4, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
)

// points is a table of rows in no order, in small files.
func (h *house) points(name string, order table.SortOrder, props iceberg.Properties) *catalog.Table {
	h.T.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(h.T, err)
	require.NoError(h.T, h.Catalog.EnsureNamespace(h.T.Context(), id.Namespace))
	all := iceberg.Properties{"firn.compact.row-hash": "true", "write.target-file-size-bytes": "150000"}
	maps.Copy(all, props)
	t, err := h.Catalog.CreateTable(h.T.Context(), catalog.NewTable{Ident: id, Schema: pointSchema, SortOrder: order, Properties: all})
	require.NoError(h.T, err)
	for i := range 30 {
		h.Commit(t, table.OpAppend, h.Write(t, fmt.Sprintf(`SELECT CASE WHEN i %% 11 = 0 THEN NULL ELSE hash(i) %% 1000000 END::BIGINT AS x, (hash(i + 7) %% 1000000)::DOUBLE AS y,
			CASE WHEN i %% 5 = 0 THEN NULL ELSE md5(i::VARCHAR) END AS "name of it", TIMESTAMP '2026-01-01' + INTERVAL (hash(i) %% 1000000) SECOND AS "at" FROM range(%d, %d) t(i)`, i*2500, (i+1)*2500))...)
	}
	return t
}

// opened is how many files the planner leaves for ranges of one column, of the
// other and of both.
func (h *house) opened(t *catalog.Table) (n int) {
	h.T.Helper()
	meta := h.load(t).Metadata
	for i := range int64(40) {
		x, y := i*7919*13%900_000, float64(i*104729%900_000)
		inX := iceberg.NewAnd(iceberg.GreaterThanEqual(iceberg.Reference("x"), x), iceberg.LessThan(iceberg.Reference("x"), x+100_000))
		inY := iceberg.NewAnd(iceberg.GreaterThanEqual(iceberg.Reference("y"), y), iceberg.LessThan(iceberg.Reference("y"), y+100_000))
		for _, within := range []iceberg.BooleanExpression{inX, inY, iceberg.NewAnd(inX, inY)} {
			scan, err := h.Lake.Plan(h.T.Context(), meta, 0, within)
			require.NoError(h.T, err)
			n += len(scan.Files)
		}
	}
	return n
}

// Queries over two columns open fewer files after a z-order, and no more after a
// Hilbert order (rewrite.TestCurvesClusterTwoColumns has them beside a sort); all rows are there, and the files have their size.
func TestCurvesLeaveFewFilesToAQuery(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	got := map[string]int{}
	files := map[string]int{}
	for _, policy := range []string{"none", "zorder(x, y)", "hilbert(x, y)"} {
		tbl := h.points("silver."+policy[:1], table.UnsortedSortOrder, iceberg.Properties{"firn.compact.sort": policy, "firn.compact.fuse": "false"})
		before := h.rows(tbl, 0)
		j := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		require.Equal(t, before, h.rows(tbl, 0))
		require.Contains(t, j.Outcome.Proof["row_hash"], "equal")
		for _, f := range h.live(tbl) {
			require.InDelta(t, 150_000, f.Data.FileSizeBytes(), 75_000, "%s", policy)
			require.Nil(t, f.Data.SortOrderID(), "the table has no sort order that they could be in")
		}
		got[policy], files[policy] = h.opened(tbl), len(h.live(tbl))
		if policy != "none" { // these are cut by what they have become
			again := h.job(compactor.KindCompact, tbl)
			require.Zero(t, again.Outcome.FilesIn, "at rest")
		}
	}
	t.Logf("files %v, opened by 120 queries %v", files, got)
	require.Less(t, 2*got["zorder(x, y)"], got["none"])
	require.LessOrEqual(t, got["hilbert(x, y)"], got["zorder(x, y)"])
}

// Each output of a sort covers a range of its own, NULLs where the policy wants
// them, and rows are in order within.
func TestSortedFilesHaveRangesOfTheirOwn(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	for i, c := range []struct {
		policy, order string
		nullsLast     bool
	}{
		{"x", "x ASC NULLS FIRST", false},
		{"x DESC", "x DESC NULLS LAST", true},
		{"x NULLS LAST", "x ASC NULLS LAST", true},
		{`x DESC NULLS FIRST, "name of it"`, `x DESC NULLS FIRST`, false},
	} {
		tbl := h.points(fmt.Sprint("silver.t", i), table.UnsortedSortOrder, iceberg.Properties{"firn.compact.sort": c.policy})
		j := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		ranges := h.query(tbl, lake.RelationOptions{WithFile: true}, `SELECT _file, min(x) AS low, max(x) AS high, count(*) - count(x) AS nulls, count(*) AS n FROM %s GROUP BY _file`)
		require.Greater(t, len(ranges), 10)
		withNulls := 0
		slices.SortFunc(ranges, func(a, b map[string]any) int {
			low := func(m map[string]any) int64 {
				if v, ok := m["low"].(int64); ok {
					return v
				}
				return -1
			}
			return cmp.Compare(low(a), low(b))
		})
		var high int64 = -1
		for _, r := range ranges {
			if r["nulls"] != int64(0) {
				withNulls++
			}
			if r["low"] != nil {
				require.LessOrEqual(t, high, r["low"].(int64), "%s: %v", c.policy, r)
				high = r["high"].(int64)
			}
		}
		require.LessOrEqual(t, withNulls, 3, "NULLs are together: an eleventh of the rows")
		wrong := h.query(tbl, lake.RelationOptions{WithFile: true}, `SELECT count(*) AS n FROM (
			SELECT _file, _pos, row_number() OVER (PARTITION BY _file ORDER BY `+c.order+`, _pos) AS want, row_number() OVER (PARTITION BY _file ORDER BY _pos) AS got FROM %s) WHERE want <> got`)
		require.EqualValues(t, 0, wrong[0]["n"], c.policy)
	}
}

// The table's own order holds where the policy says nothing, is recorded where
// rows are truly in it, and only there.
func TestTheTablesOwnOrderHoldsAndIsRecorded(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	day, truncate := table.SortField{SourceIDs: []int{4}, Transform: iceberg.DayTransform{}, Direction: table.SortASC, NullOrder: table.NullsLast}, table.SortField{SourceIDs: []int{3}, Transform: iceberg.TruncateTransform{Width: 2}, Direction: table.SortDESC, NullOrder: table.NullsFirst}
	x := table.SortField{SourceIDs: []int{1}, Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}
	y := table.SortField{SourceIDs: []int{2}, Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}
	bucket := table.SortField{SourceIDs: []int{1}, Transform: iceberg.BucketTransform{NumBuckets: 4}, Direction: table.SortASC, NullOrder: table.NullsFirst}
	for i, c := range []struct {
		name     string
		fields   []table.SortField
		props    iceberg.Properties
		check    string // ORDER BY that the rows of a file are in
		recorded bool
	}{
		{"transforms", []table.SortField{day, truncate}, nil, `"at"::DATE, left("name of it", 2) DESC NULLS FIRST`, true},
		{"nulls", []table.SortField{x}, nil, "x NULLS FIRST", true},
		{"a finer policy", []table.SortField{x}, iceberg.Properties{"firn.compact.sort": `x, y`}, "x NULLS FIRST, y", true},
		{"another policy", []table.SortField{x}, iceberg.Properties{"firn.compact.sort": "x NULLS LAST"}, "x NULLS LAST", false},
		{"switched off", []table.SortField{x}, iceberg.Properties{"firn.compact.sort": "none"}, "", false},
		{"floating point", []table.SortField{y}, nil, "y", false},
		{"a bucket", []table.SortField{bucket}, nil, "", false},
	} {
		order, err := table.NewSortOrder(1, c.fields)
		require.NoError(t, err)
		tbl := h.points(fmt.Sprint("silver.o", i), order, c.props)
		j := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		for _, f := range h.live(tbl) {
			id := f.Data.SortOrderID()
			require.Equal(t, c.recorded, id != nil && *id == 1, "%s: %v", c.name, id)
		}
		if c.check != "" {
			wrong := h.query(tbl, lake.RelationOptions{WithFile: true}, `SELECT count(*) AS n FROM (
				SELECT row_number() OVER (PARTITION BY _file ORDER BY `+c.check+`, _pos) AS want, row_number() OVER (PARTITION BY _file ORDER BY _pos) AS got FROM %s) WHERE want <> got`)
			require.EqualValues(t, 0, wrong[0]["n"], c.name)
		}
	}
}

// A table that gets an order when its files have the right size already is sorted by
// a compaction that somebody asks for, once.
func TestAnOrderThatComesLater(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.points("silver.later", table.UnsortedSortOrder, nil)
	rest := func() { // outputs may still be smaller than they should be
		for i := 0; h.job(compactor.KindCompact, tbl).Outcome.FilesIn > 0; i++ {
			require.Less(t, i, 3, "never at rest")
		}
	}
	rest()
	rows, files := h.rows(tbl, 0), len(h.live(tbl))

	order, err := table.NewSortOrder(1, []table.SortField{{SourceIDs: []int{1}, Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}})
	require.NoError(t, err)
	h.change(tbl, table.NewAddSortOrderUpdate(&order), table.NewSetDefaultSortOrderUpdate(-1))
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.EqualValues(t, files, j.Outcome.FilesIn)
	rest()
	require.Equal(t, rows, h.rows(tbl, 0))
	for _, f := range h.live(tbl) {
		require.NotNil(t, f.Data.SortOrderID())
		require.Equal(t, h.load(tbl).Metadata.DefaultSortOrder(), *f.Data.SortOrderID())
	}
}
