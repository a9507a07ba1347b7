package catalog_test

import (
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/view"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

func TestIdentRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		level := rapid.StringMatching(`[a-z."\x{e9}/% \x{1F600}]{1,8}`)
		id := catalog.Ident{Namespace: rapid.SliceOfN(level, 1, 3).Draw(t, "ns"), Name: level.Draw(t, "name")}
		back, err := catalog.ParseIdent(id.String())
		require.NoError(t, err, "%q", id.String())
		require.True(t, id.Equal(back), "%q is %q", id, back)
	})
	for _, s := range []string{"", "t", "a..b", ".t", `"a.b`, `"a"b.c`, "a.\x00", "a.\xff", "a.b\n", strings.Repeat("a.", 20) + "t", "a." + strings.Repeat("x", 256)} {
		_, err := catalog.ParseIdent(s)
		require.ErrorIs(t, err, catalog.ErrInvalid, "%q", s)
	}
}

func TestEscapeIsOneToOne(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.String().Draw(t, "s")
		e := catalog.Escape(s)
		require.NotContains(t, e, "/")
		if old, ok := seen[e]; ok {
			require.Equal(t, old, s)
		}
		seen[e] = s
	})
}

func TestNamespaces(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	ctx := k.ctx()
	require.ErrorIs(t, k.CreateNamespace(ctx, catalog.Namespace{"a", "b"}, nil), catalog.ErrNoSuchNamespace)
	require.NoError(t, k.CreateNamespace(ctx, catalog.Namespace{"a"}, map[string]string{"owner": "x"}))
	require.ErrorIs(t, k.CreateNamespace(ctx, catalog.Namespace{"a"}, nil), catalog.ErrAlreadyExists)
	hostile := catalog.Namespace{"a", "../%2f/é.\"x"}
	require.NoError(t, k.CreateNamespace(ctx, hostile, nil))
	require.NoError(t, k.CreateNamespace(ctx, catalog.Namespace{"a/.."}, nil))
	top, err := k.ListNamespaces(ctx, nil)
	require.NoError(t, err)
	require.ElementsMatch(t, []catalog.Namespace{{"a"}, {"a/.."}}, top)
	under, err := k.ListNamespaces(ctx, catalog.Namespace{"a"})
	require.NoError(t, err)
	require.Equal(t, []catalog.Namespace{hostile}, under)
	_, err = k.ListNamespaces(ctx, catalog.Namespace{"no"})
	require.ErrorIs(t, err, catalog.ErrNoSuchNamespace)

	missing, err := k.UpdateNamespace(ctx, catalog.Namespace{"a"}, map[string]string{"n": "1"}, []string{"owner", "gone"})
	require.NoError(t, err)
	require.Equal(t, []string{"gone"}, missing)
	props, err := k.LoadNamespace(ctx, catalog.Namespace{"a"})
	require.NoError(t, err)
	require.Equal(t, map[string]string{"n": "1"}, props)
	_, err = k.UpdateNamespace(ctx, catalog.Namespace{"a"}, map[string]string{"n": "1"}, []string{"n"})
	require.ErrorIs(t, err, catalog.ErrInvalid)
	_, err = k.UpdateNamespace(ctx, catalog.Namespace{"a"}, map[string]string{"S3.access-key-id": "1"}, nil)
	require.ErrorIs(t, err, catalog.ErrInvalid)

	require.ErrorIs(t, k.DropNamespace(ctx, catalog.Namespace{"a"}), catalog.ErrNamespaceNotEmpty)
	require.NoError(t, k.DropNamespace(ctx, hostile))
	require.NoError(t, k.DropNamespace(ctx, catalog.Namespace{"a"}))
	require.ErrorIs(t, k.DropNamespace(ctx, catalog.Namespace{"a"}), catalog.ErrNoSuchNamespace)
}

// TestDropNamespaceRacesWithCreate: never a table without its namespace.
func TestDropNamespaceRacesWithCreate(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	for range 30 {
		require.NoError(t, k.EnsureNamespace(k.ctx(), catalog.Namespace{"n"}))
		id := catalog.Ident{Namespace: catalog.Namespace{"n"}, Name: "t"}
		var created, dropped error
		var g errgroup.Group
		g.Go(func() error {
			_, created = k.CreateTable(k.ctx(), catalog.NewTable{Ident: id, Schema: testSchema})
			return nil
		})
		g.Go(func() error { dropped = k.DropNamespace(k.ctx(), id.Namespace); return nil })
		require.NoError(t, g.Wait())
		require.True(t, (created == nil) != (dropped == nil), "one of them: %v, %v", created, dropped)
		if created == nil {
			require.ErrorIs(t, dropped, catalog.ErrNamespaceNotEmpty)
			require.NoError(t, k.DropTable(k.ctx(), id, true))
		} else {
			require.ErrorIs(t, created, catalog.ErrNoSuchNamespace)
		}
	}
}

func TestTables(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	ctx := k.ctx()
	tbl := k.table("db.t", iceberg.Properties{"owner": "me"})
	require.Equal(t, k.bucket.Location("default/"+tbl.ID.String()), tbl.Location(), "the server chooses")
	require.Equal(t, 2, tbl.Metadata.Version())
	_, err := k.CreateTable(ctx, catalog.NewTable{Ident: tbl.Ident, Schema: testSchema})
	require.ErrorIs(t, err, catalog.ErrAlreadyExists)
	asked, err := k.CreateTable(ctx, catalog.NewTable{Ident: catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "asked"}, Schema: testSchema, Location: tbl.Location()})
	require.NoError(t, err)
	require.NotEqual(t, tbl.Location(), asked.Location())
	for key, value := range map[string]string{
		"s3.endpoint": "x", "S3.Secret-Access-Key": "x", "token": "x", "uri": "http://x", "header.X-A": "x", "io-impl": "x",
		"write.data.path": "s3://elsewhere/x", "write.metadata.path": tbl.Location() + "/../x", "format-version": "9", "": "x",
	} {
		_, err := k.CreateTable(ctx, catalog.NewTable{
			Ident: catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "bad"}, Schema: testSchema, Properties: iceberg.Properties{key: value},
		})
		require.ErrorIs(t, err, catalog.ErrInvalid, key)
	}
	_, err = k.CreateTable(ctx, catalog.NewTable{Ident: catalog.Ident{Namespace: catalog.Namespace{"no"}, Name: "t"}, Schema: testSchema})
	require.ErrorIs(t, err, catalog.ErrNoSuchNamespace)

	k.append(tbl, k.file(tbl, "1", "a", 1))
	to := catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "renamed / é"}
	require.NoError(t, k.RenameTable(ctx, tbl.Ident, to))
	_, err = k.LoadTable(ctx, tbl.Ident)
	require.ErrorIs(t, err, catalog.ErrNoSuchTable)
	require.ErrorIs(t, err, catalog.ErrNotFound)
	require.ErrorIs(t, k.RenameTable(ctx, to, asked.Ident), catalog.ErrAlreadyExists)
	k.append(tbl, k.file(tbl, "2", "a", 1)) // by uuid, whatever the name
	list, err := k.ListTables(ctx, catalog.Namespace{"db"})
	require.NoError(t, err)
	require.ElementsMatch(t, []catalog.Ident{asked.Ident, to}, list)
	all, err := k.Tables(ctx)
	require.NoError(t, err)
	require.Len(t, all, 2)

	last := k.load(tbl)
	require.NoError(t, k.DropTable(ctx, to, false))
	require.ErrorIs(t, k.DropTable(ctx, to, false), catalog.ErrNoSuchTable)
	_, err = k.Commit(ctx, appendOf(tbl, k.file(tbl, "3", "a", 1)))
	require.ErrorIs(t, err, catalog.ErrNoSuchTable)
	back, err := k.RegisterTable(ctx, tbl.Ident, last.MetadataLocation, false)
	require.NoError(t, err)
	require.Equal(t, tbl.ID, back.ID)
	require.Len(t, k.check(tbl), 2)
	_, err = k.RegisterTable(ctx, catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "twin"}, last.MetadataLocation, false)
	require.ErrorIs(t, err, catalog.ErrAlreadyExists, "one uuid is one table")
	for _, bad := range []string{"s3://elsewhere/default/x.json", k.bucket.Location("other/x.json"), k.bucket.Location("default/../x.json"), "/etc/passwd", last.MetadataLocation + "x"} {
		_, err = k.RegisterTable(ctx, catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "bad"}, bad, false)
		require.ErrorIs(t, err, catalog.ErrInvalid, bad)
	}
}

func TestViews(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	ctx := k.ctx()
	tbl := k.table("db.t", nil)
	id := catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "v"}
	v1, err := view.NewVersionFromSQL(1, 0, "select 1", []string{"db"})
	require.NoError(t, err)
	v, err := k.CreateView(ctx, catalog.NewView{Ident: id, Schema: testSchema, Version: v1})
	require.NoError(t, err)
	require.Equal(t, "select 1", v.Metadata.CurrentVersion().Representations[0].Sql)
	_, err = k.CreateView(ctx, catalog.NewView{Ident: tbl.Ident, Schema: testSchema, Version: v1})
	require.ErrorIs(t, err, catalog.ErrAlreadyExists, "tables and views share names")
	_, err = k.CreateTable(ctx, catalog.NewTable{Ident: id, Schema: testSchema})
	require.ErrorIs(t, err, catalog.ErrAlreadyExists)

	v2, err := view.NewVersionFromSQL(2, 0, "select 2", []string{"db"})
	require.NoError(t, err)
	next, err := k.ReplaceView(ctx, id, []view.Requirement{view.AssertViewUUID(v.ID)},
		[]view.Update{view.NewAddViewVersionUpdate(v2), view.NewSetCurrentVersionUpdate(view.LastAddedID)})
	require.NoError(t, err)
	require.Equal(t, "select 2", next.Metadata.CurrentVersion().Representations[0].Sql)
	_, err = k.ReplaceView(ctx, id, nil, []view.Update{view.NewSetPropertiesUpdate(iceberg.Properties{"token": "x"})})
	require.ErrorIs(t, err, catalog.ErrInvalid)
	_, err = k.ReplaceView(ctx, id, []view.Requirement{view.AssertViewUUID(tbl.ID)}, nil)
	require.ErrorIs(t, err, catalog.ErrCommitConflict)

	to := catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "w"}
	require.NoError(t, k.RenameView(ctx, id, to))
	views, err := k.ListViews(ctx, catalog.Namespace{"db"})
	require.NoError(t, err)
	require.Equal(t, []catalog.Ident{to}, views)
	require.ErrorIs(t, k.DropNamespace(ctx, catalog.Namespace{"db"}), catalog.ErrNamespaceNotEmpty)
	require.NoError(t, k.DropView(ctx, to))
	_, err = k.LoadView(ctx, to)
	require.ErrorIs(t, err, catalog.ErrNoSuchView)
	ok, err := k.ViewExists(ctx, to)
	require.NoError(t, err)
	require.False(t, ok)
	back, err := k.RegisterView(ctx, id, next.MetadataLocation)
	require.NoError(t, err)
	require.Equal(t, v.ID, back.ID)
}

// TestCreateBetweenLookAndDrop: a table made after the drop has seen the
// namespace empty, and before its Apply, stops the drop.
func TestCreateBetweenLookAndDrop(t *testing.T) {
	store := memstore.New()
	k := newKit(t, store, nil)
	ns := catalog.Namespace{"n"}
	require.NoError(t, k.EnsureNamespace(k.ctx(), ns))
	made := false
	store.InjectRead(func(prefix string) error {
		if prefix == "vname/default/n//" && !made { // the drop's last look; tables were looked at before
			made = true
			_, err := k.CreateTable(k.ctx(), catalog.NewTable{Ident: catalog.Ident{Namespace: ns, Name: "t"}, Schema: testSchema})
			require.NoError(t, err)
		}
		return nil
	})
	require.ErrorIs(t, k.DropNamespace(k.ctx(), ns), catalog.ErrNamespaceNotEmpty)
	require.True(t, made)
	tables, err := k.ListTables(k.ctx(), ns)
	require.NoError(t, err)
	require.Len(t, tables, 1)
}
