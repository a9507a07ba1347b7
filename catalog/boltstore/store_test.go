package boltstore_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
	"github.com/firnlake/firn/catalog/catalogtest"
)

func TestStore(t *testing.T) {
	defer goleak.VerifyNone(t)
	n := 0
	dir := t.TempDir()
	catalogtest.RunStore(t, func(t *testing.T) catalog.Store {
		n++
		s, err := boltstore.Open(boltstore.Config{Path: filepath.Join(dir, time.Now().Format("150405.000000000"), "store.db")})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}

func TestReopenKeepsVersionsAndRevision(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "store.db")
	s, err := boltstore.Open(boltstore.Config{Path: path})
	require.NoError(t, err)
	rev, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "k", Value: []byte("v")}}})
	require.NoError(t, err)

	_, err = boltstore.Open(boltstore.Config{Path: path, LockTimeout: time.Millisecond})
	require.ErrorContains(t, err, "another process has it open")
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, catalog.ErrClosed)
	_, err = s.Apply(t.Context(), catalog.Batch{})
	require.ErrorIs(t, err, catalog.ErrClosed)

	s, err = boltstore.Open(boltstore.Config{Path: path})
	require.NoError(t, err)
	defer s.Close()
	kv, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, rev, kv.Version)
	next, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "k", Delete: true}}})
	require.NoError(t, err)
	require.Greater(t, next, rev)
}
