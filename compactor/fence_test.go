package compactor_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
)

// Two processes over one store. One has its outputs and is about to commit them when
// the other, to whom its lease is over, has the job: its commit is refused by the
// store, although nothing has told it yet. The other's counts.
func TestACompactionWhoseLeaseWasLostDoesNotCommit(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
	}
	before := h.rows(tbl, 0)
	head := h.load(tbl).Metadata.CurrentSnapshot().SnapshotID
	other := h.another(func(c *compactor.Config) { c.Now = func() time.Time { return time.Now().Add(time.Hour) } })
	var attempts []error
	var taken jobs.FencingToken
	victim := h.another(func(c *compactor.Config) {
		c.BeforeApply = func(ctx context.Context) {
			attempts = append(attempts, ctx.Err())
			did, err := other.Queue().RunOne(context.Background(), map[jobs.Kind]jobs.Handler{
				compactor.KindCompact: func(_ context.Context, task *jobs.Task) (jobs.Outcome, error) {
					taken = task.Token()
					return jobs.Outcome{Rows: 7}, nil
				},
			})
			if err != nil || !did {
				t.Errorf("the other did not take the job over: %v", err)
			}
		}
	})
	h.Run(victim.Run)
	j, err := victim.Submit(t.Context(), compactor.KindCompact, tbl.Ident, "")
	require.NoError(t, err)
	got := h.wait(j.ID)
	require.Equal(t, jobs.Succeeded, got.State)
	require.EqualValues(t, 7, got.Outcome.Rows, "the other's outcome counts")
	require.EqualValues(t, 2, taken)

	// The victim is free again, so what it tried is over.
	next, err := victim.Submit(t.Context(), compactor.KindExpire, tbl.Ident, "")
	require.NoError(t, err)
	h.wait(next.ID)
	require.Equal(t, []error{nil}, attempts, "it tried once, and did not know")
	require.Equal(t, head, h.load(tbl).Metadata.CurrentSnapshot().SnapshotID, "the old holder committed")
	require.Len(t, h.live(tbl), 5)
	require.Equal(t, before, h.rows(tbl, 0))

	// The table is as good as before to the next job.
	last, err := h.service.Submit(t.Context(), compactor.KindCompact, tbl.Ident, "")
	require.NoError(t, err)
	h.Run(h.service.Run)
	require.Equal(t, jobs.Succeeded, h.wait(last.ID).State)
}

// Two processes share the jobs of many tables: each is done once, by one of them.
func TestTwoProcessesShareTheJobs(t *testing.T) {
	h := newHouse(t)
	other := h.another()
	var tables []*catalog.Table
	for _, name := range []string{"bronze.a", "bronze.b", "bronze.c", "bronze.d", "bronze.e", "bronze.f"} {
		tbl := h.create(name, nil)
		for i := range 3 {
			h.append(tbl, "France", i*100, 20)
		}
		tables = append(tables, tbl)
	}
	var ids []string
	for _, tbl := range tables {
		j, err := h.service.Submit(t.Context(), compactor.KindCompact, tbl.Ident, "")
		require.NoError(t, err)
		ids = append(ids, j.ID)
	}
	h.Run(h.service.Run)
	h.Run(other.Run)
	for i, id := range ids {
		j := h.wait(id)
		require.Equal(t, jobs.Succeeded, j.State, j.Error)
		require.Equal(t, 1, j.Attempt)
		require.EqualValues(t, 60, j.Outcome.Rows)
		require.Len(t, h.live(tables[i]), 1)
	}
}

// meddling tells of each batch before it is applied.
type meddling struct {
	catalog.Store
	before func(catalog.Batch)
}

func (m *meddling) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	m.before(b)
	return m.Store.Apply(ctx, b)
}

// A removal of files whose lease is lost between the decision and the log entry that
// precedes the deletes removes nothing.
func TestARemovalWhoseLeaseWasLostDeletesNothing(t *testing.T) {
	clock := &offset{}
	adjust := func(c *compactor.Config) { c.Now, c.Grace = clock.now, time.Hour }
	h := newHouse(t, adjust)
	tbl := h.create("bronze.lines", nil)
	h.append(tbl, "France", 0, 10)
	orphans := h.Write(tbl, rowsSQL("Italy", 100, 10)) // and never committed
	ahead := h.another(func(c *compactor.Config) { c.Now = func() time.Time { return clock.now().Add(time.Hour) } })
	taken := 0
	store := &meddling{Store: h.Store, before: func(b catalog.Batch) {
		for _, op := range b.Then {
			if !op.Stamp || taken > 0 {
				continue
			}
			taken++
			did, err := ahead.Queue().RunOne(context.Background(), map[jobs.Kind]jobs.Handler{
				compactor.KindOrphans: func(context.Context, *jobs.Task) (jobs.Outcome, error) { return jobs.Outcome{Rows: 7}, nil },
			})
			if err != nil || !did {
				t.Errorf("the other did not take the job over: %v", err)
			}
		}
	}}
	victim := h.another(adjust, func(c *compactor.Config) { c.Store = store })
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- victim.Run(ctx) }()
	remove := func(s *compactor.Service) jobs.Outcome {
		clock.add(2 * time.Hour)
		j, err := s.Submit(t.Context(), compactor.KindOrphans, tbl.Ident, "")
		require.NoError(t, err)
		got := h.wait(j.ID)
		require.Equal(t, jobs.Succeeded, got.State, got.Error)
		return got.Outcome
	}
	require.Zero(t, remove(victim).FilesIn, "into quarantine")
	require.EqualValues(t, 7, remove(victim).Rows, "the other's outcome counts")
	require.Equal(t, 1, taken)
	stop()
	require.NoError(t, <-ended)
	h.Run(h.service.Run)
	require.EqualValues(t, len(orphans), remove(h.service).FilesIn, "they are there yet, for who has the job")
	require.Len(t, h.rows(tbl, 0), 10)
}
