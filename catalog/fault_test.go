package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/objstore"
)

var errPlanned = errors.New("planned fault")

// faultyFiles fails puts of keys that match, before or after they happen.
type faultyFiles struct {
	catalog.Files
	mu         sync.Mutex
	match      func(key string) bool
	after      bool
	onSync     error
	beforeSync func()
	matched    int
}

func (f *faultyFiles) PutBytes(ctx context.Context, key string, data []byte, o objstore.PutOptions) error {
	f.mu.Lock()
	hit := f.match != nil && f.match(key)
	if hit {
		f.matched++
	}
	f.mu.Unlock()
	if hit && !f.after {
		return errPlanned
	}
	err := f.Files.PutBytes(ctx, key, data, o)
	if hit {
		return errPlanned
	}
	return err
}

func (f *faultyFiles) Sync(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.beforeSync != nil {
		f.beforeSync()
	}
	if f.onSync != nil {
		return f.onSync
	}
	return f.Files.Sync(ctx)
}

// TestFaultsWhileStaging: before the swap, whatever goes wrong and whether it
// happened or not, the commit did not happen, says so, and can be repeated.
func TestFaultsWhileStaging(t *testing.T) {
	steps := map[string]func(string) bool{
		"manifest":      func(k string) bool { return strings.HasSuffix(k, "-m.avro") },
		"manifest list": func(k string) bool { return strings.Contains(k, "/snap-") },
		"metadata":      func(k string) bool { return strings.HasSuffix(k, ".metadata.json") },
	}
	for name, match := range steps {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s after=%v", name, after), func(t *testing.T) {
				k := newKit(t, memstore.New(), nil)
				tbl := k.table("db.t", nil)
				k.append(tbl, k.file(tbl, "0.parquet", "c", 1))
				f := &faultyFiles{match: match, after: after}
				k.WrapFiles(func(in catalog.Files) catalog.Files { f.Files = in; return f })

				tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
				tx.ID = newID()
				_, err := k.Commit(k.ctx(), tx)
				require.ErrorIs(t, err, catalog.ErrNotCommitted)
				require.ErrorIs(t, err, errPlanned)
				require.NotErrorIs(t, err, catalog.ErrCommitConflict)
				require.Positive(t, f.matched)
				require.Equal(t, []string{"0.parquet"}, names(k.check(tbl)))

				f.match = nil
				done, err := k.Commit(k.ctx(), tx)
				require.NoError(t, err)
				require.False(t, done.Duplicate)
				require.Equal(t, []string{"0.parquet", "1.parquet"}, names(k.check(tbl)))
			})
		}
	}
	t.Run("barrier", func(t *testing.T) {
		k := newKit(t, memstore.New(), nil)
		tbl := k.table("db.t", nil)
		f := &faultyFiles{onSync: errPlanned}
		k.WrapFiles(func(in catalog.Files) catalog.Files { f.Files = in; return f })
		_, err := k.Commit(k.ctx(), appendOf(tbl, k.file(tbl, "1.parquet", "c", 1)))
		require.ErrorIs(t, err, catalog.ErrNotCommitted)
		require.Empty(t, k.check(tbl))
	})
}

// TestFaultsOfApply: the outcome is found out, and the caller hears the truth.
func TestFaultsOfApply(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault func(n int) memstore.Fault
		err   error
	}{
		{"did not happen, then does", func(n int) memstore.Fault {
			if n == 1 {
				return memstore.Fault{Before: errPlanned}
			}
			return memstore.Fault{}
		}, nil},
		{"happened, looked failed", func(n int) memstore.Fault {
			if n == 1 {
				return memstore.Fault{After: errPlanned}
			}
			return memstore.Fault{}
		}, nil},
		{"happened, looked failed, each time", func(int) memstore.Fault { return memstore.Fault{After: errPlanned} }, nil},
		{"never happens", func(int) memstore.Fault { return memstore.Fault{Before: errPlanned} }, catalog.ErrUnknownOutcome},
		{"disk full", func(int) memstore.Fault { return memstore.Fault{Before: catalog.ErrStoreReadOnly} }, catalog.ErrStoreReadOnly},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := memstore.New()
			k := newKit(t, store, nil)
			tbl := k.table("db.t", nil)
			n := 0
			store.InjectApply(func(catalog.Batch) memstore.Fault { n++; return c.fault(n) })
			tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
			tx.ID = newID()
			done, err := k.Commit(k.ctx(), tx)
			store.InjectApply(nil)
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.Empty(t, k.check(tbl))
				_, err = k.Commit(k.ctx(), tx)
				require.NoError(t, err, "and once it is over, the same transaction goes through")
			} else {
				require.NoError(t, err)
				require.Equal(t, tx.ID, done.ID)
			}
			require.Equal(t, []string{"1.parquet"}, names(k.check(tbl)))
			again, err := k.Commit(k.ctx(), tx)
			require.NoError(t, err)
			require.True(t, again.Duplicate)
			require.Len(t, k.check(tbl), 1)
			require.Len(t, k.load(tbl).Metadata.Snapshots(), 1, "one logical commit is one snapshot")
			events, err := k.Events(k.ctx(), "", 0)
			require.NoError(t, err)
			require.Len(t, events, 2, "and one event")
		})
	}
}

// TestUnreadableStoreAfterUnknownApply: when even the reading fails, the caller hears unknown.
func TestUnreadableStoreAfterUnknownApply(t *testing.T) {
	store := memstore.New()
	k := newKit(t, store, nil)
	tbl := k.table("db.t", nil)
	store.InjectApply(func(catalog.Batch) memstore.Fault {
		store.InjectRead(func(string) error { return errPlanned })
		return memstore.Fault{After: errPlanned}
	})
	tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
	tx.ID = newID()
	_, err := k.Commit(k.ctx(), tx)
	require.ErrorIs(t, err, catalog.ErrUnknownOutcome)
	store.InjectApply(nil)
	store.InjectRead(nil)
	done, err := k.Commit(k.ctx(), tx)
	require.NoError(t, err)
	require.True(t, done.Duplicate, "it had happened")
	require.Len(t, k.check(tbl), 1)
}

// TestRandomFaults: whatever fails, a transaction that is repeated until it is
// answered is in the table exactly once.
func TestRandomFaults(t *testing.T) {
	store := memstore.New()
	k := newKit(t, store, nil)
	tbl := k.table("db.t", nil)
	var mu sync.Mutex
	n := 0
	every := func(m int) bool { mu.Lock(); defer mu.Unlock(); n++; return n%m == 0 }
	f := &faultyFiles{match: func(string) bool { return every(17) }, after: true}
	k.WrapFiles(func(in catalog.Files) catalog.Files { f.Files = in; return f })
	store.InjectApply(func(catalog.Batch) memstore.Fault {
		switch {
		case every(5):
			return memstore.Fault{Before: errPlanned}
		case every(4):
			return memstore.Fault{After: errPlanned}
		}
		return memstore.Fault{}
	})
	const writers, each = 8, 10
	g, ctx := errgroup.WithContext(k.ctx())
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				tx := appendOf(tbl, k.file(tbl, fmt.Sprintf("%d-%d.parquet", w, i), "c", 1))
				tx.ID = newID()
				for {
					_, err := k.Commit(ctx, tx)
					if err == nil {
						break
					}
					if !errors.Is(err, catalog.ErrUnknownOutcome) && !errors.Is(err, catalog.ErrNotCommitted) {
						return err
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	store.InjectApply(nil)
	require.Len(t, k.check(tbl), writers*each)
}

func TestCallerWhoGivesUp(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	release := k.Hold(tbl)
	ctx, cancel := context.WithCancel(k.ctx())
	tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
	tx.ID = newID()
	failed := make(chan error)
	go func() { _, err := k.Commit(ctx, tx); failed <- err }()
	k.waitPending(1)
	cancel()
	err := <-failed
	require.ErrorIs(t, err, catalog.ErrUnknownOutcome)
	require.ErrorIs(t, err, context.Canceled)
	release()
	k.Close()
	require.Equal(t, []string{"1.parquet"}, names(k.check(tbl)), "the commit went on")
	_, err = k.Commit(k.ctx(), appendOf(tbl, k.file(tbl, "2.parquet", "c", 1)))
	require.ErrorIs(t, err, catalog.ErrClosed)
	done, err := k.Commit(k.ctx(), tx)
	require.NoError(t, err, "what happened is answered even then")
	require.True(t, done.Duplicate)
}

// TestSameTransactionTwiceAtOnce: both callers wait in one queue; one commits, the
// other hears its answer.
func TestSameTransactionTwiceAtOnce(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
	tx.ID = newID()
	release := k.Hold(tbl)
	answers := make(chan catalog.Committed, 2)
	var g errgroup.Group
	for range 2 {
		g.Go(func() error { done, err := k.Commit(k.ctx(), tx); answers <- done; return err })
	}
	k.waitPending(2)
	release()
	require.NoError(t, g.Wait())
	a, b := <-answers, <-answers
	require.NotEqual(t, a.Duplicate, b.Duplicate)
	require.Equal(t, a.Revision, b.Revision)
	require.Equal(t, a.Tables[0].SnapshotID, b.Tables[0].SnapshotID)
	require.Len(t, k.load(tbl).Metadata.Snapshots(), 1)
}

// TestRecordThatMovesBeforeTheSwap: a watermark that another process changes after it
// was read and before the Apply is a conflict, not an overwrite.
func TestRecordThatMovesBeforeTheSwap(t *testing.T) {
	store := memstore.New()
	k := newKit(t, store, nil)
	tbl := k.table("db.t", nil)
	f := &faultyFiles{}
	k.WrapFiles(func(in catalog.Files) catalog.Files { f.Files = in; return f })
	moved := false
	f.beforeSync = func() {
		if !moved {
			moved = true
			_, err := store.Apply(k.ctx(), catalog.Batch{Then: []catalog.Op{{Key: "wm/x", Value: []byte("theirs")}}})
			require.NoError(t, err)
		}
	}
	zero := catalog.Version(0)
	tx := appendOf(tbl, k.file(tbl, "1.parquet", "c", 1))
	tx.Records = []catalog.Record{{Key: "wm/x", Expect: &zero, Value: []byte("ours")}}
	_, err := k.Commit(k.ctx(), tx)
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	kv, err := store.Get(k.ctx(), "wm/x")
	require.NoError(t, err)
	require.Equal(t, "theirs", string(kv.Value))
	require.Empty(t, k.check(tbl))
}

// TestRequirementsOfACreate: what does not hold for a table that is not there yet
// is a conflict, not a table that exists.
func TestRequirementsOfACreate(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Create:       &catalog.NewTable{Ident: catalog.Ident{Namespace: tbl.Ident.Namespace, Name: "new"}, Schema: testSchema},
		Requirements: []table.Requirement{table.AssertTableUUID(tbl.ID)},
	}}})
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	require.NotErrorIs(t, err, catalog.ErrAlreadyExists)
}
