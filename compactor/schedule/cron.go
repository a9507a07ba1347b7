package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // images without a zone database know the zones too

	"github.com/robfig/cron/v3"
)

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// timetable knows a definition's due times and windows.
type timetable struct {
	cron    cron.Schedule
	zone    *time.Location
	windows []Window
	skip    bool // outside the windows
}

// everyHour are the bits of an hour field that names all hours.
const everyHour = 1<<24 - 1

// compile reads the texts of a definition.
func (d *Definition) compile() (*timetable, error) {
	t, faults := d.parse()
	if len(faults) > 0 {
		return nil, faults
	}
	return t, nil
}

// parse is compile with all that cannot be read.
func (d *Definition) parse() (*timetable, Invalids) {
	t := &timetable{skip: d.Outside == OutsideSkip}
	var faults Invalids
	var err error
	if t.zone, err = time.LoadLocation(d.TimeZone); err != nil || d.TimeZone == "Local" { // "" is UTC
		faults.add("time_zone", fmt.Sprintf("time zone %q is unknown", d.TimeZone), "zones have the names of the IANA database, as the operating systems do", "--time-zone Europe/Berlin   (or leave it out for UTC)")
	}
	if strings.HasPrefix(d.Cron, "TZ=") || strings.HasPrefix(d.Cron, "CRON_TZ=") {
		faults.add("cron", fmt.Sprintf("cron %q names a time zone", d.Cron), "windows and cron share one zone, that of the schedule", `--cron "0 2 * * *" --time-zone Europe/Berlin`)
	} else if t.cron, err = parser.Parse(d.Cron); err != nil {
		faults.add("cron", fmt.Sprintf("cron %q cannot be read", d.Cron), strings.ReplaceAll(err.Error(), "\n", " "), `--cron "0 2 * * *"   (minute hour day month weekday; or @hourly, @daily, @every 90m)`)
	}
	for _, text := range d.Windows {
		w, err := ParseWindow(text)
		if bad, ok := errors.AsType[*Invalid](err); ok {
			faults = append(faults, bad)
			continue
		}
		t.windows = append(t.windows, w)
	}
	return t, faults
}

// next is the first due time after t, in UTC; zero when there is none for years.
func (tt *timetable) next(t time.Time) time.Time {
	spec, ok := tt.cron.(*cron.SpecSchedule)
	if !ok { // @every: by time that passes
		return tt.cron.Next(t).UTC()
	}
	if spec.Hour&everyHour == everyHour {
		return tt.passing(t)
	}
	// Named times are looked for on a clock that is never changed, and found on the
	// real one. That keeps their order, so the first one after t is the one.
	for w := tt.cron.Next(wall(t, tt.zone)); !w.IsZero(); w = tt.cron.Next(w) {
		if at := moment(w, tt.zone); at.After(t) {
			return at
		}
	}
	return time.Time{}
}

// before is a moment up to now from which next finds what is due after now. An @every
// counts from what was decided last.
func (tt *timetable) before(now, decided time.Time) time.Time {
	every, ok := tt.cron.(cron.ConstantDelaySchedule)
	if !ok || !decided.Before(now) {
		return now
	}
	decided = decided.Truncate(time.Second)
	return decided.Add(now.Sub(decided) / every.Delay * every.Delay)
}

// passing is next for a cron of every hour: between two changes of the clocks they
// run evenly, and each such stretch is searched by itself.
func (tt *timetable) passing(t time.Time) time.Time {
	from := wall(t, tt.zone)
	for range 64 { // more changes of the clocks than lie in the years that cron looks ahead
		local := t.In(tt.zone)
		_, end := local.ZoneBounds()
		w := tt.cron.Next(from)
		if w.IsZero() {
			return time.Time{}
		}
		at := w.Add(-offset(local))
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		after := wall(end, tt.zone)
		if w.Before(after) {
			return end.UTC() // left out: the next moment there is
		}
		t, from = end, after.Add(-time.Second) // end itself may be due
	}
	return time.Time{}
}

func offset(local time.Time) time.Duration {
	_, seconds := local.Zone()
	return time.Duration(seconds) * time.Second
}

// wall is what a clock in the zone shows at t, as a time in UTC.
func wall(t time.Time, zone *time.Location) time.Time {
	return t.UTC().Add(offset(t.In(zone)))
}

// moment is when a clock in the zone shows w: for the first time when it does so
// twice, and when it never does, the moment at which it jumps over it.
func moment(w time.Time, zone *time.Location) time.Time {
	t := w.Add(-15 * time.Hour) // before any zone's w
	for {
		local := t.In(zone)
		start, end := local.ZoneBounds()
		at := w.Add(-offset(local))
		switch {
		case !start.IsZero() && at.Before(start):
			return start.UTC()
		case end.IsZero() || at.Before(end):
			return at.UTC()
		}
		t = end
	}
}
