package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

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

// A pause, a resume and a change by a process whose clock is behind take back nothing
// that one whose clock is ahead decided.
func TestAClockThatIsBehind(t *testing.T) {
	for what, act := range map[string]func(*schedule.Book) error{
		"resume": func(b *schedule.Book) error {
			return errors.Join(second(b.Pause(t.Context(), "x")), second(b.Resume(t.Context(), "x")))
		},
		"put": func(b *schedule.Book) error {
			return second(b.Put(t.Context(), schedule.Definition{Name: "x", Kind: "compact", Cron: "0 */1 * * *"}, false))
		},
	} {
		store := memstore.New()
		ahead, behind := &clock{at: noon}, &clock{at: noon.Add(-10 * time.Second)}
		first, q := open(t, store, ahead, "a")
		other, _ := open(t, store, behind, "a")
		put(t, first, schedule.Definition{Name: "x", Cron: "0 * * * *"})
		look := func(b *schedule.Book, c *clock, d time.Duration) {
			t.Helper()
			c.add(d)
			if err := b.Fire(t.Context()); err != nil {
				t.Fatal(what, err)
			}
			cancelAll(t, q)
		}
		look(first, ahead, time.Hour)
		behind.add(time.Hour) // 12:59:50
		if err := act(other); err != nil {
			t.Fatal(what, err)
		}
		look(other, behind, 20*time.Second)
		if got := history(get(t, first, "x")); got != "13:00 fired made 1 left 0" {
			t.Errorf("%s: %s", what, got)
		}
		look(other, behind, time.Hour)
		if got := history(get(t, first, "x")); got != "13:00 fired made 1 left 0; 14:00 fired made 1 left 0" {
			t.Errorf("%s, an hour later: %s", what, got)
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
