package catalog_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

// pinned is an append that is a conflict if anything was committed since it was made.
func (k *kit) pinned(tbl *catalog.Table, name string) catalog.Transaction {
	k.t.Helper()
	tx := appendOf(tbl, k.file(tbl, name, "c", 1))
	tx.ID = newID()
	tx.Tables[0].Snapshot.Pin = true
	if head := k.load(tbl).CurrentSnapshot(); head != nil {
		tx.Tables[0].Snapshot.Base = &head.SnapshotID
	}
	return tx
}

// Beside writers as fast as they can go, each turn comes, and what was seen in it is
// what is committed on; nobody is refused.
func TestTurnsComeAndNothingComesBetween(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	k.append(tbl, k.file(tbl, "first", "c", 1))
	var stop atomic.Bool
	var writers sync.WaitGroup
	written := make([]int, 4)
	for w := range written {
		writers.Go(func() {
			for !stop.Load() {
				_, err := k.Commit(context.Background(), appendOf(tbl, k.file(tbl, fmt.Sprint(w, "-", written[w]), "c", 1)))
				if err != nil {
					t.Error(err)
					return
				}
				written[w]++
			}
		})
	}
	lost := 0
	for i := range 20 {
		tx := k.pinned(tbl, fmt.Sprint("turn ", i))
		k.append(tbl, k.file(tbl, fmt.Sprint("between ", i), "c", 1))
		if _, err := k.Commit(k.ctx(), tx); err != nil {
			require.ErrorIs(t, err, catalog.ErrCommitConflict)
			lost++
		}
		require.NoError(t, k.Turn(k.ctx(), tbl.ID, func(turn *catalog.Turn) error {
			_, err := turn.Commit(k.ctx(), k.pinned(tbl, fmt.Sprint("turn ", i)))
			return err
		}))
	}
	stop.Store(true)
	writers.Wait()
	require.Equal(t, 20, lost, "without a turn the same commit is a conflict")
	total := 1 + 20 + 20
	for _, n := range written {
		require.Positive(t, n)
		total += n
	}
	require.Len(t, k.check(tbl), total)
	k.Close()
	require.Zero(t, k.Queues())
}

// What others commit meanwhile waits, and then goes through.
func TestCommitsWaitForATurn(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl, other := k.table("db.t", nil), k.table("db.u", nil)
	answer := make(chan catalog.Committed, 1)
	require.NoError(t, k.Turn(k.ctx(), tbl.ID, func(turn *catalog.Turn) error {
		go func() {
			done, err := k.Commit(context.Background(), appendOf(tbl, k.file(tbl, "1.parquet", "c", 1)))
			if err != nil {
				t.Error(err)
			}
			answer <- done
		}()
		k.waitPending(1)
		k.append(other, k.file(other, "1.parquet", "c", 1)) // is another table
		_, err := turn.Commit(k.ctx(), appendOf(other, k.file(other, "2.parquet", "c", 1)))
		require.ErrorIs(t, err, catalog.ErrInvalid)
		_, err = turn.Commit(k.ctx(), catalog.Transaction{ID: "?"})
		require.ErrorIs(t, err, catalog.ErrInvalid)
		_, err = turn.Commit(k.ctx(), k.pinned(tbl, "0.parquet"))
		return err
	}))
	require.EqualValues(t, 2, (<-answer).Tables[0].SequenceNumber)
	require.Equal(t, []string{"0.parquet", "1.parquet"}, names(k.check(tbl)))
	require.Equal(t, []string{"1.parquet"}, names(k.check(other)))
}

// It did not happen, or happened but looked failed: the turn hears what Commit hears,
// and the same transaction is in the table once.
func TestFaultsOfATurn(t *testing.T) {
	for name, c := range map[string]struct {
		fault memstore.Fault
		err   error
	}{
		"did not happen":          {memstore.Fault{Before: errPlanned}, catalog.ErrUnknownOutcome},
		"happened, looked failed": {memstore.Fault{After: errPlanned}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			store := memstore.New()
			k := newKit(t, store, nil)
			tbl := k.table("db.t", nil)
			tx := k.pinned(tbl, "1.parquet")
			store.InjectApply(func(catalog.Batch) memstore.Fault { return c.fault })
			err := k.Turn(k.ctx(), tbl.ID, func(turn *catalog.Turn) error {
				_, err := turn.Commit(k.ctx(), tx)
				return err
			})
			store.InjectApply(nil)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
			} else {
				require.NoError(t, err)
			}
			require.NoError(t, k.Turn(k.ctx(), tbl.ID, func(turn *catalog.Turn) error {
				done, err := turn.Commit(k.ctx(), tx)
				require.Equal(t, c.err == nil, done.Duplicate)
				return err
			}))
			require.Equal(t, []string{"1.parquet"}, names(k.check(tbl)))
			require.Equal(t, table.OpAppend, k.load(tbl).CurrentSnapshot().Summary.Operation)
		})
	}
}

func TestTurnsThatAreNotHad(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	release := k.Hold(tbl)
	ctx, cancel := context.WithCancel(k.ctx())
	cancel()
	never := func(*catalog.Turn) error { t.Error("is called"); return nil }
	require.ErrorIs(t, k.Turn(ctx, tbl.ID, never), context.Canceled)
	release()
	require.NoError(t, k.Turn(k.ctx(), tbl.ID, func(turn *catalog.Turn) error {
		_, err := turn.Commit(ctx, k.pinned(tbl, "1.parquet"))
		require.ErrorIs(t, err, catalog.ErrNotCommitted)
		return nil
	}))
	require.Empty(t, k.check(tbl))
	k.Close()
	require.ErrorIs(t, k.Turn(k.ctx(), tbl.ID, never), catalog.ErrClosed)
}
