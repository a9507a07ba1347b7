package rest_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	icecatalog "github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/catalogtest"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/view"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog/rest/resttest"
)

// TestConformance runs iceberg-go's own suite over the wire.
func TestConformance(t *testing.T) {
	catalogtest.RunCatalogTests(t, catalogtest.Config{
		NewCatalog:                  func(t *testing.T) icecatalog.Catalog { return resttest.New(t).Client(t) },
		SupportsNamespaceProperties: true,
	})
}

func arrowRows(t *testing.T, json string) array.RecordReader {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int32}, {Name: "data", Type: arrow.BinaryTypes.String}}, nil)
	rec, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(json))
	require.NoError(t, err)
	rdr, err := array.NewRecordReader(schema, []arrow.RecordBatch{rec})
	require.NoError(t, err)
	return rdr
}

// count reads a table back through iceberg-go.
func count(t *testing.T, tbl *table.Table) int64 {
	t.Helper()
	data, err := tbl.Scan().ToArrowTable(t.Context())
	require.NoError(t, err)
	defer data.Release()
	return data.NumRows()
}

// TestGoClientWritesAndReads appends, evolves, overwrites, deletes and reads
// through iceberg-go, as a foreign engine would.
func TestGoClientWritesAndReads(t *testing.T) {
	f := resttest.New(t)
	c := f.Client(t)
	ctx := t.Context()
	require.NoError(t, c.CreateNamespace(ctx, table.Identifier{"go", "inner"}[:1], nil))
	require.NoError(t, c.CreateNamespace(ctx, table.Identifier{"go", "inner"}, nil))
	ident := table.Identifier{"go", "inner", "lines"}
	tbl, err := c.CreateTable(ctx, ident, iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 2, Name: "data", Type: iceberg.PrimitiveTypes.String},
	))
	require.NoError(t, err)

	tbl, err = tbl.Append(ctx, arrowRows(t, `[{"id": 1, "data": "a"}, {"id": 2, "data": "b"}]`), nil)
	require.NoError(t, err)
	tbl, err = tbl.Append(ctx, arrowRows(t, `[{"id": 3, "data": "c"}]`), nil)
	require.NoError(t, err)
	assert.EqualValues(t, 3, count(t, tbl))

	loaded, err := c.LoadTable(ctx, ident)
	require.NoError(t, err)
	assert.Equal(t, tbl.MetadataLocation(), loaded.MetadataLocation())
	assert.EqualValues(t, 3, count(t, loaded))

	tx := loaded.NewTransaction()
	require.NoError(t, tx.UpdateSchema(true, false).AddColumn([]string{"extra"}, iceberg.PrimitiveTypes.Int64, "", false, nil).Commit())
	evolved, err := tx.Commit(ctx)
	require.NoError(t, err)
	_, ok := evolved.Schema().FindFieldByName("extra")
	assert.True(t, ok)

	deleted, err := evolved.Delete(ctx, iceberg.EqualTo(iceberg.Reference("id"), int32(2)), nil)
	require.NoError(t, err)
	assert.EqualValues(t, 2, count(t, deleted))

	for page := range c.ListTables(c.SetPageSize(ctx, 1), table.Identifier{"go", "inner"}) {
		assert.Equal(t, ident, page)
	}
	renamed, err := c.RenameTable(ctx, ident, table.Identifier{"go", "renamed"})
	require.NoError(t, err)
	assert.EqualValues(t, 2, count(t, renamed))
	require.NoError(t, c.PurgeTable(ctx, table.Identifier{"go", "renamed"}))
}

// TestGoClientRaces: two writers on one head. Appends rebase on the client, and
// what must not is refused as a conflict.
func TestGoClientConflict(t *testing.T) {
	f := resttest.New(t)
	c := f.Client(t)
	ctx := t.Context()
	require.NoError(t, c.CreateNamespace(ctx, table.Identifier{"go"}, nil))
	_, err := c.CreateTable(ctx, table.Identifier{"go", "t"}, catalogtest.Schema)
	require.NoError(t, err)
	one, err := c.LoadTable(ctx, table.Identifier{"go", "t"})
	require.NoError(t, err)
	two, err := c.LoadTable(ctx, table.Identifier{"go", "t"})
	require.NoError(t, err)

	add := func(tbl *table.Table, name string) error {
		tx := tbl.NewTransaction()
		if err := tx.UpdateSchema(true, false).AddColumn([]string{name}, iceberg.PrimitiveTypes.Int64, "", false, nil).Commit(); err != nil {
			return err
		}
		_, err := tx.Commit(ctx)
		return err
	}
	require.NoError(t, add(one, "first"))
	assert.ErrorIs(t, add(two, "second"), table.ErrCommitFailed)
}

func TestGoClientViews(t *testing.T) {
	f := resttest.New(t)
	c := f.Client(t)
	ctx := t.Context()
	require.NoError(t, c.CreateNamespace(ctx, table.Identifier{"go"}, nil))
	ident := table.Identifier{"go", "v"}
	version, err := view.NewVersionFromSQL(1, 0, "SELECT 1 AS id, 'x' AS data", table.Identifier{"go"})
	require.NoError(t, err)

	made, err := c.CreateView(ctx, ident, version, catalogtest.Schema)
	require.NoError(t, err)
	_, err = c.CreateView(ctx, ident, version, catalogtest.Schema)
	assert.ErrorIs(t, err, icecatalog.ErrViewAlreadyExists)
	exists, err := c.CheckViewExists(ctx, ident)
	require.NoError(t, err)
	assert.True(t, exists)
	loaded, err := c.LoadView(ctx, ident)
	require.NoError(t, err)
	assert.Equal(t, "SELECT 1 AS id, 'x' AS data", loaded.CurrentVersion().Representations[0].Sql)

	second, err := view.NewVersionFromSQL(2, 0, "SELECT 2 AS id, 'y' AS data", table.Identifier{"go"})
	require.NoError(t, err)
	replaced, err := c.UpdateView(ctx, ident,
		[]view.Requirement{view.AssertViewUUID(made.Metadata().ViewUUID())},
		[]view.Update{view.NewAddViewVersionUpdate(second), view.NewSetCurrentVersionUpdate(-1)})
	require.NoError(t, err)
	assert.Len(t, replaced.Versions(), 2)
	assert.Contains(t, replaced.CurrentVersion().Representations[0].Sql, "SELECT 2")

	renamed, err := c.RenameView(ctx, ident, table.Identifier{"go", "w"})
	require.NoError(t, err)
	assert.Equal(t, table.Identifier{"go", "w"}, renamed.Identifier())
	var names []string
	for id, err := range c.ListViews(ctx, table.Identifier{"go"}) {
		require.NoError(t, err)
		names = append(names, id[len(id)-1])
	}
	assert.Equal(t, []string{"w"}, names)
	assert.ErrorIs(t, c.DropView(ctx, ident), icecatalog.ErrNoSuchView)
	require.NoError(t, c.DropView(ctx, table.Identifier{"go", "w"}))
	back, err := c.RegisterView(ctx, table.Identifier{"go", "again"}, replaced.MetadataLocation())
	require.NoError(t, err)
	assert.Equal(t, replaced.Metadata().ViewUUID(), back.Metadata().ViewUUID())
}

// TestGoClientStagedCreate creates a table through stage-create and a commit
// with assert-create, the way of CREATE TABLE AS SELECT.
func TestGoClientStagedCreate(t *testing.T) {
	f := resttest.New(t)
	c := f.Client(t)
	ctx := t.Context()
	require.NoError(t, c.CreateNamespace(ctx, table.Identifier{"go"}, nil))
	tbl, err := c.CreateTable(ctx, table.Identifier{"go", "staged"}, catalogtest.Schema,
		icecatalog.WithStagedUpdates(table.NewSetPropertiesUpdate(iceberg.Properties{"made": "staged"})))
	require.NoError(t, err)
	assert.Equal(t, "staged", tbl.Properties()["made"])
	_, err = c.CreateTable(ctx, table.Identifier{"go", "staged"}, catalogtest.Schema,
		icecatalog.WithStagedUpdates(table.NewSetPropertiesUpdate(iceberg.Properties{"made": "twice"})))
	assert.Error(t, err)
}
