package catalog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// mutation is one change of the catalog that is no table commit: it needs no
// committer, its conditions suffice.
type mutation struct {
	conds   []Cond
	ops     []Op
	action  string
	objects []string
	events  []Event
	tables  []resultRecord // the answer, kept with the commit id
	missing []string       // likewise
}

const (
	// mutateAttempts bounds the times a mutation is built again because another one came between.
	mutateAttempts = 200
	// applyAttempts bounds the times that an unknown outcome is asked about.
	applyAttempts = 6
)

// mutate builds a mutation and applies it, again when a condition failed. The
// answer of an earlier call with the same idempotency key is given back with
// repeated = true. After the first Apply the caller's ctx no longer matters.
func (c *Catalog) mutate(ctx context.Context, build func(ctx context.Context) (mutation, error)) (rec commitRecord, repeated bool, err error) {
	if c.isClosing() {
		return commitRecord{}, false, ErrClosed
	}
	id := uuid.NewString()
	idem := idempotencyOf(ctx)
	for range mutateAttempts {
		if err := ctx.Err(); err != nil {
			return commitRecord{}, false, err
		}
		if idem != nil {
			rec, found, err := c.lookupIdempotency(ctx, *idem)
			if err != nil || found {
				return rec, found, err
			}
		}
		m, err := build(ctx)
		if err != nil {
			return commitRecord{}, false, err
		}
		now := c.cfg.Now().UTC()
		rec = commitRecord{V: recordVersion, At: now, Actor: actorOf(ctx), Action: m.action, Tables: m.tables, Missing: m.missing}
		b := c.assemble(m, id, idem, rec)
		_, err = c.applyOnce(context.WithoutCancel(ctx), b, id)
		if err == nil {
			c.signal()
			return rec, false, nil
		}
		if !isConflict(err) {
			return commitRecord{}, false, err
		}
	}
	return commitRecord{}, false, fmt.Errorf("%w: too many concurrent changes of the same objects; try again", ErrCommitConflict)
}

func (c *Catalog) assemble(m mutation, id string, idem *IdempotencyKey, rec commitRecord) Batch {
	b := Batch{If: m.conds, Then: m.ops}
	expire := []string{c.keys.commit(id)}
	b.If = append(b.If, Cond{Key: c.keys.commit(id)})
	b.Then = append(b.Then, Op{Key: c.keys.commit(id), Value: mustJSON(rec)})
	if idem != nil {
		k := c.keys.idempotency(*idem)
		b.If = append(b.If, Cond{Key: k})
		b.Then = append(b.Then, Op{Key: k, Value: mustJSON(idemRecord{V: recordVersion, Hash: idem.RequestHash[:], Commit: id, At: rec.At})})
		expire = append(expire, k)
	}
	for i := range m.events {
		m.events[i].At, m.events[i].Actor, m.events[i].CommitID = rec.At, rec.Actor, id
	}
	b.Then = append(b.Then, c.logOps(m.events, []AuditEntry{{
		V: recordVersion, At: rec.At, Actor: rec.Actor, Action: m.action, Objects: m.objects, CommitID: id,
	}})...)
	b.Then = append(b.Then, c.expiryOp(rec.At, expire))
	return b
}

func (c *Catalog) expiryOp(now time.Time, keys []string) Op {
	return Op{Key: c.keys.expiry(), Stamp: true, Value: mustJSON(expiryRecord{V: recordVersion, At: now.Add(c.cfg.IdempotencyTTL), Keys: keys})}
}

// applyOnce applies a batch that writes commit record id, and finds out what
// happened when the store does not know. Its errors are certain
// (*ConflictError, ErrStoreReadOnly, ErrInvalid) or ErrUnknownOutcome.
//
// Applying the same batch again is safe: it demands that the commit record is
// absent, so it happens at most once however often it is tried.
func (c *Catalog) applyOnce(ctx context.Context, b Batch, id string) (Version, error) {
	var last error
	for attempt := range applyAttempts {
		rev, err := c.cfg.Store.Apply(ctx, b)
		if err == nil {
			return rev, nil
		}
		_, conflict := errors.AsType[*ConflictError](err)
		if conflict && last == nil {
			return 0, err
		}
		if !conflict {
			if errors.Is(err, ErrInvalid) || last == nil && (errors.Is(err, ErrStoreReadOnly) || errors.Is(err, ErrClosed)) {
				return 0, err
			}
		}
		// Either the outcome is unknown, or a batch that was unknown before
		// conflicts now, perhaps with itself. The record decides.
		kv, readErr := c.cfg.Store.Get(ctx, c.keys.commit(id))
		switch {
		case readErr == nil:
			return kv.Version, nil
		case errors.Is(readErr, ErrNotFound) && conflict:
			return 0, err
		}
		last = errors.Join(err, readErr)
		if errors.Is(err, ErrStoreFailed) || errors.Is(err, ErrClosed) {
			break
		}
		pause(ctx, time.Millisecond<<(2*attempt))
	}
	return 0, fmt.Errorf("%w: %w", ErrUnknownOutcome, last)
}

// isConflict: the batch did not happen because a condition failed. An unknown
// outcome may carry conflicts of its retries; it stays unknown.
func isConflict(err error) bool {
	_, conflict := errors.AsType[*ConflictError](err)
	return conflict && !errors.Is(err, ErrUnknownOutcome)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// lookupIdempotency answers whether the key was used; for another request it is an error.
func (c *Catalog) lookupIdempotency(ctx context.Context, key IdempotencyKey) (commitRecord, bool, error) {
	id, err := c.idempotentCommit(ctx, key)
	if err != nil || id == "" {
		return commitRecord{}, false, err
	}
	kv, err := c.cfg.Store.Get(ctx, c.keys.commit(id))
	if err != nil {
		return commitRecord{}, false, fmt.Errorf("commit record of an idempotency key: %w", err)
	}
	rec, err := decodeRecord[commitRecord](kv)
	return rec, err == nil, err
}

// idempotentCommit is the commit id that a key stands for, "" when it is new.
func (c *Catalog) idempotentCommit(ctx context.Context, key IdempotencyKey) (string, error) {
	kv, err := c.cfg.Store.Get(ctx, c.keys.idempotency(key))
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	rec, err := decodeRecord[idemRecord](kv)
	if err != nil {
		return "", err
	}
	if string(rec.Hash) != string(key.RequestHash[:]) {
		return "", ErrIdempotencyMismatch
	}
	return rec.Commit, nil
}

func (c *Catalog) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// get reads a record; found is false when the key is absent.
func get[T any](ctx context.Context, s Store, key string) (rec T, v Version, found bool, err error) {
	kv, err := s.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return rec, 0, false, nil
	}
	if err != nil {
		return rec, 0, false, err
	}
	rec, err = decodeRecord[T](kv)
	return rec, kv.Version, err == nil, err
}
