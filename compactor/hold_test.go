package compactor_test

import (
	"context"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/parquet"
)

// A commit that takes far longer than the grace finds its files; what nobody
// holds any more goes, after a grace of its own.
func TestOrphansSpareFilesOfACommitUnderWay(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	h.append(tbl, "France", 0, 10)
	write := func(from int) (*objstore.Hold, []catalog.FileEntry) {
		hold := h.Bucket.NewHold()
		res, err := pool.Query(context.Background(), duck.Job{SQL: rowsSQL("Italy", from, 10)})
		require.NoError(t, err)
		defer res.Release()
		files, err := parquet.WriteFiles(hold.Context(t.Context()), h.Bucket, tbl.Metadata, h.Catalog.DataPath(tbl), parquet.Records(res), parquet.WriteOptions{})
		require.NoError(t, err)
		var out []catalog.FileEntry
		for _, f := range files {
			out = append(out, catalog.FileEntry{File: f})
		}
		return hold, out
	}
	slow, files := write(100)
	lost, abandoned := write(200)
	for range 5 {
		clock.add(2 * time.Hour)
		j := h.job(compactor.KindOrphans, tbl)
		require.Zero(t, j.Outcome.FilesIn, j.Outcome.Proof)
	}
	h.Commit(tbl, table.OpAppend, files...)
	slow.Release()
	lost.Release()
	require.Zero(t, h.job(compactor.KindOrphans, tbl).Outcome.FilesIn, "it was held until now: the grace begins")
	clock.add(2 * time.Hour)
	j := h.job(compactor.KindOrphans, tbl)
	require.EqualValues(t, len(abandoned), j.Outcome.FilesIn, j.Outcome.Proof)
	require.Len(t, h.rows(tbl, 0), 20)
}
