package kills

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// services are the public services of the process, whichever life it is in.
type services struct {
	catalog firnv1connect.CatalogServiceClient
	models  firnv1connect.ModelServiceClient
	jobs    firnv1connect.MaintenanceServiceClient
	ingest  firnv1connect.IngestServiceClient
}

func connectTo(base string) services {
	client := &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: 2 * time.Second}).DialContext, MaxIdleConnsPerHost: 8}}
	return services{
		catalog: firnv1connect.NewCatalogServiceClient(client, base), models: firnv1connect.NewModelServiceClient(client, base),
		jobs: firnv1connect.NewMaintenanceServiceClient(client, base), ingest: firnv1connect.NewIngestServiceClient(client, base),
	}
}

// activity is what a process was seen to do.
type activity struct {
	promotions  []string // models
	compactions []string // table and step, those past planning first
}

// working tells whether a compaction has begun to read or write.
func (a activity) working() bool {
	return len(a.compactions) > 0 && !strings.HasSuffix(a.compactions[0], " plan") && !strings.HasSuffix(a.compactions[0], " ")
}

// observer looks at one life of the process. Jobs that an earlier life left
// behind as running are not taken for its own.
type observer struct {
	services
	stale map[string]bool
}

func attempt(j *firnv1.Job) string { return fmt.Sprint(j.GetId(), "/", j.GetAttempt()) }

func (s services) running(ctx context.Context) ([]*firnv1.Job, error) {
	answer, err := s.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_RUNNING}, Limit: 100}))
	if err != nil {
		return nil, fmt.Errorf("list jobs: %w", err)
	}
	return answer.Msg.GetJobs(), nil
}

// observe begins to look; left are the jobs running in the life before.
func (s services) observe(left map[string]bool) *observer { return &observer{s, left} }

// look answers what goes on now, and the running attempts, for the next life.
func (o *observer) look(ctx context.Context) (activity, map[string]bool, error) {
	var a activity
	runs, err := o.models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Limit: 3}))
	if err != nil {
		return a, nil, fmt.Errorf("list runs: %w", err)
	}
	for _, r := range runs.Msg.GetRuns() {
		if r.GetState() == firnv1.RunState_RUN_STATE_RUNNING {
			a.promotions = append(a.promotions, r.GetModel())
		}
	}
	jobs, err := o.running(ctx)
	if err != nil {
		return a, nil, err
	}
	seen := map[string]bool{}
	for _, j := range jobs {
		seen[attempt(j)] = true
		if o.stale[attempt(j)] {
			continue
		}
		switch j.GetKind() {
		case firnv1.JobKind_JOB_KIND_COMPACT:
			a.compactions = append(a.compactions, tableName(j.GetTable())+" "+j.GetProgress().GetStep())
		case firnv1.JobKind_JOB_KIND_PROMOTE:
			a.promotions = append(a.promotions, j.GetModel())
		}
	}
	slices.SortFunc(a.compactions, func(x, y string) int {
		planning := func(s string) int {
			if strings.HasSuffix(s, " plan") || strings.HasSuffix(s, " ") {
				return 1
			}
			return 0
		}
		return planning(x) - planning(y)
	})
	return a, seen, nil
}

// until looks again and again until what is seen is wanted, or ctx ends.
func (o *observer) until(ctx context.Context, wanted func(activity) bool) (activity, map[string]bool, error) {
	tick := time.NewTicker(4 * time.Millisecond)
	defer tick.Stop()
	for {
		a, seen, err := o.look(ctx)
		if err != nil || wanted(a) {
			return a, seen, err
		}
		select {
		case <-ctx.Done():
			return a, seen, ctx.Err()
		case <-tick.C:
		}
	}
}

func tableName(r *firnv1.TableRef) string {
	return strings.Join(append(slices.Clone(r.GetNamespace()), r.GetName()), ".")
}

// tables lists the tables of the lake.
func (s services) tables(ctx context.Context) ([]*firnv1.TableSummary, error) {
	answer, err := s.catalog.ListTables(ctx, connect.NewRequest(&firnv1.ListTablesRequest{}))
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", err)
	}
	return answer.Msg.GetTables(), nil
}

// metadata answers where a table's metadata is.
func (s services) metadata(ctx context.Context, r *firnv1.TableRef) (string, error) {
	answer, err := s.catalog.GetTable(ctx, connect.NewRequest(&firnv1.GetTableRequest{Table: r}))
	if err != nil {
		return "", fmt.Errorf("load %s: %w", tableName(r), err)
	}
	return answer.Msg.GetMetadataLocation(), nil
}

// settle waits until nothing is queued or running.
func (s services) settle(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		answer, err := s.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{
			States: []firnv1.JobState{firnv1.JobState_JOB_STATE_RUNNING, firnv1.JobState_JOB_STATE_QUEUED}, Limit: 10,
		}))
		if err != nil {
			return fmt.Errorf("list jobs: %w", err)
		}
		if len(answer.Msg.GetJobs()) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("jobs have not ended: %w: %v", ctx.Err(), answer.Msg.GetJobs())
		case <-tick.C:
		}
	}
}

// promote runs all models until none has anything to do.
func (s services) promote(ctx context.Context) error {
	for range 200 {
		stream, err := s.models.Run(ctx, connect.NewRequest(&firnv1.RunRequest{}))
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
	return fmt.Errorf("the models are not up to date after 200 runs")
}

// maintain runs one kind of job on every table, to its end.
func (s services) maintain(ctx context.Context, kind firnv1.JobKind) error {
	tables, err := s.tables(ctx)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if _, err := s.jobs.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Table: t.GetTable(), Kind: kind})); err != nil {
			return fmt.Errorf("submit a job for %s: %w", tableName(t.GetTable()), err)
		}
	}
	return s.settle(ctx)
}
