package kills

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/harness"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// TestSchedulesThroughKills: a schedule by the second, in a process that is killed
// again and again at the moment of a firing. Each second is decided once, and the jobs
// there are are those that the firings say they made.
func TestSchedulesThroughKills(t *testing.T) {
	const kills = 10
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FIRN_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("repeat with FIRN_SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 7))
	p, err := newProcess(harness.Binary(t), filepath.Join(t.TempDir(), "lake"))
	require.NoError(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log:\n%s", p.tail())
		}
		p.stop()
	})
	_, err = p.start(t.Context())
	require.NoError(t, err)
	remote := connectTo(p.base())
	table := &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "events"}
	_, err = remote.catalog.CreateNamespace(t.Context(), connect.NewRequest(&firnv1.CreateNamespaceRequest{Namespace: &firnv1.Namespace{Levels: table.Namespace}}))
	require.NoError(t, err)
	_, err = remote.catalog.CreateTable(t.Context(), connect.NewRequest(&firnv1.CreateTableRequest{
		Table: table, Columns: []*firnv1.Column{{Name: "id", Type: "long", Required: true}},
	}))
	require.NoError(t, err)
	_, err = remote.jobs.PutSchedule(t.Context(), connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: &firnv1.Schedule{
		Name: "each-second", Cron: "* * * * * *", Kind: firnv1.JobKind_JOB_KIND_EXPIRE, Table: table,
	}}))
	require.NoError(t, err)
	for range kills {
		before := fired(t, t.Context(), remote)
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		// A firing has just been seen; the next is a second away, and the blow falls
		// somewhere around it.
		for fired(t, ctx, remote) == before {
			require.NoError(t, ctx.Err())
		}
		aim := time.NewTimer(900*time.Millisecond + time.Duration(rng.IntN(250))*time.Millisecond)
		select {
		case <-aim.C:
		case <-ctx.Done():
			t.Fatal("no time left")
		}
		cancel()
		require.NoError(t, p.kill(true))
		_, err := p.start(t.Context())
		require.NoError(t, err)
	}
	paused, err := remote.jobs.PauseSchedule(t.Context(), connect.NewRequest(&firnv1.PauseScheduleRequest{Name: "each-second"}))
	require.NoError(t, err)
	list, err := remote.jobs.ListJobs(t.Context(), connect.NewRequest(&firnv1.ListJobsRequest{Limit: 1000}))
	require.NoError(t, err)
	var made []string
	for _, j := range list.Msg.GetJobs() {
		if j.GetSchedule() == "each-second" {
			made = append(made, j.GetId())
		}
	}
	firings := paused.Msg.GetSchedule().GetFirings()
	t.Logf("%d jobs, %d entries, %d kills", len(made), len(firings), kills)
	require.GreaterOrEqual(t, len(made), kills)
	require.Empty(t, onceEach(firings, made))

	// Both kinds of fault are seen.
	twice := append([]*firnv1.Firing{firings[0]}, firings...)
	require.NotEmpty(t, onceEach(twice, made), "planted: a due time that is decided twice")
	require.NotEmpty(t, onceEach(slices.Delete(slices.Clone(firings), 1, 2), made), "planted: a due time that is forgotten")
	require.NotEmpty(t, onceEach(firings, append(made, "ffff")), "planted: a job that no firing made")
}

// fired is the due time that the schedule fired for last; zero when nobody answers.
func fired(t *testing.T, ctx context.Context, remote services) int64 {
	t.Helper()
	answer, err := remote.jobs.GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: "each-second"}))
	require.NoError(t, err)
	return answer.Msg.GetSchedule().GetLastFired().GetSeconds()
}

// onceEach says what is wrong with the record of a schedule by the second: due times
// that come twice or not at all, and jobs that are not those of its firings. Where the
// record was cut off, older jobs are not looked at.
func onceEach(newestFirst []*firnv1.Firing, made []string) (problems []string) {
	var next int64
	var named []string
	for _, f := range slices.Backward(newestFirst) {
		due, until := f.GetDue().GetSeconds(), f.GetUntil().GetSeconds()
		if next != 0 && due != next {
			problems = append(problems, fmt.Sprintf("the due time after %d is %d", next-1, due))
		}
		if n := until - due + 1; n != int64(f.GetCount()) {
			problems = append(problems, fmt.Sprintf("%d due times from %d to %d", f.GetCount(), due, until))
		}
		next = until + 1
		named = append(named, f.GetJobs()...)
	}
	slices.Sort(made)
	slices.Sort(named)
	if len(named) > 0 {
		first, _ := slices.BinarySearch(made, named[0])
		made = made[first:]
	}
	if !slices.Equal(made, named) {
		problems = append(problems, fmt.Sprintf("there are the jobs %v, firings made %v", made, named))
	}
	return problems
}
