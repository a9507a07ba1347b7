package compactor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/internal/lake"
)

// A writer, a deleter, compactions, rebalances, expiries and the removal of orphans
// work on one table at the same time, while writes to the store fail, or succeed and
// look failed. At the end every row is there once that was written and not deleted,
// none that was deleted, every tag reads as when it was made, and every retained
// snapshot reads (I1, I2, I3, I9, I11, I12).
func TestEverythingAtOnce(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			clock := &offset{}
			h := newHouse(t, func(c *compactor.Config) {
				c.Now, c.Grace, c.Tick, c.Workers = clock.now, time.Hour, 5*time.Millisecond, 3
			})
			h.Run(h.service.Run)
			tbl := h.create("bronze.lines", iceberg.Properties{
				"format-version": version, "firn.compact.min-input-files": "2", "firn.hot.columns": "id", "write.target-file-size-bytes": "30000",
				"firn.expire.max-snapshots": "6", "history.expire.max-snapshot-age-ms": "0",
			})
			c := &crowd{house: h, table: tbl, random: rand.New(rand.NewPCG(3, 9)), tags: map[string][]string{}}
			c.add(400)
			faults := rand.New(rand.NewPCG(11, 12))
			h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
				if slices.ContainsFunc(b.Then, func(o catalog.Op) bool { return strings.HasPrefix(o.Key, "commit/") }) {
					switch faults.IntN(30) {
					case 0:
						return memstore.Fault{Before: errors.New("did not happen")}
					case 1:
						return memstore.Fault{After: errors.New("looked failed")}
					}
				}
				return memstore.Fault{}
			})
			var group sync.WaitGroup
			var maintained []jobs.Job
			written := make(chan struct{})
			group.Go(func() {
				defer close(written)
				for i := range 40 {
					c.add(60)
					c.delete()
					if i%10 == 5 {
						c.hold(fmt.Sprint("tag", i))
					}
				}
			})
			group.Go(func() {
				kinds := []jobs.Kind{compactor.KindCompact, compactor.KindExpire, compactor.KindCompact, compactor.KindOrphans, compactor.KindManifests}
				for i := 0; ; i++ {
					select {
					case <-written:
						return
					default:
					}
					var j jobs.Job
					var err error
					if i%5 == 2 {
						j, err = h.service.Rebalance(context.Background(), tbl.Ident, plan.StepCluster, map[string]*string{"country": new("France")})
					} else {
						j, err = h.service.Submit(context.Background(), kinds[i%len(kinds)], tbl.Ident, "")
					}
					require.NoError(t, err)
					maintained = append(maintained, h.wait(j.ID))
					c.age(clock)
				}
			})
			group.Wait()
			h.Store.InjectApply(nil)
			var did []string
			for _, j := range maintained {
				did = append(did, fmt.Sprintf("%s %s %d->%d", j.Kind, j.State, j.Outcome.FilesIn, j.Outcome.FilesOut))
				require.Empty(t, j.Outcome.Proof["lost_to_writers"])
			}
			for range 3 {
				clock.add(2 * time.Hour)
				j := h.job(compactor.KindOrphans, tbl)
				require.Equal(t, jobs.Succeeded, j.State, j.Error)
				did = append(did, fmt.Sprint(j.Outcome.Proof))
			}
			require.Equal(t, c.live, c.ids(0), "every row once, and no deleted one")
			for name, rows := range c.tags {
				require.Equal(t, rows, h.rows(tbl, h.load(tbl).Metadata.SnapshotByName(name).SnapshotID), name)
			}
			for id := range snapshotIDs(h.load(tbl)) {
				h.rows(tbl, id) // reads, or fails
			}
			deleted, err := h.service.Deletions(t.Context())
			require.NoError(t, err)
			require.NotEmpty(t, deleted, did)
			t.Logf("%d commits were refused to the deleter; %s", c.refused, strings.Join(did, ", "))
		})
	}
}

// crowd keeps the ledger of what a writer and a deleter did.
type crowd struct {
	*house
	table   *catalog.Table
	random  *rand.Rand
	next    int64
	live    []int64
	refused int
	tags    map[string][]string
	// writing is held between the upload of files and the commit: a commit takes no
	// hours.
	writing sync.Mutex
}

// age lets time go by.
func (c *crowd) age(clock *offset) {
	c.writing.Lock()
	defer c.writing.Unlock()
	clock.add(20 * time.Minute)
}

// commit asks until the outcome is known, and again when it certainly did not
// happen for a reason that passes.
func (c *crowd) commit(change *catalog.SnapshotChange) error {
	for {
		_, err := rewrite.Commit(context.Background(), c.Catalog, catalog.Transaction{ID: uuid.NewString(), Actor: "ingest", Tables: []catalog.TableChange{{Table: c.table.ID, Snapshot: change}}})
		if !errors.Is(err, catalog.ErrNotCommitted) || errors.Is(err, catalog.ErrCommitConflict) {
			return err
		}
	}
}

// add appends rows, half of them to one partition; a writer never sees a conflict.
func (c *crowd) add(n int64) {
	c.writing.Lock()
	defer c.writing.Unlock()
	country := "France"
	if c.random.IntN(2) == 0 {
		country = fmt.Sprint("c", c.random.IntN(3))
	}
	files := c.Write(c.table, rowsSQL(country, int(c.next), int(n)))
	require.NoError(c.T, c.commit(&catalog.SnapshotChange{Operation: table.OpAppend, Added: files}))
	for range n {
		c.live = append(c.live, c.next)
		c.next++
	}
}

// delete removes one row, wherever it lies now.
func (c *crowd) delete() {
	c.writing.Lock()
	defer c.writing.Unlock()
	i := c.random.IntN(len(c.live))
	for {
		at := c.query(c.table, lake.RelationOptions{WithFile: true}, fmt.Sprintf("SELECT _file, _pos FROM %%s WHERE id = %d", c.live[i]))
		require.Len(c.T, at, 1, "row %d", c.live[i])
		change, ok := c.removal(c.table, at[0]["_file"].(string), at[0]["_pos"].(int64))
		if !ok {
			c.refused++ // compacted since we looked
			continue
		}
		err := c.commit(change)
		if errors.Is(err, catalog.ErrCommitConflict) {
			c.refused++
			continue
		}
		require.NoError(c.T, err)
		break
	}
	c.live = slices.Delete(c.live, i, i+1)
}

// hold tags the head.
func (c *crowd) hold(name string) {
	id := c.load(c.table).CurrentSnapshot().SnapshotID
	rows := c.rows(c.table, id)
	for {
		_, err := c.Catalog.Commit(context.Background(), catalog.Transaction{ID: uuid.NewString(), Actor: "test", Tables: []catalog.TableChange{{
			Table: c.table.ID, Updates: []table.Update{table.NewSetSnapshotRefUpdate(name, id, table.TagRef, 0, 0, 0)},
		}}})
		if err == nil || c.load(c.table).Metadata.SnapshotByName(name) != nil {
			break
		}
		if c.load(c.table).Metadata.SnapshotByID(id) == nil {
			return // it has expired before it could be held
		}
	}
	c.tags[name] = rows
}

// ids of a snapshot, in order, as iceberg-go reads them.
func (c *crowd) ids(snapshot int64) (out []int64) {
	for _, row := range c.rows(c.table, snapshot) {
		var id int64
		_, err := fmt.Sscan(strings.Split(row, "|")[1], &id)
		require.NoError(c.T, err)
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
