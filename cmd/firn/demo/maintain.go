package demo

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/cmd/firn/cli"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// promote runs all models until each is up to date with what was ingested.
func (d *demo) promote(ctx context.Context) error {
	for range 100 {
		stream, err := d.models.Run(ctx, connect.NewRequest(&firnv1.RunRequest{}))
		if err != nil {
			return fmt.Errorf("run the models: %w", err)
		}
		moved := false
		for stream.Receive() {
			switch run := stream.Msg().GetRun(); run.GetState() {
			case firnv1.RunState_RUN_STATE_FAILED:
				_ = stream.Close()
				return fmt.Errorf("run %s: %s", run.GetModel(), run.GetError())
			case firnv1.RunState_RUN_STATE_SUCCEEDED:
				moved = true
			}
		}
		err = stream.Err()
		_ = stream.Close()
		if err != nil {
			return fmt.Errorf("run the models: %w", err)
		}
		if !moved {
			return nil
		}
	}
	return fmt.Errorf("the models are not up to date after 100 runs")
}

// promoted counts the rows read by all runs, and the time they took together.
func (d *demo) promoted(ctx context.Context) (rows int64, busy time.Duration, runs int, err error) {
	answer, err := d.models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Limit: 100_000}))
	if err != nil {
		return 0, 0, 0, fmt.Errorf("list runs: %w", err)
	}
	for _, run := range answer.Msg.GetRuns() {
		if run.GetState() == firnv1.RunState_RUN_STATE_SUCCEEDED {
			runs++
			rows += int64(run.GetRead())
			busy += run.GetEndedAt().AsTime().Sub(run.GetStartedAt().AsTime())
		}
	}
	return rows, busy, runs, nil
}

// tables lists all tables of the lake.
func (d *demo) tables(ctx context.Context) ([]*firnv1.TableSummary, error) {
	answer, err := d.catalog.ListTables(ctx, connect.NewRequest(&firnv1.ListTablesRequest{}))
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return answer.Msg.GetTables(), nil
}

// maintain submits one kind of job for every table and waits for their ends.
func (d *demo) maintain(ctx context.Context, kind firnv1.JobKind) (jobs []*firnv1.Job, err error) {
	tables, err := d.tables(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range tables {
		name := cli.TableName(t.GetTable())
		answer, err := d.jobs.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: t.GetTable(), Kind: kind}))
		if err != nil {
			return nil, fmt.Errorf("submit a job for %s: %w", name, err)
		}
		job, err := d.await(ctx, answer.Msg.GetJob().GetId())
		if err != nil {
			return nil, fmt.Errorf("watch a job of %s: %w", name, err)
		}
		if job.GetState() != firnv1.JobState_JOB_STATE_SUCCEEDED {
			return nil, fmt.Errorf("job %s of %s: %s", job.GetId(), name, job.GetError())
		}
		jobs = append(jobs, job)
	}
	return jobs, nil
}

func (d *demo) await(ctx context.Context, id string) (*firnv1.Job, error) {
	stream, err := d.jobs.WatchJob(ctx, connect.NewRequest(&firnv1.WatchJobRequest{Id: id}))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	var job *firnv1.Job
	for stream.Receive() {
		job = stream.Msg().GetJob()
	}
	if err := stream.Err(); err != nil {
		return nil, err
	}
	if job == nil {
		return nil, fmt.Errorf("no answer about job %s", id)
	}
	return job, nil
}

// finishedJobs adds up the compactions that the lake ran by itself and on
// request.
func (d *demo) finishedJobs(ctx context.Context) (compactions int, filesIn, filesOut, bytesIn uint64, busy time.Duration, err error) {
	answer, err := d.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_SUCCEEDED}, Limit: 100_000}))
	if err != nil {
		return 0, 0, 0, 0, 0, fmt.Errorf("list jobs: %w", err)
	}
	for _, job := range answer.Msg.GetJobs() {
		if job.GetKind() != firnv1.JobKind_JOB_KIND_COMPACT || job.GetFilesIn() == 0 {
			continue
		}
		compactions++
		filesIn += job.GetFilesIn()
		filesOut += job.GetFilesOut()
		bytesIn += job.GetBytesIn()
		busy += job.GetEndedAt().AsTime().Sub(job.GetStartedAt().AsTime())
	}
	return compactions, filesIn, filesOut, bytesIn, busy, nil
}
