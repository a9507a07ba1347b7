package medallion_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/medallion"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	"github.com/firnlake/firn/internal/parquet"
)

var pool *duck.Pool

func TestMain(m *testing.M) {
	duck.WorkerMain()
	dir, err := os.MkdirTemp("", "medallion-")
	if err != nil {
		panic(err)
	}
	if pool, err = duck.NewPool(duck.PoolConfig{Workers: 2, TempDir: dir, MemoryBytes: 512 << 20}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := objstoretest.Main(m)
	pool.Close()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// house is a catalog with everything around it that a Service needs.
type house struct {
	t       testing.TB
	store   *memstore.Store
	bucket  *objstore.Bucket
	catalog *catalog.Catalog
	lake    *lake.Lake
	service *medallion.Service
}

func newHouse(t testing.TB, adjust ...func(*medallion.Config)) *house {
	t.Helper()
	h := &house{t: t, store: memstore.New(), bucket: objstoretest.New(t)}
	var err error
	h.catalog, err = catalog.New(catalog.Config{Store: h.store, Bucket: h.bucket})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = h.catalog.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	h.lake, err = lake.New(lake.Config{Bucket: h.bucket, CacheDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(h.lake.Close)
	h.service = h.newService(adjust...)
	return h
}

// newService is another process over the same store.
func (h *house) newService(adjust ...func(*medallion.Config)) *medallion.Service {
	h.t.Helper()
	cfg := medallion.Config{Catalog: h.catalog, Store: h.store, Bucket: h.bucket, Lake: h.lake, Pool: pool, TempDir: h.t.TempDir()}
	for _, a := range adjust {
		a(&cfg)
	}
	s, err := medallion.New(cfg)
	require.NoError(h.t, err)
	return s
}

// retail answers the files of the example.
func retail(t testing.TB) []medallion.File {
	t.Helper()
	return project(t, "../../docs/examples/retail")
}

func project(t testing.TB, dir string) []medallion.File {
	t.Helper()
	var files []medallion.File
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if strings.HasSuffix(path, ".sql") || strings.HasSuffix(path, ".yml") {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(dir, path)
			files = append(files, medallion.File{Path: filepath.ToSlash(rel), Text: string(text)})
		}
		return nil
	}))
	return files
}

func (h *house) table(name string) *catalog.Table {
	h.t.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(h.t, err)
	t, err := h.catalog.LoadTable(h.t.Context(), id)
	require.NoError(h.t, err)
	return t
}

// append commits the result of a SELECT to a table, as ingestion would.
func (h *house) append(name, sql string, read ...string) {
	h.t.Helper()
	t := h.table(name)
	res, err := pool.Query(h.t.Context(), duck.Job{SQL: sql, PreserveOrder: true, Read: read})
	require.NoError(h.t, err)
	defer res.Release()
	files, err := parquet.WriteFiles(h.t.Context(), h.bucket, t.Metadata, h.catalog.DataPath(t), parquet.Records(res), parquet.WriteOptions{})
	require.NoError(h.t, err)
	change := &catalog.SnapshotChange{Operation: table.OpAppend}
	for _, f := range files {
		change.Added = append(change.Added, catalog.FileEntry{File: f})
	}
	_, err = h.catalog.Commit(h.t.Context(), catalog.Transaction{ID: uuid.NewString(), Actor: "ingest", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
	require.NoError(h.t, err)
}

// rows runs SQL in which $name$ stands for a table's current rows.
func (h *house) rows(sql string, tables ...string) []map[string]any {
	h.t.Helper()
	job := duck.Job{SQL: sql, Read: []string{sourceFile(h.t)}}
	for _, name := range tables {
		t := h.table(name)
		relation := "(SELECT * FROM (SELECT 1) WHERE FALSE)"
		if t.CurrentSnapshot() != nil {
			scan, err := h.lake.Plan(h.t.Context(), t.Metadata, 0, nil)
			require.NoError(h.t, err)
			rel, err := h.lake.Relation(h.t.Context(), scan, lake.RelationOptions{})
			require.NoError(h.t, err)
			defer rel.Release()
			relation = rel.SQL
			job.Setup, job.Read = append(job.Setup, rel.Setup...), append(job.Read, rel.Paths...)
		}
		job.SQL = strings.ReplaceAll(job.SQL, "$"+name+"$", relation)
	}
	out, err := pool.Exec(h.t.Context(), job)
	require.NoError(h.t, err)
	return out
}

// count is the single number that SQL answers.
func (h *house) count(sql string, tables ...string) int64 {
	h.t.Helper()
	rows := h.rows(sql, tables...)
	require.Len(h.t, rows, 1)
	for _, v := range rows[0] {
		n, ok := v.(int64)
		require.True(h.t, ok, "%v (%T)", v, v)
		return n
	}
	return 0
}

func (h *house) apply(files []medallion.File) {
	h.t.Helper()
	_, err := h.service.Apply(h.t.Context(), files, false)
	require.NoError(h.t, err)
}
