package boltstore

import (
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	bolt "go.etcd.io/bbolt"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
)

func openTest(t *testing.T, cfg Config) *Store {
	t.Helper()
	cfg.Path = filepath.Join(t.TempDir(), "store.db")
	s, err := Open(cfg)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

var putK = catalog.Batch{If: []catalog.Cond{{Key: "k"}}, Then: []catalog.Op{{Key: "k", Value: []byte("v")}}}

// fail makes the next transactions end with err, before or after their commit.
func (s *Store) fail(err error, after bool) {
	s.update = func(f func(*bolt.Tx) error) error {
		if after {
			if uerr := s.db.Update(f); uerr != nil {
				return uerr
			}
			return err
		}
		return s.db.Update(func(tx *bolt.Tx) error {
			if ferr := f(tx); ferr != nil {
				return ferr
			}
			return err // rolls back, as bbolt does when a write fails
		})
	}
}

func TestFullDiskIsReadOnlyUntilThereIsRoom(t *testing.T) {
	s := openTest(t, Config{})
	s.fail(&pathError{syscall.ENOSPC}, false)
	_, err := s.Apply(t.Context(), putK)
	require.ErrorIs(t, err, catalog.ErrStoreReadOnly)
	_, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, catalog.ErrNotFound, "it serves reads, and it did not happen")
	require.NoError(t, s.Err())
	s.update = s.db.Update
	_, err = s.Apply(t.Context(), putK)
	require.NoError(t, err, "and writes again")
}

func TestFullDiskAfterTheCommitStops(t *testing.T) {
	s := openTest(t, Config{})
	s.fail(&pathError{syscall.ENOSPC}, true) // the last fsync failed: the pages may or may not be there
	_, err := s.Apply(t.Context(), putK)
	require.ErrorIs(t, err, catalog.ErrStoreFailed)
	require.NotErrorIs(t, err, catalog.ErrStoreReadOnly)
}

func TestIOErrorStops(t *testing.T) {
	s := openTest(t, Config{})
	s.fail(&pathError{syscall.EIO}, false)
	_, err := s.Apply(t.Context(), putK)
	require.ErrorIs(t, err, catalog.ErrStoreFailed)
	require.ErrorIs(t, err, syscall.EIO)
	<-s.Failed()
	require.ErrorIs(t, s.Err(), syscall.EIO)
	s.update = s.db.Update
	_, err = s.Apply(t.Context(), putK)
	require.ErrorIs(t, err, catalog.ErrStoreFailed, "for good, until it is opened again")
	_, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, catalog.ErrStoreFailed)
}

type pathError struct{ err error }

func (e *pathError) Error() string { return "write store.db: " + e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

// TestGroupsShareATransaction: batches that wait together are one fsync, each with its
// own verdict and its own revision, in order.
func TestGroupsShareATransaction(t *testing.T) {
	var mu sync.Mutex
	var groups []int
	gate := make(chan struct{})
	entered := make(chan struct{}, 100)
	s := openTest(t, Config{})
	s.update = func(f func(*bolt.Tx) error) error {
		entered <- struct{}{}
		<-gate
		n := 0
		err := s.db.Update(func(tx *bolt.Tx) error { n = int(revision(tx)); err := f(tx); n = int(revision(tx)) - n; return err })
		mu.Lock()
		groups = append(groups, n)
		mu.Unlock()
		return err
	}
	var g errgroup.Group
	revs := make([]catalog.Version, 20)
	conflicts := 0
	apply := func(i int) {
		g.Go(func() error {
			rev, err := s.Apply(t.Context(), catalog.Batch{If: []catalog.Cond{{Key: "one"}}, Then: []catalog.Op{{Key: "one"}}})
			revs[i] = rev
			if _, is := errors.AsType[*catalog.ConflictError](err); is {
				mu.Lock()
				conflicts++
				mu.Unlock()
				return nil
			}
			return err
		})
	}
	g.Go(func() error {
		_, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "zero"}}})
		return err
	})
	<-entered
	for i := range revs {
		apply(i)
	}
	for len(s.requests) < len(revs) {
		runtime.Gosched()
	}
	close(gate)
	require.NoError(t, g.Wait())
	require.Equal(t, []int{1, 1}, groups, "two transactions; in the second one winner")
	require.Equal(t, len(revs)-1, conflicts)
}
