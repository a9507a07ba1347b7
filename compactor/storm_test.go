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

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/lake"
)

// storm appends to and deletes from one partition, and keeps a ledger of both.
type storm struct {
	*house
	table   *catalog.Table
	random  *rand.Rand
	next    int
	live    []int64
	deleted []int64
	refused int // commits of deletes whose file had been compacted meanwhile
}

// tick is one append and one delete.
func (s *storm) tick(rows int) {
	change := s.Write(s.table, rowsSQL("France", s.next, rows))
	_, err := s.Catalog.Commit(context.Background(), appended(s.table, change))
	if !assert.NoError(s.T, err, "a streaming writer never sees a conflict") {
		return
	}
	for range rows {
		s.live = append(s.live, int64(s.next))
		s.next++
	}
	i := s.random.IntN(len(s.live))
	id := s.live[i]
	for {
		at := s.query(s.table, lake.RelationOptions{WithFile: true}, fmt.Sprintf("SELECT _file, _pos FROM %%s WHERE id = %d", id))
		if !assert.Len(s.T, at, 1, "row %d", id) {
			return
		}
		_, err := s.tryRemove(s.table, at[0]["_file"].(string), at[0]["_pos"].(int64))
		if errors.Is(err, catalog.ErrCommitConflict) { // as another engine would do it
			s.refused++
			continue
		}
		assert.NoError(s.T, err)
		break
	}
	s.live = slices.Delete(s.live, i, i+1)
	s.deleted = append(s.deleted, id)
}

func appended(t *catalog.Table, files []catalog.FileEntry) catalog.Transaction {
	return catalog.Transaction{Actor: "ingest", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: &catalog.SnapshotChange{Operation: "append", Added: files}}}}
}

// An append and a delete in each compaction before its commit, and another while
// it commits: every rewrite commits, hardly a byte is written in vain, no deleted
// row returns, and no row is there twice.
func TestStorm(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			s := &storm{house: h, random: rand.New(rand.NewPCG(5, 7)), table: h.create("bronze.lines", iceberg.Properties{"format-version": version, "firn.compact.min-input-files": "2"})}
			for range 3 {
				s.tick(10_000)
			}
			var during sync.WaitGroup
			attempts := 0
			h.service = h.another(func(c *compactor.Config) {
				c.BeforeCommit = func(context.Context) {
					during.Wait()
					attempts = 0
					s.tick(40)
				}
				c.BeforeApply = func(context.Context) {
					switch attempts++; attempts {
					case 1: // lands for certain
						s.tick(40)
					case 2: // lands before or after
						during.Go(func() { s.tick(40) })
					}
				}
			})
			h.Run(h.service.Run)
			var written, wasted, carried int64
			for range 8 {
				j := h.job(compactor.KindCompact, s.table)
				require.Equal(t, jobs.Succeeded, j.State, j.Error)
				require.Equal(t, 1, j.Attempt)
				require.Empty(t, j.Outcome.Proof["lost_to_writers"])
				require.Positive(t, j.Outcome.FilesOut, "%v", j.Outcome.Proof)
				require.GreaterOrEqual(t, j.Outcome.Carried, int64(1))
				written += j.Outcome.BytesOut
				wasted += j.Outcome.Wasted
				carried += j.Outcome.Carried
			}
			during.Wait()
			t.Logf("%d bytes rewritten, %d wasted, %d deletes carried over, %d commits of deletes refused", written, wasted, carried, s.refused)
			require.LessOrEqual(t, 100*wasted, written)
			require.Len(t, s.deleted, 3+3*8)
			var ids []int64
			for _, row := range h.rows(s.table, 0) {
				var id int64
				_, err := fmt.Sscan(strings.Split(row, "|")[1], &id)
				require.NoError(t, err)
				ids = append(ids, id)
			}
			slices.Sort(ids)
			require.Equal(t, s.live, ids, "every row once, and no deleted one")
		})
	}
}
