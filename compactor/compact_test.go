package compactor_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
)

// Small files of several partitions become one each, and every row is there.
func TestFuseKeepsEveryRow(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	for i := range 6 {
		for _, c := range []string{"France", "null", "NULL", "a/b=c"} {
			h.append(tbl, c, i*1000, 50+i)
		}
	}
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "fuse", j.Outcome.Tier)
	require.EqualValues(t, 24, j.Outcome.FilesIn)
	require.EqualValues(t, 4, j.Outcome.FilesOut)
	require.Contains(t, j.Outcome.Proof, "chunks")
	require.Len(t, h.live(tbl), 4)
	require.Equal(t, before, h.rows(tbl, 0))
	seen := map[string]bool{}
	for _, f := range h.live(tbl) {
		seen[fmt.Sprintf("%#v", f.Data.Partition()[1000])] = true
	}
	require.Len(t, seen, 4, "partition values are kept, NULL beside \"null\"")

	again := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, again.State)
	require.Zero(t, again.Outcome.FilesIn, "nothing is compacted twice")
	require.NotEmpty(t, again.Outcome.Proof["why_not_more"])
}

// Files with dictionaries, a codec that differs, an added and a renamed column:
// all of that falls through to a rewrite, and the rows are the same.
func TestRewriteWhereFusingCannot(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", iceberg.Properties{"firn.compact.fuse": "false"})
	for i := range 6 {
		h.append(tbl, "France", i*1000, 300)
	}
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "rewrite", j.Outcome.Tier)
	require.Contains(t, j.Outcome.Proof["row_hash"], "equal in 1 of 1")
	require.Len(t, h.live(tbl), 1)
	require.Equal(t, before, h.rows(tbl, 0))
	f := h.live(tbl)[0].Data
	require.NotEmpty(t, f.LowerBoundValues(), "bounds by field id")
	require.EqualValues(t, 1800, f.Count())
}

func TestPositionDeletesAreAppliedForGood(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*1000, 100)
	}
	h.append(tbl, "Italy", 9000, 10)
	for i, f := range h.live(tbl)[:3] {
		if f.Data.Count() == 100 {
			h.deletePositions(tbl, f.Data, int64(i), 50, 99)
		}
	}
	before := h.rows(tbl, 0)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Contains(t, j.Outcome.Tier, "rewrite")
	require.Equal(t, before, h.rows(tbl, 0))
	for _, f := range h.live(tbl) {
		require.Empty(t, f.Deletes)
	}
	var deletes int
	for e, err := range h.Lake.Entries(t.Context(), h.load(tbl).Metadata, 0) {
		require.NoError(t, err)
		if e.Data.ContentType() != iceberg.EntryContentData {
			deletes++
		}
	}
	require.Zero(t, deletes, "delete files that apply to nothing are removed with their data")
}

// A writer that appends all the time never waits for a compaction and never
// makes one fail.
func TestAppendsAndCompactionDoNotConflict(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	var written atomic.Int64
	written.Store(5)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				h.append(tbl, "France", int(written.Load())*100, 20)
				written.Add(1)
			}
		}
	})
	for i := range 6 {
		h.eventually("more files", func() bool { return written.Load() >= int64(i*6) })
		j := h.job(compactor.KindCompact, tbl)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		require.Equal(t, 1, j.Attempt, "tried again: %s", j.Error)
	}
	close(stop)
	wg.Wait()
	rows := h.rows(tbl, 0)
	require.Len(t, rows, int(written.Load())*20)
	ids := map[string]bool{}
	for _, r := range rows {
		ids[strings.Split(r, "|")[1]] = true
	}
	require.Len(t, ids, int(written.Load())*20, "every row once")
}

// A delete that lands on an input while it is compacted is carried over to the
// output: nothing is done twice, and the rows stay deleted.
func TestADeleteDuringACompactionIsNotLost(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
	}
	target := h.live(tbl)[0].Data
	// The delete comes when the job is about to commit.
	once := sync.Once{}
	h.service = h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(context.Context) { once.Do(func() { h.deletePositions(tbl, target, 3, 4) }) }
	})
	h.Run(h.service.Run)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Len(t, h.rows(tbl, 0), 98)
	require.Len(t, h.live(tbl), 1)
	require.EqualValues(t, 5, j.Outcome.FilesIn)
	require.EqualValues(t, 2, j.Outcome.Carried)
	require.Zero(t, j.Outcome.Wasted)
}

// A writer that replaces a file of one partition again and again, always just before
// the commit, costs the other partitions nothing, and the job no failure.
func TestOneGroupLosesTheOthersCommit(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
		h.append(tbl, "Peru", 1000+i*100, 20)
	}
	replaced := 0
	h.service = h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(context.Context) {
			for _, f := range h.live(tbl) {
				if f.Data.Partition()[1000] == "France" && f.Data.Count() == 20 {
					replaced++
					h.replace(tbl, f.Data, rowsSQL("France", 5000+replaced*100, 19))
					return
				}
			}
		}
	})
	h.Run(h.service.Run)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Contains(t, j.Outcome.Proof["lost_to_writers"], "rewritten 5 times")
	require.Equal(t, "100 in = 100 out + 0 deleted", j.Outcome.Proof["rows"], "the commit that landed")
	require.Equal(t, 5, replaced)
	require.Positive(t, j.Outcome.Wasted)
	live := map[any]int{}
	for _, f := range h.live(tbl) {
		live[f.Data.Partition()[1000]]++
	}
	require.Equal(t, map[any]int{"France": 5, "Peru": 1}, live)
	require.Len(t, h.rows(tbl, 0), 195)
}

// A group of which somebody replaced an input is given up, the others are not.
func TestAReplacedInputIsLost(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
		h.append(tbl, "Peru", 1000+i*100, 20)
	}
	once := sync.Once{}
	h.service = h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(ctx context.Context) {
			once.Do(func() {
				for _, f := range h.live(tbl) {
					if f.Data.Partition()[1000] == "France" {
						head := h.load(tbl).CurrentSnapshot().SnapshotID
						_, err := h.Catalog.Commit(ctx, catalog.Transaction{Tables: []catalog.TableChange{{
							Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpDelete, Base: &head, Removed: []string{f.Data.FilePath()}},
						}}})
						assert.NoError(t, err)
						return
					}
				}
			})
		}
	})
	h.Run(h.service.Run)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "180 in = 180 out + 0 deleted", j.Outcome.Proof["rows"])
	require.Empty(t, j.Outcome.Proof["lost_to_writers"])
	require.Len(t, h.live(tbl), 2)
	require.Len(t, h.rows(tbl, 0), 180)
}
