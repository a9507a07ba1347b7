package schedule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/firnlake/firn/catalog"
)

// Invalid is a fault of a definition, for which it cannot be kept: what is wrong,
// why, and what helps, a line each. It is a [catalog.ErrInvalid].
type Invalid struct {
	// Field that is at fault: name, cron, time_zone, kind, model, windows, outside,
	// overlap, missed; empty when it is none of them.
	Field           string
	What, Why, Help string
}

func (e *Invalid) Error() string { return e.What + "\n" + e.Why + "\n" + e.Help }

func (e *Invalid) Unwrap() error { return catalog.ErrInvalid }

// Invalids are all faults of a definition, at least one; as an error it says the first.
type Invalids []*Invalid

func (e Invalids) Error() string { return e[0].Error() }

func (e Invalids) Unwrap() []error {
	out := make([]error, len(e))
	for i, fault := range e {
		out[i] = fault
	}
	return out
}

func (e *Invalids) add(field, what, why, help string) {
	*e = append(*e, &Invalid{field, what, why, help})
}

// Check says what is wrong with a definition, all of it as [Invalids], and brings its
// texts into the form in which they are kept. Kinds and what they need are the caller's
// to check.
func (d *Definition) Check(now time.Time) error {
	if faults := d.check(now); len(faults) > 0 {
		return faults
	}
	return nil
}

func (d *Definition) check(now time.Time) Invalids {
	var faults Invalids
	if !ValidName(d.Name) {
		faults.add("name", fmt.Sprintf("schedule name %q cannot be used", d.Name), "a name has 1 to 100 letters, digits, '-', '_' and '.'", "firn schedule put nightly ...")
	}
	d.Cron = strings.Join(strings.Fields(d.Cron), " ")
	policy(&faults, &d.Outside, "outside", OutsideWait, OutsideSkip)
	policy(&faults, &d.Overlap, "overlap", OverlapSkip, OverlapQueue, OverlapReplace)
	policy(&faults, &d.Missed, "missed", MissedOnce, MissedSkip, MissedAll)
	if len(d.Windows) > 50 {
		faults.add("windows", fmt.Sprintf("%d windows are too many", len(d.Windows)), "a schedule has at most 50", windowHelp)
		return faults
	}
	tt, unread := d.parse()
	if faults = append(faults, unread...); len(faults) > 0 {
		return faults
	}
	d.Windows = nil
	for _, w := range tt.windows {
		d.Windows = append(d.Windows, w.String())
	}
	if tt.next(now).IsZero() {
		faults.add("cron", fmt.Sprintf("cron %q never fires", d.Cron), "no day of the next years is the one it names", `--cron "0 2 28 * *"   (a day that every month has)`)
	} else if len(tt.upcoming(now, 1)) == 0 {
		faults.add("cron", fmt.Sprintf("cron %q never fires", d.Cron), "none of its times lies in "+strings.Join(d.Windows, " or ")+", and those outside are skipped", "--outside wait   (a firing waits for its window)")
	}
	return faults
}

// policy sets the default, or refuses what is none of the choices.
func policy[P ~string](faults *Invalids, p *P, name string, choices ...P) {
	if *p == "" {
		*p = choices[0]
	}
	if slices.Contains(choices, *p) {
		return
	}
	var texts []string
	for _, c := range choices {
		texts = append(texts, string(c))
	}
	faults.add(name, fmt.Sprintf("%s policy %q is unknown", name, string(*p)), "it is one of "+strings.Join(texts, ", "), "--"+name+" "+texts[0])
}

// ValidName says whether a schedule can be called that.
func ValidName(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 100
}

// upcoming are the next n times after t at which it fires if nothing is in the way.
func (tt *timetable) upcoming(t time.Time, n int) []time.Time {
	var out []time.Time
	last := t // the time after which due times are looked for
	for range 1000 {
		due := tt.next(last)
		if due.IsZero() || len(out) == n {
			break
		}
		last = due
		at := tt.opens(due)
		if !at.Equal(due) {
			// Nothing fires before the opening, and what waits is one.
			last = at.Add(-time.Second)
			if tt.skip {
				continue
			}
		}
		if len(out) == 0 || at.After(out[len(out)-1]) {
			out = append(out, at)
		}
	}
	return out
}

// Upcoming are the next n times at which it fires if nothing is in the way; none
// while it is paused. The first may have passed: it fires with the next look.
func (s *Schedule) Upcoming(now time.Time, n int) []time.Time {
	tt, err := s.compile()
	if err != nil || s.Paused {
		return nil
	}
	later := tt.upcoming(tt.before(now, s.decidedUpTo()), n)
	if len(s.Waiting) > 0 && s.Waiting[0].Cause == ForWindow {
		at := tt.opens(now)
		later = slices.DeleteFunc(later, func(t time.Time) bool { return !t.After(at) })
		return append([]time.Time{at}, later[:min(len(later), n-1)]...)
	}
	if due := tt.next(s.decidedUpTo()); !due.IsZero() && !due.After(now) && now.Sub(due) < Late {
		return append([]time.Time{due}, later[:min(len(later), n-1)]...)
	}
	return later
}
