package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"syscall"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/firnlake/firn/catalog"
)

// request is one Apply on its way through the loop.
type request struct {
	batch catalog.Batch
	// rev and err are the verdict; done is closed when they stand.
	rev  catalog.Version
	err  error
	done chan struct{}
}

// Apply implements catalog.Store. When ctx ends while the batch waits for its
// group the outcome is unknown to the caller.
func (s *Store) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	if err := check(b); err != nil {
		return 0, err
	}
	if err := s.Err(); err != nil {
		return 0, err
	}
	req := &request{batch: b, done: make(chan struct{})}
	select {
	case s.requests <- req:
	case <-s.quit:
		return 0, catalog.ErrClosed
	case <-ctx.Done():
		return 0, fmt.Errorf("apply: %w", ctx.Err())
	}
	select {
	case <-req.done:
		return req.rev, req.err
	case <-ctx.Done():
		return 0, fmt.Errorf("apply: %w", ctx.Err())
	case <-s.done:
		// The loop has ended; it may have answered in its last breath.
		select {
		case <-req.done:
			return req.rev, req.err
		default:
			return 0, catalog.ErrClosed
		}
	}
}

func check(b catalog.Batch) error {
	for _, op := range b.Then {
		n := len(op.Key)
		if op.Stamp {
			n += 16
		}
		if op.Key == "" || n > bolt.MaxKeySize {
			return fmt.Errorf("%w: a store key has %d bytes; 1 to %d are allowed", catalog.ErrInvalid, n, bolt.MaxKeySize)
		}
	}
	return nil
}

// loop writes one group after the other. While a group is being synced the
// next one gathers in the channel.
func (s *Store) loop() {
	defer close(s.done)
	for {
		var group []*request
		select {
		case <-s.quit:
			return
		case req := <-s.requests:
			group = append(group, req)
		}
	gather:
		for len(group) < s.cfg.MaxGroup {
			select {
			case req := <-s.requests:
				group = append(group, req)
			default:
				break gather
			}
		}
		s.write(group)
	}
}

// write does a group in one transaction. A crash before the commit returns
// leaves either all of it or nothing, and nobody was answered yet.
func (s *Store) write(group []*request) {
	begin := time.Now()
	var before, after catalog.Version
	err := s.Err()
	if err == nil {
		err = s.update(func(tx *bolt.Tx) error {
			before = revision(tx)
			after = before
			for _, req := range group {
				req.rev, req.err = 0, nil
				if req.err = holds(tx, req.batch.If); req.err != nil {
					continue
				}
				after++
				req.rev = after
				if err := put(tx, req.batch.Then, after); err != nil {
					return err
				}
			}
			if after == before {
				return errNothing
			}
			return tx.Bucket(bucketMeta).Put(keyRev, binary.BigEndian.AppendUint64(nil, uint64(after)))
		})
	}
	if errors.Is(err, errNothing) {
		err = nil // all conflicted: no page was touched, no sync was needed
	}
	if err != nil {
		err = s.verdict(err, before)
		for _, req := range group {
			if req.err == nil { // a conflict stands: it did not happen either way
				req.rev, req.err = 0, err
			}
		}
	} else if s.cfg.OnGroup != nil {
		s.cfg.OnGroup(len(group), time.Since(begin))
	}
	for _, req := range group {
		close(req.done)
	}
}

var errNothing = errors.New("nothing to write")

// verdict classes the error of a failed transaction: read-only when the disk was
// full and the file still stands at the revision before, failed otherwise.
func (s *Store) verdict(err error, before catalog.Version) error {
	if failure := s.Err(); failure != nil {
		return failure
	}
	if full(err) {
		var now catalog.Version
		readErr := s.db.View(func(tx *bolt.Tx) error { now = revision(tx); return nil })
		if readErr == nil && now == before {
			return fmt.Errorf("%w: %w", catalog.ErrStoreReadOnly, err)
		}
	}
	s.failure = fmt.Errorf("%w: %w", catalog.ErrStoreFailed, err)
	close(s.failed)
	return s.failure
}

func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

func holds(tx *bolt.Tx, conds []catalog.Cond) error {
	kv := tx.Bucket(bucketKV)
	for _, c := range conds {
		var actual catalog.Version
		if raw := kv.Get([]byte(c.Key)); len(raw) >= 8 {
			actual = catalog.Version(binary.BigEndian.Uint64(raw))
		}
		if actual != c.Version {
			return &catalog.ConflictError{Cond: c, Actual: actual}
		}
	}
	return nil
}

func put(tx *bolt.Tx, ops []catalog.Op, rev catalog.Version) error {
	kv := tx.Bucket(bucketKV)
	for _, op := range ops {
		key := op.Key
		if op.Stamp {
			key += rev.String()
		}
		if op.Delete {
			if err := kv.Delete([]byte(key)); err != nil {
				return err
			}
			continue
		}
		value := make([]byte, 8, 8+len(op.Value))
		binary.BigEndian.PutUint64(value, uint64(rev))
		if err := kv.Put([]byte(key), append(value, op.Value...)); err != nil {
			return err
		}
	}
	return nil
}
