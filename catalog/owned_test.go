package catalog_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/apache/iceberg-go/view"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/objstore"
)

func ident(name string) catalog.Ident {
	return catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: name}
}

// createWith creates a table under a uuid that the client chose.
func (k *kit) createWith(id uuid.UUID, name string) error {
	_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Create: &catalog.NewTable{Ident: ident(name), Schema: testSchema}, Requirements: []table.Requirement{table.AssertCreate()},
		Updates: []table.Update{table.NewAssignUUIDUpdate(id)},
	}}})
	return err
}

func (k *kit) view(name string) *catalog.View {
	k.t.Helper()
	version, err := view.NewVersionFromSQL(1, 0, "select 1", []string{"db"})
	require.NoError(k.t, err)
	v, err := k.CreateView(k.ctx(), catalog.NewView{Ident: ident(name), Schema: testSchema, Version: version})
	require.NoError(k.t, err)
	return v
}

// rewritten puts a copy of a metadata file with changes, in a file of its own.
func (k *kit) rewritten(location string, change map[string]any) string {
	k.t.Helper()
	key, err := k.bucket.Key(location)
	require.NoError(k.t, err)
	data, err := k.bucket.Get(k.ctx(), key)
	require.NoError(k.t, err)
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	require.NoError(k.t, dec.Decode(&doc))
	maps.Copy(doc, change)
	data, err = json.Marshal(doc)
	require.NoError(k.t, err)
	key = "default/foreign/" + uuid.NewString() + ".metadata.json"
	require.NoError(k.t, k.bucket.PutBytes(k.ctx(), key, data, objstore.PutOptions{}))
	return k.bucket.Location(key)
}

// TestUUIDsAreOwned: nobody creates a table in the folder of something that is, or was,
// another's: the collector of orphans would take that one's files.
func TestUUIDsAreOwned(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl, v := k.table("db.t", nil), k.view("v")
	require.ErrorIs(t, k.createWith(tbl.ID, "thief"), catalog.ErrAlreadyExists)
	require.ErrorIs(t, k.createWith(v.ID, "thief"), catalog.ErrAlreadyExists)
	require.NoError(t, k.DropTable(k.ctx(), tbl.Ident, false))
	require.ErrorIs(t, k.createWith(tbl.ID, "thief"), catalog.ErrAlreadyExists, "its files were to stay")
	require.ErrorIs(t, k.createWith(tbl.ID, "t"), catalog.ErrAlreadyExists, "a create that comes late makes no second table")
	back, err := k.RegisterTable(k.ctx(), tbl.Ident, tbl.MetadataLocation, false)
	require.NoError(t, err)
	require.Equal(t, tbl.ID, back.ID)
	require.NoError(t, k.createWith(uuid.New(), "mine"))

	_, err = k.RegisterView(k.ctx(), ident("thief"), k.rewritten(v.MetadataLocation, map[string]any{"view-uuid": tbl.ID, "location": tbl.Location()}))
	require.ErrorIs(t, err, catalog.ErrAlreadyExists)
}

// TestRegisterIntoTheFolderOfAnother: metadata that was copied keeps its location,
// and the files that the copy writes there are orphans to the table that owns it.
func TestRegisterIntoTheFolderOfAnother(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl, v := k.table("db.t", nil), k.view("v")
	for _, location := range []string{tbl.Location(), tbl.Location() + "/", tbl.Location() + "/data", k.bucket.Location("default/" + uuid.NewString())} {
		_, err := k.RegisterTable(k.ctx(), ident("copy"), k.rewritten(tbl.MetadataLocation, map[string]any{"table-uuid": uuid.New(), "location": location}), false)
		require.ErrorIs(t, err, catalog.ErrInvalid, location)
		_, err = k.RegisterView(k.ctx(), ident("copy"), k.rewritten(v.MetadataLocation, map[string]any{"view-uuid": uuid.New(), "location": location}))
		require.ErrorIs(t, err, catalog.ErrInvalid, location)
	}
	elsewhere := k.bucket.Location("default/foreign/t")
	out, err := k.RegisterTable(k.ctx(), ident("copy"), k.rewritten(tbl.MetadataLocation, map[string]any{"table-uuid": uuid.New(), "location": elsewhere}), false)
	require.NoError(t, err)
	k.append(out, k.file(out, "1", "c", 1))
	require.Len(t, k.check(out), 1)
}

// TestRegisterCompressed: engines write gzip metadata when a table's property says so.
func TestRegisterCompressed(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	k.append(tbl, k.file(tbl, "1", "c", 1))
	plain := k.load(tbl)
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, err := w.Write(plain.JSON)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	location := tbl.Location() + "/metadata/00007-x.gz.metadata.json"
	key, err := k.bucket.Key(location)
	require.NoError(t, err)
	require.NoError(t, k.bucket.PutBytes(k.ctx(), key, buf.Bytes(), objstore.PutOptions{}))
	out, err := k.RegisterTable(k.ctx(), tbl.Ident, location, true)
	require.NoError(t, err)
	require.Equal(t, plain.JSON, out.JSON, "clients get it as JSON")
	k.append(tbl, k.file(tbl, "2", "c", 1))
	require.Len(t, k.check(tbl), 2)
	require.True(t, strings.Contains(k.load(tbl).MetadataLocation, "/00008-"), k.load(tbl).MetadataLocation)

	require.NoError(t, k.bucket.PutBytes(k.ctx(), key+"2", buf.Bytes()[:buf.Len()/2], objstore.PutOptions{}))
	_, err = k.RegisterTable(k.ctx(), ident("cut"), location+"2", false)
	require.ErrorIs(t, err, catalog.ErrInvalid)
}

// TestStagedCreateThatNeverComes: what its client wrote is handed to the collector, and the
// client that comes too late is refused.
func TestStagedCreateThatNeverComes(t *testing.T) {
	store := memstore.New()
	now := time.Now()
	k := newKit(t, store, func(c *catalog.Config) { c.Now = func() time.Time { return now } })
	require.NoError(t, k.EnsureNamespace(k.ctx(), catalog.Namespace{"db"}))
	stage := func(name string) *catalog.Table {
		staged, err := k.CreateTable(k.ctx(), catalog.NewTable{Ident: ident(name), Schema: testSchema, Stage: true})
		require.NoError(t, err)
		return staged
	}
	count := func(prefix string) int {
		_, kvs, err := store.Scan(k.ctx(), catalog.Range{Prefix: prefix})
		require.NoError(t, err)
		return len(kvs)
	}
	lost, made := stage("lost"), stage("made")
	require.NoError(t, k.createWith(made.ID, "made"))
	now = now.Add(23 * time.Hour)
	late := stage("late")
	require.NoError(t, catalog.TickOnce(k.Catalog, k.ctx()))
	require.Equal(t, 2, count(k.StagedPrefix()))
	now = now.Add(2 * time.Hour)
	require.NoError(t, catalog.TickOnce(k.Catalog, k.ctx()))
	require.Equal(t, 1, count(k.StagedPrefix()))
	_, kvs, err := store.Scan(k.ctx(), catalog.Range{Prefix: k.DropPrefix()})
	require.NoError(t, err)
	require.Len(t, kvs, 1)
	var gone struct {
		ID       uuid.UUID `json:"id"`
		Purge    bool      `json:"purge"`
		Location string    `json:"location"`
	}
	require.NoError(t, json.Unmarshal(kvs[0].Value, &gone))
	require.Equal(t, lost.ID, gone.ID)
	require.True(t, gone.Purge)
	require.Equal(t, lost.Location(), gone.Location)
	require.ErrorIs(t, k.createWith(lost.ID, "lost"), catalog.ErrAlreadyExists)
	require.NoError(t, k.createWith(late.ID, "late"))
}

// TestUpgrade: a table that began as v1 goes on as v2 and v3; each version's files are
// read, and those of a version are written as it demands.
func TestUpgrade(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	e := &engine{k: k, tbl: k.table("db.t", iceberg.Properties{"format-version": "1"})}
	upgrade := func(to int) error {
		_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
			Table: e.tbl.ID, Updates: []table.Update{table.NewUpgradeFormatVersionUpdate(to)},
		}}})
		return err
	}
	want := int64(0)
	for _, version := range []int{1, 2, 3} {
		require.NoError(t, upgrade(version))
		require.Equal(t, version, k.load(e.tbl).Metadata.Version())
		_, err := e.open().AppendTable(k.ctx(), rows(t, want, 10, "c"), 100, nil)
		require.NoError(t, err)
		k.append(e.tbl, k.file(k.load(e.tbl), "own", "d", 1)) // a file that is counted, and removed before it is read
		base := k.load(e.tbl).CurrentSnapshot().SnapshotID
		_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: e.tbl.ID, Snapshot: &catalog.SnapshotChange{
			Operation: table.OpDelete, Base: &base, Removed: []string{k.DataPath(e.tbl) + "/own"},
		}}}})
		require.NoError(t, err)
		want += 10
		require.Equal(t, want, e.count(), "v%d", version)
		k.ForgetCache()
		require.Equal(t, want, e.count(), "v%d from the bucket", version)
	}
	require.ErrorIs(t, upgrade(2), catalog.ErrInvalid)
	k.checkRowIDs(k.load(e.tbl))
}
