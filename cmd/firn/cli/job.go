package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"google.golang.org/protobuf/proto"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func (a *app) jobCommands() []*cobra.Command {
	job := &cobra.Command{Use: "job", Short: "List, show, watch, cancel and retry jobs"}
	job.AddCommand(
		a.jobList(),
		a.oneJob("show", "Show a job with its proof", func(ctx context.Context, id string) (*firnv1.Job, error) {
			answer, err := a.jobs().GetJob(ctx, connect.NewRequest(&firnv1.GetJobRequest{Id: id}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetJob(), nil
		}),
		a.oneJob("cancel", "Cancel a job that waits or runs", func(ctx context.Context, id string) (*firnv1.Job, error) {
			answer, err := a.jobs().CancelJob(ctx, connect.NewRequest(&firnv1.CancelJobRequest{Id: id}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetJob(), nil
		}),
		a.oneJob("retry", "Queue a failed or cancelled job again", func(ctx context.Context, id string) (*firnv1.Job, error) {
			answer, err := a.jobs().RetryJob(ctx, connect.NewRequest(&firnv1.RetryJobRequest{Id: id}))
			if err != nil {
				return nil, err
			}
			return answer.Msg.GetJob(), nil
		}),
		a.oneJob("watch", "Follow a job to its end", a.follow),
	)
	return []*cobra.Command{job, a.scheduleCommand()}
}

func (a *app) jobList() *cobra.Command {
	var states []string
	var table, schedule string
	var limit uint32
	cmd := &cobra.Command{
		Use: "ls", Short: "List jobs, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			request := &firnv1.ListJobsRequest{Limit: limit, Schedule: schedule}
			for _, name := range states {
				value, ok := firnv1.JobState_value["JOB_STATE_"+strings.ToUpper(name)]
				if !ok {
					return usage("unknown state "+name, "--state queued|running|succeeded|failed|cancelled")
				}
				request.States = append(request.States, firnv1.JobState(value))
			}
			if table != "" {
				ref, err := parseTable(table)
				if err != nil {
					return err
				}
				request.Table = ref
			}
			answer, err := a.jobs().ListJobs(cmd.Context(), connect.NewRequest(request))
			if err != nil {
				return a.remote("list jobs", err)
			}
			return a.printJobs(answer.Msg)
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "queued|running|succeeded|failed|cancelled")
	cmd.Flags().StringVar(&table, "table", "", "only jobs on this table")
	cmd.Flags().StringVar(&schedule, "schedule", "", "only jobs that this schedule made")
	cmd.Flags().Uint32Var(&limit, "limit", 50, "jobs at the most")
	return cmd
}

func (a *app) printJobs(list *firnv1.ListJobsResponse) error {
	g := grid{header: []string{"job", "kind", "state", "on", "tier", "files", "bytes", "trigger", "created", "progress", "reason"}}
	var items []proto.Message
	for _, j := range list.GetJobs() {
		g.rows = append(g.rows, []string{
			j.GetId(), kindName(j.GetKind()), stateName(j.GetState()), jobOn(j), j.GetTier(),
			change(j, Count(j.GetFilesIn()), Count(j.GetFilesOut())), change(j, Bytes(j.GetBytesIn()), Bytes(j.GetBytesOut())),
			j.GetTrigger(), ago(j.GetCreatedAt()), cmp.Or(progressText(j), "-"), cmp.Or(j.GetError(), j.GetReason()),
		})
		items = append(items, j)
	}
	return a.print(list, g, items...)
}

// jobOn is the model or the table that a job works on.
func jobOn(j *firnv1.Job) string { return cmp.Or(j.GetModel(), TableName(j.GetTable())) }

// progressText says how far a running job is: the step, bytes done of bytes in all,
// and what is left at its own rate, once that means something.
func progressText(j *firnv1.Job) string {
	p := j.GetProgress()
	if j.GetState() != firnv1.JobState_JOB_STATE_RUNNING || p.GetStep() == "" {
		return ""
	}
	text := p.GetStep()
	if p.GetTotalBytes() > 0 {
		text += fmt.Sprintf(" %s of %s", Bytes(p.GetDoneBytes()), Bytes(p.GetTotalBytes()))
	}
	if left := leftText(p); left != "" {
		text += ", " + left
	}
	return text
}

// leftText is empty while what is left is not known.
func leftText(p *firnv1.Progress) string {
	if p.GetRemaining() == nil {
		return ""
	}
	return fmt.Sprintf("%s left at %s/s", p.GetRemaining().AsDuration(), Bytes(p.GetBytesPerSecond()))
}

// change writes what a job made of what; nothing for one that changed nothing.
func change(j *firnv1.Job, before, after string) string {
	if j.GetFilesIn() == 0 && j.GetFilesOut() == 0 {
		return "-"
	}
	return before + " -> " + after
}

func kindName(k firnv1.JobKind) string {
	return strings.ToLower(strings.TrimPrefix(k.String(), "JOB_KIND_"))
}

func stateName(s firnv1.JobState) string {
	return strings.ToLower(strings.TrimPrefix(s.String(), "JOB_STATE_"))
}

func (a *app) oneJob(use, short string, call func(context.Context, string) (*firnv1.Job, error)) *cobra.Command {
	return &cobra.Command{
		Use: use + " JOB", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			job, err := call(cmd.Context(), args[0])
			if err != nil {
				return a.remote(use+" job "+args[0], err)
			}
			return a.printJob(job)
		},
	}
}

func (a *app) printJob(j *firnv1.Job) error {
	g := grid{header: []string{"field", "value"}}
	add := func(field, value string) {
		if value != "" {
			g.rows = append(g.rows, []string{field, value})
		}
	}
	add("job", j.GetId())
	add("kind", kindName(j.GetKind()))
	add("state", stateName(j.GetState()))
	add("table", TableName(j.GetTable()))
	add("model", j.GetModel())
	add("trigger", j.GetTrigger())
	add("reason", j.GetReason())
	add("tier", j.GetTier())
	add("files", change(j, Count(j.GetFilesIn()), Count(j.GetFilesOut())))
	add("bytes", change(j, Bytes(j.GetBytesIn()), Bytes(j.GetBytesOut())))
	add("rows", change(j, Count(j.GetRows()), Count(j.GetRows())))
	add("progress", progressText(j))
	add("attempt", strconv.Itoa(int(j.GetAttempt())))
	add("schedule", j.GetSchedule())
	add("worker", j.GetWorker())
	if j.GetEndedAt() != nil && j.GetStartedAt() != nil {
		add("took", j.GetEndedAt().AsTime().Sub(j.GetStartedAt().AsTime()).Round(time.Millisecond).String())
	}
	if j.GetSnapshotId() != 0 {
		add("snapshot", strconv.FormatInt(j.GetSnapshotId(), 10))
	}
	add("error", j.GetError())
	for _, key := range slices.Sorted(maps.Keys(j.GetProof())) {
		add(strings.ReplaceAll(key, "_", " "), j.GetProof()[key])
	}
	return a.print(j, g)
}

// paced are lines of progress for a log, as of a CronJob: one every ten seconds, and
// none of a job that takes less.
type paced struct{ last time.Time }

// next is the line to write now, or nothing.
func (p *paced) next(now time.Time, j *firnv1.Job) string {
	if p.last.IsZero() {
		p.last = now
	}
	text := progressText(j)
	if text == "" || now.Sub(p.last) < 10*time.Second {
		return ""
	}
	p.last = now
	return kindName(j.GetKind()) + " " + cmp.Or(j.GetModel(), TableName(j.GetTable())) + ": " + text
}

// follow watches a job to its end, with a bar on a terminal and lines in a log.
func (a *app) follow(ctx context.Context, id string) (*firnv1.Job, error) {
	stream, err := a.jobs().WatchJob(ctx, connect.NewRequest(&firnv1.WatchJobRequest{Id: id}))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var bars *mpb.Progress
	var bar *mpb.Bar
	var last *firnv1.Job
	var lines paced
	var beside atomic.Value // the step and what is left, beside the bar
	beside.Store("")
	for stream.Receive() {
		last = stream.Msg().GetJob()
		if !a.terminal() && !a.quiet {
			if text := lines.next(time.Now(), last); text != "" {
				fmt.Fprintln(a.err, text)
			}
		}
		if !a.terminal() || last.GetProgress().GetTotalBytes() == 0 {
			continue
		}
		if bar == nil {
			bars = mpb.New(mpb.WithOutput(a.err), mpb.WithWidth(48))
			bar = bars.AddBar(int64(last.GetProgress().GetTotalBytes()),
				mpb.PrependDecorators(decor.Name(kindName(last.GetKind())+" "+cmp.Or(last.GetModel(), TableName(last.GetTable()))+" ")),
				mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.OnComplete(decor.Any(func(decor.Statistics) string { return beside.Load().(string) }), "")))
		}
		text := " " + last.GetProgress().GetStep()
		if left := leftText(last.GetProgress()); left != "" {
			text += ", " + left
		}
		beside.Store(text)
		bar.SetTotal(int64(last.GetProgress().GetTotalBytes()), false)
		bar.SetCurrent(int64(last.GetProgress().GetDoneBytes()))
	}
	if bar != nil {
		bar.SetTotal(-1, true)
		bars.Wait()
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if last == nil {
		return nil, connect.NewError(connect.CodeNotFound, fmt.Errorf("no job %s", id))
	}
	return last, nil
}
