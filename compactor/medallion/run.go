package medallion

import (
	"fmt"
	"time"
)

// RunState is where a run stands.
type RunState string

// The states of a run.
const (
	RunRunning   RunState = "running"
	RunSucceeded RunState = "succeeded"
	RunUpToDate  RunState = "up-to-date" // the watermark was at the head
	RunFailed    RunState = "failed"     // nothing was published
)

// Run is one promotion of one model, in the terms of the conservation law.
type Run struct {
	ID             string           `json:"id"`
	Model          string           `json:"model"`
	State          RunState         `json:"state"`
	StartedAt      time.Time        `json:"started_at"`
	EndedAt        time.Time        `json:"ended_at,omitzero"`
	Sources        []SourceRange    `json:"sources,omitempty"`
	Read           int64            `json:"read"`
	LiveBefore     int64            `json:"live_before"`
	LiveAfter      int64            `json:"live_after"`
	Superseded     int64            `json:"superseded"`
	Stale          int64            `json:"stale"`
	Deleted        int64            `json:"deleted"`
	Quarantined    int64            `json:"quarantined"`
	Dropped        int64            `json:"dropped"`
	Filtered       int64            `json:"filtered"`
	Warned         int64            `json:"warned"`
	ByRule         map[string]int64 `json:"by_rule,omitempty"`
	Groups         int64            `json:"groups,omitempty"`
	RowsWritten    int64            `json:"rows_written"`
	SnapshotID     int64            `json:"snapshot_id,omitempty"`
	Error          string           `json:"error,omitempty"`
	DefinitionHash string           `json:"definition_hash"`
	Steps          []Step           `json:"steps,omitempty"`
	// More tells that the source has rows beyond this run's.
	More bool `json:"more,omitempty"`
}

// SourceRange is what was read of a source: after From (0: the beginning), up
// to To.
type SourceRange struct {
	Table string `json:"table"`
	From  int64  `json:"from"`
	To    int64  `json:"to"`
}

// Step is the time that a part of a run took: plan, read, transform, gate,
// write, commit.
type Step struct {
	Name    string        `json:"name"`
	Elapsed time.Duration `json:"elapsed"`
}

// timer adds the time since the last step to the run.
type timer struct {
	run  *Run
	now  func() time.Time
	last time.Time
}

func (t *timer) step(name string) {
	now := t.now()
	elapsed := now.Sub(t.last)
	t.last = now
	for i := range t.run.Steps {
		if t.run.Steps[i].Name == name {
			t.run.Steps[i].Elapsed += elapsed
			return
		}
	}
	t.run.Steps = append(t.run.Steps, Step{name, elapsed})
}

// LawError says that a run's counts contradict each other. Nothing was
// published.
type LawError struct {
	Model, Detail string
}

func (e *LawError) Error() string {
	return fmt.Sprintf("promotion of %s violates the conservation law: %s; nothing was published and the watermark stays: this is a fault of Firn or of a stored file, run firn doctor and report it with the run", e.Model, e.Detail)
}

// checkLaw is the conservation law of row-by-row models. Every count in it was
// taken on its own.
func (r *Run) checkLaw() error {
	in := r.Read + r.LiveBefore
	out := r.LiveAfter + r.Superseded + r.Stale + r.Deleted + r.Quarantined + r.Dropped + r.Filtered
	if in == out {
		return nil
	}
	return &LawError{r.Model, fmt.Sprintf("read %d + live before %d = %d, but live after %d + superseded %d + stale %d + deleted %d + quarantined %d + dropped %d + filtered %d = %d",
		r.Read, r.LiveBefore, in, r.LiveAfter, r.Superseded, r.Stale, r.Deleted, r.Quarantined, r.Dropped, r.Filtered, out)}
}
