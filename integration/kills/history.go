package kills

import (
	"context"
	"fmt"
	"slices"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// history reads the commit log and the runs, and answers what breaks a
// promise: a snapshot that was committed twice, one commit with two snapshots
// of a table (I14), a watermark that went back or skipped (I6), a promotion or
// job that failed.
func (s services) history(ctx context.Context) (problems []string, commits, runs int, err error) {
	commits, made, problems, err := s.commitLog(ctx)
	if err != nil {
		return nil, 0, 0, err
	}
	answer, err := s.models.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Limit: 100_000}))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list runs: %w", err)
	}
	all := answer.Msg.GetRuns()
	problems = append(problems, watermarks(all, made)...)
	for _, r := range all {
		if r.GetState() == firnv1.RunState_RUN_STATE_FAILED {
			problems = append(problems, fmt.Sprintf("run %s of %s failed: %s", r.GetId(), r.GetModel(), r.GetError()))
		}
	}
	failed, err := s.jobs.ListJobs(ctx, connect.NewRequest(&firnv1.ListJobsRequest{States: []firnv1.JobState{firnv1.JobState_JOB_STATE_FAILED}, Limit: 100}))
	if err != nil {
		return nil, 0, 0, fmt.Errorf("list jobs: %w", err)
	}
	for _, j := range failed.Msg.GetJobs() {
		problems = append(problems, fmt.Sprintf("job %s (%s of %s, attempt %d) failed: %s", j.GetId(), j.GetKind(), tableName(j.GetTable()), j.GetAttempt(), j.GetError()))
	}
	return problems, commits, len(all), nil
}

// commitLog answers how many commits there were, the snapshots that they made
// of each table in their order, and what is wrong with them.
func (s services) commitLog(ctx context.Context) (commits int, made map[string][]tableCommit, problems []string, err error) {
	snapshots, ids := map[int64]string{}, map[string]int64{}
	made = map[string][]tableCommit{}
	for after := ""; ; {
		answer, err := s.catalog.ListEvents(ctx, connect.NewRequest(&firnv1.ListEventsRequest{After: after, Limit: 5000}))
		if err != nil {
			return 0, nil, nil, fmt.Errorf("read the commit log: %w", err)
		}
		events := answer.Msg.GetEvents()
		if len(events) == 0 {
			return commits, made, problems, nil
		}
		for _, e := range events {
			after = e.GetPosition()
			if e.GetKind() != "commit" {
				continue
			}
			commits++
			name := tableName(e.GetTable())
			made[name] = append(made[name], tableCommit{e.GetSnapshotId(), e.GetOperation()})
			if other, twice := snapshots[e.GetSnapshotId()]; twice {
				problems = append(problems, fmt.Sprintf("I14: snapshot %d stands in the commit log at %s and %s", e.GetSnapshotId(), other, after))
			}
			snapshots[e.GetSnapshotId()] = after
			id := e.GetTableUuid() + "/" + e.GetCommitId()
			if other, twice := ids[id]; twice {
				problems = append(problems, fmt.Sprintf("I14: commit %s made two snapshots of %s, %d and %d", e.GetCommitId(), tableName(e.GetTable()), other, e.GetSnapshotId()))
			}
			ids[id] = e.GetSnapshotId()
		}
	}
}

// tableCommit is one commit of a table.
type tableCommit struct {
	id        int64
	operation string
}

// onlyReplaced says whether a table went from one snapshot to a later one by
// compactions alone. Then a watermark moves and there is no run: there was
// nothing to promote.
func onlyReplaced(made []tableCommit, from, to int64) bool {
	at := func(id int64) int { return slices.IndexFunc(made, func(s tableCommit) bool { return s.id == id }) }
	i, j := at(from), at(to)
	return i >= 0 && j > i && !slices.ContainsFunc(made[i+1:j+1], func(s tableCommit) bool { return s.operation != "replace" })
}

// watermarks checks, for runs newest first, that each run of a model begins
// where the one before ended, but for compactions of the source.
func watermarks(runs []*firnv1.Run, made map[string][]tableCommit) []string {
	var out []string
	begin := map[string]int64{} // of the next newer run, by model and source
	for _, r := range runs {
		if r.GetState() != firnv1.RunState_RUN_STATE_SUCCEEDED {
			continue
		}
		for _, source := range r.GetSources() {
			key, ended := r.GetModel()+" < "+source.GetTable(), source.GetToSnapshotId()
			if next, ok := begin[key]; ok && next != ended && !onlyReplaced(made[source.GetTable()], ended, next) {
				out = append(out, fmt.Sprintf("I6: run %s of %s ended at snapshot %d, the next began at %d", r.GetId(), key, ended, next))
			}
			begin[key] = source.GetFromSnapshotId()
		}
	}
	for key, from := range begin {
		if from != 0 {
			out = append(out, fmt.Sprintf("I6: the first run of %s began at snapshot %d, not at the beginning", key, from))
		}
	}
	return out
}
