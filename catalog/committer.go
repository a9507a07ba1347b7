package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// request is a transaction on its way through a committer.
type request struct {
	tx     Transaction
	tables []uuid.UUID // distinct, sorted: the order in which they are locked
	// foreign: the client made its own snapshot; it cannot be packed with others.
	foreign bool
	// group: an append that may share a snapshot with others.
	group bool

	// answer and err are the verdict; done is closed when they stand.
	answer Committed
	err    error
	done   chan struct{}
}

func (r *request) finished() bool {
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

func (c *Catalog) finish(r *request, answer Committed, err error) {
	r.answer, r.err = answer, err
	c.metrics.commits.WithLabelValues(outcome(answer, err)).Inc()
	close(r.done)
}

func outcome(answer Committed, err error) string {
	switch {
	case err == nil && answer.Duplicate:
		return "duplicate"
	case err == nil:
		return "committed"
	case errors.Is(err, ErrCommitConflict):
		return "conflict"
	case errors.Is(err, ErrUnknownOutcome):
		return "unknown"
	case errors.Is(err, ErrInvalid), errors.Is(err, ErrNotFound), errors.Is(err, ErrAlreadyExists), errors.Is(err, ErrCondition):
		return "refused"
	}
	if _, ok := errors.AsType[*ChannelError](err); ok {
		return "channel"
	}
	return "failed"
}

// Commit implements Committer.
func (c *Catalog) Commit(ctx context.Context, tx Transaction) (Committed, error) {
	r, err := newRequest(tx)
	if err != nil {
		return Committed{}, err
	}
	if err := ctx.Err(); err != nil {
		return Committed{}, fmt.Errorf("%w: %w", ErrNotCommitted, err)
	}
	if answer, found, err := c.answered(ctx, r); err != nil || found {
		return answer, err
	}
	begin := c.cfg.Now()
	if err := c.enqueue(r); err != nil {
		return Committed{}, err
	}
	select {
	case <-r.done:
		c.measure(r, begin)
		return r.answer, r.err
	case <-ctx.Done():
		// The commit goes on: somebody else may share its snapshot.
		return Committed{}, fmt.Errorf("%w: commit %s goes on: %w", ErrUnknownOutcome, r.tx.ID, ctx.Err())
	}
}

// newRequest checks what can be checked without looking at a table.
func newRequest(tx Transaction) (*request, error) {
	if tx.ID == "" {
		tx.ID = uuid.NewString()
	}
	id, err := uuid.Parse(tx.ID)
	if err != nil {
		return nil, fmt.Errorf("%w: transaction id %q is not a uuid", ErrInvalid, clip(tx.ID))
	}
	tx.ID = id.String()
	r := &request{tx: tx, done: make(chan struct{}), group: len(tx.Tables) == 1}
	r.tx.Tables = slices.Clone(tx.Tables)
	for i := range r.tx.Tables {
		ch := &r.tx.Tables[i]
		if err := ch.normalise(); err != nil {
			return nil, err
		}
		if slices.Contains(r.tables, ch.Table) {
			return nil, fmt.Errorf("%w: table %s is in the transaction twice", ErrInvalid, ch.Table)
		}
		r.tables = append(r.tables, ch.Table)
		for _, u := range ch.Updates {
			r.foreign = r.foreign || u.Action() == "add-snapshot"
		}
		r.group = r.group && ch.Create == nil && len(ch.Requirements) == 0 && len(ch.Updates) == 0 && ch.Snapshot.groupable()
	}
	slices.SortFunc(r.tables, func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) })
	seen := map[string]bool{}
	for _, a := range tx.Channels {
		if err := a.validate(); err != nil {
			return nil, err
		}
		if !slices.Contains(r.tables, a.Table) {
			return nil, fmt.Errorf("%w: channel %q belongs to table %s, which is not in the transaction", ErrInvalid, clip(a.Channel), a.Table)
		}
		if k := a.Table.String() + a.Channel; seen[k] {
			return nil, fmt.Errorf("%w: channel %q is in the transaction twice", ErrInvalid, clip(a.Channel))
		} else {
			seen[k] = true
		}
	}
	for _, rec := range tx.Records {
		if !recordKind(rec.Key) {
			return nil, fmt.Errorf("%w: record key %q: a transaction may carry wm/, run/, job/, lease/, sched/, model/, health/ and hot/ keys", ErrInvalid, clip(rec.Key))
		}
		r.group = r.group && rec.Expect == nil
	}
	for _, cond := range tx.If {
		if !recordKind(cond.Key) {
			return nil, fmt.Errorf("%w: condition on key %q: a transaction may have conditions on the keys that it may carry", ErrInvalid, clip(cond.Key))
		}
	}
	r.group = r.group && len(tx.If) == 0
	return r, nil
}

func recordKind(key string) bool {
	kind, rest, ok := strings.Cut(key, "/")
	return ok && rest != "" && slices.Contains([]string{"wm", "run", "job", "lease", "sched", "model", "health", "hot"}, kind)
}

// tableQueue is where transactions of one table wait. It lives as long as somebody uses it.
type tableQueue struct {
	// lock (capacity 1) is held by whoever commits to the table.
	lock chan struct{}
	// arrived (capacity 1) says that something came while the committer was being patient.
	arrived chan struct{}

	// Guarded by Catalog.mu.
	pending []*request
	running bool // a committer goroutine is there
	users   int  // multi-table commits that hold or want the lock

	// Guarded by lock.
	patientUntil time.Time // wait for the foreign engine that lost
	nextPatience time.Time // and not again before
}

// queue finds or makes a table's queue. Call with mu held.
func (c *Catalog) queue(id uuid.UUID) *tableQueue {
	q := c.tables[id]
	if q == nil {
		q = &tableQueue{lock: make(chan struct{}, 1), arrived: make(chan struct{}, 1)}
		c.tables[id] = q
	}
	return q
}

// enqueue hands a request to the committer of its table, or starts a commit of
// its own for several tables.
func (c *Catalog) enqueue(r *request) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return ErrClosed
	}
	if len(r.tables) != 1 {
		for _, id := range r.tables {
			c.queue(id).users++
		}
		c.work.Go(func() { c.commitTables(r) })
		return nil
	}
	id := r.tables[0]
	q := c.queue(id)
	q.pending = append(q.pending, r)
	select {
	case q.arrived <- struct{}{}:
	default:
	}
	if !q.running {
		q.running = true
		c.work.Go(func() { c.commitLoop(id, q) })
	}
	return nil
}

// commitLoop is a table's committer. Whenever it is free it takes everything
// that waits; it ends when nothing does.
func (c *Catalog) commitLoop(id uuid.UUID, q *tableQueue) {
	for {
		q.lock <- struct{}{}
		c.bePatient(q)
		batch := c.take(id, q)
		if batch == nil {
			<-q.lock
			return
		}
		c.process(batch)
		c.noteForeign(q, batch)
		<-q.lock
	}
}

// take removes the next requests: all appends when one is first in line, else the first alone.
// Nil ends the committer.
func (c *Catalog) take(id uuid.UUID, q *tableQueue) []*request {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(q.pending) == 0 {
		q.running = false
		c.release(id, q)
		return nil
	}
	if !q.pending[0].group {
		batch := q.pending[:1:1]
		q.pending = q.pending[1:]
		return batch
	}
	var batch, rest []*request
	for _, r := range q.pending {
		if r.group && len(batch) < maxGroup {
			batch = append(batch, r)
		} else {
			rest = append(rest, r)
		}
	}
	q.pending = rest
	return batch
}

// maxGroup bounds the transactions of one group, and with it the size of its Apply.
const maxGroup = 4096

// release forgets a queue that nobody uses. Call with mu held.
func (c *Catalog) release(id uuid.UUID, q *tableQueue) {
	if !q.running && q.users == 0 && len(q.pending) == 0 && c.cfg.Now().After(q.nextPatience) {
		delete(c.tables, id)
	}
}

// commitTables commits a transaction over several tables (or none). Locks are
// taken in the order of the uuids, so two of them cannot wait for each other.
func (c *Catalog) commitTables(r *request) {
	queues := make([]*tableQueue, len(r.tables))
	c.mu.Lock()
	for i, id := range r.tables {
		queues[i] = c.tables[id]
	}
	c.mu.Unlock()
	for _, q := range queues {
		q.lock <- struct{}{}
	}
	c.process([]*request{r})
	for _, q := range queues {
		<-q.lock
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, id := range r.tables {
		queues[i].users--
		c.release(id, queues[i])
	}
}

// noteForeign makes the next group wait when an engine's own append lost, so
// that it can come again. Where waiting was in vain, not again for five times the
// patience: an engine that never comes back must not slow a table down for good.
// One that came and won is waited for again.
func (c *Catalog) noteForeign(q *tableQueue, batch []*request) {
	if c.cfg.ForeignPatience <= 0 || len(batch) != 1 || !batch[0].foreign {
		return
	}
	now := c.cfg.Now()
	switch err := batch[0].err; {
	case err == nil:
		q.nextPatience = time.Time{}
	case errors.Is(err, ErrCommitConflict) && !now.Before(q.nextPatience):
		q.patientUntil = now.Add(c.cfg.ForeignPatience)
		q.nextPatience = now.Add(5 * c.cfg.ForeignPatience)
	}
}

// bePatient waits for a foreign request while that was promised. Call with the lock held.
func (c *Catalog) bePatient(q *tableQueue) {
	for {
		left := q.patientUntil.Sub(c.cfg.Now())
		if left <= 0 {
			return
		}
		c.mu.Lock()
		i := slices.IndexFunc(q.pending, func(r *request) bool { return r.foreign })
		if i >= 0 { // it goes first
			r := q.pending[i]
			q.pending = slices.Insert(slices.Delete(q.pending, i, i+1), 0, r)
		}
		skip := i >= 0 || len(q.pending) == 0 || c.closing
		c.mu.Unlock()
		if skip {
			if i >= 0 {
				q.patientUntil = time.Time{}
			}
			return
		}
		t := time.NewTimer(left)
		select {
		case <-q.arrived:
		case <-t.C:
		}
		t.Stop()
	}
}
