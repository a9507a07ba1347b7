package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/firnlake/firn/compactor/plan"
)

func level(origin string, pairs ...string) plan.Level {
	l := plan.Level{Origin: origin, Scope: origin, Properties: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		l.Properties[pairs[i]] = pairs[i+1]
	}
	return l
}

func TestResolve(t *testing.T) {
	base := plan.DefaultPolicy()
	base.Target = 64 << 20 // by configuration
	e := plan.Resolve(base, []plan.Level{
		level(plan.OriginTable, plan.PropertyQuiet, "3s", plan.PropertyBytesPerHour, "1000"),
		level("namespace sales.eu", plan.PropertyQuiet, "7s", plan.PropertyMinFiles, "9"),
		level("namespace sales", plan.PropertyMinFiles, "2", plan.PropertySort, "zorder(a, b)", plan.PropertyBytesPerHour, "5000", plan.PropertyMaxJobs, "1"),
		level("warehouse", plan.PropertyWindows, "22:00-06:00 in Europe/Berlin", plan.PropertyGrowth, "many"),
	})
	want := map[string]string{
		plan.PropertyQuiet:    "3s table property",
		plan.PropertyMinFiles: "9 namespace sales.eu",
		plan.PropertySort:     "zorder(a, b) namespace sales",
		plan.PropertyWindows:  "22:00-06:00 in Europe/Berlin warehouse",
		plan.PropertyTarget:   "67108864 configuration",
		plan.PropertyEnabled:  "true default",
		plan.PropertyGrowth:   "many warehouse",
		plan.PropertyMaxJobs:  "1 namespace sales",
	}
	got := map[string]string{}
	var budgets []string
	for _, s := range e.Settings {
		if s.Key == plan.PropertyBytesPerHour {
			budgets = append(budgets, s.Value+" "+s.Origin)
		}
		got[s.Key] = s.Value + " " + s.Origin
	}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %q, want %q", k, got[k], v)
		}
	}
	if text := strings.Join(budgets, ", "); text != "1000 table property, 5000 namespace sales" {
		t.Errorf("limits of all levels hold: %s", text)
	}
	if len(e.Bounds) != 2 || e.Bounds[1].Jobs != 1 || e.Bounds[1].BytesPerHour != 5000 {
		t.Errorf("bounds %+v", e.Bounds)
	}
	p := e.Policy
	if p.Quiet != 3*time.Second || p.MinFiles != 9 || len(p.Sort) != 1 || p.Target != 64<<20 || p.Growth != base.Growth {
		t.Errorf("%+v", p)
	}
	// What cannot be read holds back what it governs, and says where it is.
	if err := e.Err(plan.Compact); err == nil || !strings.Contains(err.Error(), `firn.compact.growth of warehouse = "many": want a number from 1 to 1e+09`) {
		t.Error(err)
	}
	if err := e.Err(plan.Expire); err != nil {
		t.Error("an unreadable property of compaction holds back expiry:", err)
	}
	// Nearer levels are not touched by what is wrong further out.
	e = plan.Resolve(base, []plan.Level{level(plan.OriginTable, plan.PropertyGrowth, "2"), level("warehouse", plan.PropertyGrowth, "many")})
	if err := e.Err(plan.Compact); err != nil {
		t.Error(err)
	}
}

// Every key says what the policy has as text that reads back the same, is settled
// by the nearest level, and one that cannot be read changes nothing else.
func TestResolveEveryKey(t *testing.T) {
	values := map[string]string{
		plan.PropertyEnabled: "false", plan.PropertyTarget: "1048576", plan.PropertyMinFiles: "7", plan.PropertyQuiet: "1m0s", plan.PropertyGrowth: "2.5",
		plan.PropertyHotFix: "spec", plan.PropertyHotColumns: "id", plan.PropertyDeleteRatio: "0.5", plan.PropertyFuse: "false", plan.PropertyReshape: "true", plan.PropertyRowHash: "false", plan.PropertySort: "a, b DESC",
		plan.PropertyMaxJobBytes: "1048576", plan.PropertyWindows: "mon-fri 20:00-06:00", plan.PropertyBytesPerHour: "1", plan.PropertyBytesPerDay: "2",
		plan.PropertySecondsPerHour: "3", plan.PropertyMaxJobs: "4", plan.PropertyMaxSnaps: "5", plan.PropertyMaxAge: "6", plan.PropertyMinKeep: "7", plan.PropertyGrace: "1h0m0s",
	}
	for _, k := range plan.Keys() {
		v, ok := values[k]
		if !ok {
			t.Errorf("no value for %s", k)
			continue
		}
		if err := plan.Check(k, v); err != nil {
			t.Error(err)
		}
		if err := plan.Check(k, "no such value"); err == nil || !strings.HasPrefix(err.Error(), k) {
			t.Errorf("%s takes anything: %v", k, err)
		}
		set := plan.Resolve(plan.DefaultPolicy(), []plan.Level{level(plan.OriginTable, k, v)})
		// The other way: from the policy's own text.
		again := plan.Resolve(set.Policy, nil)
		for i, s := range again.Settings {
			if s.Key == k && s.Value != v {
				t.Errorf("%s = %s reads back as %s", k, v, s.Value)
			}
			if s.Key == k && s.Origin != plan.OriginConfiguration {
				t.Errorf("%s is of %s", k, s.Origin)
			}
			if s.Key != k && s.Origin != plan.OriginDefault {
				t.Errorf("%s changed %s to %s", k, again.Settings[i].Key, s.Value)
			}
		}
		bad := plan.Resolve(plan.DefaultPolicy(), []plan.Level{level("namespace a", k, "no such value"), level("warehouse", k, v)})
		if fmt.Sprint(bad.Policy) != fmt.Sprint(plan.DefaultPolicy()) && bad.Err(plan.Compact) == nil && bad.Err(plan.Expire) == nil && bad.Err(plan.Orphans) == nil {
			t.Errorf("%s: the value of the next level is taken for one that cannot be read", k)
		}
		if len(bad.Waits()) == 0 {
			t.Errorf("%s: nobody waits for it to be mended", k)
		}
	}
	if err := plan.Check("firn.compact.tagret", "1"); err == nil {
		t.Error("an unknown property is taken")
	}
}

func TestSizesHaveUnits(t *testing.T) {
	for text, want := range map[string]int64{"1048576": 1 << 20, "10GiB": 10 << 30, "3 MiB": 3 << 20, "8388607TiB": 8388607 << 40} {
		e := plan.Resolve(plan.DefaultPolicy(), []plan.Level{level("warehouse", plan.PropertyBytesPerDay, text)})
		if len(e.Bounds) != 1 || e.Bounds[0].BytesPerDay != want {
			t.Errorf("%s is read as %+v", text, e.Bounds)
		}
	}
	for _, bad := range []string{"0", "10GB", "GiB", "-1GiB", "8388608TiB", "1.5GiB", "1e9"} {
		if err := plan.Check(plan.PropertyBytesPerDay, bad); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
	if err := plan.Check(plan.PropertyTarget, "128MiB"); err == nil {
		t.Error("a target that no other engine can read is taken")
	}
}

func TestFingerprint(t *testing.T) {
	p := plan.DefaultPolicy()
	q := p
	q.MaxSnapshots, q.Grace = 7, time.Hour
	if p.Fingerprint() != q.Fingerprint() {
		t.Error("what expires is no reason to plan compaction again")
	}
	q.MinFiles++
	if p.Fingerprint() == q.Fingerprint() {
		t.Error("a changed policy has the fingerprint of the old one")
	}
}

func TestWindows(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	at := func(s string) time.Time {
		v, err := time.ParseInLocation("Mon 2006-01-02 15:04", s, berlin)
		if err != nil || v.Format("Mon") != s[:3] {
			t.Fatal(s, err)
		}
		return v
	}
	const work = "mon-fri 22:00-06:00; sat,sun 00:00-24:00 in Europe/Berlin"
	for _, c := range []struct{ windows, at, opens string }{
		{"22:00-06:00 in Europe/Berlin", "Sat 2026-11-21 23:00", ""},
		{"22:00-06:00 in Europe/Berlin", "Sat 2026-11-21 05:59", ""},
		{"22:00-06:00 in Europe/Berlin", "Sat 2026-11-21 06:00", "Sat 2026-11-21 22:00"},
		{work, "Fri 2026-11-20 12:00", "Fri 2026-11-20 22:00"},
		{work, "Sat 2026-11-21 12:00", ""},
		{work, "Mon 2026-11-23 00:00", "Mon 2026-11-23 22:00"},
		{work, "Tue 2026-11-24 05:00", ""}, // Monday's
		{"mon 05:00-06:00 in Europe/Berlin", "Mon 2026-11-23 06:00", "Mon 2026-11-30 05:00"},
		{"fri-mon 10:00-11:00 in Europe/Berlin", "Tue 2026-11-24 09:00", "Fri 2026-11-27 10:00"},
		// The clocks change: 25 hours in the first, 23 in the second.
		{"sun 01:00-04:00 in Europe/Berlin", "Sun 2026-10-25 03:59", ""},
		{"sun 04:00-05:00 in Europe/Berlin", "Sun 2026-03-29 01:00", "Sun 2026-03-29 04:00"},
		{"always", "Sat 2026-11-21 06:00", ""},
	} {
		w, err := plan.ParseWindows(c.windows)
		if err != nil {
			t.Error(err)
			continue
		}
		if w.String() != c.windows {
			t.Errorf("%q is written as %q", c.windows, w)
		}
		open, opens := w.Open(at(c.at))
		if open != (c.opens == "") || !open && !opens.Equal(at(c.opens)) {
			t.Errorf("%s at %s: open %v, opens %s", c.windows, c.at, open, opens.In(berlin))
		}
	}
	for _, bad := range []string{"", "22:00", "22-06", "24:00-01:00", "10:00-10:00", "25:00-26:00", "10:60-11:00", "foo 10:00-11:00", "mon tue 10:00-11:00", "10:00-11:00 in Mars", "10:00-11:00 in ", "10:00-11:00;", "10:00-11:00 in Local"} {
		if w, err := plan.ParseWindows(bad); err == nil {
			t.Errorf("%q is read as %v", bad, w)
		}
	}
}

// Whatever the windows: when they are closed they say when they open, they are
// open then, and not a minute before.
func TestWindowsOpenWhenTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SampledFrom([]string{"", "mon ", "sat,sun ", "fri-mon ", "mon-fri "}).Draw(t, "days")
		from, till := rapid.IntRange(0, 1439).Draw(t, "from"), rapid.IntRange(0, 1440).Draw(t, "till")
		if from == till {
			t.Skip("no window")
		}
		zone := rapid.SampledFrom([]string{"", " in Europe/Berlin", " in America/New_York", " in Asia/Kolkata"}).Draw(t, "zone")
		w, err := plan.ParseWindows(fmt.Sprintf("%s%02d:%02d-%02d:%02d%s", days, from/60, from%60, till/60, till%60, zone))
		if err != nil {
			t.Fatal(err)
		}
		at := time.Date(2026, 1, 1, 0, rapid.IntRange(0, 365*24*60).Draw(t, "minute"), 0, 0, time.UTC)
		open, opens := w.Open(at)
		if open {
			return
		}
		if !opens.After(at) || opens.Sub(at) > 8*24*time.Hour {
			t.Fatalf("%s at %s: opens %s", w, at, opens)
		}
		if open, _ := w.Open(opens); !open {
			t.Fatalf("%s is not open at %s, as it said at %s", w, opens, at)
		}
		if before := opens.Add(-time.Minute); before.After(at) {
			if open, _ := w.Open(before); open {
				t.Fatalf("%s opened before %s", w, opens)
			}
		}
	})
}
