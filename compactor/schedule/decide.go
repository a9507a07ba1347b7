package schedule

import (
	"fmt"
	"time"
)

// Decision is what a look at a schedule comes to.
type Decision struct {
	// Next is the schedule afterwards, without the entry of what fires.
	Next Schedule
	// Changed: Next must be kept.
	Changed bool
	// Fire, when it fires; then there may be more to decide at once.
	Fire *Waiting
	// Reason of the firing, for its entry.
	Reason string
	// Cancel: the jobs of earlier firings have to stop.
	Cancel bool
}

// Reasons, for the entries of what was skipped.
const (
	whyOutside  = "due outside its windows (outside: skip)"
	whyWindow   = "another firing waits for the window already"
	whyActive   = "an earlier firing is not over: its jobs are active, or it waits (overlap: skip)"
	whyNoTable  = "no table is the one it names"
	whyQueued   = "another firing waits already (overlap: queue)"
	whyReplaced = "a later firing took its place (overlap: replace)"
	whyMissed   = "missed: no process looked at it in time"
	whyBacklog  = "missed: no more than the latest %d are caught up with (missed: all)"
	whyPaused   = "the schedule was paused"
	whyChanged  = "the schedule was changed"
)

// Decide says what becomes of everything that is due: up to the first firing, if
// there is one. active says whether jobs of earlier firings are.
func (s Schedule) Decide(now time.Time, active bool) Decision {
	d := Decision{Next: s.clone()}
	tt, err := s.compile()
	if err != nil {
		return d // a record that an older version let in; it never fires
	}
	now = now.UTC()
	d.head(tt, now, active)
	if d.Fire != nil || s.Paused {
		return d
	}
	d.missed(tt, now)
	for d.Fire == nil {
		due := tt.next(d.Next.decidedUpTo())
		if due.IsZero() || due.After(now) {
			break
		}
		d.Next.Since, d.Changed = due, true
		d.offer(tt, Waiting{Due: due}, now, active)
	}
	return d
}

// Ask says what becomes of a firing that somebody asks for. Windows do not matter.
func (s Schedule) Ask(request string, now time.Time, active bool) Decision {
	d := Decision{Next: s.clone(), Changed: true}
	if tt, err := s.compile(); err == nil {
		d.offer(tt, Waiting{Request: request}, now.UTC(), active)
	}
	return d
}

func (d *Decision) fire(w Waiting, why string) { d.Fire, d.Reason, d.Changed = &w, why, true }

// head looks at the firing that waits longest. A pause holds back what the clock
// wants, not what somebody asked for.
func (d *Decision) head(tt *timetable, now time.Time, active bool) {
	s := &d.Next
	if len(s.Waiting) == 0 {
		return
	}
	w := &s.Waiting[0]
	if w.Request == "" && (s.Paused || !tt.open(now)) {
		return
	}
	if active {
		switch {
		case w.Cause == ForWindow && s.Overlap == OverlapReplace:
			w.Cause, d.Changed = ForReplace, true
			d.Cancel = true
			return
		case w.Cause == ForWindow && s.Overlap == OverlapQueue:
			w.Cause, d.Changed = ForOverlap, true
			return
		case w.Cause != ForWindow:
			d.Cancel = w.Cause == ForReplace
			return
		}
		// Overlap skip: for the tables whose job has ended.
	}
	why := map[Cause]string{
		ForWindow: "waited for its window", ForOverlap: "waited for the jobs of an earlier firing",
		ForReplace: "the jobs of an earlier firing were cancelled for it", ForMissed: "missed, and caught up with (missed: all)",
	}[w.Cause]
	if w.Request != "" {
		why = asked + "; " + why
	}
	d.fire(*w, why)
	s.Waiting = s.Waiting[1:]
}

const asked = "asked for"

// missed decides the due times that nobody looked at in time, but for the one that
// fires for all (once), which is left to be offered.
func (d *Decision) missed(tt *timetable, now time.Time) {
	s := &d.Next
	late := now.Add(-Late)
	m := tt.count(s.decidedUpTo(), late)
	if m.n == 0 {
		return
	}
	keep := 0
	switch s.Missed {
	case MissedAll:
		keep = max(0, Backlog-len(s.Waiting))
	case MissedSkip:
	default:
		if next := tt.next(m.latest[len(m.latest)-1]); next.IsZero() || next.After(now) {
			keep = 1 // else one that is in time fires for them
		}
	}
	keep = min(keep, len(m.latest))
	if drop := m.n - keep; drop > 0 {
		until := m.latest[len(m.latest)-1-keep]
		f := Firing{Due: m.first, Until: until, Count: drop, At: now, Outcome: Skipped, Reason: whyMissed + " (missed: " + string(s.Missed) + ")"}
		if s.Missed == MissedAll {
			f.Reason = fmt.Sprintf(whyBacklog, Backlog)
		}
		if !m.exact {
			f.Reason += "; at least so many"
		}
		s.remember(f)
		s.Since, d.Changed = until, true
	}
	if s.Missed == MissedAll {
		for _, due := range m.latest[len(m.latest)-keep:] {
			s.Waiting = append(s.Waiting, Waiting{Due: due, Cause: ForMissed})
			s.Since, d.Changed = due, true
		}
	}
}

// offer decides one firing: it fires, waits or is skipped.
func (d *Decision) offer(tt *timetable, w Waiting, now time.Time, active bool) {
	s := &d.Next
	skip := func(why string) {
		s.remember(Firing{Due: w.Due, Until: w.Due, Count: 1, At: now, Outcome: Skipped, Reason: why, Request: w.Request})
	}
	if w.Request == "" && !tt.timely(w.Due, now) {
		switch {
		case s.Outside == OutsideSkip:
			skip(whyOutside)
		case s.waits(ForWindow):
			skip(whyWindow)
		default:
			d.wait(w, ForWindow)
		}
		return
	}
	why := ""
	switch {
	case w.Request != "":
		why = asked
	case now.Sub(w.Due) >= Late:
		why = "missed, and fired later (missed: once)"
	}
	free := len(s.Waiting) == 0 || w.Request != "" // who asks does not wait for a window
	switch {
	case !active && free:
		d.fire(w, why)
	case s.Overlap == OverlapQueue:
		if s.waits(ForOverlap) || len(s.Waiting) >= Backlog {
			skip(whyQueued)
			return
		}
		d.wait(w, ForOverlap)
	case s.Overlap == OverlapReplace:
		for _, older := range s.Waiting {
			s.remember(Firing{Due: older.Due, Until: older.Due, Count: 1, At: now, Outcome: Skipped, Reason: whyReplaced, Request: older.Request})
		}
		s.Waiting = nil
		if !active {
			d.fire(w, why)
			return
		}
		d.wait(w, ForReplace)
		d.Cancel = true
	case free: // overlap skip: for the tables whose job has ended
		d.fire(w, why)
	default:
		skip(whyActive)
	}
}

func (d *Decision) wait(w Waiting, c Cause) {
	w.Cause = c
	d.Next.Waiting = append(d.Next.Waiting, w)
	d.Changed = true
}

func (s *Schedule) waits(c Cause) bool {
	for _, w := range s.Waiting {
		if w.Cause == c {
			return true
		}
	}
	return false
}

// timely says whether windows let a due time fire now. One that is found in time is
// judged by when it was due: a look that comes a second after the closing still
// counts.
func (tt *timetable) timely(due, now time.Time) bool {
	if now.Sub(due) < Late {
		return tt.open(due) || !tt.skip && tt.open(now)
	}
	return tt.open(now) && (tt.open(due) || !tt.skip)
}

// missing are the due times of a stretch of time.
type missing struct {
	n      int
	exact  bool
	first  time.Time
	latest []time.Time // the last Backlog+1
}

// count counts the due times after since, up to and with until. It ends counting at
// some point and goes on shortly before until.
func (tt *timetable) count(since, until time.Time) missing {
	m := missing{exact: true}
	for due := tt.next(since); !due.IsZero() && !due.After(until); due = tt.next(due) {
		if m.n == 0 {
			m.first = due
		}
		m.n++
		if len(m.latest) > Backlog {
			m.latest = m.latest[1:]
		}
		m.latest = append(m.latest, due)
		if m.n == countable && m.exact {
			m.exact = false
			if near := until.Add(-time.Hour); near.After(due) {
				due = near
			}
		}
	}
	return m
}
