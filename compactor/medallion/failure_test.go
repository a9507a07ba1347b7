package medallion_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/medallion"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet"
)

// flaky is a committer that fails the way networks and disks do.
type flaky struct {
	catalog.Committer
	before, after func(n int) error
	mu            sync.Mutex
	n             int
}

func (f *flaky) Commit(ctx context.Context, tx catalog.Transaction) (catalog.Committed, error) {
	f.mu.Lock()
	f.n++
	n := f.n
	f.mu.Unlock()
	if f.before != nil {
		if err := f.before(n); err != nil {
			return catalog.Committed{}, err
		}
	}
	done, err := f.Committer.Commit(ctx, tx)
	if err == nil && f.after != nil {
		if err := f.after(n); err != nil {
			return catalog.Committed{}, err
		}
	}
	return done, err
}

func eventHouse(t *testing.T, n int) (*house, []event) {
	t.Helper()
	h := newHouse(t)
	h.apply(events)
	all := randomEvents(rand.New(rand.NewPCG(11, 11)), n)
	return h, all
}

func (h *house) checkEvents(all []event) {
	h.T.Helper()
	expected := fmt.Sprintf(expectEvents, values(all, 0))
	h.equal("silver.last", "SELECT grp, id, v, ts, twice FROM $silver.last$", expected, "silver.last")
	h.equal("gold.sums", "SELECT * FROM $gold.sums$", "SELECT CAST(ts AS DATE), grp, count(*), CAST(sum(v) AS BIGINT), count(DISTINCT id) FROM ("+expected+") GROUP BY ALL", "gold.sums")
	h.equal("silver.every", "SELECT n FROM $silver.every$", "SELECT n FROM ("+values(all, 0)+")", "silver.every")
}

// A commit that did not happen: the run says so, nothing moved, the next run
// does it.
func TestCommitThatDidNotHappen(t *testing.T) {
	h, all := eventHouse(t, 120)
	h.append("bronze.raw", values(all, 0))
	broken := errors.New("no space")
	h.service.SetCommitter(&flaky{Committer: h.Catalog, before: func(n int) error {
		if n == 1 {
			return broken
		}
		return nil
	}})
	run, err := h.service.Promote(t.Context(), "silver.last")
	require.ErrorIs(t, err, broken)
	require.Equal(t, medallion.RunFailed, run.State)
	require.Nil(t, h.table("silver.last").CurrentSnapshot())
	kept, err := h.service.RunByID(t.Context(), run.ID)
	require.NoError(t, err)
	require.Contains(t, kept.Error, "no space")

	_, err = h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.checkEvents(all)
}

// A promotion runs as a job; when that was taken over, its run commits nothing.
func TestAPromotionWhoseLeaseWasLostDoesNotCommit(t *testing.T) {
	h, all := eventHouse(t, 80)
	h.append("bronze.raw", values(all, 0))
	queue, err := jobs.New(jobs.Config{Store: h.Store})
	require.NoError(t, err)
	_, _, err = queue.Submit(t.Context(), jobs.Spec{Kind: "promote", Model: "silver.last"})
	require.NoError(t, err)
	var over context.Context
	_, err = queue.RunOne(t.Context(), map[jobs.Kind]jobs.Handler{"promote": func(ctx context.Context, _ *jobs.Task) (jobs.Outcome, error) {
		over = context.WithoutCancel(ctx) // as one that does not know
		return jobs.Outcome{}, nil
	}})
	require.NoError(t, err)
	run, err := h.service.Promote(over, "silver.last")
	require.ErrorIs(t, err, catalog.ErrCondition)
	require.Equal(t, medallion.RunFailed, run.State)
	require.Nil(t, h.table("silver.last").CurrentSnapshot())
	_, err = h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.checkEvents(all)
}

// A commit that happened and looked failed is asked for again by its id, and
// lands once.
func TestCommitThatLookedFailed(t *testing.T) {
	h, all := eventHouse(t, 120)
	h.service.SetCommitter(&flaky{Committer: h.Catalog, after: func(n int) error {
		if n%3 != 0 {
			return fmt.Errorf("connection reset: %w", catalog.ErrUnknownOutcome)
		}
		return nil
	}})
	for i := range 3 {
		h.append("bronze.raw", values(all[i*40:i*40+40], i*40))
		_, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
	}
	h.checkEvents(all)
}

// A commit that happened while the process gave up: the next process sees it by
// the watermark.
func TestCommitThatLookedFailedToAProcessThatDied(t *testing.T) {
	h, all := eventHouse(t, 80)
	h.append("bronze.raw", values(all, 0))
	gone := errors.New("killed")
	// The first commit of a first run is its pin, the second is the run.
	h.service.SetCommitter(&flaky{Committer: h.Catalog, after: func(n int) error {
		if n == 1 {
			return nil
		}
		return gone
	}})
	_, err := h.service.Promote(t.Context(), "silver.last")
	require.ErrorIs(t, err, gone)
	h.service = h.newService()
	run, err := h.service.Promote(t.Context(), "silver.last")
	require.NoError(t, err)
	require.Equal(t, medallion.RunUpToDate, run.State)
	_, err = h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.checkEvents(all)
}

// Two processes that promote the same model at once: each row lands once.
func TestTwoPromoters(t *testing.T) {
	h, all := eventHouse(t, 160)
	other := h.newService()
	for i := range 4 {
		h.append("bronze.raw", values(all[i*40:i*40+40], i*40))
		var group sync.WaitGroup
		for _, s := range []*medallion.Service{h.service, other} {
			group.Go(func() {
				if _, err := s.RunOnce(t.Context(), nil); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	}
	h.checkEvents(all)
	require.EqualValues(t, len(all), h.count("SELECT count(*) FROM $silver.every$", "silver.every"))
}

// The law turns red on planted bugs, and nothing is published.
func TestPlantedBugs(t *testing.T) {
	for name, plant := range map[string]func(*medallion.Service){
		"a file is lost":      (*medallion.Service).LoseFile,
		"deletes are lost":    (*medallion.Service).LoseDeletes,
		"a file stays behind": (*medallion.Service).ForgetRewritten,
	} {
		t.Run(name, func(t *testing.T) {
			h, all := eventHouse(t, 200)
			h.append("bronze.raw", values(all[:100], 0))
			_, err := h.service.RunOnce(t.Context(), nil)
			require.NoError(t, err)
			before := h.table("silver.last").CurrentSnapshot().SnapshotID
			gold := h.table("gold.sums").CurrentSnapshot().SnapshotID
			h.append("bronze.raw", values(all[100:], 100))
			plant(h.service)
			_, err = h.service.Promote(t.Context(), "silver.last")
			var law *medallion.LawError
			require.ErrorAs(t, err, &law)
			require.Equal(t, before, h.table("silver.last").CurrentSnapshot().SnapshotID)

			h.service = h.newService()
			_, err = h.service.Promote(t.Context(), "silver.last")
			require.NoError(t, err)
			plant(h.service)
			_, err = h.service.Promote(t.Context(), "gold.sums")
			require.ErrorAs(t, err, &law, "the gate of an aggregate")
			require.Equal(t, gold, h.table("gold.sums").CurrentSnapshot().SnapshotID)

			h.service = h.newService()
			_, err = h.service.RunOnce(t.Context(), nil)
			require.NoError(t, err)
			h.checkEvents(all)
		})
	}
}

func (h *house) commit(tx catalog.Transaction) {
	h.T.Helper()
	tx.ID = uuid.NewString()
	_, err := h.Catalog.Commit(h.T.Context(), tx)
	require.NoError(h.T, err)
}

// A source that was rolled back behind the watermark is refused.
func TestRollbackOfSourceIsRefused(t *testing.T) {
	h, all := eventHouse(t, 90)
	h.append("bronze.raw", values(all[:30], 0))
	first := h.table("bronze.raw").CurrentSnapshot().SnapshotID
	h.append("bronze.raw", values(all[30:60], 30))
	_, err := h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	id := h.table("bronze.raw").ID
	h.commit(catalog.Transaction{Tables: []catalog.TableChange{{Table: id, Updates: []table.Update{table.NewSetSnapshotRefUpdate("main", first, table.BranchRef, 0, 0, 0)}}}})
	h.append("bronze.raw", values(all[60:], 60))
	_, err = h.service.Promote(t.Context(), "silver.last")
	require.ErrorIs(t, err, lake.ErrNotAncestor)
	require.ErrorContains(t, err, "rolled back")
}

// compact rewrites all files of a table into one for each partition.
func (h *house) compact(name string) {
	h.T.Helper()
	t := h.table(name)
	scan, err := h.Lake.Plan(h.T.Context(), t.Metadata, 0, nil)
	require.NoError(h.T, err)
	rel, err := h.Lake.Relation(h.T.Context(), scan, lake.RelationOptions{})
	require.NoError(h.T, err)
	defer rel.Release()
	res, err := pool.Query(h.T.Context(), jobOf(rel))
	require.NoError(h.T, err)
	defer res.Release()
	files, err := parquet.WriteFiles(h.T.Context(), h.Bucket, t.Metadata, h.Catalog.DataPath(t), parquet.Records(res), parquet.WriteOptions{})
	require.NoError(h.T, err)
	change := &catalog.SnapshotChange{Operation: table.OpReplace, Base: &t.CurrentSnapshot().SnapshotID}
	for _, f := range files {
		change.Added = append(change.Added, catalog.FileEntry{File: f})
	}
	seen := map[string]bool{}
	for _, f := range scan.Files {
		change.Removed = append(change.Removed, f.Data.FilePath())
		for _, d := range f.Deletes {
			if !seen[d.Data.FilePath()] {
				seen[d.Data.FilePath()] = true
				change.Removed = append(change.Removed, d.Data.FilePath())
			}
		}
	}
	h.commit(catalog.Transaction{Actor: "compactor", Tables: []catalog.TableChange{{Table: t.ID, Snapshot: change}}})
}

// expire removes every snapshot that neither the head, nor a tag, nor a
// watermark needs.
func (h *house) expire(name string) {
	h.T.Helper()
	t := h.table(name)
	keep := map[int64]bool{t.CurrentSnapshot().SnapshotID: true}
	oldest := t.CurrentSnapshot().SequenceNumber
	for tag, ref := range t.Metadata.Refs() {
		keep[ref.SnapshotID] = true
		if s := t.Metadata.SnapshotByID(ref.SnapshotID); tag != "main" && s != nil {
			oldest = min(oldest, s.SequenceNumber)
		}
	}
	var ids []int64
	for _, s := range t.Metadata.Snapshots() {
		if !keep[s.SnapshotID] && s.SequenceNumber < oldest {
			ids = append(ids, s.SnapshotID)
		}
	}
	if len(ids) > 0 {
		h.commit(catalog.Transaction{Tables: []catalog.TableChange{{Table: t.ID, Updates: []table.Update{table.NewRemoveSnapshotsUpdate(ids, false)}}}})
	}
}

// Compaction and expiry of sources and targets change nothing.
func TestCompactionAndExpiryChangeNothing(t *testing.T) {
	h, all := eventHouse(t, 240)
	for i := range 6 {
		h.append("bronze.raw", values(all[i*40:i*40+20], i*40))
		h.append("bronze.raw", values(all[i*40+20:i*40+40], i*40+20))
		if i%2 == 1 {
			h.compact("bronze.raw")
		}
		if i%3 == 1 {
			h.expire("bronze.raw")
		}
		_, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
		if i%2 == 0 {
			for _, name := range []string{"silver.last", "silver.last__changes", "silver.every", "gold.sums"} {
				h.compact(name)
				h.expire(name)
			}
		}
	}
	h.checkEvents(all)
}

// Someone else's commit to an upsert is found before gold believes it.
func TestForeignCommitToSilverIsFound(t *testing.T) {
	h, all := eventHouse(t, 60)
	h.append("bronze.raw", values(all[:30], 0))
	_, err := h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.append("silver.last", "SELECT 'g0' AS grp, 'foreign' AS id, 1 AS v, TIMESTAMP '2026-01-01 00:00:00' AS ts, 2 AS twice, 1 AS _source_sequence, 1 AS _source_position")
	_, err = h.service.Promote(t.Context(), "gold.sums")
	require.ErrorContains(t, err, "someone else than its model")
}

func jobOf(rel *lake.Relation) duck.Job {
	return duck.Job{Setup: rel.Setup, SQL: "SELECT * FROM " + rel.SQL, Read: rel.Paths}
}

// A model's first run pins what it reads before it reads it: expiry of all
// other snapshots meanwhile, and even the death of the run, take nothing away.
func TestFirstRunPinsItsSource(t *testing.T) {
	h, all := eventHouse(t, 80)
	h.append("bronze.raw", values(all[:40], 0))
	gone := errors.New("killed")
	h.service.SetCommitter(&flaky{Committer: h.Catalog, after: func(int) error { return gone }})
	_, err := h.service.Promote(t.Context(), "silver.last")
	require.ErrorIs(t, err, gone)
	source := h.table("bronze.raw")
	pinned := source.Metadata.SnapshotByName(medallion.WatermarkTag("silver.last"))
	require.NotNil(t, pinned, "the tag is there before the run's own commit")
	require.Equal(t, source.CurrentSnapshot().SnapshotID, pinned.SnapshotID)

	h.append("bronze.raw", values(all[40:], 40))
	h.service = h.newService()
	_, err = h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.checkEvents(all)
}
