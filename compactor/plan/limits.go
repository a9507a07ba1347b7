package plan

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Limits bound the compactions of all tables below one level together. Zero is no
// limit. Jobs that a person or a schedule asks for are never held back, but what
// they take counts.
type Limits struct {
	// BytesPerHour and BytesPerDay are the input that is read, in the last 60
	// minutes and 24 hours.
	BytesPerHour, BytesPerDay int64
	// SecondsPerHour are a worker's.
	SecondsPerHour int64
	// Jobs that are queued or running at once.
	Jobs int64
}

// Spent is what compactions took, at a time or up to it.
type Spent struct {
	At      time.Time `json:"at"`
	Bytes   int64     `json:"bytes,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
}

// Usage is what compactions took in the last day, oldest first, in at most
// [MaxSlots] slots. A slot ends late rather than early: a budget never frees
// before it should.
type Usage []Spent

const (
	fineSlot   = 5 * time.Minute
	coarseSlot = time.Hour
	usageKept  = 24 * time.Hour
	// MaxSlots bounds a Usage: an hour of fine slots and a day of coarse ones.
	MaxSlots = int(coarseSlot/fineSlot) + int(usageKept/coarseSlot) + 4
)

// Add answers the usage with more in it, and without what is older than a day.
// u is not used again.
func (u Usage) Add(now time.Time, more ...Spent) Usage {
	u = append(u, more...)
	slices.SortStableFunc(u, func(a, b Spent) int { return a.At.Compare(b.At) })
	slot := func(at time.Time) time.Time {
		if now.Sub(at) >= coarseSlot {
			return at.Truncate(coarseSlot)
		}
		return at.Truncate(fineSlot)
	}
	var out Usage
	for _, s := range u {
		if now.Sub(s.At) >= usageKept {
			continue
		}
		if n := len(out); n > 0 && slot(out[n-1].At).Equal(slot(s.At)) && (now.Sub(s.At) >= coarseSlot) == (now.Sub(out[n-1].At) >= coarseSlot) {
			out[n-1].Bytes += s.Bytes
			out[n-1].Seconds += s.Seconds
			out[n-1].At = s.At
			continue
		}
		out = append(out, s)
	}
	return out
}

// within sums what was taken in the time before now.
func (u Usage) within(now time.Time, d time.Duration) (sum Spent) {
	for _, s := range u {
		if now.Sub(s.At) < d {
			sum.Bytes += s.Bytes
			sum.Seconds += s.Seconds
		}
	}
	return sum
}

// frees is when a sum over the last d falls below a limit, if nothing is added.
func (u Usage) frees(now time.Time, d time.Duration, limit float64, what func(Spent) float64) time.Time {
	left := what(u.within(now, d))
	for _, s := range u {
		if now.Sub(s.At) >= d {
			continue
		}
		if left -= what(s); left < limit {
			return s.At.Add(d)
		}
	}
	return now
}

// Account is the limits of one level and what was taken of them.
type Account struct {
	Bound
	Used Usage
	// Active jobs below the level.
	Active int64
}

// Line is one limit of an account, and what is used of it.
type Line struct {
	Key string
	// Limit and Used are bytes, seconds or jobs.
	Limit int64
	Used  float64
	// Frees is when there is room again; zero while there is, and where that hangs
	// on running jobs.
	Frees time.Time
	span  string
}

// Full says whether nothing is left.
func (l Line) Full() bool { return l.Used >= float64(l.Limit) }

// Lines are the limits of the account.
func (a Account) Lines(now time.Time) []Line {
	var out []Line
	if a.Jobs > 0 {
		out = append(out, Line{Key: PropertyMaxJobs, Limit: a.Jobs, Used: float64(a.Active)})
	}
	add := func(key, span string, d time.Duration, limit int64, what func(Spent) float64) {
		if limit <= 0 {
			return
		}
		l := Line{Key: key, Limit: limit, Used: what(a.Used.within(now, d)), span: span}
		if l.Full() {
			l.Frees = a.Used.frees(now, d, float64(limit), what)
		}
		out = append(out, l)
	}
	bytes := func(s Spent) float64 { return float64(s.Bytes) }
	add(PropertyBytesPerHour, "hour", time.Hour, a.BytesPerHour, bytes)
	add(PropertyBytesPerDay, "day", 24*time.Hour, a.BytesPerDay, bytes)
	add(PropertySecondsPerHour, "hour", time.Hour, a.SecondsPerHour, func(s Spent) float64 { return s.Seconds })
	return out
}

// Hold is a limit that is used up.
type Hold struct {
	Line
	// Text says how much is used of what, whose limit it is, and when it frees.
	Text string
}

// holds answers the first limit that leaves no room, or nil.
func (a Account) holds(now time.Time) *Hold {
	for _, l := range a.Lines(now) {
		if !l.Full() {
			continue
		}
		whose := fmt.Sprintf("(%s of %s)", l.Key, a.Origin)
		switch l.Key {
		case PropertyMaxJobs:
			return &Hold{l, fmt.Sprintf("%d of %s are queued or running %s; it frees when one ends", int64(l.Used), count(l.Limit, "job"), whose)}
		case PropertySecondsPerHour:
			return &Hold{l, fmt.Sprintf("budget used up: %.1f of %d worker-seconds were taken in the last hour %s; it frees at %s", l.Used, l.Limit, whose, clock(l.Frees))}
		}
		return &Hold{l, fmt.Sprintf("budget used up: %s of %s were read in the last %s %s; it frees at %s", Size(int64(l.Used)), Size(l.Limit), l.span, whose, clock(l.Frees))}
	}
	return nil
}

// Allowance is how many bytes a compaction may read now in view of all accounts
// above its table; or what holds it back. It may exceed that by less than one
// group, as a group is never begun by halves.
func Allowance(accounts []Account, now time.Time) (int64, *Hold) {
	most := int64(math.MaxInt64)
	for _, a := range accounts {
		if h := a.holds(now); h != nil {
			return 0, h
		}
		most = min(most, a.room(now))
	}
	return most, nil
}

// room is how many bytes are left.
func (a Account) room(now time.Time) int64 {
	most := int64(math.MaxInt64)
	if a.BytesPerHour > 0 {
		most = min(most, a.BytesPerHour-a.Used.within(now, time.Hour).Bytes)
	}
	if a.BytesPerDay > 0 {
		most = min(most, a.BytesPerDay-a.Used.within(now, 24*time.Hour).Bytes)
	}
	return most
}

// clock is a time for people, in UTC.
func clock(t time.Time) string { return t.UTC().Format("15:04:05 UTC") }
