package boltstore

import (
	"bytes"
	"context"
	"fmt"

	bolt "go.etcd.io/bbolt"

	"github.com/firnlake/firn/catalog"
)

// Scan implements catalog.Store.
func (s *Store) Scan(ctx context.Context, r catalog.Range) (catalog.Version, []catalog.KV, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	var rev catalog.Version
	var out []catalog.KV
	err := s.view(func(tx *bolt.Tx) error {
		rev = revision(tx)
		cur := tx.Bucket(bucketKV).Cursor()
		step := cur.Next
		if r.Reverse {
			step = cur.Prev
		}
		prefix := []byte(r.Prefix)
		for k, v := first(cur, r); k != nil && bytes.HasPrefix(k, prefix); k, v = step() {
			ver, value, err := decode(v)
			if err != nil {
				return err
			}
			out = append(out, catalog.KV{Key: string(k), Value: value, Version: ver})
			if r.Limit > 0 && len(out) == r.Limit {
				return nil
			}
			if len(out)%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return nil
	})
	if err != nil {
		return 0, nil, fmt.Errorf("scan %q: %w", r.Prefix, err)
	}
	return rev, out, nil
}

// first is where the cursor of a range begins.
func first(cur *bolt.Cursor, r catalog.Range) (k, v []byte) {
	if !r.Reverse {
		if r.After <= r.Prefix && (r.After != r.Prefix || r.After == "") {
			return cur.Seek([]byte(r.Prefix))
		}
		k, v = cur.Seek([]byte(r.After))
		if string(k) == r.After {
			return cur.Next()
		}
		return k, v
	}
	bound, bounded := successor(r.Prefix)
	if r.After != "" && (!bounded || r.After < bound) {
		bound, bounded = r.After, true
	}
	if !bounded {
		return cur.Last()
	}
	if k, _ = cur.Seek([]byte(bound)); k == nil {
		return cur.Last()
	}
	return cur.Prev()
}

// successor is the first key after all keys that begin with prefix.
func successor(prefix string) (string, bool) {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1]), true
		}
	}
	return "", false
}
