package compactor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
)

// commits says that a write to the store is a commit to a table.
func commits(b catalog.Batch) bool {
	return slices.ContainsFunc(b.Then, func(o catalog.Op) bool { return strings.HasPrefix(o.Key, "commit/") })
}

// everyID is that of all rows, sorted.
func (h *house) everyID(t *catalog.Table) []int64 {
	h.T.Helper()
	var out []int64
	for _, row := range h.rows(t, 0) {
		var id int64
		_, err := fmt.Sscan(strings.Split(row, "|")[1], &id)
		require.NoError(h.T, err)
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// deleteAll deletes the rows of a file one by one, each in a commit, as fast as that
// goes, until the file is no more; and answers how many.
func (h *house) deleteAll(t *catalog.Table, path string, rows int64) (deleted int64) {
	for deleted < rows {
		change, live := h.removal(t, path, deleted)
		if !live {
			return deleted
		}
		_, err := h.Catalog.Commit(context.Background(), catalog.Transaction{Actor: "deleter", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
		if errors.Is(err, catalog.ErrCommitConflict) {
			continue // the file has just gone, or another deleter was faster
		}
		if !assert.NoError(h.T, err) {
			return deleted
		}
		deleted++
	}
	return deleted
}

// A deleter and an appender as fast as they can go: the compaction, which cannot
// look as fast, takes a turn and ends; no delete is lost, and the appender sees no
// conflict. So also when the store fails in that turn.
func TestADeleterFasterThanALook(t *testing.T) {
	for name, c := range map[string]struct {
		version  string
		fault    memstore.Fault
		attempts int // four in vain, and turns
		before   func(ctx context.Context, remove func())
	}{
		"v2":                      {version: "2", attempts: 5},
		"v3":                      {version: "3", attempts: 5},
		"did not happen":          {version: "3", attempts: 5, fault: memstore.Fault{Before: errors.New("did not happen")}},
		"happened, looked failed": {version: "3", attempts: 5, fault: memstore.Fault{After: errors.New("looked failed")}},
		"the first turn is short": {version: "3", attempts: 6, before: func(ctx context.Context, _ func()) { <-ctx.Done() }},
		"another process deletes in the first turn": {version: "3", attempts: 6, before: func(_ context.Context, remove func()) { remove() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			short := strings.Contains(name, "short")
			h := newHouse(t)
			tbl := h.create("bronze.lines", iceberg.Properties{"format-version": c.version, "firn.compact.min-input-files": "2"})
			const rows = 1_000
			var in []string // in the order of their ids
			for i := range 5 {
				h.append(tbl, "France", i*rows, rows)
				for _, path := range h.paths(tbl, "France") {
					if !slices.Contains(in, path) {
						in = append(in, path)
					}
				}
			}
			var (
				writers  sync.WaitGroup
				done     atomic.Bool
				deleted  int64
				attempts int
				failed   atomic.Bool
			)
			process := *h.Ground
			second, err := catalog.New(catalog.Config{Store: h.Store, Bucket: h.Bucket})
			require.NoError(t, err)
			t.Cleanup(second.Close)
			process.Catalog = second
			elsewhere := &house{Ground: &process}
			h.service = h.another(func(cfg *compactor.Config) {
				cfg.BeforeCommit = func(context.Context) {
					writers.Go(func() { deleted = h.deleteAll(tbl, in[0], rows) })
					writers.Go(func() {
						for i := 0; !done.Load(); i++ {
							_, err := h.Catalog.Commit(context.Background(), appended(tbl, h.Write(tbl, rowsSQL("Peru", 1_000_000+i, 1))))
							assert.NoError(t, err, "a streaming writer never sees a conflict")
						}
					})
				}
				if cfg.Turn = time.Minute; short {
					cfg.Turn = time.Second
				}
				cfg.BeforeApply = func(ctx context.Context) {
					// Until its turn, a delete comes before each attempt for certain.
					if attempts++; attempts <= 4 {
						h.remove(tbl, in[1], int64(attempts))
						return
					}
					if attempts == 5 && c.before != nil {
						c.before(ctx, func() { elsewhere.remove(tbl, in[1], int64(attempts)) })
					}
					if c.fault == (memstore.Fault{}) {
						return
					}
					h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
						if !commits(b) || failed.Swap(true) { // of the compaction: the others wait
							return memstore.Fault{}
						}
						return c.fault
					})
				}
			})
			h.Run(h.service.Run)
			j := h.job(compactor.KindCompact, tbl)
			done.Store(true)
			writers.Wait()
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Equal(t, 1, j.Attempt)
			require.Empty(t, j.Outcome.Proof["lost_to_writers"])
			require.EqualValues(t, 5, j.Outcome.FilesIn)
			if short { // and so may be the second, on a busy machine
				require.GreaterOrEqual(t, attempts, c.attempts)
			} else {
				require.Equal(t, c.attempts, attempts)
			}
			require.Equal(t, c.fault != (memstore.Fault{}), failed.Load())
			require.Positive(t, deleted)
			also := j.Outcome.Carried - deleted // of the second file
			require.Contains(t, []int64{4, 5}, also)
			t.Logf("%d deletes", deleted)
			var ids []int64
			for id := range int64(5 * rows) {
				if id >= deleted && (id <= rows || id > rows+also) {
					ids = append(ids, id)
				}
			}
			got := slices.DeleteFunc(h.everyID(tbl), func(id int64) bool { return id >= 900_000 })
			require.Equal(t, ids, got, "no deleted row is back, and no other is gone")
		})
	}
}
