package compactor_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/objstore"
)

func (h *house) tag(t *catalog.Table, name string, snapshot int64, kind table.RefType) {
	h.T.Helper()
	_, err := h.Catalog.Commit(context.Background(), catalog.Transaction{ID: uuid.NewString(), Actor: "test", Tables: []catalog.TableChange{{
		Table: t.ID, Updates: []table.Update{table.NewSetSnapshotRefUpdate(name, snapshot, kind, 0, 0, 0)},
	}}})
	require.NoError(h.T, err)
}

func snapshotIDs(t *catalog.Table) map[int64]bool {
	out := map[int64]bool{}
	for _, s := range t.Metadata.Snapshots() {
		out[s.SnapshotID] = true
	}
	return out
}

func TestExpiryKeepsTagsBranchesAndWatermarks(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", iceberg.Properties{"firn.expire.max-snapshots": "3"})
	var ids []int64
	for i := range 12 {
		h.append(tbl, "France", i*10, 5)
		ids = append(ids, h.load(tbl).CurrentSnapshot().SnapshotID)
	}
	h.tag(tbl, "audit-2026", ids[1], table.TagRef)
	h.tag(tbl, "experiment", ids[3], table.BranchRef)
	h.tag(tbl, catalog.WatermarkTagPrefix+"silver.lines", ids[6], table.TagRef)
	j := h.job(compactor.KindExpire, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	left := snapshotIDs(h.load(tbl))
	for i, id := range ids {
		// 1 is a tag, 1 to 3 the branch's newest three, 6 on is unread by a model.
		want := i >= 1 && i <= 3 || i >= 6
		require.Equal(t, want, left[id], "snapshot %d of 12", i)
	}
	require.Contains(t, j.Outcome.Proof["why_not_more"], catalog.WatermarkTagPrefix+"silver.lines")
	require.Len(t, h.rows(tbl, ids[1]), 10, "the tag still reads completely")

	h.tag(tbl, catalog.WatermarkTagPrefix+"silver.lines", ids[11], table.TagRef)
	h.job(compactor.KindExpire, tbl)
	left = snapshotIDs(h.load(tbl))
	require.False(t, left[ids[8]])
	require.True(t, left[ids[9]])
}

// Nothing that any retained snapshot reaches is deleted, whatever happened to
// the table; everything else is, but only after the grace.
func TestOrphanRemovalDeletesNothingReachable(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			clock := &offset{}
			h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
			h.Run(h.service.Run)
			tbl := h.create("bronze.lines", iceberg.Properties{"firn.expire.max-snapshots": "2", "history.expire.max-snapshot-age-ms": "0"})
			rng := rand.New(rand.NewPCG(seed, 1))
			want := map[int64][]string{}
			var strays []string
			for i := range 14 {
				switch rng.IntN(6) {
				case 0:
					h.job(compactor.KindCompact, tbl)
				case 1:
					h.job(compactor.KindExpire, tbl)
				case 2:
					key, err := h.Bucket.Key(h.Catalog.DataPath(tbl) + fmt.Sprintf("/stray-%d.parquet", i))
					require.NoError(t, err)
					require.NoError(t, h.Bucket.PutBytes(t.Context(), key, []byte("left by a crash"), objstore.PutOptions{}))
					strays = append(strays, key)
				default:
					h.append(tbl, fmt.Sprint("c", rng.IntN(2)), i*100, 20)
					if rng.IntN(3) == 0 {
						h.tag(tbl, fmt.Sprint("tag", i), h.load(tbl).CurrentSnapshot().SnapshotID, table.TagRef)
					}
				}
				clock.add(time.Duration(rng.IntN(50)) * time.Minute)
				if rng.IntN(3) == 0 {
					h.job(compactor.KindOrphans, tbl)
				}
			}
			for id := range snapshotIDs(h.load(tbl)) {
				want[id] = h.rows(tbl, id)
			}
			for range 3 {
				clock.add(2 * time.Hour)
				j := h.job(compactor.KindOrphans, tbl)
				require.Equal(t, jobs.Succeeded, j.State, j.Error)
			}
			for id, rows := range want {
				require.Equal(t, rows, h.rows(tbl, id), "snapshot %d", id)
			}
			for _, key := range strays {
				_, err := h.Bucket.Stat(t.Context(), key)
				require.ErrorIs(t, err, objstore.ErrNotFound)
			}
			deleted, err := h.service.Deletions(t.Context())
			require.NoError(t, err)
			n := 0
			for _, d := range deleted {
				n += len(d.Keys)
			}
			require.GreaterOrEqual(t, n, len(strays), "every delete is in the log")
		})
	}
}

// offset is a clock that runs ahead of the real one.
type offset struct{ d atomic.Int64 }

func (o *offset) now() time.Time      { return time.Now().Add(time.Duration(o.d.Load())) }
func (o *offset) add(d time.Duration) { o.d.Add(int64(d)) }

// The grace, files in flight, and the dry run.
func TestOrphansWaitAndDryRunSaysTheSame(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	tbl := h.create("bronze.lines", nil)
	h.append(tbl, "France", 0, 10)
	key, err := h.Bucket.Key(h.Catalog.DataPath(tbl) + "/stray.parquet")
	require.NoError(t, err)
	require.NoError(t, h.Bucket.PutBytes(t.Context(), key, bytes.Repeat([]byte("x"), 100), objstore.PutOptions{}))
	dry := func() []string {
		r, err := h.service.PlanOrphans(t.Context(), tbl.Ident)
		require.NoError(t, err)
		return r.Delete
	}
	h.Run(h.service.Run)
	require.Empty(t, dry())
	h.job(compactor.KindOrphans, tbl) // too young to be looked at
	clock.add(90 * time.Minute)
	require.Empty(t, dry())
	h.job(compactor.KindOrphans, tbl) // seen for the first time
	clock.add(30 * time.Minute)
	h.job(compactor.KindOrphans, tbl)
	require.Empty(t, dry(), "still in quarantine")
	clock.add(31 * time.Minute)
	require.Equal(t, []string{key}, dry())
	_, err = h.Bucket.Stat(t.Context(), key)
	require.NoError(t, err, "a dry run deletes nothing")
	j := h.job(compactor.KindOrphans, tbl)
	require.EqualValues(t, 1, j.Outcome.FilesIn)
	_, err = h.Bucket.Stat(t.Context(), key)
	require.ErrorIs(t, err, objstore.ErrNotFound)
}

// A file in quarantine that is committed after all is not deleted.
func TestAFileCommittedFromQuarantineStays(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	h.append(tbl, "France", 0, 10)
	late := h.Write(tbl, rowsSQL("Italy", 100, 10))
	clock.add(2 * time.Hour)
	h.job(compactor.KindOrphans, tbl)
	h.Commit(tbl, table.OpAppend, late...)
	clock.add(2 * time.Hour)
	h.job(compactor.KindOrphans, tbl)
	require.Len(t, h.rows(tbl, 0), 20)
}

func TestDroppedTableIsPurgedAfterTheGrace(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	h.Run(h.service.Run)
	kept, gone := h.create("bronze.kept", nil), h.create("bronze.gone", nil)
	h.append(kept, "France", 0, 10)
	h.append(gone, "France", 0, 10)
	require.NoError(t, h.Catalog.DropTable(t.Context(), kept.Ident, false))
	require.NoError(t, h.Catalog.DropTable(t.Context(), gone.Ident, true))
	count := func(t2 *catalog.Table) (n int) {
		prefix, err := h.Bucket.Key(t2.Location())
		require.NoError(t, err)
		for _, err := range h.Bucket.List(t.Context(), prefix+"/") {
			require.NoError(t, err)
			n++
		}
		return n
	}
	all := count(kept)
	require.Equal(t, all, count(gone))
	sweep := func() {
		j, err := h.service.Submit(t.Context(), compactor.KindOrphans, catalog.Ident{}, "")
		require.NoError(t, err)
		require.Equal(t, jobs.Succeeded, h.wait(j.ID).State)
	}
	clock.add(50 * time.Minute)
	sweep()
	require.Equal(t, all, count(gone), "in the grace")
	clock.add(11 * time.Minute)
	sweep()
	require.Zero(t, count(gone), "one look after the grace is enough, write intents or not")
	require.Equal(t, all, count(kept), "dropped without purge: files stay")
}

// TestOnlyFoldersThatFirnChose: nothing is deleted in a folder that registered
// metadata names, also when it ends with the table's uuid: more may lie below it.
func TestOnlyFoldersThatFirnChose(t *testing.T) {
	clock := &offset{}
	h := newHouse(t, func(c *compactor.Config) { c.Now = clock.now; c.Grace = time.Hour })
	tbl, id := h.create("bronze.lines", nil), uuid.New()
	is := "default/theirs/" + id.String()
	copied := strings.NewReplacer("default/"+tbl.ID.String(), is, tbl.ID.String(), id.String()).Replace(string(tbl.JSON))
	require.NoError(t, h.Bucket.PutBytes(t.Context(), is+"/metadata/00000-x.metadata.json", []byte(copied), objstore.PutOptions{}))
	stray := is + "/below/a.parquet"
	require.NoError(t, h.Bucket.PutBytes(t.Context(), stray, []byte("x"), objstore.PutOptions{}))
	theirs, err := h.Catalog.RegisterTable(t.Context(), catalog.Ident{Namespace: catalog.Namespace{"bronze"}, Name: "theirs"}, h.Bucket.Location(is+"/metadata/00000-x.metadata.json"), false)
	require.NoError(t, err)
	h.Run(h.service.Run)
	for range 3 {
		clock.add(2 * time.Hour)
		h.job(compactor.KindOrphans, theirs)
	}
	require.NoError(t, h.Catalog.DropTable(t.Context(), theirs.Ident, true))
	for range 3 {
		clock.add(2 * time.Hour)
		j, err := h.service.Submit(t.Context(), compactor.KindOrphans, catalog.Ident{}, "")
		require.NoError(t, err)
		require.Equal(t, jobs.Succeeded, h.wait(j.ID).State)
	}
	_, err = h.Bucket.Stat(t.Context(), stray)
	require.NoError(t, err)
}
