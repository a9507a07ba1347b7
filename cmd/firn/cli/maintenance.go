package cli

import (
	"fmt"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// maintenanceCommands are what a CronJob or Airflow calls: each waits for its
// job and answers with an exit code, unless told --detach.
func (a *app) maintenanceCommands() []*cobra.Command {
	return []*cobra.Command{
		a.policyCommand(),
		a.maintenance("compact", "Fix small files and fold deletes into them", firnv1.JobKind_JOB_KIND_COMPACT),
		a.rebalance(),
		a.maintenance("expire", "Expire snapshots by the table's policy", firnv1.JobKind_JOB_KIND_EXPIRE),
		a.maintenance("manifests", "Sort manifests by partition and drop deletes that apply to nothing", firnv1.JobKind_JOB_KIND_MANIFESTS),
		a.maintenance("orphans", "Remove files that no retained snapshot reaches", firnv1.JobKind_JOB_KIND_ORPHANS),
	}
}

func (a *app) maintenance(use, short string, kind firnv1.JobKind) *cobra.Command {
	var dryRun, detach, scheduled, reshape bool
	cmd := tableCommand(use, short, func(cmd *cobra.Command, name string, ref *firnv1.TableRef) error {
		if dryRun {
			return a.dryRun(cmd, name, &firnv1.PlanJobsRequest{Table: ref, Kind: kind, AsScheduled: scheduled, Reshape: reshape})
		}
		if scheduled {
			return usage("--as-scheduled is of a --dry-run", "firn compact "+name+" --dry-run --as-scheduled")
		}
		return a.submit(cmd, name, &firnv1.SubmitJobRequest{Table: ref, Kind: kind, Reshape: reshape}, detach)
	})
	waitFlags(cmd, &dryRun, &detach)
	if kind == firnv1.JobKind_JOB_KIND_COMPACT {
		cmd.Flags().BoolVar(&scheduled, "as-scheduled", false, "with --dry-run: what the planner would do now by itself, by policy, limits and windows")
		cmd.Flags().BoolVar(&reshape, "reshape", false, "also move files of old partition specs into the present one")
		cmd.MarkFlagsMutuallyExclusive("as-scheduled", "reshape")
	}
	return cmd
}

// waitFlags say whether to do it, and whether to wait for it.
func waitFlags(cmd *cobra.Command, dryRun, detach *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "print what would be done")
	cmd.Flags().Bool("wait", true, "wait for the end; the exit code is the job's")
	cmd.Flags().BoolVar(detach, "detach", false, "queue the job and return")
	cmd.MarkFlagsMutuallyExclusive("wait", "detach", "dry-run")
}

// submit queues a job and, unless detached, follows it to its end.
func (a *app) submit(cmd *cobra.Command, name string, request *firnv1.SubmitJobRequest, detach bool) error {
	use := kindName(request.GetKind())
	answer, err := a.jobs().SubmitJob(cmd.Context(), connect.NewRequest(request))
	if err != nil {
		return a.remote(use+" "+name, err)
	}
	job := answer.Msg.GetJob()
	if detach {
		cmd.PrintErrln("queued " + job.GetId() + "; follow it with: firn job watch " + job.GetId())
		return a.printJob(job)
	}
	if job, err = a.follow(cmd.Context(), job.GetId()); err != nil {
		return a.remote("watch job of "+name, err)
	}
	if err := a.printJob(job); err != nil {
		return err
	}
	return jobFault(use+" "+name, job)
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

func (a *app) dryRun(cmd *cobra.Command, name string, request *firnv1.PlanJobsRequest) error {
	answer, err := a.jobs().PlanJobs(cmd.Context(), connect.NewRequest(request))
	if err != nil {
		return a.remote("plan "+kindName(request.GetKind())+" of "+name, err)
	}
	plan := answer.Msg
	var items []proto.Message
	g := grid{header: []string{"tier", "partition", "files", "bytes", "outputs", "reason"}, right: []int{2, 3, 4}}
	for _, group := range plan.GetGroups() {
		g.rows = append(g.rows, []string{group.GetTier(), partition(group.GetPartition()), Count(group.GetFiles()), Bytes(group.GetBytes()), Count(group.GetOutputs()), group.GetReason()})
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
	if plan.GetPlanId() != "" && a.format == "table" && a.jq == "" {
		cmd.PrintErrln(fmt.Sprintf("plan %s of snapshot %d; why not more: %s", plan.GetPlanId(), plan.GetSnapshotId(), plan.GetWhyNot()))
	}
	return a.print(plan, g, items...)
}
