package medallion_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/compactortest"
	"github.com/firnlake/firn/compactor/medallion"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

var pool *duck.Pool

func TestMain(m *testing.M) { os.Exit(compactortest.Main(m, &pool)) }

// house is a Service, and the ground it stands on.
type house struct {
	*compactortest.Ground
	service *medallion.Service
}

func newHouse(t testing.TB, adjust ...func(*medallion.Config)) *house {
	t.Helper()
	h := &house{Ground: compactortest.New(t, pool)}
	h.service = h.newService(adjust...)
	return h
}

// newService is another process over the same store.
func (h *house) newService(adjust ...func(*medallion.Config)) *medallion.Service {
	h.T.Helper()
	cfg := medallion.Config{Catalog: h.Catalog, Store: h.Store, Bucket: h.Bucket, Lake: h.Lake, Pool: pool, TempDir: h.T.TempDir()}
	for _, a := range adjust {
		a(&cfg)
	}
	s, err := medallion.New(cfg)
	require.NoError(h.T, err)
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
	h.T.Helper()
	id, err := catalog.ParseIdent(name)
	require.NoError(h.T, err)
	t, err := h.Catalog.LoadTable(h.T.Context(), id)
	require.NoError(h.T, err)
	return t
}

// append commits the result of a SELECT to a table, as ingestion would.
func (h *house) append(name, sql string, read ...string) {
	h.T.Helper()
	t := h.table(name)
	h.Commit(t, table.OpAppend, h.Write(t, sql, read...)...)
}

// rows runs SQL in which $name$ stands for a table's current rows.
func (h *house) rows(sql string, tables ...string) []map[string]any {
	h.T.Helper()
	job := duck.Job{SQL: sql, Read: []string{sourceFile(h.T)}}
	for _, name := range tables {
		t := h.table(name)
		relation := "(SELECT * FROM (SELECT 1) WHERE FALSE)"
		if t.CurrentSnapshot() != nil {
			scan, err := h.Lake.Plan(h.T.Context(), t.Metadata, 0, nil)
			require.NoError(h.T, err)
			rel, err := h.Lake.Relation(h.T.Context(), scan, lake.RelationOptions{})
			require.NoError(h.T, err)
			defer rel.Release()
			relation = rel.SQL
			job.Setup, job.Read = append(job.Setup, rel.Setup...), append(job.Read, rel.Paths...)
		}
		job.SQL = strings.ReplaceAll(job.SQL, "$"+name+"$", relation)
	}
	out, err := pool.Exec(h.T.Context(), job)
	require.NoError(h.T, err)
	return out
}

// count is the single number that SQL answers.
func (h *house) count(sql string, tables ...string) int64 {
	h.T.Helper()
	rows := h.rows(sql, tables...)
	require.Len(h.T, rows, 1)
	for _, v := range rows[0] {
		n, ok := v.(int64)
		require.True(h.T, ok, "%v (%T)", v, v)
		return n
	}
	return 0
}

func (h *house) apply(files []medallion.File) {
	h.T.Helper()
	_, err := h.service.Apply(h.T.Context(), files, false)
	require.NoError(h.T, err)
}
