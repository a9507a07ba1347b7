package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

func TestChannels(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	ctx := k.ctx()
	tbl := k.table("db.t", nil)
	_, err := k.Channel(ctx, tbl.ID, "c")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, err = k.OpenChannel(ctx, uuid.New(), "c")
	require.ErrorIs(t, err, catalog.ErrNoSuchTable)
	ch, err := k.OpenChannel(ctx, tbl.ID, "c")
	require.NoError(t, err)
	require.Equal(t, uint64(1), ch.Epoch)
	require.Zero(t, ch.NextOffset)
	n := 0
	advance := func(epoch, from, to uint64, token string) error {
		n++
		tx := appendOf(tbl, k.file(tbl, fmt.Sprint(n), "c", int64(to-from)))
		tx.Channels = []catalog.ChannelAdvance{{Table: tbl.ID, Channel: "c", Epoch: epoch, From: from, To: to, Token: token}}
		_, err := k.Commit(ctx, tx)
		return err
	}
	require.NoError(t, advance(1, 0, 10, "t1"))
	is := func(err error, kind catalog.ChannelErrorKind, next uint64) {
		t.Helper()
		ce, ok := errors.AsType[*catalog.ChannelError](err)
		require.True(t, ok, "%v", err)
		require.Equal(t, kind, ce.Kind)
		require.Equal(t, next, ce.State.NextOffset)
	}
	is(advance(1, 0, 10, ""), catalog.ChannelDuplicate, 10)
	is(advance(1, 3, 7, ""), catalog.ChannelDuplicate, 10)
	is(advance(1, 11, 20, ""), catalog.ChannelGap, 10)
	is(advance(1, 5, 20, ""), catalog.ChannelGap, 10)
	ch, err = k.OpenChannel(ctx, tbl.ID, "c")
	require.NoError(t, err)
	require.Equal(t, uint64(2), ch.Epoch)
	require.Equal(t, uint64(10), ch.NextOffset)
	require.Equal(t, "t1", ch.Token)
	require.Equal(t, *k.head(tbl), ch.SnapshotID)
	is(advance(1, 10, 20, ""), catalog.ChannelFenced, 10)
	require.NoError(t, advance(2, 10, 20, ""))
	require.Len(t, k.check(tbl), 2, "what was refused left no file")
	all, err := k.Channels(ctx, nil)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NoError(t, k.DropTable(ctx, tbl.Ident, false))
	all, err = k.Channels(ctx, &tbl.ID)
	require.NoError(t, err)
	require.Empty(t, all)
}

// TestChannelsAreExactlyOnceUnderRaces: many owners of one channel send the same
// rows; each row is committed once.
func TestChannelsAreExactlyOnceUnderRaces(t *testing.T) {
	const owners, batches = 8, 20
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	ch, err := k.OpenChannel(k.ctx(), tbl.ID, "c")
	require.NoError(t, err)
	g, ctx := errgroup.WithContext(k.ctx())
	for o := range owners {
		g.Go(func() error {
			for i := range uint64(batches) {
				tx := appendOf(tbl, k.file(tbl, fmt.Sprintf("%d-%d", o, i), "c", 1))
				tx.Channels = []catalog.ChannelAdvance{{Table: tbl.ID, Channel: "c", Epoch: ch.Epoch, From: i, To: i + 1}}
				_, err := k.Commit(ctx, tx)
				if ce, ok := errors.AsType[*catalog.ChannelError](err); ok && ce.Kind == catalog.ChannelDuplicate {
					continue
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Len(t, k.check(tbl), batches)
}

func TestIdempotencyKeys(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	key := catalog.IdempotencyKey{Scope: "s", Key: "1", RequestHash: [32]byte{1}}
	tx := appendOf(tbl, k.file(tbl, "1", "c", 1))
	tx.Idempotency = &key
	first, err := k.Commit(k.ctx(), tx)
	require.NoError(t, err)
	tx.ID = newID() // another id, the same key
	again, err := k.Commit(k.ctx(), tx)
	require.NoError(t, err)
	require.True(t, again.Duplicate)
	require.Equal(t, first.ID, again.ID)
	require.Equal(t, first.Revision, again.Revision)
	require.Equal(t, first.Tables[0].SnapshotID, again.Tables[0].SnapshotID)
	other := key
	other.RequestHash = [32]byte{2}
	tx.Idempotency = &other
	_, err = k.Commit(k.ctx(), tx)
	require.ErrorIs(t, err, catalog.ErrIdempotencyMismatch)
	require.Len(t, k.check(tbl), 1)

	ctx := catalog.WithIdempotencyKey(k.ctx(), catalog.IdempotencyKey{Scope: "s", Key: "ns"})
	require.NoError(t, k.CreateNamespace(ctx, catalog.Namespace{"once"}, nil))
	require.NoError(t, k.CreateNamespace(ctx, catalog.Namespace{"once"}, nil), "a repeated request is answered as before")
	ctx = catalog.WithIdempotencyKey(k.ctx(), catalog.IdempotencyKey{Scope: "s", Key: "create"})
	n := catalog.NewTable{Ident: catalog.Ident{Namespace: catalog.Namespace{"once"}, Name: "t"}, Schema: testSchema}
	a, err := k.CreateTable(ctx, n)
	require.NoError(t, err)
	b, err := k.CreateTable(ctx, n)
	require.NoError(t, err)
	require.Equal(t, a.ID, b.ID)
	require.ErrorIs(t, k.DropTable(catalog.WithIdempotencyKey(k.ctx(), catalog.IdempotencyKey{Scope: "s", Key: "create", RequestHash: [32]byte{9}}), n.Ident, false), catalog.ErrIdempotencyMismatch)
}

func TestRecordsExpire(t *testing.T) {
	var ahead atomic.Int64
	store := memstore.New()
	k := newKit(t, store, func(c *catalog.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	tbl := k.table("db.t", nil)
	k.append(tbl, k.file(tbl, "1", "c", 1))
	require.NoError(t, catalog.TickOnce(k.Catalog, k.ctx()))
	count := func() int {
		_, kvs, err := store.Scan(k.ctx(), catalog.Range{Prefix: k.CommitPrefix()})
		require.NoError(t, err)
		return len(kvs)
	}
	require.Equal(t, 3, count())
	intents, err := k.Intents(k.ctx())
	require.NoError(t, err)
	require.Len(t, intents, 1)
	require.Contains(t, k.load(tbl).MetadataLocation, "-"+intents[0].FilePrefix, "files in flight can be told by their names")
	ahead.Store(int64(25 * time.Hour))
	intents, err = k.Intents(k.ctx())
	require.NoError(t, err)
	require.Empty(t, intents)
	require.NoError(t, catalog.TickOnce(k.Catalog, k.ctx()))
	require.Zero(t, count())
	require.Len(t, k.check(tbl), 1)
}

func TestTransactionOverTables(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	a, b := k.table("db.a", nil), k.table("db.b", nil)
	change := func(tbl *catalog.Table, name string, pin *int64) catalog.TableChange {
		return catalog.TableChange{Table: tbl.ID, Snapshot: &catalog.SnapshotChange{
			Operation: table.OpAppend, Pin: pin != nil, Base: pin, Added: []catalog.FileEntry{k.file(tbl, name, "c", 1)},
		}}
	}
	zero := catalog.Version(0)
	tx := catalog.Transaction{
		Tables: []catalog.TableChange{
			change(a, "1", nil), change(b, "1", nil),
			{Create: &catalog.NewTable{Ident: catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "new"}, Schema: testSchema}, Requirements: []table.Requirement{table.AssertCreate()}},
		},
		Records: []catalog.Record{{Key: "wm/default/x", Expect: &zero, Value: []byte("1")}},
	}
	done, err := k.Commit(k.ctx(), tx)
	require.NoError(t, err)
	require.Len(t, done.Tables, 3)
	require.Len(t, k.check(a), 1)
	require.Len(t, k.check(b), 1)
	_, err = k.LoadTable(k.ctx(), catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "new"})
	require.NoError(t, err)
	kv, err := k.Store().Get(k.ctx(), "wm/default/x")
	require.NoError(t, err)
	require.Equal(t, done.Revision, kv.Version)

	stale := int64(42)
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{change(a, "2", nil), change(b, "2", &stale)}})
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{change(a, "2", nil)}, Records: tx.Records})
	require.ErrorIs(t, err, catalog.ErrCommitConflict, "the watermark has moved")
	require.Len(t, k.check(a), 1, "all or none")
	require.Len(t, k.check(b), 1)
}

// TestConditions: a condition on another room's key is looked at in the Apply itself
// and left as it is; a commit that happened and looked failed is answered as one, also
// when its condition does not hold any more.
func TestConditions(t *testing.T) {
	store := memstore.New()
	k := newKit(t, store, nil)
	tbl := k.table("db.t", nil)
	f := &faultyFiles{}
	k.WrapFiles(func(in catalog.Files) catalog.Files { f.Files = in; return f })
	claim := func() catalog.Cond {
		v, err := store.Apply(k.ctx(), catalog.Batch{Then: []catalog.Op{{Key: "job/x", Value: []byte("claimed")}}})
		require.NoError(t, err)
		return catalog.Cond{Key: "job/x", Version: v}
	}
	tx := func(name string, cond catalog.Cond) catalog.Transaction {
		tx := appendOf(tbl, k.file(tbl, name, "c", 1))
		tx.If = []catalog.Cond{cond}
		return tx
	}
	mine := claim()
	for _, name := range []string{"1", "2"} { // it is not used up
		_, err := k.Commit(k.ctx(), tx(name, mine))
		require.NoError(t, err)
	}
	kv, err := store.Get(k.ctx(), "job/x")
	require.NoError(t, err)
	require.Equal(t, mine.Version, kv.Version)

	// It looked failed; then somebody else has the job.
	unknown := tx("3", mine)
	unknown.ID = uuid.NewString()
	hit := false
	store.InjectApply(func(catalog.Batch) memstore.Fault {
		if hit {
			return memstore.Fault{}
		}
		hit = true
		return memstore.Fault{After: errors.New("looked failed")}
	})
	_, _ = k.Commit(k.ctx(), unknown)
	store.InjectApply(nil)
	require.True(t, hit)
	next := claim()
	done, err := k.Commit(k.ctx(), unknown)
	require.NoError(t, err)
	require.True(t, done.Duplicate)
	require.Len(t, k.check(tbl), 3)

	_, err = k.Commit(k.ctx(), tx("4", mine))
	require.ErrorIs(t, err, catalog.ErrCondition)
	require.NotErrorIs(t, err, catalog.ErrCommitConflict, "to do the work again is no use")

	// Between the look at it and the Apply.
	moved := false
	f.beforeSync = func() {
		if !moved {
			moved = true
			claim()
		}
	}
	_, err = k.Commit(k.ctx(), tx("5", next))
	require.ErrorIs(t, err, catalog.ErrCondition)
	require.True(t, moved)
	require.Len(t, k.check(tbl), 3)

	_, err = k.Commit(k.ctx(), tx("6", catalog.Cond{Key: "tbl/x"}))
	require.ErrorIs(t, err, catalog.ErrInvalid, "the catalog's own keys are no one else's to hold")
}

// TestTransactionsInBothOrders: transactions over the same tables in opposite
// order, with single ones between, all end.
func TestTransactionsInBothOrders(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	a, b := k.table("db.a", nil), k.table("db.b", nil)
	g, ctx := errgroup.WithContext(k.ctx())
	const n = 12
	for w := range 6 {
		g.Go(func() error {
			for i := range n {
				name := fmt.Sprintf("%d-%d", w, i)
				x, y := appendOf(a, k.file(a, name, "c", 1)).Tables[0], appendOf(b, k.file(b, name, "c", 1)).Tables[0]
				tx := catalog.Transaction{Tables: []catalog.TableChange{x, y}}
				switch w % 3 {
				case 1:
					tx.Tables = []catalog.TableChange{y, x}
				case 2:
					tx.Tables = []catalog.TableChange{x}
				}
				if _, err := k.Commit(ctx, tx); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Len(t, k.check(a), 6*n)
	require.Len(t, k.check(b), 4*n)
	k.Close()
	require.Zero(t, k.Queues())
}

func TestStagedCreate(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	ctx := k.ctx()
	require.NoError(t, k.EnsureNamespace(ctx, catalog.Namespace{"db"}))
	id := catalog.Ident{Namespace: catalog.Namespace{"db"}, Name: "t"}
	staged, err := k.CreateTable(ctx, catalog.NewTable{Ident: id, Schema: testSchema, Spec: byContributor(), Stage: true})
	require.NoError(t, err)
	_, err = k.LoadTable(ctx, id)
	require.ErrorIs(t, err, catalog.ErrNoSuchTable)
	spec := staged.Metadata.PartitionSpec()
	order := staged.Metadata.SortOrder()
	updates := func(id uuid.UUID, location string) []table.Update {
		loc := setLocation(t, location)
		return []table.Update{
			table.NewAssignUUIDUpdate(id), table.NewUpgradeFormatVersionUpdate(2), table.NewAddSchemaUpdate(staged.Metadata.CurrentSchema()),
			table.NewSetCurrentSchemaUpdate(-1), table.NewAddPartitionSpecUpdate(&spec, true), table.NewSetDefaultSpecUpdate(-1),
			table.NewAddSortOrderUpdate(&order), table.NewSetDefaultSortOrderUpdate(-1), loc,
			table.NewSetPropertiesUpdate(iceberg.Properties{"a": "b"}),
		}
	}
	commit := func(u []table.Update) (catalog.Committed, error) {
		return k.Commit(ctx, catalog.Transaction{Tables: []catalog.TableChange{{
			Create: &catalog.NewTable{Ident: id}, Requirements: []table.Requirement{table.AssertCreate()}, Updates: u,
		}}})
	}
	_, err = commit(updates(staged.ID, k.bucket.Location("default/elsewhere")))
	require.ErrorIs(t, err, catalog.ErrInvalid)
	done, err := commit(updates(staged.ID, staged.Location()))
	require.NoError(t, err)
	require.Equal(t, staged.ID, done.Tables[0].Table)
	tbl, err := k.LoadTable(ctx, id)
	require.NoError(t, err)
	require.Equal(t, "b", tbl.Metadata.Properties()["a"])
	k.append(tbl, k.file(tbl, "1", "c", 1))
	require.Len(t, k.check(tbl), 1)
	other := uuid.New()
	_, err = commit(updates(other, k.bucket.Location("default/"+other.String())))
	require.ErrorIs(t, err, catalog.ErrAlreadyExists)
}

func setLocation(t *testing.T, location string) table.Update {
	var u table.Updates
	require.NoError(t, u.UnmarshalJSON(fmt.Appendf(nil, `[{"action":"set-location","location":%q}]`, location)))
	return u[0]
}

func TestEventsAndWatch(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	ctx, cancel := context.WithCancel(k.ctx())
	defer cancel()
	seen := make(chan catalog.Event)
	ended := make(chan error, 1)
	go func() {
		for e, err := range k.Watch(ctx, "") {
			if err != nil {
				ended <- err
				return
			}
			seen <- e
		}
		ended <- nil
	}()
	require.Equal(t, catalog.EventCreateTable, (<-seen).Kind)
	var positions []string
	for i := range 5 {
		k.append(tbl, k.file(tbl, fmt.Sprint(i), "c", 1))
		e := <-seen
		require.Equal(t, catalog.EventCommit, e.Kind)
		require.Equal(t, *k.head(tbl), e.SnapshotID)
		positions = append(positions, e.Position)
	}
	cancel()
	require.NoError(t, <-ended)
	rest, err := k.Events(k.ctx(), positions[2], 0)
	require.NoError(t, err)
	require.Len(t, rest, 2)
	one, err := k.Events(k.ctx(), positions[2], 1)
	require.NoError(t, err)
	require.Equal(t, rest[:1], one)
	latest, err := k.Latest(k.ctx(), 2)
	require.NoError(t, err)
	require.Equal(t, positions[4], latest[0].Position)
	_, err = k.Events(k.ctx(), "nonsense", 1)
	require.ErrorIs(t, err, catalog.ErrInvalid)
	audit, err := k.Audit(k.ctx(), "", 3)
	require.NoError(t, err)
	require.Len(t, audit, 3)
	require.Equal(t, "commit", audit[0].Action)
	require.Equal(t, []string{"db.t"}, audit[0].Objects)
	older, err := k.Audit(k.ctx(), audit[2].Position, 100)
	require.NoError(t, err)
	require.Len(t, older, 4)
}
