package rewrite

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/plan"
)

// More files than are read at once become one file all the same, by either tier,
// with and without deleted rows, and every row of a v3 table keeps its id.
func TestManyFilesBecomeOne(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		for _, tier := range []plan.Tier{plan.Fuse, plan.Rewrite} {
			t.Run(fmt.Sprint("v", version, " ", tier), func(t *testing.T) {
				g := newCarryGround(t, version)
				for i := 4; i < 23; i++ {
					g.Commit(g.table, table.OpAppend, g.Write(g.table, fmt.Sprintf("SELECT i::BIGINT AS i, 'row ' || i AS s FROM range(%d, %d) t(i)", i*50, i*50+50))...)
				}
				if tier == plan.Rewrite {
					_, scan := g.scan()
					for _, i := range []int{2, 11, 22} {
						g.remove(scan.Files[i], 7)
					}
				}
				w, c := g.compaction(g.Catalog, tier)
				c.Policy.MaxFilesAtOnce = 5
				before := g.values()
				res, err := w.Compact(t.Context(), c)
				require.NoError(t, err)
				require.Equal(t, before, g.values())
				_, scan := g.scan()
				require.Len(t, scan.Files, 1)
				require.EqualValues(t, 23, res.FilesIn)
				if tier == plan.Rewrite {
					require.EqualValues(t, 23*50-3, res.Rows)
					require.EqualValues(t, 3, res.Deleted)
					require.Positive(t, res.Columns)
				} else {
					require.GreaterOrEqual(t, res.Chunks, 23*2)
				}
				// What came out is not a small file that the next job must take.
				_, c = g.compaction(g.Catalog, tier)
				require.Empty(t, plan.Groups(c.Groups[0].Files, c.Policy, plan.Scope{Full: true}).Groups)
			})
		}
	}
}

// more is a data file of which a manifest says a row that it does not hold.
type more struct{ iceberg.DataFile }

func (m more) Count() int64 { return m.DataFile.Count() + 1 }

// A row that is missing from the last of several batches stops the job.
func TestBatchesAreProved(t *testing.T) {
	g := newCarryGround(t, "2")
	for _, tier := range []plan.Tier{plan.Fuse, plan.Rewrite} {
		w, c := g.compaction(g.Catalog, tier)
		c.Policy.MaxFilesAtOnce = 1
		last := &c.Scan.Files[3]
		last.Data = more{last.Data}
		c.Groups[0].Rows++
		_, err := w.Compact(t.Context(), c)
		require.ErrorIs(t, err, ErrProof, tier)
		_, scan := g.scan()
		require.Len(t, scan.Files, 4)
	}
}
