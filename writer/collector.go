package writer

import (
	"slices"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer/intake"
)

// request is one accepted batch on its way to a commit. It belongs to whoever
// holds it; finish is called exactly once.
type request struct {
	table    *catalog.Table
	schemaID int
	channel  string
	epoch    uint64
	offset   uint64
	token    string
	key      *catalog.IdempotencyKey

	batches []arrow.RecordBatch // in the table's schema
	good    int64
	bytes   int64
	bad     []intake.BadLine

	received time.Time
	hold     *hold
	done     chan outcome
}

type outcome struct {
	answer *firnv1.AppendResponse
	err    error
}

// flushes: the request has no rows, it waits for those of others.
func (r *request) flushes() bool { return r.table == nil }

// rows is how far the request moves its channel.
func (r *request) rows() uint64 { return uint64(r.good) + uint64(len(r.bad)) }

func (r *request) finish(answer *firnv1.AppendResponse, err error) {
	for _, b := range r.batches {
		b.Release()
	}
	r.batches = nil
	if r.hold != nil {
		r.hold.release()
	}
	r.done <- outcome{answer, err}
}

// collector gathers what waits for one table and writes it in micro-batches:
// the next one is taken when the commit of the one before has ended, or when
// its rows have waited long enough, or when there are many. Micro-batches
// commit in the order in which they were taken, so a channel never overtakes
// itself.
type collector struct {
	s     *Service
	table uuid.UUID

	mu      sync.Mutex
	pending []*request
	bytes   int64
	// wake has a token when something has changed for run.
	wake     chan struct{}
	stopping bool

	// After a commit those who were answered come again at once, if they come;
	// the next micro-batch waits for them, for a moment, until so many requests
	// are pending. Without that they would find it begun, and wait for two
	// commits instead of one. Guarded by mu.
	expected int
	linger   time.Time

	// commits ends when the commit before has ended; it belongs to run.
	commits chan struct{}
	// ahead is where channels will stand after the commits under way.
	ahead *positions
}

func newCollector(s *Service, table uuid.UUID) *collector {
	done := make(chan struct{})
	close(done)
	return &collector{s: s, table: table, wake: make(chan struct{}, 1), commits: done, ahead: newPositions()}
}

func (c *collector) add(r *request) {
	c.mu.Lock()
	c.pending = append(c.pending, r)
	c.bytes += r.bytes
	c.mu.Unlock()
	c.poke()
}

func (c *collector) stop() {
	c.mu.Lock()
	c.stopping = true
	c.mu.Unlock()
	c.poke()
}

func (c *collector) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *collector) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.pending) == 0
}

// run writes micro-batches until the table is idle or the service drains.
func (c *collector) run() {
	defer c.s.working.Done()
	idle := time.NewTimer(idleAfter)
	defer idle.Stop()
	for {
		if group := c.take(); len(group) > 0 {
			c.write(group)
			idle.Reset(idleAfter)
			continue
		}
		c.mu.Lock()
		stopping, wait := c.stopping && len(c.pending) == 0, c.due()
		free := c.free()
		if free && wait >= 0 {
			wait = min(wait, c.left())
		}
		c.mu.Unlock()
		if stopping {
			<-c.commits
			return
		}
		// With rows waiting, either the commit before ends or they are due.
		var commits <-chan struct{}
		var due <-chan time.Time
		if wait >= 0 {
			if !free {
				commits = c.commits
			}
			due = time.After(wait)
		}
		select {
		case <-c.wake:
		case <-commits:
		case <-due:
		case <-idle.C:
			<-c.commits
			if c.s.retire(c) {
				return
			}
			idle.Reset(idleAfter)
		}
	}
}

// due answers how long the oldest row may still wait, or -1 without rows.
func (c *collector) due() time.Duration {
	if len(c.pending) == 0 {
		return -1
	}
	return max(0, c.s.cfg.GroupWait-time.Since(c.pending[0].received))
}

// free says whether the commit before has ended. Only run asks.
func (c *collector) free() bool {
	select {
	case <-c.commits:
		return true
	default:
		return false
	}
}

// mostLinger bounds the wait for those who were just answered. It is a third of
// what the micro-batch before took, at the most.
const mostLinger = 20 * time.Millisecond

// left is how long the next micro-batch still waits for those who were just
// answered. Call with mu held.
func (c *collector) left() time.Duration {
	if len(c.pending) >= c.expected || slices.ContainsFunc(c.pending, (*request).flushes) {
		return 0
	}
	return max(0, time.Until(c.linger))
}

// answering notes that so many requests are about to be answered, after took.
func (c *collector) answering(requests int, took time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expected = len(c.pending) + requests
	c.linger = time.Now().Add(min(took/3, mostLinger))
}

// take answers the next micro-batch if it is time for one.
func (c *collector) take() []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.pending) == 0 {
		return nil
	}
	if (!c.free() || c.left() > 0) && !c.stopping && c.bytes < c.s.cfg.GroupBytes && c.due() > 0 {
		return nil
	}
	n, bytes := 0, int64(0)
	for n < len(c.pending) && (n == 0 || bytes+c.pending[n].bytes <= c.s.cfg.GroupBytes) {
		bytes += c.pending[n].bytes
		n++
	}
	group := c.pending[:n:n]
	c.pending = append([]*request(nil), c.pending[n:]...)
	c.bytes -= bytes
	return group
}

// write prepares the group's files now and commits after the group before.
func (c *collector) write(group []*request) {
	ctx, cancel := c.s.commitContext()
	start := time.Now()
	before := c.commits
	g := c.s.prepare(ctx, c.table, group, c.ahead)
	forecast := g.advances
	g.answering = func(requests int) { c.answering(requests, time.Since(start)) }
	// At most one group waits with its files for the commit before it.
	<-before
	done := make(chan struct{})
	c.commits = done
	go func() {
		defer close(done)
		defer cancel()
		c.s.commitGroup(ctx, g)
		c.ahead.settle(forecast)
		c.s.budget.took(time.Since(start))
		c.poke()
	}()
}

// mark asks for a micro-batch at once; its done channel tells when everything
// that waits now is committed.
func (c *collector) mark() *request {
	r := &request{done: make(chan outcome, 1)}
	c.add(r)
	return r
}
