package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

const (
	// processAttempts bounds how often a group is built again because its tables moved.
	processAttempts = 20
	stageTimeout    = 2 * time.Minute
	stageParallel   = 32
)

// group is one Apply in the making: transactions over tables whose locks the
// caller holds.
type group struct {
	c        *Catalog
	now      time.Time
	accepted []*request
	plans    map[uuid.UUID]*plan
	channels map[string]*channelState
	conds    []Cond
	ops      []Op // of records and created tables
}

// process gives each request its verdict. The caller holds the locks of all their tables.
func (c *Catalog) process(reqs []*request) {
	// No caller's ctx: whoever gives up waiting must not break a commit that others share.
	ctx := context.Background()
	var last error
	reqs = slices.Clone(reqs)
	for attempt := range processAttempts {
		reqs = slices.DeleteFunc(reqs, (*request).finished)
		if len(reqs) == 0 {
			return
		}
		var again bool
		if again, last = c.processOnce(ctx, reqs); !again {
			return
		}
		if attempt > 2 {
			pause(ctx, time.Millisecond<<min(attempt, 6))
		}
	}
	for _, r := range reqs {
		if !r.finished() {
			c.finish(r, Committed{}, fmt.Errorf("%w: the table changed at every attempt: %w", ErrCommitConflict, last))
		}
	}
}

// processOnce makes one attempt. again: some request has no verdict yet.
func (c *Catalog) processOnce(ctx context.Context, reqs []*request) (again bool, err error) {
	begin := time.Now()
	g := &group{c: c, now: c.cfg.Now().UTC(), plans: map[uuid.UUID]*plan{}, channels: map[string]*channelState{}}
	ids := map[string]bool{}
	for _, r := range reqs {
		if ids[r.tx.ID] { // the same transaction twice at once: the second finds the first's record
			again = true
			continue
		}
		ids[r.tx.ID] = true
		answer, found, err := c.answered(ctx, r)
		if err == nil && !found {
			err = c.guard(func() error { return g.admit(ctx, r) })
		}
		if err != nil || found {
			c.finish(r, answer, err)
			continue
		}
		g.accepted = append(g.accepted, r)
	}
	if len(g.accepted) == 0 {
		return again, nil
	}
	if err := c.guard(func() error { return g.build(ctx) }); err != nil {
		if len(g.accepted) == 1 {
			c.finish(g.accepted[0], Committed{}, err)
			return again, nil
		}
		// One of them spoils the group: each on its own.
		for _, r := range g.accepted {
			c.process([]*request{r})
		}
		return again, nil
	}
	c.metrics.seconds.WithLabelValues("build").Observe(time.Since(begin).Seconds())
	begin = time.Now()
	if err := g.stage(ctx); err != nil {
		g.fail(fmt.Errorf("%w: %w", ErrNotCommitted, err))
		return again, nil
	}
	c.metrics.seconds.WithLabelValues("stage").Observe(time.Since(begin).Seconds())
	begin = time.Now()
	rev, err := c.applyOnce(ctx, g.batch(), g.accepted[0].tx.ID)
	c.metrics.seconds.WithLabelValues("apply").Observe(time.Since(begin).Seconds())
	if isConflict(err) {
		return true, err // the staged files stay for the garbage collector
	}
	switch {
	case err == nil:
		g.succeed(rev)
	case errors.Is(err, ErrUnknownOutcome):
		g.fail(err)
	default:
		g.fail(fmt.Errorf("%w: %w", ErrNotCommitted, err))
	}
	return again, nil
}

// guard turns a panic into an error: the data of a request, which libraries below
// trust, must not end the process.
func (c *Catalog) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic while building a commit", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: the commit cannot be built: its files do not fit the table", ErrInvalid)
		}
	}()
	return f()
}

// admit takes a request into the group, or says why not; then the group is as before. A request
// that is no plain append is alone in its group.
func (g *group) admit(ctx context.Context, r *request) error {
	advanced := map[string]*channelState{}
	for _, a := range r.tx.Channels {
		key := g.c.keys.channel(a.Table, a.Channel)
		state, ok := g.channels[key]
		if !ok {
			var err error
			if state, err = g.c.channelState(ctx, a); err != nil {
				return err
			}
		}
		next := *state
		if err := next.advance(a); err != nil {
			return err
		}
		next.rec.UpdatedAt = g.now
		advanced[key] = &next
	}
	var conds []Cond
	var ops []Op
	for _, rec := range r.tx.Records {
		if rec.Expect != nil {
			if err := g.c.expectRecord(ctx, rec); err != nil {
				return err
			}
			conds = append(conds, Cond{Key: rec.Key, Version: *rec.Expect})
		}
		ops = append(ops, Op{Key: rec.Key, Value: rec.Value, Delete: rec.Delete})
	}
	for _, cond := range r.tx.If {
		// Looked at here for the answer; what decides is the Apply, and when it finds it
		// otherwise the next attempt says so here.
		if kv, err := g.c.cfg.Store.Get(ctx, cond.Key); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		} else if kv.Version != cond.Version {
			return fmt.Errorf("%w: %s is at version %d, not %d", ErrCondition, cond.Key, kv.Version, cond.Version)
		}
		conds = append(conds, cond)
	}
	for i := range r.tx.Tables {
		ch := &r.tx.Tables[i]
		p, err := g.plan(ctx, ch)
		if err != nil {
			return err
		}
		if r.group {
			if err := p.checkAdded(ch.Snapshot); err != nil {
				return err
			}
			p.appends = append(p.appends, ch.Snapshot)
			continue
		}
		if err := p.change(ctx, r, ch); err != nil {
			return err
		}
	}
	maps.Copy(g.channels, advanced)
	g.conds = append(g.conds, conds...)
	g.ops = append(g.ops, ops...)
	return nil
}

func (c *Catalog) expectRecord(ctx context.Context, rec Record) error {
	kv, err := c.cfg.Store.Get(ctx, rec.Key)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if kv.Version != *rec.Expect {
		return fmt.Errorf("%w: record %s is at version %d, not %d", ErrCommitConflict, rec.Key, kv.Version, *rec.Expect)
	}
	return nil
}

// plan finds or starts the plan of a change's table.
func (g *group) plan(ctx context.Context, ch *TableChange) (*plan, error) {
	if p := g.plans[ch.Table]; p != nil {
		return p, nil
	}
	p := &plan{c: g.c, id: ch.Table, now: g.now, lists: map[string]manifestList{}, raw: map[string][]byte{}}
	if ch.Create != nil {
		p.created = true
		p.rec = tableRecord{
			V: recordVersion, ID: ch.Table, Namespace: ch.Create.Ident.Namespace, Name: ch.Create.Ident.Name, Created: g.now,
		}
	} else {
		var err error
		if p.rec, p.version, err = g.c.recordByID(ctx, ch.Table); err != nil {
			return nil, err
		}
		if p.base, err = g.c.loadHead(ctx, p.rec.Metadata); err != nil {
			return nil, fmt.Errorf("table %s: %w", p.rec.ident(), err)
		}
		p.cur, p.line = p.base.meta, p.base.line
	}
	g.plans[ch.Table] = p
	return p, nil
}

// build makes the snapshots and the metadata of all tables, in memory.
func (g *group) build(ctx context.Context) error {
	for _, p := range g.plans {
		if len(p.appends) > 0 {
			if err := p.appendAll(ctx, g.accepted); err != nil {
				return err
			}
		}
		if err := p.seal(); err != nil {
			return err
		}
		if p.created {
			conds, ops, err := g.c.createOps(ctx, p.rec, true)
			if err != nil {
				return err
			}
			g.conds = append(g.conds, conds...)
			g.ops = append(g.ops, ops...)
		}
	}
	return nil
}

// stage puts all files in parallel: nothing refers to them before the swap, so
// order does not matter, and a crash here leaves orphans, no more. The barrier
// makes them durable before the pointer is.
func (g *group) stage(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stageTimeout)
	defer cancel()
	puts, putCtx := errgroup.WithContext(ctx)
	puts.SetLimit(stageParallel)
	for _, p := range g.plans {
		for _, o := range p.objects {
			puts.Go(func() error { return g.c.put(putCtx, o) })
		}
	}
	if err := puts.Wait(); err != nil {
		return err
	}
	return g.c.files.Sync(ctx)
}

// batch is the one Apply: pointer swaps, channels, records, commit and
// idempotency records, events and audit.
func (g *group) batch() Batch {
	b := Batch{If: slices.Clone(g.conds), Then: slices.Clone(g.ops)}
	var events []Event
	for _, id := range slices.SortedFunc(maps.Keys(g.plans), func(a, b uuid.UUID) int { return slices.Compare(a[:], b[:]) }) {
		p := g.plans[id]
		events = append(events, p.events...)
		if p.created {
			continue
		}
		key := g.c.keys.table(id)
		b.If = append(b.If, Cond{Key: key, Version: p.version})
		if p.next != nil {
			b.Then = append(b.Then, Op{Key: key, Value: mustJSON(p.rec)})
		}
	}
	for key, state := range g.channels {
		if p := g.plans[state.rec.Table]; p.snapshot != 0 {
			state.rec.SnapshotID, state.rec.SequenceNumber = p.snapshot, p.sequence
		}
		b.If = append(b.If, Cond{Key: key, Version: state.version})
		b.Then = append(b.Then, Op{Key: key, Value: mustJSON(state.rec)})
	}
	var expire []string
	var audit []AuditEntry
	for _, r := range g.accepted {
		key := g.c.keys.commit(r.tx.ID)
		rec := commitRecord{V: recordVersion, At: g.now, Actor: r.tx.Actor, Tables: g.results(r)}
		b.If = append(b.If, Cond{Key: key})
		b.Then = append(b.Then, Op{Key: key, Value: mustJSON(rec)})
		expire = append(expire, key)
		if i := r.tx.Idempotency; i != nil {
			key := g.c.keys.idempotency(*i)
			b.If = append(b.If, Cond{Key: key})
			b.Then = append(b.Then, Op{Key: key, Value: mustJSON(idemRecord{V: recordVersion, Hash: i.RequestHash[:], Commit: r.tx.ID, At: g.now})})
			expire = append(expire, key)
		}
		entry := AuditEntry{V: recordVersion, At: g.now, Actor: r.tx.Actor, Action: "commit", CommitID: r.tx.ID}
		for _, t := range rec.Tables {
			entry.Objects = append(entry.Objects, t.Ident.String())
		}
		audit = append(audit, entry)
	}
	b.Then = append(b.Then, g.c.logOps(events, audit)...)
	b.Then = append(b.Then, g.c.expiryOp(g.now, expire))
	return b
}

func (g *group) results(r *request) []resultRecord {
	out := make([]resultRecord, 0, len(r.tx.Tables))
	for _, ch := range r.tx.Tables {
		p := g.plans[ch.Table]
		out = append(out, resultRecord{
			Table: p.id, Ident: p.rec.ident(), Snapshot: p.snapshot, Sequence: p.sequence, Metadata: p.rec.Metadata,
		})
	}
	return out
}

func (g *group) fail(err error) {
	for _, r := range g.accepted {
		g.c.finish(r, Committed{}, err)
	}
}

// succeed remembers the new heads and answers.
func (g *group) succeed(rev Version) {
	for _, p := range g.plans {
		p.remember()
	}
	g.c.metrics.groupSize.Observe(float64(len(g.accepted)))
	for _, r := range g.accepted {
		answer := Committed{ID: r.tx.ID, Revision: rev}
		for _, res := range g.results(r) {
			answer.Tables = append(answer.Tables, res.result(g.plans[res.Table].cur))
		}
		g.c.finish(r, answer, nil)
	}
	g.c.signal()
}
