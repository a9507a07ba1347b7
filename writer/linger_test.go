package writer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// TestWaitForThoseWhoWereAnswered: the next micro-batch waits for the clients
// of the one before, for a third of its time, and not when all are there.
func TestWaitForThoseWhoWereAnswered(t *testing.T) {
	rows := func() *request {
		return &request{table: &catalog.Table{}, received: time.Now(), done: make(chan outcome, 1)}
	}
	for _, c := range []struct {
		name     string
		waiting  int // when answers go out
		answered int
		took     time.Duration
		arrive   int // after that
		flush    bool
		want     time.Duration
	}{
		{name: "a single client never waits", answered: 1, took: 30 * time.Millisecond, arrive: 1},
		{name: "one waits, two come again", waiting: 1, answered: 2, took: 30 * time.Millisecond, want: 10 * time.Millisecond},
		{name: "one of the two is there", waiting: 1, answered: 2, took: 30 * time.Millisecond, arrive: 1, want: 10 * time.Millisecond},
		{name: "both are there", waiting: 1, answered: 2, took: 30 * time.Millisecond, arrive: 2},
		{name: "a slow commit", waiting: 1, answered: 2, took: 3 * time.Second, want: mostLinger},
		{name: "somebody flushes", waiting: 1, answered: 2, took: 30 * time.Millisecond, flush: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				col := newCollector(&Service{}, uuid.New())
				for range c.waiting {
					col.add(rows())
				}
				col.answering(c.answered, c.took)
				for range c.arrive {
					col.add(rows())
				}
				if c.flush {
					col.mark()
				}
				if got := col.left(); got != c.want {
					t.Fatalf("waits %v, want %v", got, c.want)
				}
				if c.want > 0 {
					time.Sleep(c.want)
					if got := col.left(); got != 0 {
						t.Fatalf("still waits %v afterwards", got)
					}
				}
			})
		})
	}
}
