package lake_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// remote is a table whose bucket this machine does not serve.
func remote(t *testing.T, cacheBytes int64) (*laketest.Table, string) {
	f := laketest.New(t, simpleSchema(), nil, iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead})
	cfg := f.Bucket.Config()
	cfg.LocalRoot = ""
	dir := t.TempDir()
	l, err := lake.New(lake.Config{Bucket: objstoretest.Open(t, cfg), CacheDir: dir, CacheBytes: cacheBytes})
	require.NoError(t, err)
	t.Cleanup(l.Close)
	f.Lake = l
	return f, filepath.Join(dir, "files")
}

func cachedBytes(t *testing.T, dir string) (files int, bytes int64) {
	require.NoError(t, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		files, bytes = files+1, bytes+info.Size()
		return err
	}))
	return files, bytes
}

func TestRemoteFilesAreFetchedOnce(t *testing.T) {
	f, dir := remote(t, 1<<30)
	f.Append(simpleRows(0, 10, "a"))
	f.Append(simpleRows(10, 20, "b"))
	f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(3)))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
			if err != nil {
				t.Error(err)
				return
			}
			rel, err := f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
			if err != nil {
				t.Error(err)
				return
			}
			rel.Release()
		})
	}
	wg.Wait()
	f.Same(19)
	n, _ := cachedBytes(t, dir)
	require.Equal(t, 3, n)
}

func TestCacheStaysWithinItsBound(t *testing.T) {
	f, dir := remote(t, 4000) // about three of these files
	var held *lake.Relation
	for i := range 8 {
		f.Append(simpleRows(i*10, i*10+10, "a"))
		scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, iceberg.GreaterThanEqual(iceberg.Reference("id"), int64(i*10)))
		require.NoError(t, err)
		require.Len(t, scan.Files, 1)
		rel, err := f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
		require.NoError(t, err)
		if i == 0 {
			held = rel // in use: it stays
		} else {
			rel.Release()
		}
		_, bytes := cachedBytes(t, dir)
		require.LessOrEqual(t, bytes, int64(4000)+scan.Bytes)
	}
	for _, path := range held.Paths {
		require.FileExists(t, path)
	}
	held.Release()
	held.Release() // once is enough
	// More than the bound at once is allowed while it is read, and goes.
	f.Same(80)
	_, bytes := cachedBytes(t, dir)
	require.LessOrEqual(t, bytes, int64(4000))
	entries, err := os.ReadDir(filepath.Join(filepath.Dir(dir), "relations"))
	require.NoError(t, err)
	require.Empty(t, entries)
}

func TestMissingFile(t *testing.T) {
	f, _ := remote(t, 1<<30)
	f.Append(simpleRows(0, 10, "a"))
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	key, err := f.Bucket.Key(scan.Files[0].Data.FilePath())
	require.NoError(t, err)
	data, err := f.Bucket.Get(t.Context(), key)
	require.NoError(t, err)
	require.NoError(t, f.Bucket.Delete(t.Context(), key))
	for range 2 {
		_, err = f.Lake.Relation(t.Context(), scan, lake.RelationOptions{})
		require.ErrorContains(t, err, key)
	}
	require.NoError(t, f.Bucket.PutBytes(t.Context(), key, data, objstore.PutOptions{}))
	f.Same(10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = f.Lake.Plan(ctx, f.Meta, 0, nil)
	if err != nil { // the cache may know it
		require.ErrorIs(t, err, context.Canceled)
	}
}

// Files that were imported have no field ids; the table's mapping names their
// columns.
func TestImportedFiles(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, iceberg.Properties{
		"schema.name-mapping.default": `[{"field-id": 1, "names": ["id"]}, {"field-id": 2, "names": ["name"]}, {"field-id": 3, "names": ["part"]}]`,
	})
	f.Append(simpleRows(0, 5, "own"))
	dir := t.TempDir()
	path := filepath.Join(dir, "imported.parquet")
	_, err := f.Pool.Exec(t.Context(), duck.Job{SQL: "COPY (SELECT 'imp' AS part, range + 100 AS id, 'i' || range AS name FROM range(3)) TO " + duck.Quote(path), WriteDir: dir})
	require.NoError(t, err)
	loc := strings.TrimSuffix(f.Meta.Location(), "/") + "/data/imported.parquet"
	key, err := f.Bucket.Key(loc)
	require.NoError(t, err)
	require.NoError(t, f.Bucket.PutFile(t.Context(), key, path))
	f.Change(func(tx *table.Transaction) error { return tx.AddFiles(t.Context(), []string{loc}, nil, false) })
	f.Same(8)
	// A rename of the column renames nothing in the imported file.
	f.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).RenameColumn([]string{"name"}, "label").Commit()
	})
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{"n": int64(8)}}, f.Query(scan, lake.RelationOptions{}, "SELECT count(label) AS n FROM t"))
}

func TestNestedInsideLists(t *testing.T) {
	element := &iceberg.StructType{FieldList: []iceberg.NestedField{
		{ID: 11, Name: "a b", Type: iceberg.PrimitiveTypes.Int32}, {ID: 12, Name: "ok", Type: iceberg.PrimitiveTypes.String},
	}}
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "list", Type: &iceberg.ListType{ElementID: 3, Element: element}},
		iceberg.NestedField{ID: 4, Name: "map", Type: &iceberg.MapType{KeyID: 5, KeyType: iceberg.PrimitiveTypes.String, ValueID: 6, ValueType: &iceberg.StructType{
			FieldList: []iceberg.NestedField{{ID: 13, Name: "ü", Type: iceberg.PrimitiveTypes.Int64}},
		}}},
	)
	f := laketest.New(t, schema, nil, nil)
	f.Append(`[{"id": 1, "list": [{"a b": 1, "ok": "x"}, {"a b": 2, "ok": null}], "map": [{"key": "k", "value": {"ü": 7}}]}, {"id": 2, "list": [], "map": []}, {"id": 3}]`)
	f.Same(3)
	require.Contains(t, f.Rows(0)[0], "a b:1")
	require.Contains(t, f.Rows(0)[0], "ü:7")
}
