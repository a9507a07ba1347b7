package cli

import (
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func TestProgressText(t *testing.T) {
	const mb = 1 << 20
	running := firnv1.JobState_JOB_STATE_RUNNING
	for want, j := range map[string]*firnv1.Job{
		"":                           {State: running},
		"plan":                       {State: running, Progress: &firnv1.Progress{Step: "plan"}},
		"write 10.0 MiB of 40.0 MiB": {State: running, Progress: &firnv1.Progress{Step: "write", DoneBytes: 10 * mb, TotalBytes: 40 * mb}},
		"write 10.0 MiB of 40.0 MiB, 1m30s left at 2.0 MiB/s": {State: running, Progress: &firnv1.Progress{
			Step: "write", DoneBytes: 10 * mb, TotalBytes: 40 * mb, Remaining: durationpb.New(90 * time.Second), BytesPerSecond: 2 * mb,
		}},
		// What is counted in objects or rows stands in the step, and is not shown as bytes.
		"delete 1000 of 5000 objects": {State: running, Kind: firnv1.JobKind_JOB_KIND_ORPHANS, Progress: &firnv1.Progress{Step: "delete 1000 of 5000 objects"}},
		"published 3145728 rows":      {State: running, Kind: firnv1.JobKind_JOB_KIND_PROMOTE, Progress: &firnv1.Progress{Step: "published 3145728 rows"}},
	} {
		if got := progressText(j); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	ended := &firnv1.Job{State: firnv1.JobState_JOB_STATE_FAILED, Progress: &firnv1.Progress{Step: "write", DoneBytes: 1, TotalBytes: 2}}
	if got := progressText(ended); got != "" {
		t.Errorf("an ended job makes progress: %q", got)
	}
}

func TestProgressInALog(t *testing.T) {
	j := &firnv1.Job{
		Kind: firnv1.JobKind_JOB_KIND_COMPACT, Table: &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "events"},
		State: firnv1.JobState_JOB_STATE_RUNNING, Progress: &firnv1.Progress{Step: "plan"},
	}
	start := time.Unix(1_700_000_000, 0)
	var p paced
	for _, c := range []struct {
		after time.Duration
		want  string
	}{{0, ""}, {9 * time.Second, ""}, {10 * time.Second, "compact bronze.events: plan"}, {11 * time.Second, ""}, {25 * time.Second, "compact bronze.events: plan"}} {
		if got := p.next(start.Add(c.after), j); got != c.want {
			t.Errorf("after %s: %q, not %q", c.after, got, c.want)
		}
	}
	j.State = firnv1.JobState_JOB_STATE_QUEUED
	if got := p.next(start.Add(time.Hour), j); got != "" {
		t.Errorf("a job that waits: %q", got)
	}
}

func TestScheduleTexts(t *testing.T) {
	for want, f := range map[string]*firnv1.Firing{
		"fired, 2 jobs":           {Outcome: firnv1.FiringOutcome_FIRING_OUTCOME_FIRED, Count: 1, JobsMade: 2},
		"skipped":                 {Outcome: firnv1.FiringOutcome_FIRING_OUTCOME_SKIPPED, Count: 1},
		"skipped 1,200 due times": {Outcome: firnv1.FiringOutcome_FIRING_OUTCOME_SKIPPED, Count: 1200},
	} {
		if got := firingText(f); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	for want, s := range map[string]*firnv1.Schedule{
		"all tables":    {},
		"bronze.*":      {Table: &firnv1.TableRef{Namespace: []string{"bronze"}}},
		"bronze.events": {Table: &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "events"}},
		"silver.lines":  {Model: "silver.lines"},
	} {
		if got := scheduleOn(s); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	bad := &firnv1.Schedule{Name: "cut", Broken: "its record in the store cannot be read: unexpected end of JSON input"}
	if got, want := brokenText(bad), "schedule cut is broken and does not fire: "+bad.Broken+"; put it again: firn schedule put cut ..., or remove it: firn schedule rm cut"; got != want || nextText(bad) != "broken" {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := policyChoices("MISSED_POLICY_", firnv1.MissedPolicy_value); got != "once|skip|all" {
		t.Error(got)
	}
}
