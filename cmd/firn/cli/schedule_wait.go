package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// look is how often a firing that waits is looked at.
const look = 500 * time.Millisecond

// awaitFiring waits for a firing that was asked for, follows each job that it made to
// its end and prints them. The call is not repeated for it: a schedule forgets what
// is long past, and would then fire again.
func (a *app) awaitFiring(cmd *cobra.Command, name, request string, f *firnv1.Firing) error {
	operation, ctx := "run schedule "+name, cmd.Context()
	if f == nil {
		if !a.quiet {
			cmd.PrintErrln("it waits for the jobs of an earlier firing")
		}
		var err error
		if f, err = a.fired(ctx, name, request); err != nil {
			return a.remote(operation, err)
		}
	}
	if err := skipFault(name, f); err != nil {
		return err
	}
	if n := f.GetLeftOut(); n > 0 && !a.quiet {
		cmd.PrintErrln(Counted(int64(n), "table") + " left out, as a job is active")
	}
	listed, err := a.madeBy(ctx, name, request, f)
	if err != nil {
		return a.remote(operation, err)
	}
	var made []*firnv1.Job
	for _, j := range listed {
		ended, err := a.follow(ctx, j.GetId())
		if connect.CodeOf(err) == connect.CodeNotFound {
			continue // it ended, and so many others since that it is forgotten
		}
		if err != nil {
			return a.remote("watch job "+j.GetId()+" of schedule "+name, err)
		}
		if !a.quiet {
			cmd.PrintErrln(kindName(j.GetKind()) + " " + jobOn(ended) + ": " + stateName(ended.GetState()))
		}
		made = append(made, ended)
	}
	if err := a.printJobs(&firnv1.ListJobsResponse{Jobs: made}); err != nil {
		return err
	}
	if lost := int(f.GetJobsMade()) - len(made); lost > 0 {
		return &Fault{
			What: operation, Why: fmt.Sprintf("the outcome of %s is not known any more: so many have ended since that the list of jobs does not go back to them", Counted(int64(lost), "job")),
			Help: "firn job ls --schedule " + name, Exit: ExitFailure,
		}
	}
	return jobsFault(operation, name, made)
}

// fired waits until a firing that was asked for is decided.
func (a *app) fired(ctx context.Context, name, request string) (*firnv1.Firing, error) {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		answer, err := a.jobs().GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: name}))
		if err != nil {
			return nil, err
		}
		s := answer.Msg.GetSchedule()
		if i := slices.IndexFunc(s.GetFirings(), func(f *firnv1.Firing) bool { return f.GetRequestId() == request }); i >= 0 {
			return s.GetFirings()[i], nil
		}
		if !slices.ContainsFunc(s.GetWaiting(), func(w *firnv1.WaitingFiring) bool { return w.GetRequestId() == request }) {
			return nil, errors.New("the schedule does not know of the firing any more: it was removed and made again, or so much fell due since that it was forgotten")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-tick.C:
		}
	}
}

// madeBy are the jobs of a firing, oldest first, as they stand.
func (a *app) madeBy(ctx context.Context, name, request string, f *firnv1.Firing) ([]*firnv1.Job, error) {
	answer, err := a.jobs().ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{Schedule: name, RequestId: request, Limit: max(f.GetJobsMade(), 1)}))
	if err != nil {
		return nil, err
	}
	made := answer.Msg.GetJobs()
	slices.Reverse(made)
	return made, nil
}

// skipFault is nil for a firing that was not skipped.
func skipFault(name string, f *firnv1.Firing) error {
	if f.GetOutcome() != firnv1.FiringOutcome_FIRING_OUTCOME_SKIPPED {
		return nil
	}
	return &Fault{What: "run schedule " + name, Why: f.GetReason(), Help: "firn schedule show " + name, Exit: ExitConflict}
}

// jobsFault is nil when each job of a schedule succeeded.
func jobsFault(operation, schedule string, made []*firnv1.Job) error {
	var first *firnv1.Job
	faulty := 0
	for _, j := range made {
		if jobFault(operation, j) == nil {
			continue
		}
		if faulty++; first == nil {
			first = j
		}
	}
	switch {
	case faulty == 0:
		return nil
	case len(made) == 1:
		return jobFault(operation, first)
	}
	why := first.GetError()
	if first.GetState() == firnv1.JobState_JOB_STATE_CANCELLED {
		why = "the job was cancelled"
	}
	return &Fault{
		What: operation, Why: fmt.Sprintf("%d of %s did not succeed; %s %s: %s", faulty, Counted(int64(len(made)), "job"), kindName(first.GetKind()), jobOn(first), why),
		Help: "firn job ls --state failed,cancelled --schedule " + schedule, Exit: ExitFailure,
	}
}
