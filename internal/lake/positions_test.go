package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
)

// What is deleted by position is all that a scan of all rows has more.
func TestPositionsOfDeletes(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			f := laketest.New(t, simpleSchema(), byPart(), withVersion(version, mergeOnRead))
			f.Append(simpleRows(0, 10, "a"))
			f.Append(simpleRows(10, 20, "b"))
			f.Append(simpleRows(20, 30, "a"))
			none, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
			require.NoError(t, err)
			require.Empty(t, positions(t, f, none.Files))
			f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
			f.Delete(iceberg.GreaterThanEqual(iceberg.Reference("id"), int64(28)))
			scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
			require.NoError(t, err)
			want := map[int64]int64{} // as the scan leaves them out
			for i, file := range scan.Files {
				part := *scan
				part.Files = []lake.File{file}
				for p := range int64(10) {
					rows := f.Query(&part, lake.RelationOptions{WithFile: true}, "SELECT count(*) AS n FROM t WHERE _pos = "+string('0'+rune(p)))
					if rows[0]["n"] == int64(0) {
						want[int64(i)*10+p]++
					}
				}
			}
			require.Len(t, want, 3)
			require.Equal(t, want, positions(t, f, scan.Files))
		})
	}
}

func positions(t *testing.T, f *laketest.Table, files []lake.File) map[int64]int64 {
	t.Helper()
	rel, err := f.Lake.Positions(t.Context(), files)
	require.NoError(t, err)
	defer rel.Release()
	rows, err := f.Pool.Exec(t.Context(), duck.Job{Setup: rel.Setup, Read: rel.Paths, SQL: "SELECT i::BIGINT * 10 + p AS at, count(*) AS n FROM " + rel.SQL + " GROUP BY ALL"})
	require.NoError(t, err)
	out := map[int64]int64{}
	for _, r := range rows {
		out[r["at"].(int64)] = r["n"].(int64)
	}
	return out
}
