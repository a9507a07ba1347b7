// Package jobs is a durable queue of work in the catalog store.
//
// What it promises. A job that was accepted is run until it has succeeded,
// has failed for good or was cancelled, through restarts and kills of any
// worker. At any time at most one worker holds a job's lease; each claim gets
// a higher [FencingToken], and only the holder of the latest one can record
// progress or an outcome, or commit under its [Fence]. A worker that is dead or cut off loses the job when
// its lease ends, and its handler's context is cancelled no later than that.
// A handler may therefore run more than once, also at the same time as a
// forgotten earlier run: its effects must be idempotent or be decided by a
// compare-and-swap, as commits are. Where only one process can work on the
// store ([Config.Alone]), what an earlier one left behind is taken over at once,
// with [Queue.Reclaim], instead of when its lease ends.
//
// Runs that fail and runs whose process ended count apart ([Job.Interrupted]): a
// healthy job is not given up because its process was killed a few times, and
// one that may be what kills its process waits longer each time.
//
// Two jobs with the same key are never active together: the second submission
// is answered with the first job. Ended jobs stay as history, bounded in
// number.
package jobs

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// Kind says which handler runs a job.
type Kind string

// FencingToken rises with each claim of a job.
type FencingToken uint64

// State of a job.
type State string

// The states. Queued and Running are active.
const (
	Queued    State = "queued"
	Running   State = "running"
	Succeeded State = "succeeded"
	Failed    State = "failed"
	Cancelled State = "cancelled"
)

// Ended says whether the state is final.
func (s State) Ended() bool { return s == Succeeded || s == Failed || s == Cancelled }

// Spec is what a submitter says.
type Spec struct {
	Kind  Kind          `json:"kind"`
	Table uuid.UUID     `json:"table,omitzero"`
	Ident catalog.Ident `json:"ident,omitzero"`
	// Model of a promotion.
	Model string `json:"model,omitempty"`
	// Trigger: commit, schedule, request.
	Trigger string `json:"trigger"`
	// Schedule is the name of the one that made it.
	Schedule string `json:"schedule,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// Request is the id of the call that asked for the firing of the schedule.
	Request string `json:"request,omitempty"`
	// Priority: higher is claimed first; among equals the older one.
	Priority float64 `json:"priority,omitempty"`
	// Full asks for all the work there is, not only what is worth it now.
	Full bool `json:"full,omitempty"`
	// Reshape moves files of old partition specs whatever the policy says.
	Reshape bool `json:"reshape,omitempty"`
	// Step of a rebalance, and Partition by its key; empty: what is ready, where it is hot.
	Step      string `json:"step,omitempty"`
	Partition string `json:"partition,omitempty"`
	// Key of jobs that must not be active together; empty: kind, table and model.
	Key string `json:"key,omitempty"`
	// NotBefore delays the first run.
	NotBefore time.Time `json:"not_before,omitzero"`
}

func (s Spec) key() string {
	if s.Key != "" {
		return s.Key
	}
	return fmt.Sprintf("%s/%s/%s", s.Kind, s.Table, s.Model)
}

// Progress is how far a run is.
type Progress struct {
	Step  string `json:"step,omitempty"` // plan, read, write, check, commit
	Done  int64  `json:"done,omitempty"` // bytes
	Total int64  `json:"total,omitempty"`
	// Left is how long the step will take yet at Rate, the run's own, smoothed, in
	// bytes a second; zero until that means something.
	Left time.Duration `json:"left,omitempty"`
	Rate int64         `json:"rate,omitempty"`
}

// Outcome is what a run achieved.
type Outcome struct {
	Tier       string            `json:"tier,omitempty"`
	FilesIn    int64             `json:"files_in,omitempty"`
	FilesOut   int64             `json:"files_out,omitempty"`
	BytesIn    int64             `json:"bytes_in,omitempty"`
	BytesOut   int64             `json:"bytes_out,omitempty"`
	Rows       int64             `json:"rows,omitempty"`
	SnapshotID int64             `json:"snapshot_id,omitempty"`
	Carried    int64             `json:"carried,omitempty"` // rows deleted meanwhile, and deleted in the outputs
	Wasted     int64             `json:"wasted,omitempty"`  // bytes written and not committed
	Proof      map[string]string `json:"proof,omitempty"`
}

// Job is a job as it stands.
type Job struct {
	ID string `json:"id"`
	Spec
	State     State     `json:"state"`
	CreatedAt time.Time `json:"created_at"`
	StartedAt time.Time `json:"started_at,omitzero"`
	EndedAt   time.Time `json:"ended_at,omitzero"`
	// Attempt counts the runs, those that were interrupted too.
	Attempt int `json:"attempt"`
	// Interrupted counts the runs that ended without an answer, because their
	// process did.
	Interrupted int `json:"interrupted,omitempty"`

	Progress Progress `json:"progress,omitzero"`
	Outcome  Outcome  `json:"outcome,omitzero"`
	// Error of the last attempt.
	Error string `json:"error,omitempty"`
	Lease Lease  `json:"lease,omitzero"`
	// CancelRequested: its worker is asked to stop.
	CancelRequested bool `json:"cancel_requested,omitempty"`

	version catalog.Version
}

func (j Job) clone() Job {
	j.Outcome.Proof = maps.Clone(j.Outcome.Proof)
	j.Ident.Namespace = slices.Clone(j.Ident.Namespace)
	return j
}

// Lease is who runs a job, until when.
type Lease struct {
	Owner string       `json:"owner,omitempty"`
	Token FencingToken `json:"token,omitempty"`
	Until time.Time    `json:"until,omitzero"`
}

var (
	// ErrNotFound: no job with that id; ended jobs leave the history in time.
	ErrNotFound = errors.New("no such job")
	// ErrNotActive: the job has ended and cannot be cancelled.
	ErrNotActive = errors.New("job has ended")
	// ErrActive: the job has not ended and cannot be retried.
	ErrActive = errors.New("job has not ended")
	// ErrCancelled is the cause of a handler's context when somebody cancelled
	// its job.
	ErrCancelled = errors.New("job was cancelled")
	// ErrLeaseLost is the cause of a handler's context when the job is no
	// longer this worker's: it stops and records nothing.
	ErrLeaseLost = errors.New("job was taken over by another worker")
	// ErrShutdown is the cause of a handler's context when the service ends:
	// the job goes back to the queue.
	ErrShutdown = errors.New("service is shutting down")
)

// permanent marks an error that no further attempt can mend.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Permanent marks an error of a handler: the job fails without another
// attempt. Every other error is tried again.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

// fatal marks an error after which no job can be run.
type fatal struct{ error }

func (f fatal) Unwrap() error { return f.error }

// Fatal marks an error of a handler that ends the service: [Queue.Run] returns
// it, and the job goes back to the queue.
func Fatal(err error) error {
	if err == nil {
		return nil
	}
	return fatal{err}
}
