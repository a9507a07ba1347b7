// Package compactortest gives the tests of the compactor's packages what they
// all stand on: SQL workers, and a catalog over a real bucket whose tables are
// filled as ingestion fills them.
package compactortest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	"github.com/firnlake/firn/internal/parquet"
)

// Main is for TestMain: it runs the tests with workers in pool and answers the
// code to exit with.
func Main(m *testing.M, pool **duck.Pool) int {
	duck.WorkerMain()
	dir, err := os.MkdirTemp("", "compactortest-")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if *pool, err = duck.NewPool(duck.PoolConfig{Workers: 2, TempDir: dir, MemoryBytes: 512 << 20}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer (*pool).Close()
	return objstoretest.Main(m)
}

// Ground is a catalog that runs until the test ends, and what lies under it.
type Ground struct {
	T       testing.TB
	Store   *memstore.Store
	Bucket  *objstore.Bucket
	Catalog *catalog.Catalog
	Lake    *lake.Lake
	Pool    *duck.Pool
}

// New is an empty catalog in a bucket of its own.
func New(t testing.TB, pool *duck.Pool) *Ground {
	t.Helper()
	g := &Ground{T: t, Store: memstore.New(), Bucket: objstoretest.New(t), Pool: pool}
	var err error
	g.Catalog, err = catalog.New(catalog.Config{Store: g.Store, Bucket: g.Bucket})
	require.NoError(t, err)
	g.Run(g.Catalog.Run)
	g.Lake, err = lake.New(lake.Config{Bucket: g.Bucket, CacheDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(g.Lake.Close)
	return g
}

// Run keeps a service up until the test ends.
func (g *Ground) Run(f func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	g.T.Cleanup(func() {
		cancel()
		if err := <-done; err != nil && ctx.Err() == nil {
			g.T.Error(err)
		}
	})
}

// Write puts the rows of a SELECT into data files of a table.
func (g *Ground) Write(t *catalog.Table, sql string, read ...string) []catalog.FileEntry {
	g.T.Helper()
	ctx := context.Background()
	res, err := g.Pool.Query(ctx, duck.Job{SQL: sql, PreserveOrder: true, Read: read})
	require.NoError(g.T, err)
	defer res.Release()
	o := parquet.WriteOptions{MergeReady: t.Metadata.Properties()["firn.write.merge-ready"] == "true"}
	files, err := parquet.WriteFiles(ctx, g.Bucket, t.Metadata, g.Catalog.DataPath(t), parquet.Records(res), o)
	require.NoError(g.T, err)
	out := make([]catalog.FileEntry, len(files))
	for i, f := range files {
		out[i].File = f
	}
	return out
}

// Import is a file as Hive left it, in a partition that is given by field id: DuckDB
// writes the SELECT, without metrics, and without field ids unless options (of
// COPY) have FIELD_IDS.
func (g *Ground) Import(t *catalog.Table, sql, options string, partition map[int]any) catalog.FileEntry {
	g.T.Helper()
	ctx := context.Background()
	dir := g.T.TempDir()
	path := filepath.Join(dir, "imported.parquet")
	_, err := g.Pool.Exec(ctx, duck.Job{SQL: "COPY (" + sql + ") TO " + duck.Quote(path) + " (FORMAT parquet" + options + ")", WriteDir: dir})
	require.NoError(g.T, err)
	count, err := g.Pool.Exec(ctx, duck.Job{SQL: "SELECT count(*) AS n FROM read_parquet(" + duck.Quote(path) + ")", Read: []string{path}})
	require.NoError(g.T, err)
	info, err := os.Stat(path)
	require.NoError(g.T, err)
	location := g.Catalog.DataPath(t) + "/" + uuid.NewString() + ".parquet"
	key, err := g.Bucket.Key(location)
	require.NoError(g.T, err)
	require.NoError(g.T, g.Bucket.PutFile(ctx, key, path))
	f, err := iceberg.NewDataFileBuilder(t.Metadata.PartitionSpec(), iceberg.EntryContentData, location, iceberg.ParquetFile, partition, nil, nil, count[0]["n"].(int64), info.Size())
	require.NoError(g.T, err)
	return catalog.FileEntry{File: f.Build()}
}

// Commit makes a snapshot that adds files; another operation than an append is
// based on the present one.
func (g *Ground) Commit(t *catalog.Table, op table.Operation, files ...catalog.FileEntry) catalog.Committed {
	g.T.Helper()
	ctx := context.Background()
	change := &catalog.SnapshotChange{Operation: op, Added: files}
	if op != table.OpAppend {
		now, err := g.Catalog.LoadTableID(ctx, t.ID)
		require.NoError(g.T, err)
		change.Base = new(now.CurrentSnapshot().SnapshotID)
	}
	done, err := g.Catalog.Commit(ctx, catalog.Transaction{ID: uuid.NewString(), Actor: "ingest", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
	require.NoError(g.T, err)
	return done
}
