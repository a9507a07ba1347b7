package schedule

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// look is what one look at a schedule comes to, in a line.
func look(d Decision) string {
	var parts []string
	if d.Fire != nil {
		due := "on request"
		if !d.Fire.Due.IsZero() {
			due = d.Fire.Due.Format("15:04:05")
		}
		parts = append(parts, strings.TrimSuffix(fmt.Sprintf("fires %s (%s)", due, d.Reason), " ()"))
	}
	if d.Cancel {
		parts = append(parts, "cancels")
	}
	for _, w := range d.Next.Waiting {
		due := "a request"
		if !w.Due.IsZero() {
			due = w.Due.Format("15:04:05")
		}
		parts = append(parts, fmt.Sprintf("%s waits (%s)", due, w.Cause))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func TestDecide(t *testing.T) {
	const busy, free = true, false
	type step struct {
		at     string // of 2026-06-01, UTC
		active bool
		want   string // with what was skipped behind "; skipped"
	}
	for _, c := range []struct {
		what  string
		d     Definition
		steps []step
	}{
		{"hourly, nothing in the way", Definition{Cron: "0 * * * *"}, []step{
			{"12:30:00", free, "nothing"},
			{"13:00:00", free, "fires 13:00:00"},
			{"13:00:01", free, "nothing"},
			{"14:00:00", free, "fires 14:00:00"},
		}},
		{"overlap skip: it fires, for the tables that are free", Definition{Cron: "0 * * * *"}, []step{
			{"13:00:00", busy, "fires 13:00:00"},
		}},
		{"overlap queue: one waits", Definition{Cron: "0 * * * *", Overlap: OverlapQueue}, []step{
			{"13:00:00", busy, "13:00:00 waits (overlap)"},
			{"14:00:00", busy, "13:00:00 waits (overlap); skipped 14:00:00 x1: another firing waits already (overlap: queue)"},
			{"14:10:00", free, "fires 13:00:00 (waited for the jobs of an earlier firing)"},
			{"14:10:01", busy, "nothing"},
			{"15:00:00", free, "fires 15:00:00"},
		}},
		{"overlap replace: the older is cancelled", Definition{Cron: "0 * * * *", Overlap: OverlapReplace}, []step{
			{"13:00:00", busy, "cancels, 13:00:00 waits (replace)"},
			{"13:00:01", busy, "cancels, 13:00:00 waits (replace)"},
			{"14:00:00", busy, "cancels, 14:00:00 waits (replace); skipped 13:00:00 x1: a later firing took its place (overlap: replace)"},
			{"14:00:01", free, "fires 14:00:00 (the jobs of an earlier firing were cancelled for it)"},
		}},
		{"missed once: the latest fires for all", Definition{Cron: "0 * * * *"}, []step{
			{"17:30:00", free, "fires 17:00:00 (missed, and fired later (missed: once)); skipped 13:00:00-16:00:00 x4: missed: no process looked at it in time (missed: once)"},
			{"17:30:01", free, "nothing"},
		}},
		{"missed once: one that is in time fires for them", Definition{Cron: "0 * * * *"}, []step{
			{"15:00:30", free, "fires 15:00:00; skipped 13:00:00-14:00:00 x2: missed: no process looked at it in time (missed: once)"},
		}},
		{"missed once, @every: one that is in time fires for them", Definition{Cron: "@every 90m"}, []step{
			{"15:00:30", free, "fires 15:00:00; skipped 13:30:00 x1: missed: no process looked at it in time (missed: once)"},
		}},
		{"missed skip", Definition{Cron: "0 * * * *", Missed: MissedSkip}, []step{
			{"15:00:30", free, "fires 15:00:00; skipped 13:00:00-14:00:00 x2: missed: no process looked at it in time (missed: skip)"},
			{"18:30:00", free, "nothing; skipped 16:00:00-18:00:00 x3: missed: no process looked at it in time (missed: skip)"},
		}},
		{"missed all: one after the other", Definition{Cron: "0 * * * *", Missed: MissedAll}, []step{
			{"15:30:00", free, "13:00:00 waits (missed), 14:00:00 waits (missed), 15:00:00 waits (missed)"},
			{"15:30:00", free, "fires 13:00:00 (missed, and caught up with (missed: all)), 14:00:00 waits (missed), 15:00:00 waits (missed)"},
			{"15:30:01", busy, "14:00:00 waits (missed), 15:00:00 waits (missed)"},
			{"15:40:00", free, "fires 14:00:00 (missed, and caught up with (missed: all)), 15:00:00 waits (missed)"},
			{"16:00:00", busy, "15:00:00 waits (missed); skipped 16:00:00 x1: an earlier firing is not over: its jobs are active, or it waits (overlap: skip)"},
			{"16:00:01", free, "fires 15:00:00 (missed, and caught up with (missed: all))"},
		}},
		{"two in time at one look: one after the other", Definition{Cron: "*/20 * * * * *", Overlap: OverlapQueue}, []step{
			{"12:00:45", free, "fires 12:00:20"},
			{"12:00:45", busy, "12:00:40 waits (overlap)"},
		}},
		{"outside the window: it waits, one only", Definition{Cron: "0 * * * *", Windows: []string{"15:30-16:30"}}, []step{
			{"13:00:00", free, "13:00:00 waits (window)"},
			{"14:00:00", free, "13:00:00 waits (window); skipped 14:00:00 x1: another firing waits for the window already"},
			{"15:00:00", free, "13:00:00 waits (window); skipped 15:00:00 x1: another firing waits for the window already"},
			{"15:30:00", free, "fires 13:00:00 (waited for its window)"},
			{"16:00:00", free, "fires 16:00:00"},
			{"17:00:00", free, "17:00:00 waits (window)"},
		}},
		{"outside the window: skipped", Definition{Cron: "0 * * * *", Windows: []string{"15:30-16:30"}, Outside: OutsideSkip}, []step{
			{"13:00:00", free, "nothing; skipped 13:00:00 x1: due outside its windows (outside: skip)"},
			{"16:00:00", free, "fires 16:00:00; skipped 14:00:00-15:00:00 x2: missed: no process looked at it in time (missed: once)"},
			{"17:00:59", free, "nothing; skipped 17:00:00 x1: due outside its windows (outside: skip)"},
		}},
		{"due in the window, seen a second after its end", Definition{Cron: "59 59 15 * * *", Windows: []string{"15:30-16:00"}, Outside: OutsideSkip}, []step{
			{"16:00:01", free, "fires 15:59:59"},
		}},
		{"due in the window, missed, and found outside", Definition{Cron: "45 15 * * *", Windows: []string{"15:30-16:00"}}, []step{
			{"17:00:00", free, "15:45:00 waits (window)"},
		}},
		{"waits for the window, then for the jobs", Definition{Cron: "0 13 * * *", Windows: []string{"15:30-16:30"}, Overlap: OverlapQueue}, []step{
			{"13:00:00", busy, "13:00:00 waits (window)"},
			{"15:30:00", busy, "13:00:00 waits (overlap)"},
			{"15:40:00", free, "fires 13:00:00 (waited for the jobs of an earlier firing)"},
		}},
		{"waits for the window, then takes the jobs' place", Definition{Cron: "0 13 * * *", Windows: []string{"15:30-16:30"}, Overlap: OverlapReplace}, []step{
			{"13:00:00", busy, "13:00:00 waits (window)"},
			{"15:30:00", busy, "cancels, 13:00:00 waits (replace)"},
			{"17:00:00", free, "13:00:00 waits (replace)"}, // the window has closed meanwhile
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			d := c.d
			d.Name = "x"
			start := utc(t, "2026-06-01 12:00")
			if err := d.Check(start); err != nil {
				t.Fatal(err)
			}
			s := Schedule{Definition: d, Created: start, Since: start}
			for i, st := range c.steps {
				now := utc(t, "2026-06-01 "+st.at)
				before := len(s.Firings)
				var last Firing
				if before > 0 {
					last = s.Firings[before-1]
				}
				dec := s.Decide(now, st.active)
				got := look(dec)
				for k, f := range dec.Next.Firings {
					switch {
					case k < before-1 || k == before-1 && f.Count == last.Count:
						continue
					case k == before-1: // more of the same
						f.Due, f.Count = f.Until, f.Count-last.Count
					}
					due := f.Due.Format("15:04:05")
					if !f.Until.Equal(f.Due) {
						due += "-" + f.Until.Format("15:04:05")
					}
					got += fmt.Sprintf("; %s %s x%d: %s", f.Outcome, due, f.Count, f.Reason)
				}
				if got != st.want {
					t.Errorf("step %d, %s:\ngot  %s\nwant %s", i+1, st.at, got, st.want)
				}
				if !dec.Changed && (dec.Fire != nil || len(dec.Next.Firings) != before) {
					t.Errorf("step %d changes without saying so", i+1)
				}
				s = dec.Next
				if dec.Fire != nil {
					s.LastFired = dec.Fire.Due
				}
			}
		})
	}
}

// A long silence is bounded: in firings that are made up for, in what is counted,
// and in the record.
func TestALongSilence(t *testing.T) {
	start := utc(t, "2026-06-01 12:00")
	s := Schedule{Definition: Definition{Name: "x", Cron: "* * * * *", Missed: MissedAll}, Since: start}
	d := s.Decide(start.Add(1000*time.Minute+90*time.Second), false)
	if n := len(d.Next.Waiting); n != Backlog {
		t.Fatalf("%d wait", n)
	}
	f := d.Next.Firings[0]
	if f.Count != 900 || !strings.Contains(f.Reason, "latest 100") || !d.Next.Waiting[0].Due.Equal(f.Until.Add(time.Minute)) {
		t.Errorf("%+v, then %s", f, d.Next.Waiting[0].Due)
	}
	// More missed while they wait: there is no room for them.
	d = d.Next.Decide(start.Add(1010*time.Minute+90*time.Second), true)
	if n := len(d.Next.Waiting); n != Backlog || len(d.Next.Firings) != 4 || d.Next.Firings[2].Count != 9 {
		t.Errorf("%d wait, %+v", n, d.Next.Firings)
	}

	s.Cron, s.Missed = "* * * * * *", MissedOnce
	now := start.AddDate(1, 0, 0)
	d = s.Decide(now, false)
	if f := d.Next.Firings[0]; d.Fire == nil || now.Sub(d.Fire.Due) >= Late || f.Count < countable || !strings.Contains(f.Reason, "at least so many") {
		t.Errorf("%v %+v", d.Fire, d.Next.Firings)
	}
	for i := range 200 {
		s.remember(Firing{Due: start, Count: 1, Outcome: Fired, Reason: fmt.Sprint(i)})
	}
	if n := len(s.Firings); n != History || s.Firings[n-1].Reason != "199" {
		t.Errorf("%d are remembered", n)
	}
}

// Who asks does not wait for windows, a pause or what waits.
func TestAsk(t *testing.T) {
	now := utc(t, "2026-06-01 12:00")
	def := Definition{Cron: "0 * * * *", Windows: []string{"15:30-16:30"}}
	waits := []Waiting{{Due: now, Cause: ForWindow}}
	for _, c := range []struct {
		overlap Overlap
		active  bool
		want    string
	}{
		{OverlapSkip, false, "fires on request (asked for), 12:00:00 waits (window)"},
		{OverlapSkip, true, "fires on request (asked for), 12:00:00 waits (window)"},
		{OverlapQueue, false, "fires on request (asked for), 12:00:00 waits (window)"},
		{OverlapQueue, true, "12:00:00 waits (window), a request waits (overlap)"},
		{OverlapReplace, false, "fires on request (asked for), 12:00:00 waits (window)"},
		{OverlapReplace, true, "cancels, a request waits (replace)"},
	} {
		def.Overlap = c.overlap
		s := Schedule{Definition: def, Since: now, Waiting: waits, Paused: true}
		if got := look(s.Ask("id", now, c.active)); got != c.want {
			t.Errorf("%s, active %v:\ngot  %s\nwant %s", c.overlap, c.active, got, c.want)
		}
	}
	s := Schedule{Definition: def, Since: now, Paused: true, Waiting: []Waiting{{Request: "id", Cause: ForOverlap}}}
	if got := look(s.Decide(now.Add(5*time.Hour), false)); got != "fires on request (asked for; waited for the jobs of an earlier firing)" {
		t.Error(got)
	}
	if d := s.Decide(now.Add(5*time.Hour), true); d.Changed || d.Fire != nil {
		t.Error(look(d))
	}
}
