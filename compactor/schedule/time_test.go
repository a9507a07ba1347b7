package schedule

import (
	"slices"
	"strings"
	"testing"
	"time"
)

func compiled(t *testing.T, d Definition) *timetable {
	t.Helper()
	tt, err := d.compile()
	if err != nil {
		t.Fatal(err)
	}
	return tt
}

func utc(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04:05", (text + ":00")[:19])
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// On 2026-03-29 at 01:00 UTC Berlin jumps from 02:00 to 03:00, on 2026-10-25 at
// 01:00 UTC back from 03:00 to 02:00.
func TestDueTimesWhenTheClocksChange(t *testing.T) {
	for _, c := range []struct{ what, cron, zone, after, want string }{
		{"left out: the next moment", "30 2 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-29 01:00, 03-30 00:30, 03-31 00:30"},
		{"twice: the first", "30 2 * * *", "Europe/Berlin", "2026-10-24 12:00", "10-25 00:30, 10-26 01:30, 10-27 01:30"},
		{"twice, looked for between them", "30 2 * * *", "Europe/Berlin", "2026-10-25 00:45", "10-26 01:30, 10-27 01:30"},
		{"twice, looked for after both", "30 2 * * *", "Europe/Berlin", "2026-10-25 01:31", "10-26 01:30"},
		{"left out, and due where it ends", "0 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00", "03-29 01:00, 03-30 00:00, 03-30 01:00"},
		{"several left out are one", "*/15 2 * * *", "Europe/Berlin", "2026-03-29 00:00", "03-29 01:00, 03-30 00:00, 03-30 00:15"},
		{"twice, several: each once", "*/30 2 * * *", "Europe/Berlin", "2026-10-25 00:00:00", "10-25 00:30, 10-26 01:00"},
		{"from the doubled hour's end", "0 3 * * *", "Europe/Berlin", "2026-10-25 00:00", "10-25 02:00, 10-26 02:00"},
		{"every hour, forward", "0 * * * *", "Europe/Berlin", "2026-03-28 23:30", "03-29 00:00, 03-29 01:00, 03-29 02:00"},
		{"every hour, back: both", "0 * * * *", "Europe/Berlin", "2026-10-24 23:30", "10-25 00:00, 10-25 01:00, 10-25 02:00"},
		{"every half hour, back", "*/30 * * * *", "Europe/Berlin", "2026-10-25 00:10", "10-25 00:30, 10-25 01:00, 10-25 01:30, 10-25 02:00"},
		{"minute past, forward", "5 * * * *", "Europe/Berlin", "2026-03-29 00:00", "03-29 00:05, 03-29 01:00, 03-29 01:05"},
		{"hours of a day with none left out", "0 */6 * * *", "Europe/Berlin", "2026-03-28 22:00", "03-28 23:00, 03-29 04:00, 03-29 10:00"},
		{"by seconds, back", "*/20 59 2 * * *", "Europe/Berlin", "2026-10-25 00:59:30", "10-25 00:59:40, 10-26 01:59"},
		{"midnight is left out", "0 0 * * *", "Africa/Cairo", "2026-04-23 12:00", "04-23 22:00, 04-24 21:00"},
		{"half an hour is left out", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00", "10-03 15:30, 10-04 15:15"},
		{"utc", "0 2 * * *", "", "2026-03-29 01:00", "03-29 02:00, 03-30 02:00"},
		{"a leap day", "0 2 29 2 *", "Europe/Berlin", "2026-03-29 01:00", "02-29 01:00"},
		{"@every goes on over it", "@every 90m", "Europe/Berlin", "2026-10-25 00:00", "10-25 01:30, 10-25 03:00"},
	} {
		t.Run(c.what, func(t *testing.T) {
			tt := compiled(t, Definition{Cron: c.cron, TimeZone: c.zone})
			at := utc(t, c.after)
			var got []string
			for range strings.SplitSeq(c.want, ", ") {
				at = tt.next(at)
				text := at.Format("01-02 15:04")
				if at.Second() != 0 {
					text = at.Format("01-02 15:04:05")
				}
				got = append(got, text)
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), c.want)
			}
		})
	}
}

// Against a model that goes through a year minute by minute: what the clock shows is compared with the cron's own idea of a day without
// changes.
func TestDueTimesAreThoseOfTheClock(t *testing.T) {
	for _, zone := range []string{"Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo", "Asia/Kolkata"} {
		for _, cron := range []string{"30 2 * * *", "0 0,1,2,3 * * sun", "15,45 23 * * *", "0 */2 * * *"} {
			tt := compiled(t, Definition{Cron: cron, TimeZone: zone})
			for _, part := range [][2]string{{"2026-03-01 00:00", "2026-05-01 00:00"}, {"2026-09-20 00:00", "2026-11-10 00:00"}} {
				likeTheClock(t, tt, utc(t, part[0]), utc(t, part[1]))
			}
		}
	}
}

func likeTheClock(t *testing.T, tt *timetable, begin, end time.Time) {
	var want []time.Time
	shown := map[int64]bool{}
	last := wall(begin, tt.zone)
	for at := begin.Add(time.Minute); at.Before(end); at = at.Add(time.Minute) {
		now := wall(at, tt.zone)
		due := false
		// All that the clock shows for the first time, or jumped over.
		for w := last.Add(time.Minute); !w.After(now); w = w.Add(time.Minute) {
			if key := w.Unix(); !shown[key] {
				shown[key] = true
				due = due || tt.cron.Next(w.Add(-time.Second)).Equal(w)
			}
		}
		last = now
		if due {
			want = append(want, at)
		}
	}
	var got []time.Time
	for at := tt.next(begin); at.Before(end); at = tt.next(at) {
		got = append(got, at)
	}
	if len(want) == 0 || !slices.EqualFunc(got, want, time.Time.Equal) {
		t.Errorf("%v %s: %d due times, not %d", tt.cron, tt.zone, len(got), len(want))
		for i := range min(len(got), len(want)) {
			if !got[i].Equal(want[i]) {
				t.Errorf("the first that differs is %s, not %s", got[i], want[i])
				break
			}
		}
	}
}

func TestWindows(t *testing.T) {
	for _, c := range []struct{ what, windows, from, want string }{
		{"over midnight", "22:00-06:00", "2026-06-01 12:00", "06-01 20:00 - 06-02 04:00, 06-02 20:00 - 06-03 04:00"},
		{"on Fridays, into Saturday", "fri 22:00-06:00", "2026-06-01 12:00", "06-05 20:00 - 06-06 04:00, 06-12 20:00 - 06-13 04:00"},
		{"weekend", "sat,sun 00:00-24:00", "2026-06-01 12:00", "06-05 22:00 - 06-07 22:00, 06-12 22:00 - 06-14 22:00"},
		{"days over the end of the week", "sun-mon 01:00-02:00", "2026-06-02 12:00", "06-06 23:00 - 06-07 00:00, 06-07 23:00 - 06-08 00:00, 06-13 23:00 - 06-14 00:00"},
		{"two, one within the other", "22:00-06:00|23:00-01:00", "2026-06-01 12:00", "06-01 20:00 - 06-02 04:00"},
		{"night of the longer day", "22:00-06:00", "2026-10-24 12:00", "10-24 20:00 - 10-25 05:00, 10-25 21:00 - 10-26 05:00"},
		{"night of the shorter day", "22:00-06:00", "2026-03-28 12:00", "03-28 21:00 - 03-29 04:00, 03-29 20:00 - 03-30 04:00"},
		{"opens in the hour that is left out", "02:30-05:00", "2026-03-28 12:00", "03-29 01:00 - 03-29 03:00"},
		{"closes in the hour that is left out", "01:00-02:30", "2026-03-28 12:00", "03-29 00:00 - 03-29 01:00"},
		{"lies in the hour that is left out", "02:15-02:45", "2026-03-28 12:00", "03-29 01:00 - 03-29 01:30, 03-30 00:15 - 03-30 00:45"},
		{"lies in the hour that comes twice", "02:15-02:45", "2026-10-24 12:00", "10-25 00:15 - 10-25 00:45, 10-26 01:15 - 10-26 01:45"},
		{"opens in the hour that comes twice", "02:30-04:00", "2026-10-24 12:00", "10-25 00:30 - 10-25 03:00"},
	} {
		t.Run(c.what, func(t *testing.T) {
			tt := compiled(t, Definition{Cron: "0 * * * *", TimeZone: "Europe/Berlin", Windows: strings.Split(c.windows, "|")})
			at := utc(t, c.from)
			var got []string
			for range strings.SplitSeq(c.want, ", ") {
				opens := tt.opens(at)
				closes := opens
				for tt.open(closes) {
					closes = closes.Add(time.Minute)
				}
				got = append(got, opens.UTC().Format("01-02 15:04")+" - "+closes.UTC().Format("01-02 15:04"))
				at = closes
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, ", "), c.want)
			}
		})
	}
}

func TestWindowTexts(t *testing.T) {
	for text, want := range map[string]string{
		"22:00-06:00":                     "22:00-06:00",
		" Mon-Fri  22:00-06:00 ":          "mon-fri 22:00-06:00",
		"mon,tue,wed,fri 01:00-02:00":     "mon-wed,fri 01:00-02:00",
		"sun-sat 00:00-24:00":             "00:00-24:00",
		"sat-mon 00:00-24:00":             "mon,sat,sun 00:00-24:00",
		"sun 00:00-12:30":                 "sun 00:00-12:30",
		"mon-tue,tue-wed,mon 03:00-04:00": "mon-wed 03:00-04:00",
	} {
		w, err := ParseWindow(text)
		if err != nil || w.String() != want {
			t.Errorf("%q: %q %v", text, w, err)
			continue
		}
		if again, err := ParseWindow(want); err != nil || again != w {
			t.Errorf("%q does not come back: %v", want, err)
		}
	}
}

func TestCheckSaysWhatWhyAndWhatHelps(t *testing.T) {
	now := utc(t, "2026-06-01 12:00")
	good := Definition{Name: "nightly", Cron: "0  2 * * *", TimeZone: "Europe/Berlin", Windows: []string{"Sat-Sun 00:00-24:00"}}
	kept := good
	if err := kept.Check(now); err != nil {
		t.Fatal(err)
	}
	if kept.Cron != "0 2 * * *" || kept.Windows[0] != "sat,sun 00:00-24:00" || kept.Overlap != OverlapSkip || kept.Missed != MissedOnce || kept.Outside != OutsideWait {
		t.Errorf("%+v", kept)
	}
	for what, change := range map[string]func(*Definition){
		`name "a/b"`:                             func(d *Definition) { d.Name = "a/b" },
		`time zone "Mars/Olympus" is unknown`:    func(d *Definition) { d.TimeZone = "Mars/Olympus" },
		`time zone "Local" is unknown`:           func(d *Definition) { d.TimeZone = "Local" },
		`cron "often" cannot be read`:            func(d *Definition) { d.Cron = "often" },
		`cron "0 2 * * 8" cannot be read`:        func(d *Definition) { d.Cron = "0 2 * * 8" },
		`cron "" cannot be read`:                 func(d *Definition) { d.Cron = "" },
		`cron "TZ=UTC 0 2 * * *" names a time`:   func(d *Definition) { d.Cron = "TZ=UTC 0 2 * * *" },
		`cron "0 2 30 2 *" never fires`:          func(d *Definition) { d.Cron = "0 2 30 2 *" },
		`cron "0 12 * * *" never fires`:          func(d *Definition) { d.Cron, d.Windows, d.Outside = "0 12 * * *", []string{"22:00-06:00"}, OutsideSkip },
		`window "22-06" cannot be read`:          func(d *Definition) { d.Windows = []string{"22-06"} },
		`window "22:00" cannot`:                  func(d *Definition) { d.Windows = []string{"22:00"} },
		`window "24:00-06:00" cannot`:            func(d *Definition) { d.Windows = []string{"24:00-06:00"} },
		`window "22:00-22:00" cannot`:            func(d *Definition) { d.Windows = []string{"22:00-22:00"} },
		`window "22:00-25:00" cannot`:            func(d *Definition) { d.Windows = []string{"22:00-25:00"} },
		`window "22:60-23:00" cannot`:            func(d *Definition) { d.Windows = []string{"22:60-23:00"} },
		`window "montag 22:00-23:00" cannot`:     func(d *Definition) { d.Windows = []string{"montag 22:00-23:00"} },
		`window "mon- 22:00-23:00" cannot`:       func(d *Definition) { d.Windows = []string{"mon- 22:00-23:00"} },
		`window "mon tue 22:00-23:00" cannot`:    func(d *Definition) { d.Windows = []string{"mon tue 22:00-23:00"} },
		`window "" cannot be read`:               func(d *Definition) { d.Windows = []string{""} },
		`overlap policy "cancel" is unknown`:     func(d *Definition) { d.Overlap = "cancel" },
		`missed policy "catchup" is unknown`:     func(d *Definition) { d.Missed = "catchup" },
		`outside policy "fire" is unknown`:       func(d *Definition) { d.Outside = "fire" },
		`51 windows are too many`:                func(d *Definition) { d.Windows = slices.Repeat([]string{"22:00-23:00"}, 51) },
		`cron "0 2 * *" cannot be read`:          func(d *Definition) { d.Cron = "0 2 * *" },
		`cron "@every" cannot be read`:           func(d *Definition) { d.Cron = "@every" },
		`cron "CRON_TZ=UTC 0 2 * * *" names a t`: func(d *Definition) { d.Cron = "CRON_TZ=UTC 0 2 * * *" },
	} {
		d := good
		change(&d)
		err := d.Check(now)
		if err == nil {
			t.Errorf("%s: let in", what)
			continue
		}
		if lines := strings.Split(err.Error(), "\n"); len(lines) != 3 || lines[1] == "" || lines[2] == "" || !strings.HasPrefix(strings.TrimPrefix(lines[0], "schedule "), what) {
			t.Errorf("%s: %q", what, lines)
		}
	}
}

func TestUpcoming(t *testing.T) {
	texts := func(times []time.Time) string {
		var out []string
		for _, at := range times {
			out = append(out, at.Format("01-02 15:04"))
		}
		return strings.Join(out, ", ")
	}
	now := utc(t, "2026-06-01 12:00")
	s := Schedule{Definition: Definition{Cron: "0 */4 * * *", Windows: []string{"22:00-06:00"}}, Since: now}
	if got := texts(s.Upcoming(now, 4)); got != "06-01 22:00, 06-02 00:00, 06-02 04:00, 06-02 22:00" {
		t.Error(got)
	}
	s.Outside = OutsideSkip
	if got := texts(s.Upcoming(now, 4)); got != "06-02 00:00, 06-02 04:00, 06-03 00:00, 06-03 04:00" {
		t.Error(got)
	}
	s.Outside, s.Waiting = OutsideWait, []Waiting{{Due: now, Cause: ForWindow}}
	if got := texts(s.Upcoming(now, 2)); got != "06-01 22:00, 06-02 00:00" {
		t.Error(got)
	}
	every := Schedule{Definition: Definition{Cron: "@every 90m"}, Since: now}
	for at, want := range map[time.Duration]string{
		0: "06-01 13:30, 06-01 15:00", time.Hour: "06-01 13:30, 06-01 15:00", 4*time.Hour + 5*time.Second: "06-01 16:30, 06-01 18:00",
		90*time.Minute + 5*time.Second: "06-01 13:30, 06-01 15:00", // due now
	} {
		if got := texts(every.Upcoming(now.Add(at), 2)); got != want {
			t.Errorf("%s: %s", at, got)
		}
	}
	s.Paused = true
	if got := s.Upcoming(now, 2); got != nil {
		t.Error(got)
	}
}
