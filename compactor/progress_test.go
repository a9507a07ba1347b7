package compactor_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/internal/objstore"
)

// told is what a job says of its progress.
type told struct {
	steps  []string
	amount int64 // the largest of what would be shown as bytes
}

func (p *told) Progress(step string, done, total int64) {
	p.steps = append(p.steps, step)
	p.amount = max(p.amount, done, total)
}
func (p *told) Advance(bytes int64) { p.amount = max(p.amount, bytes) }

// A removal of orphans tells objects, which are no bytes: not as done of a total.
func TestOrphansTellObjectsInTheirStep(t *testing.T) {
	clock := &offset{}
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	h.append(tbl, "France", 0, 10)
	const strays = 600 // more than a batch
	var puts errgroup.Group
	puts.SetLimit(32)
	for i := range strays {
		puts.Go(func() error {
			key, err := h.Bucket.Key(h.Catalog.DataPath(tbl) + fmt.Sprintf("/stray-%d.parquet", i))
			if err != nil {
				return err
			}
			return h.Bucket.PutBytes(t.Context(), key, []byte("x"), objstore.PutOptions{})
		})
	}
	require.NoError(t, puts.Wait())
	w, err := rewrite.New(rewrite.Config{Catalog: h.Catalog, Store: h.Store, Bucket: h.Bucket, Lake: h.Lake, Now: clock.now, Grace: time.Hour, MaxShare: 1})
	require.NoError(t, err)
	var p told
	deleted := 0
	for range 3 {
		clock.add(2 * time.Hour)
		r, err := w.Orphans(t.Context(), h.load(tbl), time.Hour, false, &p)
		require.NoError(t, err)
		deleted += len(r.Delete)
	}
	require.Equal(t, strays, deleted)
	require.Contains(t, p.steps, fmt.Sprintf("delete %d of %d objects", strays, strays))
	require.Greater(t, len(p.steps), 4, "each batch is told")
	require.Zero(t, p.amount, "objects would be shown as bytes")
}
