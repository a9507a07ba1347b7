package medallion_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
)

// watching notes the files of each commit and whether they were held.
type watching struct {
	catalog.Committer
	house *house
	keys  map[string]bool
	fail  error
	then  func() // after a failure
}

func (w *watching) Commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	for _, t := range tx.Tables {
		if t.Snapshot == nil {
			continue
		}
		for _, f := range t.Snapshot.Added {
			key, err := w.house.Bucket.Key(f.File.FilePath())
			if err != nil {
				return catalog.Committed{}, err
			}
			w.keys[key] = w.house.Bucket.Held(key)
		}
	}
	if w.fail != nil && len(w.keys) > 0 {
		w.then()
		return catalog.Committed{}, w.fail
	}
	return w.Committer.Commit(ctx, tx)
}

// Everything that a run writes (rows, deletes, changes, quarantine) is held
// until its commit is known: committed, or refused, but not while it is unknown.
func TestFilesOfARunAreHeldUntilItsCommitIsKnown(t *testing.T) {
	h, all := eventHouse(t, 120)
	w := &watching{Committer: h.Catalog, house: h, keys: map[string]bool{}}
	h.service.SetCommitter(w)
	for i := range 3 { // later rows supersede earlier ones: there are deletes
		h.append("bronze.raw", values(all[i*40:i*40+40], i*40))
		_, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
	}
	h.checkEvents(all)
	require.Greater(t, len(w.keys), 10)
	for key, held := range w.keys {
		require.True(t, held, key)
		require.False(t, h.Bucket.Held(key), key)
	}
	for _, unknown := range []bool{false, true} {
		h.append("bronze.raw", values(all[:1], 200))
		w.keys, w.fail = map[string]bool{}, errors.New("no space")
		ctx, cancel := context.WithCancel(t.Context())
		w.then = func() {}
		if unknown {
			w.fail, w.then = fmt.Errorf("%w: %w", w.fail, catalog.ErrUnknownOutcome), cancel
		}
		_, err := h.service.Promote(ctx, "silver.every")
		cancel()
		require.Error(t, err)
		require.NotEmpty(t, w.keys)
		for key := range w.keys {
			require.Equal(t, unknown, h.Bucket.Held(key), key)
		}
	}
}
