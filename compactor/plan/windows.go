package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Windows are times of the week in which the planner may make jobs. The zero
// value is always.
type Windows struct {
	text string
	zone *time.Location
	list []window
}

// window is from a minute of the day on, on some days of the week, for so many
// minutes of the wall clock; it may reach into the next day.
type window struct {
	days       [7]bool
	from, till int // minutes since midnight; till is greater, and may be past 24 h
}

// String is the text that was parsed; "always" for none.
func (w Windows) String() string {
	if len(w.list) == 0 {
		return "always"
	}
	return w.text
}

var weekdays = map[string]int{"sun": 0, "mon": 1, "tue": 2, "wed": 3, "thu": 4, "fri": 5, "sat": 6}

const windowsForm = `want windows like "22:00-06:00", or "mon-fri 20:00-06:00; sat,sun 00:00-24:00 in Europe/Berlin", or always`

// ParseWindows reads
//
//	[DAYS ]HH:MM-HH:MM[; ...][ in ZONE] | always
//
// DAYS are those on which the window opens: mon-fri, or sat,sun; every day where
// none are given. ZONE is an IANA name, UTC where none is given. On the two days a
// year with a leap of the clock, the wall clock counts.
func ParseWindows(s string) (Windows, error) {
	text := strings.ToLower(strings.TrimSpace(s))
	if text == "always" {
		return Windows{}, nil
	}
	w := Windows{text: strings.TrimSpace(s), zone: time.UTC}
	if at := strings.LastIndex(text, " in "); at >= 0 {
		name := strings.TrimSpace(w.text[at+4:])
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || strings.EqualFold(name, "local") {
			return Windows{}, fmt.Errorf("time zone %q is not known: want an IANA name like Europe/Berlin", name)
		}
		w.zone, text = zone, text[:at]
	}
	for part := range strings.SplitSeq(text, ";") {
		one, err := parseWindow(strings.Fields(part))
		if err != nil {
			return Windows{}, err
		}
		w.list = append(w.list, one)
	}
	return w, nil
}

func parseWindow(words []string) (window, error) {
	var w window
	bad := fmt.Errorf("%s", windowsForm)
	switch len(words) {
	case 1:
		w.days = [7]bool{true, true, true, true, true, true, true}
	case 2:
		for part := range strings.SplitSeq(words[0], ",") {
			first, last, ranged := strings.Cut(part, "-")
			a, known := weekdays[first]
			b, known2 := weekdays[last]
			if !ranged {
				b, known2 = a, true
			}
			if !known || !known2 {
				return w, bad
			}
			for d := a; ; d = (d + 1) % 7 {
				w.days[d] = true
				if d == b {
					break
				}
			}
		}
	default:
		return w, bad
	}
	from, till, ok := strings.Cut(words[len(words)-1], "-")
	a, okA := minuteOfDay(from)
	b, okB := minuteOfDay(till)
	if !ok || !okA || !okB || a == b || a == 24*60 {
		return w, bad
	}
	if b < a {
		b += 24 * 60
	}
	w.from, w.till = a, b
	return w, nil
}

func minuteOfDay(s string) (int, bool) {
	h, m, ok := strings.Cut(s, ":")
	hours, err1 := strconv.Atoi(h)
	minutes, err2 := strconv.Atoi(m)
	if !ok || err1 != nil || err2 != nil || len(h) > 2 || len(m) != 2 || hours < 0 || minutes < 0 || minutes > 59 || hours*60+minutes > 24*60 {
		return 0, false
	}
	return hours*60 + minutes, true
}

// Open says whether a time is inside of a window; and when it is not, when the
// next one opens.
func (w Windows) Open(at time.Time) (open bool, opens time.Time) {
	if len(w.list) == 0 {
		return true, time.Time{}
	}
	local := at.In(w.zone)
	for _, x := range w.list {
		// From yesterday's, which may reach into today, to the same day of the
		// next week.
		for day := -1; day <= 7; day++ {
			midnight := time.Date(local.Year(), local.Month(), local.Day()+day, 0, 0, 0, 0, w.zone)
			if !x.days[midnight.Weekday()] {
				continue
			}
			clock := func(minute int) time.Time {
				return time.Date(local.Year(), local.Month(), local.Day()+day, 0, minute, 0, 0, w.zone)
			}
			from, till := clock(x.from), clock(x.till)
			if !at.Before(from) && at.Before(till) {
				return true, time.Time{}
			}
			if from.After(at) && (opens.IsZero() || from.Before(opens)) {
				opens = from
			}
		}
	}
	return false, opens
}
