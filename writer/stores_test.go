package writer_test

import (
	"context"
	"path/filepath"
	"sync"
	"testing"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
	"github.com/firnlake/firn/catalog/memstore"
)

// stores are what the catalog may keep its truth in.
var stores = map[string]func(t testing.TB) catalog.Store{
	"memory": func(testing.TB) catalog.Store { return memstore.New() },
	"bolt": func(t testing.TB) catalog.Store {
		s, err := boltstore.Open(boltstore.Config{Path: filepath.Join(t.TempDir(), "store.db")})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Close(); err != nil {
				t.Errorf("close the store: %v", err)
			}
		})
		return s
	},
}

// overStores runs a test of the service's promises on each store.
func overStores(t *testing.T, f func(t *testing.T, k *kit)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newKitOn(t, kitConfig{store: open(t)}))
		})
	}
}

// faultyStore is a store that fails as it is told, whatever it stands on.
type faultyStore struct {
	catalog.Store
	mu    sync.Mutex
	apply func(catalog.Batch) memstore.Fault
	read  func(key string) error
	calls sync.Mutex // held while apply decides
}

// InjectApply has f decide over each Apply, one at a time; nil ends it.
func (s *faultyStore) InjectApply(f func(catalog.Batch) memstore.Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apply = f
}

// InjectRead has f decide over each Get and Scan; nil ends it.
func (s *faultyStore) InjectRead(f func(key string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.read = f
}

func (s *faultyStore) Apply(ctx context.Context, b catalog.Batch) (catalog.Version, error) {
	s.mu.Lock()
	decide := s.apply
	s.mu.Unlock()
	var fault memstore.Fault
	if decide != nil {
		s.calls.Lock()
		fault = decide(b)
		s.calls.Unlock()
	}
	if fault.Before != nil {
		return 0, fault.Before
	}
	v, err := s.Store.Apply(ctx, b)
	if err == nil && fault.After != nil {
		return 0, fault.After
	}
	return v, err
}

func (s *faultyStore) Get(ctx context.Context, key string) (catalog.KV, error) {
	if err := s.fault(key); err != nil {
		return catalog.KV{}, err
	}
	return s.Store.Get(ctx, key)
}

func (s *faultyStore) Scan(ctx context.Context, r catalog.Range) (catalog.Version, []catalog.KV, error) {
	if err := s.fault(r.Prefix); err != nil {
		return 0, nil, err
	}
	return s.Store.Scan(ctx, r)
}

func (s *faultyStore) fault(key string) error {
	s.mu.Lock()
	decide := s.read
	s.mu.Unlock()
	if decide == nil {
		return nil
	}
	return decide(key)
}
