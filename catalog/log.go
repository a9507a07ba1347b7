package catalog

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// logRecord is the value of a log key: the events of one Apply.
type logRecord struct {
	V      int     `json:"v"`
	Events []Event `json:"events"`
}

// auditRecord is the value of an audit key: the entries of one Apply.
type auditRecord struct {
	V       int          `json:"v"`
	Entries []AuditEntry `json:"entries"`
}

// logOps writes events and audit entries under stamped keys, in the Apply that they describe.
func (c *Catalog) logOps(events []Event, entries []AuditEntry) []Op {
	var ops []Op
	if len(events) > 0 {
		ops = append(ops, Op{Key: c.keys.log(), Stamp: true, Value: mustJSON(logRecord{V: recordVersion, Events: events})})
	}
	if len(entries) > 0 {
		ops = append(ops, Op{Key: c.keys.audit(), Stamp: true, Value: mustJSON(auditRecord{V: recordVersion, Entries: entries})})
	}
	return ops
}

// A position is the stamp of the Apply and the index of the event in it: "000000000000002a.0003".
func position(stamp string, i int) string { return fmt.Sprintf("%s.%04d", stamp, i) }

func parsePosition(p string) (stamp string, index int, err error) {
	if p == "" {
		return "", -1, nil
	}
	stamp, rest, ok := strings.Cut(p, ".")
	if _, verr := ParseVersion(stamp); ok && verr == nil {
		if index, err = strconv.Atoi(rest); err == nil && index >= 0 {
			return stamp, index, nil
		}
	}
	return "", 0, fmt.Errorf("%w: %q is no event position", ErrInvalid, clip(p))
}

// Events returns up to limit events (0: 1000) after a position ("" is the beginning), oldest first.
func (c *Catalog) Events(ctx context.Context, after string, limit int) ([]Event, error) {
	stamp, index, err := parsePosition(after)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 1000
	}
	var out []Event
	if stamp != "" {
		// The rest of the Apply in which the position lies.
		rec, _, found, err := get[logRecord](ctx, c.cfg.Store, c.keys.log()+stamp)
		if err != nil {
			return nil, err
		}
		if found {
			out = appendEvents(out, rec, stamp, index+1)
		}
	}
	if len(out) < limit {
		r := Range{Prefix: c.keys.log(), Limit: limit - len(out)}
		if stamp != "" {
			r.After = c.keys.log() + stamp
		}
		_, kvs, err := c.cfg.Store.Scan(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, kv := range kvs {
			rec, err := decodeRecord[logRecord](kv)
			if err != nil {
				return nil, err
			}
			out = appendEvents(out, rec, strings.TrimPrefix(kv.Key, c.keys.log()), 0)
		}
	}
	return out[:min(limit, len(out))], nil
}

func appendEvents(out []Event, rec logRecord, stamp string, from int) []Event {
	for i := from; i < len(rec.Events); i++ {
		e := rec.Events[i]
		e.Position = position(stamp, i)
		out = append(out, e)
	}
	return out
}

// Latest returns up to limit events (0: 100), newest first.
func (c *Catalog) Latest(ctx context.Context, limit int) ([]Event, error) {
	if limit <= 0 {
		limit = 100
	}
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.log(), Limit: limit, Reverse: true})
	if err != nil {
		return nil, err
	}
	var out []Event
	for _, kv := range kvs {
		rec, err := decodeRecord[logRecord](kv)
		if err != nil {
			return nil, err
		}
		events := appendEvents(nil, rec, strings.TrimPrefix(kv.Key, c.keys.log()), 0)
		for _, e := range slices.Backward(events) {
			out = append(out, e)
		}
	}
	return out[:min(limit, len(out))], nil
}

// Watch yields the events after a position and then waits for new ones, until
// ctx ends, the loop stops or the catalog closes. It yields each event once, in order; an
// error is the last thing it yields. Whoever remembers the position of the
// last event it has handled misses none.
func (c *Catalog) Watch(ctx context.Context, after string) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		for {
			// Taken before the read: an event that comes after the read closes it.
			wake, closing := c.waker()
			events, err := c.Events(ctx, after, 256)
			if err != nil {
				if ctx.Err() == nil {
					yield(Event{}, err)
				}
				return
			}
			for _, e := range events {
				after = e.Position
				if !yield(e, nil) {
					return
				}
			}
			if len(events) > 0 {
				continue
			}
			if closing {
				return
			}
			select {
			case <-wake:
			case <-ctx.Done():
				return
			}
		}
	}
}

func (c *Catalog) waker() (<-chan struct{}, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.wake, c.closing
}

// signal wakes the watchers.
func (c *Catalog) signal() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closing {
		close(c.wake)
		c.wake = make(chan struct{})
	}
}

// Audit returns up to limit audit entries (0: 100), newest first, before a
// position ("" is the end).
func (c *Catalog) Audit(ctx context.Context, before string, limit int) ([]AuditEntry, error) {
	stamp, index, err := parsePosition(before)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = 100
	}
	var out []AuditEntry
	add := func(rec auditRecord, stamp string, below int) {
		for i := below - 1; i >= 0; i-- {
			e := rec.Entries[i]
			e.Position = position(stamp, i)
			out = append(out, e)
		}
	}
	r := Range{Prefix: c.keys.audit(), Limit: limit, Reverse: true}
	if stamp != "" {
		r.After = c.keys.audit() + stamp
		rec, _, found, err := get[auditRecord](ctx, c.cfg.Store, r.After)
		if err != nil {
			return nil, err
		}
		if found {
			add(rec, stamp, min(index, len(rec.Entries)))
		}
	}
	_, kvs, err := c.cfg.Store.Scan(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, kv := range kvs {
		rec, err := decodeRecord[auditRecord](kv)
		if err != nil {
			return nil, err
		}
		add(rec, strings.TrimPrefix(kv.Key, c.keys.audit()), len(rec.Entries))
	}
	return out[:min(limit, len(out))], nil
}
