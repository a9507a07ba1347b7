package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Window is a part of the day, on some days of the week. It belongs to the day on
// which it opens: "fri 22:00-06:00" ends on Saturday. Its ends are times of the
// clock, so on the days when the clocks change it is an hour longer or shorter; one
// that would be left out altogether opens when the missing hour ends.
type Window struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day; to is 24:00 at the most
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

const windowHelp = `--window "22:00-06:00" --window "sat,sun 00:00-24:00"   (days mon to sun, as mon-fri or sat,sun)`

// ParseWindow reads "22:00-06:00", "mon-fri 22:00-06:00" or "sat,sun 00:00-24:00"; its
// error is an [Invalid].
func ParseWindow(text string) (Window, error) {
	fail := func(why string) (Window, error) {
		return Window{}, &Invalid{"windows", fmt.Sprintf("window %q cannot be read", text), why, windowHelp}
	}
	var w Window
	parts := strings.Fields(strings.ToLower(text))
	switch len(parts) {
	case 1:
		w.days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		if bad, ok := w.addDays(parts[0]); !ok {
			return fail(fmt.Sprintf("%q is no day of the week", bad))
		}
	default:
		return fail("it needs a part of the day, with days before it or not")
	}
	from, to, ok := strings.Cut(parts[len(parts)-1], "-")
	if !ok {
		return fail("the part of the day needs a beginning and an end")
	}
	if w.from, ok = minutes(from); !ok || w.from == 24*60 {
		return fail(fmt.Sprintf("%q is no time of the day", from))
	}
	if w.to, ok = minutes(to); !ok {
		return fail(fmt.Sprintf("%q is no time of the day", to))
	}
	if w.from == w.to {
		return fail("it ends when it begins; the whole day is 00:00-24:00")
	}
	return w, nil
}

// addDays reads "mon-fri,sun"; a range may go over the end of the week. It answers
// what it cannot read.
func (w *Window) addDays(text string) (bad string, ok bool) {
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		a, b := slices.Index(weekdays, first), slices.Index(weekdays, last)
		if a < 0 {
			return first, false
		}
		if b < 0 {
			return last, false
		}
		for d := a; ; d = (d + 1) % 7 {
			w.days[d] = true
			if d == b {
				break
			}
		}
	}
	return "", true
}

func minutes(text string) (int, bool) {
	h, m, ok := strings.Cut(text, ":")
	if !ok || len(h) != 2 || len(m) != 2 {
		return 0, false
	}
	hour, err1 := strconv.ParseUint(h, 10, 8)
	minute, err2 := strconv.ParseUint(m, 10, 8)
	n := int(hour*60 + minute)
	return n, err1 == nil && err2 == nil && minute < 60 && n <= 24*60
}

// String is the form in which windows are kept: days from Monday, ranges where
// there are three or more.
func (w Window) String() string {
	hours := fmt.Sprintf("%02d:%02d-%02d:%02d", w.from/60, w.from%60, w.to/60, w.to%60)
	var days []string
	for i := 1; i <= 7; i++ {
		if !w.days[i%7] {
			continue
		}
		last := i
		for last < 7 && w.days[(last+1)%7] {
			last++
		}
		switch {
		case i == 1 && last == 7:
			return hours
		case last >= i+2:
			days = append(days, weekdays[i]+"-"+weekdays[last%7])
			i = last
		default:
			days = append(days, weekdays[i%7])
		}
	}
	return strings.Join(days, ",") + " " + hours
}

// on is when the window that belongs to a day opens and closes; day is midnight on
// a clock that is never changed.
func (w Window) on(day time.Time, zone *time.Location) (opens, closes time.Time) {
	length := time.Duration(w.to-w.from) * time.Minute
	if length < 0 {
		length += 24 * time.Hour
	}
	from := day.Add(time.Duration(w.from) * time.Minute)
	opens, closes = moment(from, zone), moment(from.Add(length), zone)
	if !opens.Before(closes) {
		closes = opens.Add(length)
	}
	return opens, closes
}

// open says whether the schedule may fire at t.
func (tt *timetable) open(t time.Time) bool { return tt.opens(t).Equal(t) }

// opens is the first moment from t on at which the schedule may fire.
func (tt *timetable) opens(t time.Time) time.Time { return Opens(tt.windows, tt.zone, t) }

// Opens is the first moment from t on at which one of the windows is open; t itself
// when one is, or there are none.
func Opens(windows []Window, zone *time.Location, t time.Time) time.Time {
	if len(windows) == 0 {
		return t
	}
	var best time.Time
	today := wall(t, zone).Truncate(24 * time.Hour)
	for n := -2; n <= 8; n++ { // a window of the day before may be open; every weekday comes
		day := today.AddDate(0, 0, n)
		for _, w := range windows {
			if !w.days[day.Weekday()] {
				continue
			}
			opens, closes := w.on(day, zone)
			switch {
			case !t.Before(closes):
			case !t.Before(opens):
				return t
			case best.IsZero() || opens.Before(best):
				best = opens
			}
		}
	}
	return best
}
