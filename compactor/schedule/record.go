package schedule

import (
	"reflect"
	"slices"
	"time"

	"github.com/firnlake/firn/compactor/jobs"
)

// same says whether a definition is the one there is; policies that an old record
// does not name are the defaults.
func (s *Schedule) same(d Definition) bool {
	have := s.Definition
	if have.Check(s.Created) != nil {
		return false
	}
	return reflect.DeepEqual(have, d)
}

// fired enters a firing with the jobs it made.
func (s *Schedule) fired(w Waiting, why string, now time.Time, specs []jobs.Spec, made []jobs.Job) {
	f := Firing{
		Due: w.Due, Until: w.Due, Count: 1, At: now, Outcome: Fired, Reason: why, Request: w.Request,
		Made: len(made), LeftOut: len(specs) - len(made),
	}
	for _, j := range made[:min(len(made), named)] {
		f.Jobs = append(f.Jobs, j.ID)
	}
	switch {
	case len(specs) == 0:
		f.Outcome, f.Reason = Skipped, whyNoTable
	case len(made) == 0:
		f.Outcome, f.Reason = Skipped, whyActive
	default:
		s.LastFired = w.Due
		if w.Due.IsZero() {
			s.LastFired = now
		}
	}
	s.remember(f)
}

// requested finds what became of a request: its entry, or nil while it waits.
func (s *Schedule) requested(id string) (*Firing, bool) {
	for i := range s.Firings {
		if s.Firings[i].Request == id {
			return &s.Firings[i], true
		}
	}
	return nil, slices.ContainsFunc(s.Waiting, func(w Waiting) bool { return w.Request == id })
}

// drop skips firings that wait.
func (s *Schedule) drop(now time.Time, why string, which func(Waiting) bool) {
	var stay []Waiting
	for _, w := range s.Waiting {
		if !which(w) {
			stay = append(stay, w)
			continue
		}
		s.remember(Firing{Due: w.Due, Until: w.Due, Count: 1, At: now, Outcome: Skipped, Reason: why, Request: w.Request})
	}
	s.Waiting = stay
}

// pass skips everything that is due by now. A process whose clock is behind that of
// the one that decided last does not take back what was decided.
func (s *Schedule) pass(now time.Time, why string) {
	if tt, err := s.compile(); err == nil {
		if m := tt.count(s.decidedUpTo(), now); m.n > 0 {
			if !m.exact {
				why += "; at least so many"
			}
			s.remember(Firing{Due: m.first, Until: m.latest[len(m.latest)-1], Count: m.n, At: now, Outcome: Skipped, Reason: why})
		}
	}
	if now.After(s.decidedUpTo()) {
		s.Since = now
	}
}
