package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
)

const (
	intentRenewal  = 20 * time.Second
	intentLifetime = 2 * time.Minute
	expireBatch    = 512
)

// Intent announces that a process writes files that no snapshot names yet. The
// uuid in the name of such a file begins with FilePrefix. While the intent lives, and
// for files younger than it, a file of that prefix is not an orphan.
type Intent struct {
	V          int       `json:"v"`
	ID         uuid.UUID `json:"id"`
	Owner      string    `json:"owner"`
	FilePrefix string    `json:"file_prefix"`
	Started    time.Time `json:"started"`
	Expires    time.Time `json:"expires"`
}

// Intents lists the write intents that live.
func (c *Catalog) Intents(ctx context.Context) ([]Intent, error) {
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.intents()})
	if err != nil {
		return nil, err
	}
	now := c.cfg.Now()
	var out []Intent
	for _, kv := range kvs {
		rec, err := decodeRecord[Intent](kv)
		if err != nil {
			return nil, err
		}
		if rec.Expires.After(now) {
			out = append(out, rec)
		}
	}
	return out, nil
}

// tickOnce renews this run's intent and forgets what has expired.
func (c *Catalog) tickOnce(ctx context.Context) error {
	now := c.cfg.Now().UTC()
	key := c.keys.intent(c.session)
	old, _, found, err := get[Intent](ctx, c.cfg.Store, key)
	if err != nil {
		return fmt.Errorf("renew write intent: %w", err)
	}
	if !found {
		old = Intent{V: recordVersion, ID: c.session, Owner: "catalog", FilePrefix: c.session.String()[:8], Started: now}
	}
	old.Expires = now.Add(intentLifetime)
	if _, err := c.cfg.Store.Apply(ctx, Batch{Then: []Op{{Key: key, Value: mustJSON(old)}}}); err != nil {
		return fmt.Errorf("renew write intent: %w", err)
	}
	if err := c.expireStaged(ctx, now); err != nil {
		return fmt.Errorf("give up staged creates: %w", err)
	}
	for {
		more, err := c.expireOnce(ctx, now)
		if err != nil {
			return fmt.Errorf("forget expired records: %w", err)
		}
		if !more {
			return nil
		}
	}
}

// expireStaged gives up creates that were staged and never committed: what their
// clients wrote goes the way of a dropped table. A client that comes too late is
// refused, as for every table that was.
func (c *Catalog) expireStaged(ctx context.Context, now time.Time) error {
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.allStaged()})
	if err != nil {
		return err
	}
	for _, kv := range kvs {
		rec, err := decodeRecord[stageRecord](kv)
		if err != nil {
			return err
		}
		if rec.Expires.After(now) {
			continue
		}
		gone := dropRecord{
			tableRecord: tableRecord{V: recordVersion, ID: rec.ID, Namespace: rec.Ident.Namespace, Name: rec.Ident.Name},
			Purge:       true, Dropped: now, Location: rec.Location,
		}
		_, err = c.cfg.Store.Apply(ctx, Batch{
			If:   []Cond{{Key: kv.Key, Version: kv.Version}, {Key: c.keys.table(rec.ID)}},
			Then: []Op{{Key: kv.Key, Delete: true}, {Key: c.keys.dropped(rec.ID), Value: mustJSON(gone)}},
		})
		if err != nil && !isConflict(err) { // it was committed just now
			return err
		}
	}
	return nil
}

// expireOnce deletes one batch of expired commit ids, idempotency keys and intents. A
// crash between batches leaves the rest for the next time.
func (c *Catalog) expireOnce(ctx context.Context, now time.Time) (more bool, err error) {
	var ops []Op
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.expiry(), Limit: expireBatch})
	if err != nil {
		return false, err
	}
	for _, kv := range kvs {
		rec, err := decodeRecord[expiryRecord](kv)
		if err != nil {
			return false, err
		}
		if rec.At.After(now) {
			break // in order of time, but for clock skew: late is harmless
		}
		for _, k := range rec.Keys {
			ops = append(ops, Op{Key: k, Delete: true})
		}
		ops = append(ops, Op{Key: kv.Key, Delete: true})
		more = len(kvs) == expireBatch
	}
	_, kvs, err = c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.intents()})
	if err != nil {
		return false, err
	}
	for _, kv := range kvs {
		rec, err := decodeRecord[Intent](kv)
		if err == nil && rec.Expires.Before(now) && rec.ID != c.session {
			ops = append(ops, Op{Key: kv.Key, Delete: true})
		}
	}
	if len(ops) == 0 {
		return false, nil
	}
	_, err = c.cfg.Store.Apply(ctx, Batch{Then: slices.Clip(ops)})
	if err != nil && !errors.Is(err, context.Canceled) {
		return false, err
	}
	return more && err == nil, nil
}
