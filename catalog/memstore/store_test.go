package memstore_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/catalogtest"
	"github.com/firnlake/firn/catalog/memstore"
)

func TestStore(t *testing.T) {
	catalogtest.RunStore(t, func(t *testing.T) catalog.Store {
		s := memstore.New()
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		return s
	})
}

func TestFaults(t *testing.T) {
	s := memstore.New()
	planned := errors.New("planned")
	put := catalog.Batch{If: []catalog.Cond{{Key: "k"}}, Then: []catalog.Op{{Key: "k"}}}

	s.InjectApply(func(catalog.Batch) memstore.Fault { return memstore.Fault{Before: planned} })
	_, err := s.Apply(t.Context(), put)
	require.ErrorIs(t, err, planned)
	_, err = s.Get(t.Context(), "k")
	require.ErrorIs(t, err, catalog.ErrNotFound, "did not happen")

	s.InjectApply(func(catalog.Batch) memstore.Fault { return memstore.Fault{After: planned} })
	_, err = s.Apply(t.Context(), put)
	require.ErrorIs(t, err, planned)
	_, err = s.Get(t.Context(), "k")
	require.NoError(t, err, "happened, but looked failed")

	_, err = s.Apply(t.Context(), put)
	_, conflict := errors.AsType[*catalog.ConflictError](err)
	require.True(t, conflict, "a conflict is a conflict, fault or not: %v", err)
}
