package compactor_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/schedule"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// eventually waits for something that another goroutine brings about.
func (h *house) eventually(what string, done func() bool) {
	h.T.Helper()
	deadline := time.After(20 * time.Second)
	for !done() {
		select {
		case <-deadline:
			h.T.Fatal("never: " + what)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// Commits alone start compactions; when they stop, every partition ends as one
// file, and the health says so.
func TestCommitsTriggerCompaction(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Manual = false; c.Tick = 20 * time.Millisecond })
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", iceberg.Properties{"firn.compact.quiet": "200ms"})
	for i := range 12 {
		h.append(tbl, "United Kingdom", i*1000, 400)
		if i%3 == 0 {
			for j := range 4 {
				h.append(tbl, fmt.Sprint("c", j), i*1000, 2)
			}
		}
	}
	before := h.rows(tbl, 0)
	h.eventually("one file per partition", func() bool { return len(h.live(tbl)) == 5 })
	require.Equal(t, before, h.rows(tbl, 0))
	h.eventually("a good health that names the hot partition", func() bool {
		health := h.service.Health(tbl.ID)
		return health != nil && health.Partitions == 5 && health.WhyNot != "" && health.Skew > 1 &&
			!strings.Contains(fmt.Sprint(health.Reasons), "small_files")
	})
}

func TestHealthNamesTheHotPartitionAndSurvivesARestart(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.service.Run(ctx) }()
	for i := range 4 {
		h.append(tbl, "United Kingdom", i*100_000, 60_000)
		for j := range 5 {
			h.append(tbl, fmt.Sprint("c", j), i*1000, 1)
		}
	}
	hot := func(s *compactor.Service) func() bool {
		return func() bool {
			return strings.Contains(fmt.Sprint(s.Health(tbl.ID).GetReasons()), "country=United Kingdom is hot: 9")
		}
	}
	h.eventually("hot partition in the reasons", func() bool {
		return h.service.Health(tbl.ID).GetSmallFiles() == 24 && hot(h.service)()
	})
	cancel()
	require.NoError(t, <-done)
	h.append(tbl, "c1", 77_000, 1) // while nobody looks

	second := h.another()
	h.Run(second.Run)
	h.eventually("the same after a restart", func() bool {
		health := second.Health(tbl.ID)
		return health != nil && hot(second)() && health.SmallFiles == 25
	})

	// Without what was saved it is counted from the manifests, with the same result.
	_, kvs, err := h.Store.Scan(t.Context(), catalog.Range{Prefix: "health/"})
	require.NoError(t, err)
	for _, kv := range kvs {
		_, err := h.Store.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: kv.Key, Delete: true}}})
		require.NoError(t, err)
	}
	third := h.another()
	h.Run(third.Run)
	h.eventually("the same when counted", func() bool {
		a, b := second.Health(tbl.ID), third.Health(tbl.ID)
		return b != nil && a.SmallFiles == b.SmallFiles && a.Partitions == b.Partitions && a.Skew == b.Skew && a.AverageFileBytes == b.AverageFileBytes
	})
}

// A schedule fires once for a due time: with two processes, through a restart,
// and once for all that was missed.
func TestScheduleFiresOnce(t *testing.T) {
	clock := &offset{}
	adjust := func(c *compactor.Config) {
		c.Now = clock.now
		c.Workers = -1
	}
	h := newHouse(t, adjust)
	other := h.another(adjust)
	_, err := h.service.PutSchedule(t.Context(), schedule.Definition{Name: "hourly", Cron: "0 * * * *", TimeZone: "Europe/Berlin", Kind: compactor.KindOrphans}, false)
	require.NoError(t, err)
	count := func() int {
		_, counts, err := h.service.Queue().List(t.Context(), jobs.Filter{})
		require.NoError(t, err)
		return counts[jobs.Queued] + counts[jobs.Cancelled]
	}
	fire := func() {
		errs := make(chan error, 2)
		for _, s := range []*compactor.Service{h.service, other} {
			go func() { errs <- s.Schedules().Fire(context.Background()) }()
		}
		require.NoError(t, <-errs)
		require.NoError(t, <-errs)
		// So that the next firing does not overlap with it.
		active, err := h.service.Queue().Active(t.Context())
		require.NoError(t, err)
		for _, j := range active {
			_, err := h.service.Queue().Cancel(t.Context(), j.ID)
			require.NoError(t, err)
		}
	}
	fire()
	require.Equal(t, 0, count(), "not due yet")
	clock.add(time.Hour)
	fire()
	fire()
	require.Equal(t, 1, count())
	clock.add(5 * time.Hour) // five due times are missed
	fire()
	fire()
	require.Equal(t, 2, count())
	all, err := other.Schedules().List(t.Context())
	require.NoError(t, err)
	require.WithinDuration(t, clock.now().Truncate(time.Hour), all[0].LastFired, time.Second)

	for _, bad := range []schedule.Definition{
		{Name: "x", Cron: "every day", Kind: compactor.KindCompact},
		{Name: "x", Cron: "0 * * * *", TimeZone: "Mars/Olympus", Kind: compactor.KindCompact},
		{Name: "a/b", Cron: "0 * * * *", Kind: compactor.KindCompact},
		{Name: "x", Cron: "0 * * * *", Kind: "tidy"},
		{Name: "x", Cron: "0 * * * *", Kind: compactor.KindPromote},
	} {
		_, err := h.service.PutSchedule(t.Context(), bad, false)
		require.ErrorIs(t, err, catalog.ErrInvalid, "%+v", bad)
	}
}

// A process dies in the middle of a compaction; another takes the job over,
// and the rows are what they were.
func TestCompactionIsTakenOverAfterAKill(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("bronze.lines", nil)
	for i := range 6 {
		h.append(tbl, "France", i*100, 20)
	}
	before := h.rows(tbl, 0)
	ctx, kill := context.WithCancel(context.Background())
	reached := make(chan struct{})
	victim := h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(ctx context.Context) { close(reached); <-ctx.Done() }
	})
	died := make(chan error, 1)
	go func() { died <- victim.Run(ctx) }()
	j, err := victim.Submit(t.Context(), compactor.KindCompact, tbl.Ident, "")
	require.NoError(t, err)
	<-reached
	kill()
	require.NoError(t, <-died)
	require.Equal(t, before, h.rows(tbl, 0))
	h.Run(h.service.Run)
	got := h.wait(j.ID)
	require.Equal(t, jobs.Succeeded, got.State, got.Error)
	require.Len(t, h.live(tbl), 1)
	require.Equal(t, before, h.rows(tbl, 0))
}

func TestMaintenanceService(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) {
		c.Promote = func(_ context.Context, model string, progress func(string, int64, int64)) (jobs.Outcome, error) {
			progress("write", 1, 2)
			return jobs.Outcome{Rows: 5, Proof: map[string]string{"law": "5 = 5"}}, nil
		}
	})
	h.Run(h.service.Run)
	_, handler := h.service.Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := firnv1connect.NewMaintenanceServiceClient(server.Client(), server.URL)
	ctx := t.Context()
	tbl := h.create("bronze.lines", nil)
	for i := range 5 {
		h.append(tbl, "France", i*100, 20)
	}
	table := &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "lines"}

	plan, err := client.PlanJobs(ctx, connect.NewRequest(&firnv1.PlanJobsRequest{Table: table, Kind: firnv1.JobKind_JOB_KIND_COMPACT}))
	require.NoError(t, err)
	require.Len(t, plan.Msg.Groups, 1)
	require.Equal(t, "fuse", plan.Msg.Groups[0].Tier)
	require.EqualValues(t, 5, plan.Msg.Groups[0].Files)
	require.Len(t, h.live(tbl), 5, "a dry run does nothing")

	submitted, err := client.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: table, Kind: firnv1.JobKind_JOB_KIND_COMPACT}))
	require.NoError(t, err)
	stream, err := client.WatchJob(ctx, connect.NewRequest(&firnv1.WatchJobRequest{Id: submitted.Msg.Job.Id}))
	require.NoError(t, err)
	var last *firnv1.Job
	for stream.Receive() {
		last = stream.Msg().Job
	}
	require.NoError(t, stream.Err())
	require.Equal(t, firnv1.JobState_JOB_STATE_SUCCEEDED, last.State, last.Error)
	require.EqualValues(t, 5, last.FilesIn)
	require.EqualValues(t, 100, last.Rows)
	require.NotZero(t, last.SnapshotId)

	run, err := client.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Kind: firnv1.JobKind_JOB_KIND_PROMOTE, Model: "silver.lines"}))
	require.NoError(t, err)
	require.Equal(t, jobs.Succeeded, h.wait(run.Msg.Job.Id).State)

	list, err := client.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_SUCCEEDED}}))
	require.NoError(t, err)
	require.Len(t, list.Msg.Jobs, 2)
	require.EqualValues(t, 2, list.Msg.Counts["succeeded"])
	require.Equal(t, run.Msg.Job.Id, list.Msg.Jobs[0].Id, "newest first")

	_, err = client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: &firnv1.Schedule{Name: "night", Cron: "0 3 * * *", Kind: firnv1.JobKind_JOB_KIND_COMPACT, Table: table}}))
	require.NoError(t, err)
	schedules, err := client.ListSchedules(ctx, connect.NewRequest(&firnv1.ListSchedulesRequest{}))
	require.NoError(t, err)
	require.Len(t, schedules.Msg.Schedules, 1)
	require.NotNil(t, schedules.Msg.Schedules[0].NextFire)
	require.Equal(t, firnv1.OverlapPolicy_OVERLAP_POLICY_SKIP, schedules.Msg.Schedules[0].Overlap, "defaults are said")
	dry, err := client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{DryRun: true, Schedule: &firnv1.Schedule{
		Name: "night", Cron: "0 4 * * *", Kind: firnv1.JobKind_JOB_KIND_COMPACT, Windows: []string{"Mon-Fri 22:00-06:00"}, Missed: firnv1.MissedPolicy_MISSED_POLICY_ALL,
	}}))
	require.NoError(t, err)
	require.Equal(t, []string{"mon-fri 22:00-06:00"}, dry.Msg.Schedule.Windows)
	require.Len(t, dry.Msg.Schedule.Upcoming, 5)
	paused, err := client.PauseSchedule(ctx, connect.NewRequest(&firnv1.PauseScheduleRequest{Name: "night"}))
	require.NoError(t, err)
	require.True(t, paused.Msg.Schedule.Paused)
	require.Equal(t, "0 3 * * *", paused.Msg.Schedule.Cron, "a dry run changes nothing")
	require.Nil(t, paused.Msg.Schedule.NextFire)
	for range 2 { // the second is the first
		asked, err := client.RunSchedule(ctx, connect.NewRequest(&firnv1.RunScheduleRequest{Name: "night", RequestId: "one"}))
		require.NoError(t, err)
		require.Equal(t, firnv1.FiringOutcome_FIRING_OUTCOME_FIRED, asked.Msg.Firing.Outcome)
		require.Len(t, asked.Msg.Schedule.Firings, 1)
		require.Len(t, asked.Msg.Firing.Jobs, 1)
		require.Equal(t, "night", h.wait(asked.Msg.Firing.Jobs[0]).Schedule)
		require.Equal(t, "one", asked.Msg.Firing.RequestId)
	}
	for want, request := range map[int]string{1: "one", 0: "two"} {
		made, err := client.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{Schedule: "night", RequestId: request}))
		require.NoError(t, err)
		require.Len(t, made.Msg.Jobs, want, "jobs of the call %s", request)
	}
	resumed, err := client.ResumeSchedule(ctx, connect.NewRequest(&firnv1.ResumeScheduleRequest{Name: "night"}))
	require.NoError(t, err)
	require.NotNil(t, resumed.Msg.Schedule.NextFire)
	one, err := client.GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: "night"}))
	require.NoError(t, err)
	require.Len(t, one.Msg.Schedule.Firings, 1)
	for what, err := range map[string]error{
		"an unknown number is no default": second(client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: &firnv1.Schedule{Name: "x", Cron: "@daily", Kind: firnv1.JobKind_JOB_KIND_COMPACT, Overlap: 9}}))),
		"no kind":                         second(client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: &firnv1.Schedule{Name: "x", Cron: "@daily"}}))),
		"no schedule":                     second(client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{}))),
		"a long request id":               second(client.RunSchedule(ctx, connect.NewRequest(&firnv1.RunScheduleRequest{Name: "night", RequestId: strings.Repeat("x", 101)}))),
	} {
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), "%s: %v", what, err)
		require.Len(t, strings.Split(err.Error(), "\n"), 3, what)
	}
	_, err = client.DeleteSchedule(ctx, connect.NewRequest(&firnv1.DeleteScheduleRequest{Name: "night"}))
	require.NoError(t, err)

	for what, err := range map[string]error{
		"no such table":    second(client.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: &firnv1.TableRef{Namespace: []string{"a"}, Name: "b"}, Kind: firnv1.JobKind_JOB_KIND_COMPACT}))),
		"no such job":      second(client.GetJob(ctx, connect.NewRequest(&firnv1.GetJobRequest{Id: uuid.NewString()}))),
		"none to pause":    second(client.PauseSchedule(ctx, connect.NewRequest(&firnv1.PauseScheduleRequest{Name: "x"}))),
		"none to resume":   second(client.ResumeSchedule(ctx, connect.NewRequest(&firnv1.ResumeScheduleRequest{Name: "x"}))),
		"none to run":      second(client.RunSchedule(ctx, connect.NewRequest(&firnv1.RunScheduleRequest{Name: "x"}))),
		"none to get":      second(client.GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: "x"}))),
		"no such schedule": second(client.DeleteSchedule(ctx, connect.NewRequest(&firnv1.DeleteScheduleRequest{Name: "../x"}))),
	} {
		require.Equal(t, connect.CodeNotFound, connect.CodeOf(err), "%s: %v", what, err)
	}
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(second(client.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: table})))))
	require.Equal(t, connect.CodeFailedPrecondition, connect.CodeOf(second(client.CancelJob(ctx, connect.NewRequest(&firnv1.CancelJobRequest{Id: last.Id})))))
}

func second[T any](_ T, err error) error { return err }

// What a killed process left in the temporary folder is gone when the next one
// starts.
func TestLeftoversAreRemoved(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "compactor", "compact-1", "0", "fused.parquet")
	require.NoError(t, os.MkdirAll(filepath.Dir(left), 0o700))
	require.NoError(t, os.WriteFile(left, []byte("PAR1"), 0o600))
	newHouse(t, func(c *compactor.Config) { c.TempDir = dir })
	require.NoFileExists(t, left)
}
