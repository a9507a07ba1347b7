package catalog_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
)

// TestOnBolt: the catalog on the real store, with a stop in the middle of the
// work: what was answered is there when it is opened again, once.
func TestOnBolt(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	store, err := boltstore.Open(boltstore.Config{Path: path})
	require.NoError(t, err)
	k := newKit(t, store, nil)
	tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: "20"})
	ctx, cancel := context.WithCancel(k.ctx())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- k.Run(ctx) }()

	var g errgroup.Group
	acked := make([][]catalog.Transaction, 8)
	for w := range acked {
		g.Go(func() error {
			for i := 0; ; i++ {
				tx := appendOf(tbl, k.file(tbl, fmt.Sprintf("%d-%d", w, i), "c", 1))
				tx.ID = newID()
				if _, err := k.Commit(k.ctx(), tx); err != nil {
					require.ErrorIs(t, err, catalog.ErrClosed)
					return nil
				}
				acked[w] = append(acked[w], tx)
				if w == 0 && i == 10 {
					cancel()
				}
			}
		})
	}
	require.NoError(t, g.Wait())
	require.NoError(t, <-ended)
	require.NoError(t, store.Close())

	store, err = boltstore.Open(boltstore.Config{Path: path})
	require.NoError(t, err)
	defer store.Close()
	c, err := catalog.New(catalog.Config{Store: store, Bucket: k.bucket})
	require.NoError(t, err)
	defer c.Close()
	again := &kit{t: t, Catalog: c, bucket: k.bucket}
	live := again.check(tbl)
	n := 0
	for _, txs := range acked {
		for _, tx := range txs {
			n++
			require.Contains(t, live, filepath.Base(tx.Tables[0].Snapshot.Added[0].File.FilePath()))
			done, err := again.Commit(again.ctx(), tx)
			require.NoError(t, err)
			require.True(t, done.Duplicate)
		}
	}
	require.Len(t, live, n)
	again.append(tbl, again.file(tbl, "later", "c", 1))
	require.Len(t, again.check(tbl), n+1)
}

func TestRunEndsAllItStarted(t *testing.T) {
	store, err := boltstore.Open(boltstore.Config{Path: filepath.Join(t.TempDir(), "store.db")})
	require.NoError(t, err)
	k := newKit(t, store, nil)
	tbl := k.table("db.t", nil) // starts the shared gateway, which stays
	before := goleak.IgnoreCurrent()
	c, err := catalog.New(catalog.Config{Store: store, Bucket: k.bucket})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(k.ctx())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		for _, err := range c.Watch(context.Background(), "") {
			if err != nil {
				return
			}
		}
	}()
	_, err = c.Commit(ctx, catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Snapshot: &catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{k.file(tbl, "1", "c", 1)}},
	}}})
	require.NoError(t, err)
	cancel()
	require.NoError(t, <-ended)
	<-watched // a watcher ends with the catalog
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).workerFunc"))
	require.NoError(t, store.Close())
}
