// Package schedule makes jobs at times, exactly once for each.
//
// What it promises. Every due time of a schedule is decided once: it fires, or it
// is recorded as skipped with the reason; through restarts, kills and by any
// number of processes over one store. The jobs of a firing and the record that it
// fired are one batch of the store, under the condition that nobody decided
// meanwhile. A firing that has to wait (for a window, for earlier jobs) waits in the
// record.
//
// [Schedule.Decide] is the pure part: a schedule, the time and whether its jobs are
// active go in, what becomes of its due times comes out. [Book] is the part with a
// store.
//
// Time. A schedule is read in its own zone. A time that the clocks leave out fires
// at the next moment there is; a time that they show twice fires the first time.
// Only a cron whose hour is "*" counts hours that pass instead of hours that are
// named, so both of the doubled ones.
package schedule

import (
	"slices"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
)

// Definition is what somebody wants of a schedule. After [Definition.Check] its
// texts are in the form in which they are kept.
type Definition struct {
	Name     string    `json:"name"`
	Cron     string    `json:"cron"` // five fields, or six with seconds, or @daily
	TimeZone string    `json:"time_zone,omitempty"`
	Kind     jobs.Kind `json:"kind"`
	// Namespace and Table choose tables: one, all of a namespace, all.
	Namespace catalog.Namespace `json:"namespace,omitempty"`
	Table     string            `json:"table,omitempty"`
	Model     string            `json:"model,omitempty"`
	// Windows are when it may fire; empty: always.
	Windows []string `json:"windows,omitempty"`
	Outside Outside  `json:"outside,omitempty"`
	Overlap Overlap  `json:"overlap,omitempty"`
	Missed  Missed   `json:"missed,omitempty"`
}

// Outside is what becomes of a firing that is due outside the windows.
type Outside string

// The policies for times outside the windows.
const (
	OutsideWait Outside = "wait" // default: until the next opening; one waits
	OutsideSkip Outside = "skip"
)

// Overlap is what becomes of a firing while jobs of an earlier one are active.
type Overlap string

// The policies for overlaps.
const (
	OverlapSkip    Overlap = "skip"    // default: tables whose job is active are left out
	OverlapQueue   Overlap = "queue"   // it waits for their end; one waits
	OverlapReplace Overlap = "replace" // they are cancelled, and it fires when they have stopped
)

// Missed is what becomes of due times that nobody looked at for [Late].
type Missed string

// The policies for missed due times.
const (
	MissedOnce Missed = "once" // default: the latest fires for all
	MissedSkip Missed = "skip"
	MissedAll  Missed = "all" // each fires, one after the other; the latest Backlog of them
)

const (
	// Late is how old a due time is that counts as missed when it is found.
	Late = time.Minute
	// Backlog bounds the firings that wait.
	Backlog = 100
	// History bounds the firings that are remembered.
	History = 50
	// named bounds the ids of jobs that a remembered firing has.
	named = 20
	// countable bounds how many missed due times are counted; past it the count is
	// a least one.
	countable = 100_000
)

// Schedule is a definition and how far it has come.
type Schedule struct {
	Definition
	Created time.Time `json:"created"`
	// Since: due times up to it are decided.
	Since time.Time `json:"since,omitzero"`
	// LastFired is the latest due time that it fired for, or was asked to.
	LastFired time.Time `json:"last_fired,omitzero"`
	Paused    bool      `json:"paused,omitempty"`
	// Waiting are firings that will be, oldest first.
	Waiting []Waiting `json:"waiting,omitempty"`
	// Firings are the latest decisions, oldest first.
	Firings []Firing `json:"firings,omitempty"`

	version catalog.Version
	// broken is why its record cannot be read; then there is only the name.
	broken error
}

// Cause is what a firing waits for.
type Cause string

// The causes.
const (
	ForWindow  Cause = "window"
	ForOverlap Cause = "overlap" // the jobs of an earlier firing end by themselves
	ForReplace Cause = "replace" // they are cancelled
	ForMissed  Cause = "missed"  // it was missed; those before it come first
)

// Waiting is a firing that waits.
type Waiting struct {
	// Due is zero for a firing that was asked for.
	Due   time.Time `json:"due,omitzero"`
	Cause Cause     `json:"cause"`
	// Request is the id of the call that asked for it.
	Request string `json:"request,omitempty"`
}

// Outcome of a due time.
type Outcome string

// The outcomes.
const (
	Fired   Outcome = "fired"
	Skipped Outcome = "skipped"
)

// Firing is what became of a due time, or of several in a row that were skipped
// for one reason.
type Firing struct {
	Due   time.Time `json:"due,omitzero"`   // the first; zero when it was asked for
	Until time.Time `json:"until,omitzero"` // the last
	Count int       `json:"count"`
	At    time.Time `json:"at"` // when it was decided
	// Outcome and why it is that.
	Outcome Outcome `json:"outcome"`
	Reason  string  `json:"reason,omitempty"`
	// Jobs are the ids of the first jobs it made; Made is their number, LeftOut
	// that of tables whose job was active.
	Jobs    []string `json:"jobs,omitempty"`
	Made    int      `json:"made,omitempty"`
	LeftOut int      `json:"left_out,omitempty"`
	Request string   `json:"request,omitempty"`
}

func (s Schedule) clone() Schedule {
	s.Waiting, s.Firings = slices.Clone(s.Waiting), slices.Clone(s.Firings)
	return s
}

// decidedUpTo is the time up to which due times are decided.
func (s *Schedule) decidedUpTo() time.Time {
	switch {
	case !s.Since.IsZero():
		return s.Since
	case !s.LastFired.IsZero():
		return s.LastFired // a record of before there was Since
	}
	return s.Created
}

// remember adds a decision. Due times in a row that were skipped for one reason
// become one entry, so that a schedule by the second does not push out what matters.
func (s *Schedule) remember(f Firing) {
	if n := len(s.Firings); n > 0 && s.follows(s.Firings[n-1], f) {
		last := &s.Firings[n-1]
		last.Until, last.At, last.Count = f.Until, f.At, last.Count+f.Count
		return
	}
	s.Firings = append(s.Firings, f)
	s.Firings = slices.Clone(s.Firings[max(0, len(s.Firings)-History):])
}

// follows says whether two entries are one: skipped for the same reason, with no due
// time between them.
func (s *Schedule) follows(last, f Firing) bool {
	if last.Outcome != Skipped || f.Outcome != Skipped || last.Reason != f.Reason || last.Request+f.Request != "" {
		return false
	}
	tt, err := s.compile()
	return err == nil && tt.next(last.Until).Equal(f.Due)
}
