package cli

import (
	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// maintenanceCommands are what a CronJob or Airflow calls: each waits for its
// job and answers with an exit code, unless told --detach.
func (a *app) maintenanceCommands() []*cobra.Command {
	return []*cobra.Command{
		a.maintenance("compact", "Fix small files and fold deletes into them", firnv1.JobKind_JOB_KIND_COMPACT),
		a.maintenance("expire", "Expire snapshots by the table's policy", firnv1.JobKind_JOB_KIND_EXPIRE),
		a.maintenance("manifests", "Sort manifests by partition and drop deletes that apply to nothing", firnv1.JobKind_JOB_KIND_MANIFESTS),
		a.maintenance("orphans", "Remove files that no retained snapshot reaches", firnv1.JobKind_JOB_KIND_ORPHANS),
	}
}

func (a *app) maintenance(use, short string, kind firnv1.JobKind) *cobra.Command {
	var dryRun, detach, wait bool
	cmd := tableCommand(use, short, func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		if dryRun {
			return a.dryRun(cmd, name, ref, kind)
		}
		answer, err := a.jobs().SubmitJob(cmd.Context(), connect.NewRequest(&firnv1.SubmitJobRequest{Table: ref, Kind: kind}))
		if err != nil {
			return a.remote(use+" "+name, err)
		}
		job := answer.Msg.GetJob()
		if detach {
			cmd.PrintErrln("queued " + job.GetId() + "; follow it with: firn job watch " + job.GetId())
			return a.printJob(job)
		}
		job, err = a.follow(cmd.Context(), job.GetId())
		if err != nil {
			return a.remote("watch job of "+name, err)
		}
		if err := a.printJob(job); err != nil {
			return err
		}
		return jobFault(use+" "+name, job)
	})
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print what would be done")
	cmd.Flags().BoolVar(&wait, "wait", true, "wait for the end; the exit code is the job's")
	cmd.Flags().BoolVar(&detach, "detach", false, "queue the job and return")
	cmd.MarkFlagsMutuallyExclusive("wait", "detach", "dry-run")
	return cmd
}

// jobFault is nil for a job that succeeded.
func jobFault(operation string, job *firnv1.Job) error {
	switch job.GetState() {
	case firnv1.JobState_JOB_STATE_SUCCEEDED:
		return nil
	case firnv1.JobState_JOB_STATE_CANCELLED:
		return &Fault{What: operation, Why: "the job was cancelled", Help: "firn job retry " + job.GetId(), Exit: ExitFailure}
	default:
		return &Fault{What: operation, Why: job.GetError(), Help: "firn job show " + job.GetId(), Exit: ExitFailure}
	}
}

func (a *app) dryRun(cmd *cobra.Command, name string, ref *firnv1.TableRef, kind firnv1.JobKind) error {
	answer, err := a.jobs().PlanJobs(cmd.Context(), connect.NewRequest(&firnv1.PlanJobsRequest{Table: ref, Kind: kind}))
	if err != nil {
		return a.remote("plan "+kindName(kind)+" of "+name, err)
	}
	plan := answer.Msg
	var items []proto.Message
	g := grid{header: []string{"tier", "partition", "files", "bytes", "reason"}, right: []int{2, 3}}
	for _, group := range plan.GetGroups() {
		g.rows = append(g.rows, []string{group.GetTier(), partition(group.GetPartition()), Count(group.GetFiles()), Bytes(group.GetBytes()), group.GetReason()})
		items = append(items, group)
	}
	if len(plan.GetObjects()) > 0 {
		g = grid{header: []string{"would remove"}}
		for _, object := range plan.GetObjects() {
			g.rows = append(g.rows, []string{object})
		}
	}
	if len(g.rows) == 0 && a.format == "table" && a.jq == "" {
		cmd.PrintErrln("nothing to do: " + plan.GetWhyNot())
		return nil
	}
	return a.print(plan, g, items...)
}
