package catalog

import (
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Latency is how long the commits of writers to a table took lately, from the call
// to the answer.
type Latency struct {
	Commits  int
	P50, P95 time.Duration
}

// Commits that are remembered of a table, and the tables of which they are.
const (
	latencyCommits = 256
	latencyTables  = 4096
)

// latencies remembers the last commits of each table. The zero value is ready.
type latencies struct {
	mu     sync.Mutex
	tables map[uuid.UUID]*latencyRing
}

type latencyRing struct {
	at   [latencyCommits]time.Time
	took [latencyCommits]time.Duration
	next int
	n    int
}

func (l *latencies) add(id uuid.UUID, at time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.tables[id]
	if r == nil {
		if l.tables == nil {
			l.tables = map[uuid.UUID]*latencyRing{}
		}
		if len(l.tables) >= latencyTables {
			for other := range l.tables { // any one: it is a hint
				delete(l.tables, other)
				break
			}
		}
		r = &latencyRing{}
		l.tables[id] = r
	}
	r.at[r.next], r.took[r.next] = at, took
	r.next = (r.next + 1) % latencyCommits
	r.n = min(r.n+1, latencyCommits)
}

func (l *latencies) since(id uuid.UUID, from time.Time) Latency {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.tables[id]
	if r == nil {
		return Latency{}
	}
	var took []time.Duration
	for i := range r.n {
		if !r.at[i].Before(from) {
			took = append(took, r.took[i])
		}
	}
	if len(took) == 0 {
		return Latency{}
	}
	slices.Sort(took)
	return Latency{Commits: len(took), P50: took[len(took)/2], P95: took[len(took)*95/100]}
}

// CommitLatency answers how long writers' commits to a table took since a time:
// of the last 256 at most, and of this process.
func (c *Catalog) CommitLatency(table uuid.UUID, since time.Time) Latency {
	return c.latency.since(table, since)
}

// measure remembers how long a writer's commit took. Maintenance is not counted.
func (c *Catalog) measure(r *request, begin time.Time) {
	if r.err != nil || len(r.tables) != 1 || r.tx.Actor == ActorCompactor || r.tx.Tables[0].Snapshot == nil && !r.foreign {
		return
	}
	c.latency.add(r.tables[0], begin, c.cfg.Now().Sub(begin))
}
