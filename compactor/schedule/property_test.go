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
