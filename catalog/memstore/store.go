// Package memstore is catalog.Store in memory, with faults, for tests.
//
// It promises what catalog.Store promises except durability: it lives as long
// as the process.
package memstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/firnlake/firn/catalog"
)

// Fault is what goes wrong with one Apply.
type Fault struct {
	// Before fails the Apply: it does not happen.
	Before error
	// After lets it happen and then returns this error.
	After error
}

// Store is a catalog.Store.
type Store struct {
	mu     sync.RWMutex
	rev    catalog.Version
	keys   []string // sorted
	values map[string]catalog.KV
	closed bool

	faultMu sync.Mutex // guards the two functions
	apply   func(catalog.Batch) Fault
	read    func(key string) error
	callMu  sync.Mutex // held while apply runs
}

var _ catalog.Store = (*Store)(nil)

// New is an empty store.
func New() *Store { return &Store{values: map[string]catalog.KV{}} }

// InjectApply has f decide over each Apply; nil ends it. f is called once per
// Apply and never twice at the same time.
func (s *Store) InjectApply(f func(catalog.Batch) Fault) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.apply = f
}

// InjectRead has f fail reads (Get with the key, Scan with the prefix); nil ends it.
func (s *Store) InjectRead(f func(key string) error) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.read = f
}

func (s *Store) readFault(key string) error {
	s.faultMu.Lock()
	f := s.read
	s.faultMu.Unlock()
	if f == nil {
		return nil
	}
	return f(key)
}

func (s *Store) applyFault(b catalog.Batch) Fault {
	s.faultMu.Lock()
	f := s.apply
	s.faultMu.Unlock()
	if f == nil {
		return Fault{}
	}
	s.callMu.Lock()
	defer s.callMu.Unlock()
	return f(b)
}

// Get implements catalog.Store.
func (s *Store) Get(ctx context.Context, key string) (catalog.KV, error) {
	if err := ctx.Err(); err != nil {
		return catalog.KV{}, err
	}
	if err := s.readFault(key); err != nil {
		return catalog.KV{}, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return catalog.KV{}, catalog.ErrClosed
	}
	kv, ok := s.values[key]
	if !ok {
		return catalog.KV{}, fmt.Errorf("get %q: %w", key, catalog.ErrNotFound)
	}
	kv.Value = slices.Clone(kv.Value)
	return kv, nil
}

// Scan implements catalog.Store.
func (s *Store) Scan(ctx context.Context, r catalog.Range) (catalog.Version, []catalog.KV, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	if err := s.readFault(r.Prefix); err != nil {
		return 0, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return 0, nil, catalog.ErrClosed
	}
	lo, _ := slices.BinarySearch(s.keys, r.Prefix)
	hi := lo
	for hi < len(s.keys) && strings.HasPrefix(s.keys[hi], r.Prefix) {
		hi++
	}
	keys := slices.Clone(s.keys[lo:hi])
	if r.Reverse {
		slices.Reverse(keys)
	}
	var out []catalog.KV
	for _, k := range keys {
		if r.After != "" && (!r.Reverse && k <= r.After || r.Reverse && k >= r.After) {
			continue
		}
		kv := s.values[k]
		kv.Value = slices.Clone(kv.Value)
		out = append(out, kv)
		if r.Limit > 0 && len(out) == r.Limit {
			break
		}
	}
	return s.rev, out, nil
}

// Apply implements catalog.Store.
func (s *Store) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	for _, op := range b.Then {
		if op.Key == "" || len(op.Key) > 32<<10 {
			return 0, fmt.Errorf("%w: a store key has %d bytes", catalog.ErrInvalid, len(op.Key))
		}
	}
	fault := s.applyFault(b)
	if fault.Before != nil {
		return 0, fault.Before
	}
	rev, err := s.do(b)
	if err == nil && fault.After != nil {
		return 0, fault.After
	}
	return rev, err
}

func (s *Store) do(b catalog.Batch) (catalog.Version, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, catalog.ErrClosed
	}
	for _, c := range b.If {
		if actual := s.values[c.Key].Version; actual != c.Version {
			return 0, &catalog.ConflictError{Cond: c, Actual: actual}
		}
	}
	s.rev++
	for _, op := range b.Then {
		key := op.Key
		if op.Stamp {
			key += s.rev.String()
		}
		i, found := slices.BinarySearch(s.keys, key)
		switch {
		case op.Delete && found:
			s.keys = slices.Delete(s.keys, i, i+1)
			delete(s.values, key)
		case op.Delete:
		default:
			if !found {
				s.keys = slices.Insert(s.keys, i, key)
			}
			value := make([]byte, len(op.Value))
			copy(value, op.Value)
			s.values[key] = catalog.KV{Key: key, Value: value, Version: s.rev}
		}
	}
	return s.rev, nil
}

// Close implements catalog.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}
