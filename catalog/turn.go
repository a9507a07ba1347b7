package catalog

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// Turn is the right to commit next to a table, before everybody else in this
// process. It is for whoever must look at what others committed and would not come
// to an end, as they commit faster than it looks.
type Turn struct {
	c  *Catalog
	id uuid.UUID
}

// Turn waits until it is the caller's turn and calls do. Until do returns, commits
// of this process to the table wait, and conflict no more than they would have: so do
// must be short. Those of other processes on the same Store go on. The turn is
// had after at most one commit, or group of them, that was under way or in line
// for it before. Within do, commit to the table by the Turn only; by the catalog it
// would wait for itself.
func (c *Catalog) Turn(ctx context.Context, id uuid.UUID, do func(*Turn) error) error {
	c.mu.Lock()
	if c.closing {
		c.mu.Unlock()
		return ErrClosed
	}
	q := c.queue(id)
	q.users++
	c.work.Add(1)
	c.mu.Unlock()
	defer c.work.Done()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		q.users--
		c.release(id, q)
	}()
	select {
	case q.lock <- struct{}{}: // waiting senders are served in the order they came
	case <-ctx.Done():
		return fmt.Errorf("wait for a turn: %w", ctx.Err())
	}
	defer func() { <-q.lock }()
	return do(&Turn{c, id})
}

// Commit implements [Committer] for transactions of the turn's table alone.
func (t *Turn) Commit(ctx context.Context, tx Transaction) (Committed, error) {
	r, err := newRequest(tx)
	if err != nil {
		return Committed{}, err
	}
	if len(r.tables) != 1 || r.tables[0] != t.id {
		return Committed{}, fmt.Errorf("%w: a turn at table %s is for transactions of that table alone", ErrInvalid, t.id)
	}
	if err := ctx.Err(); err != nil {
		return Committed{}, fmt.Errorf("%w: %w", ErrNotCommitted, err)
	}
	begin := t.c.cfg.Now()
	// To the end, whatever becomes of ctx: the lock must not go to another before.
	t.c.process([]*request{r})
	t.c.measure(r, begin)
	return r.answer, r.err
}
