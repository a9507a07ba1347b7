package plan_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
)

// Usage stays bounded, and sums what was taken: never less, and later rather than
// earlier.
func TestUsageIsBoundedAndNeverForgets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var u plan.Usage
		var exact []plan.Spent
		now := start
		for range rapid.IntRange(1, 600).Draw(t, "jobs") {
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
			s := plan.Spent{At: now, Bytes: rapid.Int64Range(0, 1000).Draw(t, "bytes"), Seconds: 1}
			u = u.Add(now, s)
			exact = append(exact, s)
		}
		if len(u) > plan.MaxSlots {
			t.Fatalf("%d slots", len(u))
		}
		for span, slack := range map[time.Duration]time.Duration{time.Hour: 5 * time.Minute, 24 * time.Hour: time.Hour} {
			least, most := int64(0), int64(0)
			for _, s := range exact {
				if now.Sub(s.At) < span {
					least += s.Bytes
				}
				if now.Sub(s.At) < span+slack {
					most += s.Bytes
				}
			}
			got := int64(0)
			for _, s := range u {
				if now.Sub(s.At) < span {
					got += s.Bytes
				}
			}
			if got < least || got > most {
				t.Fatalf("%d in the last %s, want %d to %d", got, span, least, most)
			}
		}
	})
}

func TestAllowance(t *testing.T) {
	now := start.Add(24 * time.Hour)
	used := func(ago time.Duration, bytes int64, seconds float64) plan.Usage {
		return plan.Usage{{At: now.Add(-ago), Bytes: bytes, Seconds: seconds}}
	}
	account := func(origin string, l plan.Limits, u plan.Usage, active int64) plan.Account {
		return plan.Account{Bound: plan.Bound{Origin: origin, Scope: origin, Limits: l}, Used: u, Active: active}
	}
	for _, c := range []struct {
		name string
		of   plan.Account
		most int64
		hold string
	}{
		{"nothing used", account("warehouse", plan.Limits{BytesPerHour: 100}, nil, 0), 100, ""},
		{"some used", account("warehouse", plan.Limits{BytesPerHour: 100, BytesPerDay: 1000}, used(50*time.Minute, 60, 0), 0), 40, ""},
		{"an hour ago", account("warehouse", plan.Limits{BytesPerHour: 100}, used(time.Hour, 60, 0), 0), 100, ""},
		{
			"all used", account("namespace a", plan.Limits{BytesPerHour: 2 << 30}, used(50*time.Minute, 3<<30, 0), 0), 0,
			"budget used up: 3.0 GiB of 2.0 GiB were read in the last hour (firn.compact.budget-bytes-per-hour of namespace a); it frees at 12:10:00 UTC",
		},
		{
			"in a day", account("warehouse", plan.Limits{BytesPerHour: 100, BytesPerDay: 100}, used(2*time.Hour, 100, 0), 0), 0,
			"budget used up: 100 B of 100 B were read in the last day (firn.compact.budget-bytes-per-day of warehouse); it frees at 10:00:00 UTC",
		},
		{
			"of workers", account("warehouse", plan.Limits{SecondsPerHour: 10}, used(time.Minute, 0, 12.25), 0), 0,
			"budget used up: 12.2 of 10 worker-seconds were taken in the last hour (firn.compact.budget-worker-seconds-per-hour of warehouse); it frees at 12:59:00 UTC",
		},
		{"jobs", account("table property", plan.Limits{Jobs: 1}, nil, 1), 0, "1 of 1 job are queued or running (firn.compact.max-jobs of table property); it frees when one ends"},
	} {
		t.Run(c.name, func(t *testing.T) {
			most, hold := plan.Allowance([]plan.Account{c.of}, now)
			text := ""
			if hold != nil {
				text = hold.Text
			}
			if c.hold == "" && most != c.most || text != c.hold {
				t.Errorf("%d, %q", most, text)
			}
			if hold != nil && !hold.Frees.IsZero() {
				if _, again := plan.Allowance([]plan.Account{c.of}, hold.Frees); again != nil {
					t.Errorf("it is not free when it said: %s", again.Text)
				}
				if _, early := plan.Allowance([]plan.Account{c.of}, hold.Frees.Add(-time.Second)); early == nil {
					t.Error("it is free before it said")
				}
			}
		})
	}
}

// busy is a table with so many small files that are worth joining.
func busy(name string, files int64, bounds ...string) plan.Table {
	h, l := plan.NewHealth(uuid.NewSHA1(uuid.Nil, []byte(name))), &log{at: start}
	h.Apply(l.next("append", delta("France", files, 1<<20)))
	return plan.Table{ID: h.Table, Ident: catalog.Ident{Namespace: catalog.Namespace{"a"}, Name: name}, Health: h, Policy: plan.DefaultPolicy(), Snapshots: 1, Bounds: bounds}
}

func TestLimitsHoldForAllThatIsProposed(t *testing.T) {
	account := func(l plan.Limits) map[string]plan.Account {
		return map[string]plan.Account{"w": {Bound: plan.Bound{Origin: "warehouse", Scope: "w", Limits: l}}}
	}
	var tables []plan.Table
	for i := range 6 {
		tables = append(tables, busy(fmt.Sprint("t", i), 20+int64(i), "w"))
	}
	tables = append(tables, busy("free", 9))
	now := start.Add(time.Second)
	for _, c := range []struct {
		name   string
		limits plan.Limits
		want   int
		why    string
	}{
		{"no limit", plan.Limits{}, 7, ""},
		{"jobs", plan.Limits{Jobs: 2}, 3, "2 of 2 jobs are queued or running"},
		{"bytes", plan.Limits{BytesPerHour: 70 << 20}, 4, "were read in the last hour"},
		{"seconds", plan.Limits{SecondsPerHour: 1}, 5, "worker-seconds were taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := plan.Jobs(tables, plan.Budget{Accounts: account(c.limits)}, now)
			if len(d.Proposals) != c.want || len(d.Proposals)+len(d.Deferred) != 7 {
				t.Errorf("%d proposals, %d deferred", len(d.Proposals), len(d.Deferred))
			}
			for _, p := range d.Deferred {
				if !strings.Contains(d.WhyNot[p.Table], c.why) || p.Held != d.WhyNot[p.Table] {
					t.Error(d.WhyNot[p.Table])
				}
			}
		})
	}
	for i := range tables {
		w, err := plan.ParseWindows("22:00-06:00")
		if err != nil {
			t.Fatal(err)
		}
		tables[i].Policy.Windows = w
	}
	d := plan.Jobs(tables, plan.Budget{}, now)
	if len(d.Proposals) != 0 || !strings.Contains(d.WhyNot[tables[0].ID], "outside of its windows, 22:00-06:00 (firn.compact.windows); the next one opens at Fri 22:00 UTC") {
		t.Error(d.Proposals, d.WhyNot[tables[0].ID])
	}
}
