package compactor_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// planned is a house whose jobs only tests run: decisions are looked at one by one.
func planned(t *testing.T, adjust ...func(*compactor.Config)) (*house, *offset) {
	t.Helper()
	clock := &offset{}
	all := append([]func(*compactor.Config){func(c *compactor.Config) {
		c.Manual, c.Workers, c.Now, c.Tick = false, -1, clock.now, time.Millisecond
	}}, adjust...)
	return newHouse(t, all...), clock
}

// start runs a service until the answer is called.
func (h *house) start(s *compactor.Service) (stop func()) {
	h.T.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	return func() {
		h.T.Helper()
		cancel()
		require.NoError(h.T, <-done)
	}
}

func (h *house) active() []string {
	h.T.Helper()
	active, err := h.service.Queue().Active(context.Background())
	require.NoError(h.T, err)
	var out []string
	for _, j := range active {
		out = append(out, fmt.Sprint(j.Kind, " ", j.Ident))
	}
	return out
}

func setting(e plan.Effective, key string) string {
	for _, s := range e.Settings {
		if s.Key == key {
			return s.Value + " of " + s.Origin
		}
	}
	return ""
}

func TestPolicyIsInherited(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) {
		c.Properties = map[string]string{plan.PropertyQuiet: "20s", plan.PropertyGrowth: "3"}
	})
	ctx := t.Context()
	tbl := h.create("sales.eu.lines", nil)
	show := func(key string) string {
		t.Helper()
		e, err := h.service.EffectivePolicy(ctx, compactor.Target{Table: tbl.Ident})
		require.NoError(t, err)
		return setting(e, key)
	}
	set := func(of compactor.Target, key, value string) {
		t.Helper()
		require.NoError(t, h.service.SetPolicy(ctx, of, map[string]string{key: value}, nil))
	}
	require.Equal(t, "20s of configuration", show(plan.PropertyQuiet))
	require.Equal(t, "true of table property", show(plan.PropertyRowHash))
	set(compactor.Target{}, plan.PropertyQuiet, "21s")
	require.Equal(t, "21s of warehouse", show(plan.PropertyQuiet))
	set(compactor.Target{Namespace: catalog.Namespace{"sales"}}, plan.PropertyQuiet, "22s")
	require.Equal(t, "22s of namespace sales", show(plan.PropertyQuiet))
	set(compactor.Target{Namespace: catalog.Namespace{"sales", "eu"}}, plan.PropertyQuiet, "23s")
	require.Equal(t, "23s of namespace sales.eu", show(plan.PropertyQuiet))
	set(compactor.Target{Table: tbl.Ident}, plan.PropertyQuiet, "24s")
	require.Equal(t, "24s of table property", show(plan.PropertyQuiet))
	require.Equal(t, "3 of configuration", show(plan.PropertyGrowth))

	// Another process sees the same, and the namespace has its own answer.
	e, err := h.another().EffectivePolicy(ctx, compactor.Target{Namespace: catalog.Namespace{"sales"}})
	require.NoError(t, err)
	require.Equal(t, "22s of namespace sales", setting(e, plan.PropertyQuiet))
	e, err = h.another().EffectivePolicy(ctx, compactor.Target{})
	require.NoError(t, err)
	require.Equal(t, "21s of warehouse", setting(e, plan.PropertyQuiet))

	for _, of := range []compactor.Target{{Table: tbl.Ident}, {Namespace: catalog.Namespace{"sales", "eu"}}, {Namespace: catalog.Namespace{"sales"}}, {}} {
		require.NoError(t, h.service.SetPolicy(ctx, of, nil, []string{plan.PropertyQuiet, plan.PropertyEnabled}))
	}
	require.Equal(t, "20s of configuration", show(plan.PropertyQuiet))

	require.ErrorIs(t, h.service.SetPolicy(ctx, compactor.Target{}, map[string]string{plan.PropertyQuiet: "soon"}, nil), catalog.ErrInvalid)
	require.ErrorIs(t, h.service.SetPolicy(ctx, compactor.Target{}, map[string]string{"owner": "me"}, nil), catalog.ErrInvalid)
	require.ErrorIs(t, h.service.SetPolicy(ctx, compactor.Target{}, nil, []string{"owner"}), catalog.ErrInvalid)
	for key, value := range map[string]string{
		plan.PropertyHotColumns: "id, customer", plan.PropertySort: "customer DESC",
	} {
		err := h.service.SetPolicy(ctx, compactor.Target{Table: tbl.Ident}, map[string]string{key: value}, nil)
		require.ErrorIs(t, err, catalog.ErrInvalid)
		require.ErrorContains(t, err, `the table has no column "customer"; it has country, id,`)
		require.ErrorContains(t, h.service.SetPolicy(ctx, compactor.Target{Table: tbl.Ident}, map[string]string{key: "tags"}, nil), `rows cannot be sorted by column "tags"`)
	}
	require.ErrorIs(t, h.service.SetPolicy(ctx, compactor.Target{}, map[string]string{plan.PropertyQuiet: "1s"}, []string{plan.PropertyQuiet}), catalog.ErrInvalid)
	require.ErrorIs(t, h.service.SetPolicy(ctx, compactor.Target{Namespace: catalog.Namespace{"nobody"}}, map[string]string{plan.PropertyQuiet: "1s"}, nil), catalog.ErrNotFound)
	_, err = compactor.New(compactor.Config{Catalog: h.Catalog, Store: h.Store, Bucket: h.Bucket, Lake: h.Lake, Properties: map[string]string{plan.PropertyQuiet: "soon"}})
	require.ErrorContains(t, err, plan.PropertyQuiet)
}

// A namespace's value that cannot be read holds back compaction of the tables for
// which it would hold: not of others, and not their expiry.
func TestUnreadableValueHoldsBackWhatItGoverns(t *testing.T) {
	h, clock := planned(t, func(c *compactor.Config) { c.Workers = 1 })
	h.Run(h.service.Run)
	ctx := t.Context()
	sick, own, other := h.create("sick.a", nil), h.create("sick.b", nil), h.create("fine.a", nil)
	require.NoError(t, h.service.SetPolicy(ctx, compactor.Target{Table: own.Ident}, map[string]string{plan.PropertyGrowth: "4"}, nil))
	// As any REST client may.
	_, err := h.Catalog.UpdateNamespace(ctx, catalog.Namespace{"sick"}, map[string]string{plan.PropertyGrowth: "lots"}, nil)
	require.NoError(t, err)
	for i := range 2 {
		for _, tbl := range []*catalog.Table{sick, own, other} {
			h.append(tbl, "France", i*100, 10)
		}
	}
	clock.add(time.Minute)
	h.eventually("the others are compacted", func() bool { return len(h.live(own)) == 1 && len(h.live(other)) == 1 })
	h.eventually("the reason", func() bool {
		why := h.service.Health(sick.ID).GetWhyNot()
		return strings.Contains(why, `firn.compact.growth of namespace sick = "lots": want a number from 1 to 1e+09`)
	})
	require.Len(t, h.live(sick), 2)
	// Whoever asks is told the same, and of what it does not govern, nothing.
	_, err = h.service.PlanOrphans(ctx, sick.Ident)
	require.NoError(t, err)
	j := h.job(compactor.KindCompact, sick)
	require.Equal(t, jobs.Failed, j.State)
	require.Contains(t, j.Error, "namespace sick")
	require.Equal(t, jobs.Succeeded, h.job(compactor.KindExpire, sick).State)

	// Mended, it goes on, also when another client does it.
	_, err = h.Catalog.UpdateNamespace(ctx, catalog.Namespace{"sick"}, map[string]string{plan.PropertyGrowth: "4"}, nil)
	require.NoError(t, err)
	clock.add(10 * time.Minute) // the failed job's rest
	h.eventually("it goes on", func() bool { return len(h.live(sick)) == 1 })
}

// A policy that changes opens what was settled by the old one.
func TestChangedPolicyIsAReasonToLookAgain(t *testing.T) {
	h, clock := planned(t, func(c *compactor.Config) { c.Workers = 1 })
	h.Run(h.service.Run)
	tbl := h.create("sales.lines", iceberg.Properties{plan.PropertyQuiet: "1h"})
	for i := range 4 {
		h.append(tbl, "France", i*100, 10)
	}
	h.eventually("it waits for a fifth file", func() bool {
		return strings.Contains(h.service.Health(tbl.ID).GetWhyNot(), "no partition has 5 small files")
	})
	clock.add(time.Second)
	require.NoError(t, h.service.SetPolicy(t.Context(), compactor.Target{Namespace: catalog.Namespace{"sales"}}, map[string]string{plan.PropertyMinFiles: "3"}, nil))
	h.eventually("one file", func() bool { return len(h.live(tbl)) == 1 })
}

// A budget holds the planner back, not a person; it outlives the process, and
// frees by itself.
func TestBudget(t *testing.T) {
	h, clock := planned(t, func(c *compactor.Config) { c.Workers = 1; c.Alone = true })
	ctx := t.Context()
	tbl := h.create("sales.eu.lines", nil)
	require.NoError(t, h.service.SetPolicy(ctx, compactor.Target{Namespace: catalog.Namespace{"sales"}}, map[string]string{plan.PropertyBytesPerHour: "5000"}, nil))
	stop := h.start(h.service)
	fill := func() {
		for i := range 6 {
			h.append(tbl, "France", i*100, 50)
		}
	}
	fill()
	h.eventually("the first fits", func() bool { return len(h.live(tbl)) < 6 })
	fill()
	held := func(s *compactor.Service) func() bool {
		return func() bool {
			why := s.Health(tbl.ID).GetWhyNot()
			return strings.Contains(why, "budget used up") && strings.Contains(why, "of 4.9 KiB were read in the last hour (firn.compact.budget-bytes-per-hour of namespace sales); it frees at ")
		}
	}
	h.eventually("the second does not", held(h.service))
	left := len(h.live(tbl))
	require.Greater(t, left, 5)
	stop()

	again := h.another(func(c *compactor.Config) {
		c.Manual, c.Workers, c.Now, c.Tick, c.Alone = false, 1, clock.now, time.Millisecond, true
	})
	h.service = again
	defer h.start(again)()
	h.eventually("a restart does not forget", held(again))
	waiting := func() time.Time {
		kv, err := h.Store.Get(ctx, "health/"+h.Catalog.Warehouse()+"/"+tbl.ID.String())
		require.NoError(t, err)
		var health plan.Health
		require.NoError(t, json.Unmarshal(kv.Value, &health))
		return health.Waiting[plan.Compact]
	}
	since := waiting()
	require.False(t, since.IsZero())
	clock.add(10 * time.Minute)
	h.eventually("still held after a while", held(again))
	require.Equal(t, since, waiting(), "nor since when it has waited")
	records := func() int {
		_, kvs, err := h.Store.Scan(ctx, catalog.Range{Prefix: "usage/"})
		require.NoError(t, err)
		return len(kvs)
	}
	// What somebody asks for is done.
	h.eventually("nothing runs", func() bool { return len(h.active()) == 0 })
	require.Len(t, h.live(tbl), left)
	require.Equal(t, jobs.Succeeded, h.job(compactor.KindCompact, tbl).State)
	require.Len(t, h.live(tbl), 1)
	require.Equal(t, 1, records(), "the old process's record is taken over")
	fill()
	h.eventually("still held", held(again))
	clock.add(2 * time.Hour)
	h.eventually("free again", func() bool { return len(h.live(tbl)) < 7 })
	// A job that has not ended books its time when it does, which counts a day from then.
	h.eventually("what counts no more is forgotten", func() bool {
		clock.add(26 * time.Hour)
		return records() == 0
	})
}

// Processes that share a store share its budgets.
func TestBudgetIsOfAllProcesses(t *testing.T) {
	clock := &offset{}
	adjust := func(c *compactor.Config) { c.Workers, c.Now = 1, clock.now }
	h := newHouse(t, adjust)
	require.NoError(t, h.service.SetPolicy(t.Context(), compactor.Target{}, map[string]string{plan.PropertyBytesPerDay: "1000000"}, nil))
	tbl := h.create("sales.lines", nil)
	h.append(tbl, "France", 0, 10)
	h.append(tbl, "France", 100, 10)
	other := &house{Ground: h.Ground}
	other.service = h.another(adjust)
	client := other.client()
	used := func() uint64 {
		got, err := client.GetPolicy(t.Context(), connect.NewRequest(&firnv1.GetPolicyRequest{Of: refTo(tbl)}))
		require.NoError(t, err)
		require.Len(t, got.Msg.Limits, 1)
		return got.Msg.Limits[0].Used
	}
	require.Zero(t, used())
	stop := h.start(h.service)
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	clock.add(11 * time.Second)
	require.EqualValues(t, j.Outcome.BytesIn, used())
	stop()
}

// What a store does to a booking, it is there once: nothing is booked twice, and
// nothing is lost while the process lives.
func TestBookingThatFails(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"it did not happen":            {Before: errors.New("did not happen")},
		"it happened, but looked lost": {After: errors.New("happened, looked failed")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(c *compactor.Config) { c.Workers = 1 })
			var failures atomic.Int32
			require.NoError(t, h.service.SetPolicy(t.Context(), compactor.Target{}, map[string]string{plan.PropertyBytesPerDay: "1000000"}, nil))
			stop := h.start(h.service)
			tbl := h.create("sales.lines", nil)
			for i := range 3 {
				h.append(tbl, "France", i*100, 10)
			}
			h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
				if strings.HasPrefix(b.Then[0].Key, "usage/") && failures.Add(1) == 1 {
					return fault
				}
				return memstore.Fault{}
			})
			j := h.job(compactor.KindCompact, tbl)
			require.Equal(t, jobs.Succeeded, j.State)
			require.NotZero(t, failures.Load(), "nothing failed: the test tests nothing")
			stop()
			_, kvs, err := h.Store.Scan(context.Background(), catalog.Range{Prefix: "usage/"})
			require.NoError(t, err)
			require.Len(t, kvs, 1)
			var rec struct{ Used plan.Usage }
			require.NoError(t, json.Unmarshal(kvs[0].Value, &rec))
			var bytes int64
			for _, s := range rec.Used {
				bytes += s.Bytes
			}
			require.Equal(t, j.Outcome.BytesIn, bytes)
		})
	}
}

// A job of the planner that comes to run when its window has closed does nothing,
// says so, and is made again when it opens.
func TestWindowClosesWhileAJobWaits(t *testing.T) {
	h, clock := planned(t)
	tbl := h.create("sales.lines", nil)
	at := func(d time.Duration) string { return clock.now().Add(d).UTC().Format("15:04") }
	require.NoError(t, h.service.SetPolicy(t.Context(), compactor.Target{}, map[string]string{plan.PropertyWindows: at(-time.Hour) + "-" + at(time.Hour)}, nil))
	stop := h.start(h.service)
	for i := range 6 {
		h.append(tbl, "France", i*100, 10)
	}
	h.eventually("a job waits", func() bool { return strings.Contains(strings.Join(h.active(), ", "), "compact") })
	stop()
	clock.add(2 * time.Hour)
	h.service = h.another(func(c *compactor.Config) { c.Now, c.Workers, c.Manual, c.Tick = clock.now, 1, false, time.Millisecond })
	defer h.start(h.service)()
	done := func(state jobs.State, why string) func() bool {
		return func() bool {
			list, _, err := h.service.Queue().List(context.Background(), jobs.Filter{States: []jobs.State{state}})
			require.NoError(t, err)
			for _, j := range list {
				if j.Kind == compactor.KindCompact && strings.Contains(j.Outcome.Proof["why_not_more"], why) {
					return true
				}
			}
			return false
		}
	}
	h.eventually("it does nothing", done(jobs.Succeeded, "its window has closed"))
	require.Len(t, h.live(tbl), 6)
	h.eventually("nor does any other", func() bool { return len(h.active()) == 0 })
	list, _, err := h.service.Queue().List(t.Context(), jobs.Filter{})
	require.NoError(t, err)
	for _, j := range list {
		require.Contains(t, j.Outcome.Proof["why_not_more"], "its window has closed", j.Kind)
	}
	h.eventually("the table waits for the window", func() bool {
		return strings.Contains(h.service.Health(tbl.ID).GetWhyNot(), "outside of its windows")
	})
	clock.add(22 * time.Hour)
	h.eventually("it opens", func() bool { return len(h.live(tbl)) == 1 })
}

// Rates are measured from jobs, and outlive the process.
func TestRatesAreMeasuredAndKept(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Workers = 1 })
	tbl := h.create("sales.lines", nil)
	for i := range 3 {
		h.append(tbl, "France", i*100, 10)
	}
	for name, fault := range map[string]memstore.Fault{
		"it did not happen":            {Before: errors.New("did not happen")},
		"it happened, but looked lost": {After: errors.New("happened, looked failed")},
	} {
		t.Run(name, func(t *testing.T) {
			stored := func() int64 {
				kv, err := h.Store.Get(context.Background(), "rates/"+h.Catalog.Warehouse())
				if errors.Is(err, catalog.ErrNotFound) {
					return 0
				}
				require.NoError(t, err)
				var r plan.Rates
				require.NoError(t, json.Unmarshal(kv.Value, &r))
				return r.Of(plan.Fuse).Samples
			}
			before := stored()
			clock := &offset{}
			h.service = h.another(func(c *compactor.Config) { c.Workers, c.Now, c.Tick = 1, clock.now, time.Millisecond })
			stop := h.start(h.service)
			h.append(tbl, "France", 1000, 10)
			h.append(tbl, "France", 2000, 10)
			require.Equal(t, jobs.Succeeded, h.job(compactor.KindCompact, tbl).State)
			var failures atomic.Int32
			h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
				if strings.HasPrefix(b.Then[0].Key, "rates/") && failures.Add(1) == 1 {
					return fault
				}
				return memstore.Fault{}
			})
			h.eventually("the write that failed is done again", func() bool {
				clock.add(10 * time.Second)
				return failures.Load() > 1
			})
			stop()
			h.Store.InjectApply(nil)
			require.Equal(t, before+1, stored())
		})
	}
}
