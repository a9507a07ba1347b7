package plan

import (
	"fmt"
	"strings"
	"time"

	"github.com/firnlake/firn/compactor/schedule"
)

// Windows are times of the week in which the planner may make jobs; they are those
// of schedules. The zero value is always.
type Windows struct {
	text string
	zone *time.Location
	list []schedule.Window
}

// String is the text that was parsed; "always" for none.
func (w Windows) String() string {
	if len(w.list) == 0 {
		return "always"
	}
	return w.text
}

// ParseWindows reads
//
//	[DAYS ]HH:MM-HH:MM[; ...][ in ZONE] | always
//
// DAYS are those on which the window opens: mon-fri, or sat,sun; every day where
// none are given. ZONE is an IANA name, UTC where none is given.
func ParseWindows(s string) (Windows, error) {
	s = strings.TrimSpace(s)
	if strings.EqualFold(s, "always") {
		return Windows{}, nil
	}
	w := Windows{text: s, zone: time.UTC}
	if at := strings.LastIndex(strings.ToLower(s), " in "); at >= 0 {
		name := strings.TrimSpace(s[at+4:])
		zone, err := time.LoadLocation(name)
		if err != nil || name == "" || strings.EqualFold(name, "local") {
			return Windows{}, fmt.Errorf("time zone %q is not known: want an IANA name like Europe/Berlin", name)
		}
		w.zone, s = zone, s[:at]
	}
	for part := range strings.SplitSeq(s, ";") {
		one, err := schedule.ParseWindow(part)
		if err != nil {
			return Windows{}, fmt.Errorf(`want windows like "22:00-06:00", or "mon-fri 20:00-06:00; sat,sun 00:00-24:00 in Europe/Berlin", or always`)
		}
		w.list = append(w.list, one)
	}
	return w, nil
}

// Open says whether a time is inside of a window; and when it is not, when the
// next one opens.
func (w Windows) Open(at time.Time) (open bool, opens time.Time) {
	if opens = schedule.Opens(w.list, w.zone, at); opens.Equal(at) {
		return true, time.Time{}
	}
	return false, opens
}
