package plan

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// key is one property of a policy.
type key struct {
	name string
	// governs are the kinds of jobs that wait while its value cannot be read.
	governs []Kind
	// text is the value that a policy has, as set reads it.
	text func(*Policy) string
	set  func(*Policy, string) error
	// limit is set instead for what bounds a level as a whole.
	limit func(*Limits, string) error
}

var (
	compacts   = []Kind{Compact, Rebalance}
	rebalances = []Kind{Rebalance}
	expires    = []Kind{Expire}
	removes    = []Kind{Orphans}
	all        = []Kind{Compact, Rebalance, Manifests, Expire, Orphans}
)

// keys of a policy, in the order in which they are shown.
var keys = []key{
	{name: PropertyEnabled, governs: []Kind{Compact, Rebalance, Manifests}, text: func(p *Policy) string { return strconv.FormatBool(p.Enabled) }, set: boolean(func(p *Policy) *bool { return &p.Enabled })},
	{name: PropertyTarget, governs: compacts, text: func(p *Policy) string { return strconv.FormatInt(p.Target, 10) }, set: whole(1<<10, func(p *Policy, n int64) { p.Target = n })},
	{name: PropertyMinFiles, governs: compacts, text: func(p *Policy) string { return strconv.Itoa(p.MinFiles) }, set: whole(2, func(p *Policy, n int64) { p.MinFiles = int(n) })},
	{name: PropertyQuiet, governs: compacts, text: func(p *Policy) string { return p.Quiet.String() }, set: duration(func(p *Policy) *time.Duration { return &p.Quiet })},
	{name: PropertyGrowth, governs: compacts, text: func(p *Policy) string { return number(p.Growth) }, set: real(1, 1e9, func(p *Policy) *float64 { return &p.Growth })},
	{name: PropertyDeleteRatio, governs: compacts, text: func(p *Policy) string { return number(p.DeleteRatio) }, set: real(0.0001, 1, func(p *Policy) *float64 { return &p.DeleteRatio })},
	{name: PropertyFuse, governs: compacts, text: func(p *Policy) string { return strconv.FormatBool(p.AllowFuse) }, set: boolean(func(p *Policy) *bool { return &p.AllowFuse })},
	{name: PropertyReshape, governs: compacts, text: func(p *Policy) string { return strconv.FormatBool(p.Reshape) }, set: boolean(func(p *Policy) *bool { return &p.Reshape })},
	{name: PropertyRowHash, governs: compacts, text: func(p *Policy) string { return strconv.FormatBool(p.RowHash) }, set: boolean(func(p *Policy) *bool { return &p.RowHash })},
	{name: PropertySort, governs: compacts, text: func(p *Policy) string { return strings.Join(p.Sort, ", ") }, set: setSort},
	{name: PropertyMaxJobBytes, governs: compacts, text: func(p *Policy) string { return strconv.FormatInt(p.MaxJobBytes, 10) }, set: size(1<<20, func(p *Policy, n int64) { p.MaxJobBytes = n })},
	{name: PropertyHotFix, governs: rebalances, text: func(p *Policy) string { return p.HotFix }, set: setHotFix},
	{name: PropertyHotColumns, governs: rebalances, text: func(p *Policy) string { return strings.Join(p.HotColumns, ", ") }, set: func(p *Policy, s string) (err error) {
		p.HotColumns, err = columnNames(s)
		return err
	}},
	{name: PropertyWindows, governs: all, text: func(p *Policy) string { return p.Windows.String() }, set: func(p *Policy, s string) (err error) {
		p.Windows, err = ParseWindows(s)
		return err
	}},
	{name: PropertyBytesPerHour, governs: compacts, limit: size(1, func(l *Limits, n int64) { l.BytesPerHour = n })},
	{name: PropertyBytesPerDay, governs: compacts, limit: size(1, func(l *Limits, n int64) { l.BytesPerDay = n })},
	{name: PropertySecondsPerHour, governs: compacts, limit: whole(1, func(l *Limits, n int64) { l.SecondsPerHour = n })},
	{name: PropertyMaxJobs, governs: compacts, limit: whole(1, func(l *Limits, n int64) { l.Jobs = n })},
	{name: PropertyMaxSnaps, governs: expires, text: func(p *Policy) string { return strconv.Itoa(p.MaxSnapshots) }, set: whole(1, func(p *Policy, n int64) { p.MaxSnapshots = int(n) })},
	{name: PropertyMaxAge, governs: expires, text: func(p *Policy) string { return strconv.FormatInt(p.MaxAge.Milliseconds(), 10) }, set: whole(0, func(p *Policy, n int64) { p.MaxAge = time.Duration(n) * time.Millisecond })},
	{name: PropertyMinKeep, governs: expires, text: func(p *Policy) string { return strconv.Itoa(p.MinKeep) }, set: whole(1, func(p *Policy, n int64) { p.MinKeep = int(n) })},
	{name: PropertyGrace, governs: removes, text: func(p *Policy) string { return p.Grace.String() }, set: duration(func(p *Policy) *time.Duration { return &p.Grace })},
}

// Keys are the names of all properties of a policy.
func Keys() []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.name
	}
	return out
}

// Check says whether a value can be read, before it is set anywhere.
func Check(name, value string) error {
	for _, k := range keys {
		if k.name == name {
			if err := k.read(new(Policy), new(Limits), value); err != nil {
				return fmt.Errorf("%s = %q: %w", name, value, err)
			}
			return nil
		}
	}
	return fmt.Errorf("%s is no property of a policy; these are: %s", name, strings.Join(Keys(), ", "))
}

func (k key) read(p *Policy, l *Limits, value string) error {
	value = strings.TrimSpace(value)
	if k.limit != nil {
		return k.limit(l, value)
	}
	return k.set(p, value)
}

func setHotFix(p *Policy, s string) error {
	if s != FixOff && s != FixCluster && s != FixSpec {
		return fmt.Errorf("want %s, %s or %s", FixOff, FixCluster, FixSpec)
	}
	p.HotFix = s
	return nil
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

func boolean(at func(*Policy) *bool) func(*Policy, string) error {
	return func(p *Policy, s string) error {
		v, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("want true or false")
		}
		*at(p) = v
		return nil
	}
}

func readWhole(s string, least int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least {
		return 0, fmt.Errorf("want a whole number of at least %d", least)
	}
	return n, nil
}

// whole reads a whole number into a policy or limits.
func whole[T any](least int64, set func(*T, int64)) func(*T, string) error {
	return func(to *T, s string) error {
		n, err := readWhole(s, least)
		if err == nil {
			set(to, n)
		}
		return err
	}
}

// size reads bytes, with a unit or without. It is for properties of ours: other
// engines read those of Iceberg, and want a number.
func size[T any](least int64, set func(*T, int64)) func(*T, string) error {
	return func(to *T, s string) error {
		n, err := readSize(s)
		if err != nil || n < least {
			return fmt.Errorf("want bytes, at least %d, or a size like 10GiB", least)
		}
		set(to, n)
		return nil
	}
}

func readSize(s string) (int64, error) {
	factor := int64(1)
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if number, ok := strings.CutSuffix(s, unit); ok {
			s, factor = strings.TrimSpace(number), 1<<(10*(i+1))
		}
	}
	n, err := readWhole(s, 0)
	if err == nil && n > math.MaxInt64/factor {
		err = fmt.Errorf("%s is too large", s)
	}
	return n * factor, err
}

func duration(at func(*Policy) *time.Duration) func(*Policy, string) error {
	return func(p *Policy, s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < 0 {
			return fmt.Errorf("want a duration like 30s or 24h")
		}
		*at(p) = d
		return nil
	}
}

func real(least, most float64, at func(*Policy) *float64) func(*Policy, string) error {
	return func(p *Policy, s string) error {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= least && f <= most) {
			return fmt.Errorf("want a number from %g to %g", least, most)
		}
		*at(p) = f
		return nil
	}
}

func setSort(p *Policy, s string) error {
	terms := SplitSort(s)
	o, err := ParseOrder(terms)
	if err != nil {
		return err
	}
	p.Sort = terms
	if o.Curve == "" && len(o.Terms) == 0 {
		p.Sort = nil
	}
	return nil
}
