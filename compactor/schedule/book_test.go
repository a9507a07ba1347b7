package schedule_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/schedule"
)

// clock stands until it is moved.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

var noon = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, store catalog.Store, c *clock, tables ...string) (*schedule.Book, *jobs.Queue) {
	t.Helper()
	q, err := jobs.New(jobs.Config{Store: store, Now: c.now, History: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	b, err := schedule.New(schedule.Config{
		Store: store, Warehouse: "default", Queue: q, Now: c.now,
		Jobs: func(_ context.Context, d schedule.Definition) ([]jobs.Spec, error) {
			var out []jobs.Spec
			for _, t := range tables {
				out = append(out, jobs.Spec{Kind: d.Kind, Model: t, Trigger: "schedule", Schedule: d.Name})
			}
			return out, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, q
}

func put(t *testing.T, b *schedule.Book, d schedule.Definition) schedule.Schedule {
	t.Helper()
	d.Kind = "compact"
	s, err := b.Put(t.Context(), d, false)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func get(t *testing.T, b *schedule.Book, name string) schedule.Schedule {
	t.Helper()
	s, err := b.Get(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func active(t *testing.T, q *jobs.Queue) []jobs.Job {
	t.Helper()
	all, err := q.Active(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func cancelAll(t *testing.T, q *jobs.Queue) {
	t.Helper()
	for _, j := range active(t, q) {
		if _, err := q.Cancel(t.Context(), j.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// history writes what a schedule remembers, a line each.
func history(s schedule.Schedule) string {
	var out []string
	for _, f := range s.Firings {
		due := "asked"
		if !f.Due.IsZero() {
			due = f.Due.Format("15:04")
		}
		out = append(out, fmt.Sprintf("%s %s made %d left %d", due, f.Outcome, f.Made, f.LeftOut))
	}
	return strings.Join(out, "; ")
}

func TestAFiringLeavesOutWhatIsActive(t *testing.T) {
	c := &clock{at: noon}
	b, q := open(t, memstore.New(), c, "a", "b")
	put(t, b, schedule.Definition{Name: "x", Cron: "0 * * * *"})
	fire := func() {
		t.Helper()
		c.add(time.Hour)
		if err := b.Fire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	fire()
	made := active(t, q)
	if len(made) != 2 {
		t.Fatalf("%d jobs", len(made))
	}
	if s := get(t, b, "x"); len(s.Firings[0].Jobs) != 2 || s.Firings[0].Jobs[0] != made[0].ID && s.Firings[0].Jobs[0] != made[1].ID {
		t.Errorf("ids %v of jobs %+v", s.Firings[0].Jobs, made)
	}
	fire()
	if _, err := q.Cancel(t.Context(), made[0].ID); err != nil {
		t.Fatal(err)
	}
	fire()
	s := get(t, b, "x")
	if got := history(s); got != "13:00 fired made 2 left 0; 14:00 skipped made 0 left 2; 15:00 fired made 1 left 1" {
		t.Error(got)
	}
	if !s.LastFired.Equal(noon.Add(3 * time.Hour)) {
		t.Error(s.LastFired)
	}
}

func TestReplaceCancelsTheOlder(t *testing.T) {
	c := &clock{at: noon}
	b, q := open(t, memstore.New(), c, "a", "b")
	put(t, b, schedule.Definition{Name: "x", Cron: "0 * * * *", Overlap: schedule.OverlapReplace})
	for range 2 {
		c.add(time.Hour)
		if err := b.Fire(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if left := active(t, q); len(left) != 0 { // they were queued, so they ended at once
		t.Fatalf("%+v", left)
	}
	if err := b.Fire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := history(get(t, b, "x")); got != "13:00 fired made 2 left 0; 14:00 fired made 2 left 0" || len(active(t, q)) != 2 {
		t.Error(got)
	}
}

func TestPauseAndResume(t *testing.T) {
	c := &clock{at: noon}
	b, q := open(t, memstore.New(), c, "a")
	put(t, b, schedule.Definition{Name: "x", Cron: "0 * * * *", Windows: []string{"18:00-19:00"}})
	c.add(time.Hour)
	step := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(what, err)
		}
	}
	step("13:00 waits", b.Fire(t.Context()))
	_, err := b.Pause(t.Context(), "x")
	step("pause", err)
	c.add(5*time.Hour + 30*time.Minute)
	step("nothing", b.Fire(t.Context()))
	if got := history(get(t, b, "x")); got != "13:00 skipped made 0 left 0" || len(active(t, q)) != 0 {
		t.Error(got)
	}
	paused, err := b.Pause(t.Context(), "x")
	step("pause again", err)
	if !paused.Paused {
		t.Error("not paused")
	}
	// Who asks, gets it.
	f, _, err := b.Ask(t.Context(), "x", "id-1")
	step("ask", err)
	if f == nil || f.Made != 1 {
		t.Errorf("%+v", f)
	}
	s, err := b.Resume(t.Context(), "x")
	step("resume", err)
	if got := history(s); got != "13:00 skipped made 0 left 0; asked fired made 1 left 0; 14:00 skipped made 0 left 0" || s.Firings[2].Count != 5 {
		t.Error(got, s.Firings)
	}
	step("nothing is due", b.Fire(t.Context()))
	if n := len(active(t, q)); n != 1 {
		t.Errorf("%d jobs", n)
	}
	for _, missing := range []error{
		second(b.Pause(t.Context(), "y")), second(b.Resume(t.Context(), "../x")), b.Delete(t.Context(), "y"), second(b.Get(t.Context(), "")),
	} {
		if !errors.Is(missing, catalog.ErrNotFound) {
			t.Error(missing)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// The same definition again changes nothing; another one begins anew, with its
// history.
func TestPutAgain(t *testing.T) {
	c := &clock{at: noon}
	b, _ := open(t, memstore.New(), c, "a")
	d := schedule.Definition{Name: "x", Cron: "0 * * * *"}
	first := put(t, b, d)
	c.add(time.Hour)
	if err := b.Fire(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.Cron, d.Overlap = "0  * * * *", "skip"
	if again := put(t, b, d); !again.Created.Equal(first.Created) || len(again.Firings) != 1 {
		t.Errorf("%+v", again)
	}
	dry, err := b.Put(t.Context(), schedule.Definition{Name: "y", Cron: "@daily", Kind: "compact"}, true)
	if err != nil || len(dry.Upcoming(noon, 2)) != 2 {
		t.Error(dry, err)
	}
	if all, err := b.List(t.Context()); err != nil || len(all) != 1 {
		t.Error(all, err)
	}
	c.add(2*time.Hour + time.Minute)
	d.Cron = "30 * * * *"
	s := put(t, b, d)
	if got := history(s); got != "13:00 fired made 1 left 0; 14:00 skipped made 0 left 0" || s.Firings[1].Count != 2 || !s.Created.Equal(c.now()) {
		t.Error(got, s.Firings)
	}
}

// A record of before there were policies fires as it did.
func TestAnOldRecord(t *testing.T) {
	c := &clock{at: noon}
	store := memstore.New()
	old := `{"name":"x","cron":"0 * * * *","kind":"compact","created":"2026-05-01T00:00:00Z","last_fired":"2026-06-01T12:00:00Z"}`
	if _, err := store.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "sched/default/x", Value: []byte(old)}}}); err != nil {
		t.Fatal(err)
	}
	b, _ := open(t, store, c, "a")
	if s := put(t, b, schedule.Definition{Name: "x", Cron: "0 * * * *"}); !s.Created.Equal(time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("the same definition began anew")
	}
	c.add(5 * time.Hour)
	if err := b.Fire(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := history(get(t, b, "x")); got != "13:00 skipped made 0 left 0; 17:00 fired made 1 left 0" {
		t.Error(got)
	}
}

// A record that this version cannot read as a schedule fires never, keeps nobody else
// from firing, and says so to who asks.
func TestARecordOfAnotherVersion(t *testing.T) {
	c := &clock{at: noon}
	store := memstore.New()
	odd := `{"name":"odd","cron":"0 * * * *","time_zone":"Mars/Olympus","kind":"compact","created":"2026-05-01T00:00:00Z"}`
	if _, err := store.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "sched/default/odd", Value: []byte(odd)}}}); err != nil {
		t.Fatal(err)
	}
	b, q := open(t, store, c, "a")
	put(t, b, schedule.Definition{Name: "x", Cron: "0 * * * *"})
	c.add(time.Hour)
	if err := b.Fire(t.Context()); err != nil || len(active(t, q)) != 1 {
		t.Error(err, active(t, q))
	}
	if _, _, err := b.Ask(t.Context(), "odd", "id"); !errors.Is(err, catalog.ErrInvalid) {
		t.Error(err)
	}
	if s := get(t, b, "odd"); len(s.Upcoming(c.now(), 1)) != 0 {
		t.Error("it says that it fires")
	}
	put(t, b, schedule.Definition{Name: "odd", Cron: "30 * * * *"}) // which mends it
	if s := get(t, b, "odd"); len(s.Upcoming(c.now(), 1)) != 1 {
		t.Error("it does not fire")
	}
}

// Both failure rows of each write, and a call that is repeated.
func TestWritesThatFailOrLookIt(t *testing.T) {
	boom := errors.New("boom")
	for name, fault := range map[string]memstore.Fault{"it did not happen": {Before: boom}, "it happened but looked failed": {After: boom}} {
		t.Run(name, func(t *testing.T) {
			c := &clock{at: noon}
			store := memstore.New()
			b, q := open(t, store, c, "a")
			once := func(what string, call func() error) {
				t.Helper()
				hit := false
				store.InjectApply(func(catalog.Batch) memstore.Fault {
					if hit {
						return memstore.Fault{}
					}
					hit = true
					return fault
				})
				if err := call(); !errors.Is(err, boom) {
					t.Fatalf("%s: %v", what, err)
				}
				store.InjectApply(nil)
			}
			d := schedule.Definition{Name: "x", Cron: "0 * * * *", Kind: "compact"}
			try := func(what string, call func() error) {
				t.Helper()
				once(what, call)
				if err := call(); err != nil {
					t.Fatalf("%s again: %v", what, err)
				}
			}
			try("put", func() error { return second(b.Put(t.Context(), d, false)) })
			c.add(time.Hour)
			try("fire", func() error { return b.Fire(t.Context()) })
			if got := history(get(t, b, "x")); got != "13:00 fired made 1 left 0" || len(active(t, q)) != 1 {
				t.Error(got)
			}
			cancelAll(t, q)
			try("ask", func() error {
				f, _, err := b.Ask(t.Context(), "x", "one")
				if err == nil && (f == nil || f.Made != 1) {
					t.Errorf("%+v", f)
				}
				return err
			})
			if n := len(active(t, q)); n != 1 {
				t.Errorf("asked once, %d jobs", n)
			}
			try("pause", func() error { return second(b.Pause(t.Context(), "x")) })
			c.add(time.Hour)
			try("resume", func() error { return second(b.Resume(t.Context(), "x")) })
			if got := history(get(t, b, "x")); got != "13:00 fired made 1 left 0; asked fired made 1 left 0; 14:00 skipped made 0 left 0" {
				t.Error(got)
			}
			once("delete", func() error { return b.Delete(t.Context(), "x") })
			if err := b.Delete(t.Context(), "x"); err != nil && !errors.Is(err, catalog.ErrNotFound) {
				t.Error(err)
			}
			if all, err := b.List(t.Context()); err != nil || len(all) != 0 {
				t.Error(all, err)
			}
		})
	}
}

// witness is a store that keeps every decision it was told to keep.
type witness struct {
	*memstore.Store
	// spoil spoils batches, to show that the witness sees it.
	spoil func(catalog.Batch) catalog.Batch

	mu      sync.Mutex
	version catalog.Version
	last    schedule.Schedule
	decided map[time.Time]int // due times, and how often they were decided
	made    int               // jobs, as the firings say
	each    func(from, until time.Time) []time.Time
	wrong   []string
}

const record = "sched/default/x"

func (w *witness) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spoil != nil {
		b = w.spoil(b)
	}
	v, err := w.Store.Apply(ctx, b)
	kv, getErr := w.Get(context.Background(), record)
	if getErr != nil || kv.Version == w.version {
		return v, err
	}
	w.version = kv.Version
	var s schedule.Schedule
	if err := json.Unmarshal(kv.Value, &s); err != nil {
		w.wrong = append(w.wrong, err.Error())
	}
	w.saw(s)
	return v, err
}

// saw takes down what is new in a record.
func (w *witness) saw(s schedule.Schedule) {
	old := w.last.Firings
	fresh := s.Firings
	// The ring may have lost its first; what both have ends with the last of old.
	if len(old) > 0 {
		for i := range fresh {
			if fresh[i].Due.Equal(old[len(old)-1].Due) && fresh[i].Request == old[len(old)-1].Request && fresh[i].Outcome == old[len(old)-1].Outcome {
				more := fresh[i].Count - old[len(old)-1].Count
				if more > 0 {
					part := fresh[i]
					part.Due, part.Count = w.each(old[len(old)-1].Until.Add(time.Second), part.Until)[0], more
					w.enter(part)
				}
				fresh = fresh[i+1:]
				break
			}
		}
	}
	for _, f := range fresh {
		w.enter(f)
	}
	w.last = s
}

func (w *witness) enter(f schedule.Firing) {
	w.made += f.Made
	if f.Due.IsZero() {
		return
	}
	times := w.each(f.Due, f.Until)
	if len(times) != f.Count {
		w.wrong = append(w.wrong, fmt.Sprintf("an entry of %d due times has %d: %+v", f.Count, len(times), f))
	}
	for _, at := range times {
		if w.decided[at]++; w.decided[at] == 2 {
			w.wrong = append(w.wrong, fmt.Sprintf("%s was decided twice: %+v", at, f))
		}
	}
}

// run lets two processes work on a schedule under clocks that jump, a store that
// fails in both ways, pauses, requests and jobs that end some time. It answers what
// is wrong.
func run(t *testing.T, seed uint64, spoil func(catalog.Batch) catalog.Batch) []string {
	rnd := rand.New(rand.NewPCG(seed, 1))
	pick := func(of ...string) string { return of[rnd.IntN(len(of))] }
	d := schedule.Definition{
		Name: "x", Kind: "compact", Cron: pick("* * * * *", "*/5 * * * *", "0 * * * *", "30 2 * * *", "*/10 * * * * *"),
		TimeZone: pick("", "Europe/Berlin", "America/New_York"),
		Outside:  schedule.Outside(pick("wait", "skip")), Overlap: schedule.Overlap(pick("skip", "queue", "replace")),
		Missed: schedule.Missed(pick("once", "skip", "all")),
	}
	if rnd.IntN(2) == 0 {
		d.Windows = []string{pick("22:00-06:00", "02:00-04:00", "mon-fri 00:00-12:00")}
	}
	parser := cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)
	if _, err := parser.Parse(d.Cron); err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, time.Month(1+rnd.IntN(12)), 20+rnd.IntN(9), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), 0, time.UTC)
	store := memstore.New()
	w := &witness{Store: store, decided: map[time.Time]int{}, each: func(from, until time.Time) []time.Time { return d.Due(from, until) }}
	var books []*schedule.Book
	var queues []*jobs.Queue
	var clocks []*clock
	for range 2 {
		c := &clock{at: start}
		b, q := open(t, w, c, "a", "b")
		books, queues, clocks = append(books, b), append(queues, q), append(clocks, c)
	}
	ctx := context.Background()
	if _, err := books[0].Put(ctx, d, false); err != nil {
		t.Fatal(seed, err)
	}
	w.spoil = spoil
	fails := rnd.IntN(4) // how often the store does
	store.InjectApply(func(catalog.Batch) memstore.Fault {
		switch {
		case rnd.IntN(20) >= fails:
			return memstore.Fault{}
		case rnd.IntN(2) == 0:
			return memstore.Fault{Before: errors.New("did not happen")}
		}
		return memstore.Fault{After: errors.New("happened, looked failed")}
	})
	for range 60 {
		step := []time.Duration{time.Second, 20 * time.Second, time.Minute, 7 * time.Minute, time.Hour, 9 * time.Hour, 26 * time.Hour}[rnd.IntN(7)]
		for _, c := range clocks {
			c.add(step + time.Duration(rnd.IntN(3)-1)*time.Second) // they differ, and may go back
		}
		// Errors are the store's, and the next look makes good for them.
		switch i := rnd.IntN(2); rnd.IntN(12) {
		case 0:
			_, _ = books[i].Pause(ctx, "x")
		case 1, 2:
			_, _ = books[i].Resume(ctx, "x")
		case 3:
			_, _, _ = books[i].Ask(ctx, "x", fmt.Sprint(rnd.IntN(5)))
		case 4, 5, 6:
			all, _ := queues[i].Active(ctx)
			for _, j := range all {
				_, _ = queues[i].Cancel(ctx, j.ID)
			}
		}
		var wg sync.WaitGroup
		for _, b := range books {
			wg.Go(func() { _ = b.Fire(ctx) })
		}
		wg.Wait()
	}
	store.InjectApply(nil)
	w.spoil = nil
	for range 3 {
		if err := books[0].Fire(ctx); err != nil {
			t.Fatal(err)
		}
	}
	s := get(t, books[0], "x")
	wrong := w.wrong
	waits := map[time.Time]bool{}
	for _, wait := range s.Waiting {
		if wait.Due.IsZero() {
			continue
		}
		waits[wait.Due] = true
		if w.decided[wait.Due] > 0 {
			wrong = append(wrong, fmt.Sprintf("%s waits, and was decided", wait.Due))
		}
	}
	if !s.Paused {
		for _, at := range d.Due(start.Add(time.Nanosecond), clocks[0].now()) {
			if w.decided[at] == 0 && !waits[at] {
				wrong = append(wrong, fmt.Sprintf("%s was forgotten", at))
				break
			}
		}
	}
	list, _, err := queues[0].List(ctx, jobs.Filter{Limit: 1_000_000})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != w.made {
		wrong = append(wrong, fmt.Sprintf("there are %d jobs, firings made %d", len(list), w.made))
	}
	return wrong
}

func TestEachDueTimeIsDecidedOnce(t *testing.T) {
	for seed := range uint64(60) {
		if wrong := run(t, seed, nil); len(wrong) > 0 {
			t.Fatalf("seed %d: %s", seed, strings.Join(wrong, "\n"))
		}
	}
}

// The property sees each of the faults that it is there for.
func TestThePropertySeesPlantedFaults(t *testing.T) {
	isRecord := func(b catalog.Batch) int {
		for i, op := range b.Then {
			if op.Key == record && !op.Delete {
				return i
			}
		}
		return -1
	}
	for what, spoil := range map[string]func(catalog.Batch) catalog.Batch{
		"the condition of the record is left out": func(b catalog.Batch) catalog.Batch {
			if isRecord(b) >= 0 {
				b.If = nil
			}
			return b
		},
		"jobs are made and the firing is not recorded": func(b catalog.Batch) catalog.Batch {
			if i := isRecord(b); i >= 0 && len(b.Then) > 1 {
				b.Then = append(b.Then[:i:i], b.Then[i+1:]...)
			}
			return b
		},
		"the firing is recorded and the jobs are not made": func(b catalog.Batch) catalog.Batch {
			if i := isRecord(b); i >= 0 {
				b.Then = b.Then[i : i+1]
			}
			return b
		},
	} {
		seen := false
		for seed := uint64(0); seed < 100 && !seen; seed++ {
			seen = len(run(t, seed, spoil)) > 0
		}
		if !seen {
			t.Errorf("%s, and nobody saw it", what)
		}
	}
}
