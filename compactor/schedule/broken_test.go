package schedule_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/schedule"
)

// unreadable are records that are no schedule, by name.
var unreadable = map[string]string{
	"cut": `{"name":"cut","cron":"0 * *`, "empty": ``, "null": `null`, "number": `7`, "typed": `{"name":"typed","cron":5}`,
	"dated": `{"name":"dated","cron":"0 * * * *","since":"yesterday"}`, "other": `{"name":"another","cron":"0 * * * *","created":"2026-05-01T00:00:00Z"}`,
}

func plant(t *testing.T, store catalog.Store, name, record string) {
	t.Helper()
	if _, err := store.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "sched/default/" + name, Value: []byte(record)}}}); err != nil {
		t.Fatal(err)
	}
}

// telling is a book that writes down which broken schedules it was told of.
func telling(t *testing.T, store catalog.Store, c *clock) (b *schedule.Book, q *jobs.Queue, told *[]string) {
	t.Helper()
	told = new([]string)
	q, err := jobs.New(jobs.Config{Store: store, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	b, err = schedule.New(schedule.Config{
		Store: store, Warehouse: "default", Queue: q, Now: c.now,
		Jobs: func(_ context.Context, d schedule.Definition) ([]jobs.Spec, error) {
			return []jobs.Spec{{Kind: d.Kind, Model: d.Name, Trigger: "schedule", Schedule: d.Name}}, nil
		},
		Broken: func(_ context.Context, broken *schedule.Broken) { *told = append(*told, broken.Name) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return b, q, told
}

// One record that cannot be read keeps nobody else from firing. It is told of once,
// listed with the reason, refused with what helps, and put again or removed.
func TestARecordThatCannotBeRead(t *testing.T) {
	for name, record := range unreadable {
		t.Run(name, func(t *testing.T) {
			c, store := &clock{at: noon}, memstore.New()
			b, q, told := telling(t, store, c)
			put(t, b, schedule.Definition{Name: "aaa", Cron: "0 * * * *"})
			put(t, b, schedule.Definition{Name: "zzz", Cron: "0 * * * *"})
			plant(t, store, name, record)
			for range 2 {
				c.add(time.Hour)
				if err := b.Fire(t.Context()); err != nil {
					t.Fatal(err)
				}
				if n := len(active(t, q)); n != 2 {
					t.Fatalf("%d jobs of two schedules", n)
				}
				cancelAll(t, q)
			}
			if fmt.Sprint(*told) != "["+name+"]" {
				t.Errorf("told of %v", *told)
			}
			all, err := b.List(t.Context())
			if err != nil || len(all) != 3 {
				t.Fatal(all, err)
			}
			for _, s := range all {
				if broken := s.Broken(); (broken != nil) != (s.Name == name) {
					t.Errorf("%s: %v", s.Name, broken)
				}
			}
			for what, err := range map[string]error{
				"get": second(b.Get(t.Context(), name)), "pause": second(b.Pause(t.Context(), name)), "resume": second(b.Resume(t.Context(), name)),
				"run": func() error { _, _, err := b.Ask(t.Context(), name, "id"); return err }(),
			} {
				broken, is := errors.AsType[*schedule.Broken](err)
				if !is || broken.Name != name || !errors.Is(err, catalog.ErrInvalid) || len(strings.Split(err.Error(), "\n")) != 3 {
					t.Errorf("%s: %v", what, err)
				}
			}

			plant(t, store, name, record) // the same again is another version of it
			if err := b.Fire(t.Context()); err != nil || len(*told) != 2 {
				t.Error(err, *told)
			}
			if _, err := b.Put(t.Context(), schedule.Definition{Name: name, Cron: "0 * * * *", Kind: "compact"}, true); err != nil {
				t.Error("a dry run over it:", err)
			}
			s := put(t, b, schedule.Definition{Name: name, Cron: "0 * * * *"})
			if s.Broken() != nil || !s.Created.Equal(c.now()) {
				t.Errorf("%+v", s)
			}
			c.add(time.Hour)
			if err := b.Fire(t.Context()); err != nil || len(active(t, q)) != 3 {
				t.Error(err, active(t, q))
			}

			plant(t, store, name, record)
			if err := b.Delete(t.Context(), name); err != nil {
				t.Error(err)
			}
			if _, err := b.Get(t.Context(), name); !errors.Is(err, catalog.ErrNotFound) {
				t.Error(err)
			}
			if err := b.Fire(t.Context()); err != nil || len(*told) != 2 {
				t.Error(err, *told)
			}
		})
	}
}

// Both failure rows of the writes over a record that cannot be read, and one that
// somebody mends between the reading and the writing: it stays.
func TestWritesOverARecordThatCannotBeRead(t *testing.T) {
	boom := errors.New("boom")
	d := schedule.Definition{Name: "x", Cron: "0 * * * *", Kind: "compact"}
	for what, fault := range map[string]memstore.Fault{"it did not happen": {Before: boom}, "it happened but looked failed": {After: boom}} {
		store := memstore.New()
		b, _, _ := telling(t, store, &clock{at: noon})
		fail := func() {
			store.InjectApply(func(catalog.Batch) memstore.Fault { store.InjectApply(nil); return fault })
		}
		plant(t, store, "x", "{")
		fail()
		if _, err := b.Put(t.Context(), d, false); !errors.Is(err, boom) {
			t.Fatal(what, err)
		}
		if s, err := b.Put(t.Context(), d, false); err != nil || s.Broken() != nil {
			t.Error(what, s, err)
		}
		plant(t, store, "x", "{")
		fail()
		if err := b.Delete(t.Context(), "x"); !errors.Is(err, boom) {
			t.Fatal(what, err)
		}
		if err := b.Delete(t.Context(), "x"); err != nil && !errors.Is(err, catalog.ErrNotFound) {
			t.Error(what, err)
		}
		if all, err := b.List(t.Context()); err != nil || len(all) != 0 {
			t.Error(what, all, err)
		}
	}

	store := memstore.New()
	b, _, _ := telling(t, store, &clock{at: noon})
	mended := `{"name":"x","cron":"0 * * * *","kind":"compact","created":"2026-05-01T00:00:00Z","firings":[{"count":1,"at":"2026-05-01T00:00:00Z","outcome":"skipped"}],"outside":"wait","overlap":"skip","missed":"once"}`
	plant(t, store, "x", "{")
	store.InjectApply(func(catalog.Batch) memstore.Fault {
		store.InjectApply(nil)
		plant(t, store, "x", mended)
		return memstore.Fault{}
	})
	if s, err := b.Put(t.Context(), d, false); err != nil || len(s.Firings) != 1 {
		t.Error("what somebody mended was written over:", s, err)
	}
}
