package jobs

import (
	"context"
	"errors"
	"fmt"

	"github.com/firnlake/firn/catalog"
)

// unreadable is a record that says nothing. It is left where it is, it keeps no other
// job from anything, and its key is free for another.
type unreadable struct {
	key string
	err error
}

func (e *unreadable) Error() string {
	return fmt.Sprintf("job record %s cannot be read: %v", e.key, e.err)
}

func isUnreadable(err error) bool {
	_, is := errors.AsType[*unreadable](err)
	return is
}

// readable decodes a record. The log tells once of one that cannot be read.
func (q *Queue) readable(ctx context.Context, kv catalog.KV) (Job, bool) {
	j, err := decode(kv)
	if err == nil {
		return j, true
	}
	q.mu.Lock()
	told := q.told[kv.Key] == kv.Version
	if q.told == nil {
		q.told = map[string]catalog.Version{}
	}
	q.told[kv.Key] = kv.Version
	q.mu.Unlock()
	if !told {
		q.cfg.Logger.ErrorContext(ctx, "a job is left out", "error", err)
	}
	return Job{}, false
}

// taken says whether an active job has a key.
func (q *Queue) taken(ctx context.Context, key string) (bool, error) {
	unique, err := q.cfg.Store.Get(ctx, key)
	if errors.Is(err, catalog.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	_, err = q.load(ctx, q.activeKey(string(unique.Value)))
	switch {
	case isUnreadable(err):
		return false, q.free(ctx, unique)
	case errors.Is(err, ErrNotFound): // it ended in between
		return true, nil
	}
	return true, err
}

// free takes a key from a job that cannot be read, unless somebody else has.
func (q *Queue) free(ctx context.Context, unique catalog.KV) error {
	_, err := q.cfg.Store.Apply(ctx, catalog.Batch{
		If:   []catalog.Cond{{Key: unique.Key, Version: unique.Version}},
		Then: []catalog.Op{{Key: unique.Key, Delete: true}},
	})
	return ignoreConflict(err)
}
