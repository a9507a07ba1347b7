package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// firing is a service whose schedule waits for some looks and then made jobs that end
// as they are told to.
type firing struct {
	firnv1connect.UnimplementedMaintenanceServiceHandler
	waits  int // looks until it is decided
	lost   bool
	skip   string // the reason it is skipped for
	ends   []firnv1.JobState
	more   uint32 // jobs made that the list does not have
	gone   bool   // the jobs are forgotten after they were listed
	waited func()

	mu      sync.Mutex
	request string
	runs    int
	asked   []*firnv1.ListJobsRequest
}

func (s *firing) decided() *firnv1.Firing {
	f := &firnv1.Firing{Outcome: firnv1.FiringOutcome_FIRING_OUTCOME_FIRED, RequestId: s.request, JobsMade: uint32(len(s.ends)) + s.more}
	if s.skip != "" {
		f.Outcome, f.Reason, f.JobsMade = firnv1.FiringOutcome_FIRING_OUTCOME_SKIPPED, s.skip, 0
	}
	return f
}

func (s *firing) RunSchedule(_ context.Context, r *connect.Request[firnv1.RunScheduleRequest]) (*connect.Response[firnv1.RunScheduleResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs, s.request = s.runs+1, r.Msg.GetRequestId()
	out := &firnv1.RunScheduleResponse{Schedule: &firnv1.Schedule{Name: r.Msg.GetName()}}
	if s.waits == 0 && !s.lost {
		out.Firing = s.decided()
	}
	return connect.NewResponse(out), nil
}

func (s *firing) GetSchedule(_ context.Context, r *connect.Request[firnv1.GetScheduleRequest]) (*connect.Response[firnv1.GetScheduleResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &firnv1.Schedule{Name: r.Msg.GetName(), Firings: []*firnv1.Firing{{RequestId: "another", JobsMade: 9}}, Waiting: []*firnv1.WaitingFiring{{RequestId: "another"}}}
	s.waits--
	switch {
	case s.lost:
	case s.waits > 0:
		out.Waiting = append(out.Waiting, &firnv1.WaitingFiring{WaitsFor: "overlap", RequestId: s.request})
		if s.waited != nil {
			s.waited()
		}
	default:
		out.Firings = append(out.Firings, s.decided())
	}
	return connect.NewResponse(&firnv1.GetScheduleResponse{Schedule: out}), nil
}

func (s *firing) job(i int, state firnv1.JobState) *firnv1.Job {
	j := &firnv1.Job{Id: string(rune('a' + i)), Kind: firnv1.JobKind_JOB_KIND_COMPACT, Model: "m" + string(rune('a'+i)), State: state}
	if state == firnv1.JobState_JOB_STATE_FAILED {
		j.Error = "disk full"
	}
	return j
}

func (s *firing) ListJobs(_ context.Context, r *connect.Request[firnv1.ListJobsRequest]) (*connect.Response[firnv1.ListJobsResponse], error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, r.Msg)
	out := &firnv1.ListJobsResponse{}
	for i := range s.ends {
		out.Jobs = append(out.Jobs, s.job(i, firnv1.JobState_JOB_STATE_QUEUED))
	}
	slices.Reverse(out.Jobs)
	return connect.NewResponse(out), nil
}

func (s *firing) WatchJob(_ context.Context, r *connect.Request[firnv1.WatchJobRequest], stream *connect.ServerStream[firnv1.WatchJobResponse]) error {
	if s.gone {
		return connect.NewError(connect.CodeNotFound, errors.New("no such job"))
	}
	i := int(r.Msg.GetId()[0] - 'a')
	for _, state := range []firnv1.JobState{firnv1.JobState_JOB_STATE_RUNNING, s.ends[i]} {
		if err := stream.Send(&firnv1.WatchJobResponse{Job: s.job(i, state)}); err != nil {
			return err
		}
	}
	return nil
}

// invoke runs a command line against a service.
func invoke(ctx context.Context, t *testing.T, service firnv1connect.MaintenanceServiceHandler, args ...string) (code int, out, faults string) {
	t.Helper()
	_, handler := firnv1connect.NewMaintenanceServiceHandler(service)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	var stdout, stderr bytes.Buffer
	root := &cobra.Command{Use: "firn", SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(Commands(root)...)
	root.SetArgs(append(args, "--server", server.URL))
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	code = Report(&stderr, root.ExecuteContext(ctx))
	return code, stdout.String(), stderr.String()
}

func TestRunScheduleAndWait(t *testing.T) {
	const succeeded, failed, cancelled = firnv1.JobState_JOB_STATE_SUCCEEDED, firnv1.JobState_JOB_STATE_FAILED, firnv1.JobState_JOB_STATE_CANCELLED
	for what, c := range map[string]struct {
		service *firing
		code    int
		says    []string
	}{
		"all succeed":         {&firing{ends: []firnv1.JobState{succeeded, succeeded}}, ExitOK, []string{"compact ma: succeeded\ncompact mb: succeeded\n"}},
		"it waits":            {&firing{waits: 2, ends: []firnv1.JobState{succeeded}}, ExitOK, []string{"it waits for the jobs of an earlier firing\ncompact ma: succeeded\n"}},
		"it waits and fails":  {&firing{waits: 1, ends: []firnv1.JobState{failed}}, ExitFailure, []string{"error: run schedule x\n  why: disk full\n  try: firn job show a\n"}},
		"one fails":           {&firing{ends: []firnv1.JobState{succeeded, failed, cancelled}}, ExitFailure, []string{"why: 2 of 3 jobs did not succeed; compact mb: disk full\n  try: firn job ls --state failed,cancelled --schedule x\n"}},
		"one is cancelled":    {&firing{ends: []firnv1.JobState{cancelled}}, ExitFailure, []string{"why: the job was cancelled\n  try: firn job retry a\n"}},
		"skipped":             {&firing{skip: "its jobs are active"}, ExitConflict, []string{"why: its jobs are active\n  try: firn schedule show x\n"}},
		"skipped later":       {&firing{waits: 1, skip: "a later firing took its place"}, ExitConflict, []string{"why: a later firing took its place\n"}},
		"forgotten":           {&firing{lost: true}, ExitFailure, []string{"why: the schedule does not know of the firing any more"}},
		"jobs forgotten":      {&firing{ends: []firnv1.JobState{succeeded}, more: 2}, ExitFailure, []string{"why: the outcome of 2 jobs is not known any more"}},
		"a job forgotten now": {&firing{ends: []firnv1.JobState{succeeded}, gone: true}, ExitFailure, []string{"why: the outcome of 1 job is not known any more"}},
	} {
		t.Run(what, func(t *testing.T) {
			code, out, faults := invoke(t.Context(), t, c.service, "schedule", "run", "x", "--wait")
			assert.Equal(t, c.code, code, faults)
			for _, text := range c.says {
				assert.Contains(t, faults, text)
			}
			assert.Equal(t, 1, c.service.runs, "it is asked for once")
			assert.NotContains(t, out, "running")
			if len(c.service.asked) > 0 {
				asked := c.service.asked[0]
				assert.Equal(t, []any{"x", c.service.request, uint32(len(c.service.ends)) + c.service.more}, []any{asked.GetSchedule(), asked.GetRequestId(), asked.GetLimit()})
			}
		})
	}
}

func TestRunScheduleIsInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	service := &firing{waits: 1 << 30, waited: interrupt}
	code, out, faults := invoke(ctx, t, service, "schedule", "run", "x", "--wait")
	assert.Equal(t, ExitInterrupted, code, faults)
	assert.Empty(t, out)
}

func TestRunScheduleForScripts(t *testing.T) {
	service := &firing{ends: []firnv1.JobState{firnv1.JobState_JOB_STATE_SUCCEEDED}}
	code, out, faults := invoke(t.Context(), t, service, "schedule", "run", "x", "--wait", "--quiet", "--jq", ".jobs[0].state", "--request-id", "mine")
	assert.Equal(t, []any{ExitOK, "JOB_STATE_SUCCEEDED\n", "", "mine"}, []any{code, out, faults, service.request})
	service.waits = 5
	code, _, faults = invoke(t.Context(), t, service, "schedule", "run", "x")
	assert.Zero(t, code, faults)
	assert.Contains(t, faults, "firn schedule show x", "without --wait it does not wait")
}
