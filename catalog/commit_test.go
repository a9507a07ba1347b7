package catalog_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

func TestAppendOnEveryFormatVersion(t *testing.T) {
	for _, version := range []string{"1", "2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.table("db.t", iceberg.Properties{"format-version": version})
			require.Empty(t, k.check(tbl))
			want := map[string]int64{}
			for i := range 40 { // beyond the merge count, twice
				name := fmt.Sprintf("%02d.parquet", i)
				who := ""
				if i%3 > 0 {
					who = "c" + strconv.Itoa(i%3)
				}
				done := k.append(tbl, k.file(tbl, name, who, int64(i+1)))
				require.False(t, done.Duplicate)
				require.Equal(t, done.Tables[0].SnapshotID, k.load(tbl).CurrentSnapshot().SnapshotID)
				want[name] = int64(i + 1)
			}
			require.Equal(t, want, k.check(tbl))
			cur := k.load(tbl)
			require.Equal(t, version, strconv.Itoa(cur.Metadata.Version()))
			require.Equal(t, "820", cur.CurrentSnapshot().Summary.Properties["total-records"])
			manifests, err := cur.CurrentSnapshot().Manifests(k.bucket.FileIO())
			require.NoError(t, err)
			require.Less(t, len(manifests), 20, "manifests are merged")
			if version == "3" {
				require.GreaterOrEqual(t, cur.Metadata.NextRowID(), int64(820))
				k.checkRowIDs(cur)
			}
		})
	}
}

// checkRowIDs: every live row has a row id of its own, below next-row-id.
func (k *kit) checkRowIDs(tbl *catalog.Table) {
	k.t.Helper()
	type span struct{ from, to int64 }
	var spans []span
	manifests, err := tbl.CurrentSnapshot().Manifests(k.bucket.FileIO())
	require.NoError(k.t, err)
	for _, m := range manifests {
		for e, err := range m.Entries(k.bucket.FileIO(), true) {
			require.NoError(k.t, err)
			if e.DataFile().ContentType() != iceberg.EntryContentData {
				continue
			}
			first := e.DataFile().FirstRowID()
			require.NotNil(k.t, first)
			s := span{*first, *first + e.DataFile().Count()}
			require.LessOrEqual(k.t, s.to, tbl.Metadata.NextRowID())
			for _, o := range spans {
				require.True(k.t, s.to <= o.from || o.to <= s.from, "row ids overlap: %v %v", s, o)
			}
			spans = append(spans, s)
		}
	}
}

func TestConcurrentAppendsAreAllThereOnce(t *testing.T) {
	const writers, each = 64, 6
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	g, ctx := errgroup.WithContext(k.ctx())
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				tx := appendOf(tbl, k.file(tbl, fmt.Sprintf("%d-%d.parquet", w, i), "c", int64(w*100+i+1)))
				tx.ID = newID()
				for range 2 { // a retry by the same id
					done, err := k.Commit(ctx, tx)
					if err != nil {
						return err
					}
					if done.Tables[0].SnapshotID == 0 {
						return fmt.Errorf("no snapshot in %+v", done)
					}
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	want := map[string]int64{}
	for w := range writers {
		for i := range each {
			want[fmt.Sprintf("%d-%d.parquet", w, i)] = int64(w*100 + i + 1)
		}
	}
	require.Equal(t, want, k.check(tbl))
	snapshots := len(k.load(tbl).Metadata.Snapshots())
	require.Less(t, snapshots, writers*each, "appends share snapshots")
	k.Close() // waits for the committers
	require.Zero(t, k.Queues(), "committers end when nothing waits")
	t.Logf("%d commits in %d snapshots", writers*each, snapshots)
}

func TestGroupCommitIsOneSnapshot(t *testing.T) {
	const n = 100
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	release := k.Hold(tbl)
	g, ctx := errgroup.WithContext(k.ctx())
	for i := range n {
		g.Go(func() error {
			done, err := k.Commit(ctx, appendOf(tbl, k.file(tbl, fmt.Sprintf("%d.parquet", i), "c", 1)))
			if err == nil && done.Tables[0].Metadata == nil {
				err = fmt.Errorf("no metadata")
			}
			return err
		})
	}
	k.waitPending(n)
	release()
	require.NoError(t, g.Wait())
	require.Len(t, k.check(tbl), n)
	require.Len(t, k.load(tbl).Metadata.Snapshots(), 1)
	events, err := k.Events(k.ctx(), "", 0)
	require.NoError(t, err)
	require.Len(t, events, 2)
	require.Equal(t, n, events[1].Commits)
	require.Equal(t, int64(n), events[1].Partitions[0].AddedFiles)
	require.Equal(t, "c", *events[1].Partitions[0].Partition["contributor"])
}

func TestOneBadTransactionDoesNotSpoilTheGroup(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	other := k.table("db.other", nil)
	release := k.Hold(tbl)
	same := k.file(tbl, "same.parquet", "c", 1)
	outside := appendOf(tbl, k.file(other, "x.parquet", "c", 1))
	wrong := k.file(tbl, "wrong.parquet", "c", 1)
	b, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentData,
		k.DataPath(tbl)+"/type.parquet", iceberg.ParquetFile, map[int]any{1000: 3.5}, nil, nil, 1, 1)
	require.NoError(t, err)
	wrong.File = b.Build() // a number where the column is text
	type verdict struct {
		name string
		err  error
	}
	verdicts := make(chan verdict)
	send := func(name string, tx catalog.Transaction) {
		go func() {
			_, err := k.Commit(k.ctx(), tx)
			verdicts <- verdict{name, err}
		}()
	}
	send("good", appendOf(tbl, k.file(tbl, "good.parquet", "c", 1)))
	send("outside", outside)
	send("wrong type", appendOf(tbl, wrong))
	send("same 1", appendOf(tbl, same))
	k.waitPending(4)
	release()
	got := map[string]error{}
	for range 4 {
		v := <-verdicts
		got[v.name] = v.err
	}
	require.NoError(t, got["good"])
	require.NoError(t, got["same 1"])
	require.ErrorIs(t, got["outside"], catalog.ErrInvalid)
	require.ErrorIs(t, got["wrong type"], catalog.ErrInvalid)
	require.Equal(t, []string{"good.parquet", "same.parquet"}, names(k.check(tbl)))
}

func TestSnapshotsAreBounded(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: "5"})
	var tagged int64
	for i := range 30 {
		done := k.append(tbl, k.file(tbl, fmt.Sprintf("%d.parquet", i), "c", 1))
		k.spliced(tbl)
		if i%7 == 0 {
			k.ForgetCache()
		}
		if i == 10 {
			tagged = done.Tables[0].SnapshotID
			_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
				Table: tbl.ID, Updates: []table.Update{table.NewSetSnapshotRefUpdate("release", tagged, table.TagRef, 0, 0, 0)},
			}}})
			require.NoError(t, err)
		}
	}
	meta := k.load(tbl).Metadata
	require.Len(t, meta.Snapshots(), 6)
	require.NotNil(t, meta.SnapshotByID(tagged), "a tag holds its snapshot")
	require.Len(t, k.check(tbl), 30)
}
