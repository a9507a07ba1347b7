package writer_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/writer"
)

// watching notes the files of each commit and whether they were held.
type watching struct {
	writer.Catalog
	bucket *objstore.Bucket

	mu   sync.Mutex
	keys map[string]bool
	fail error
}

func (w *watching) Commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, t := range tx.Tables {
		if t.Snapshot == nil {
			continue
		}
		for _, f := range t.Snapshot.Added {
			key, err := w.bucket.Key(f.File.FilePath())
			if err != nil {
				return catalog.Committed{}, err
			}
			w.keys[key] = w.bucket.Held(key)
		}
	}
	if w.fail != nil {
		return catalog.Committed{}, w.fail
	}
	return w.Catalog.Commit(ctx, tx)
}

// The files of a micro-batch are held until its commit is known: applied or
// refused. While it is unknown nothing of it may be taken for an orphan.
func TestFilesAreHeldUntilTheirCommitIsKnown(t *testing.T) {
	for name, c := range map[string]struct {
		fail  error
		stays bool
	}{
		"applied": {},
		"refused": {fail: catalog.ErrCommitConflict},
		"unknown": {fail: fmt.Errorf("reset: %w", catalog.ErrUnknownOutcome), stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := &watching{keys: map[string]bool{}, fail: c.fail}
			k := newKit(t, func(cfg *writer.Config) {
				w.Catalog, w.bucket = cfg.Catalog, cfg.Bucket
				cfg.Catalog = w
			})
			_, err := k.append(arrowRows(rows(t, "a", 0, 10)))
			if (err == nil) != (c.fail == nil) {
				t.Fatal(err)
			}
			k.drain()
			if len(w.keys) == 0 {
				t.Fatal("no file was committed")
			}
			for key, held := range w.keys {
				if !held || k.bucket.Held(key) != c.stays {
					t.Errorf("%s: held at the commit %t, after it %t", key, held, k.bucket.Held(key))
				}
			}
		})
	}
}
