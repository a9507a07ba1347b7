package catalog

import (
	"fmt"

	"github.com/dgraph-io/ristretto/v2"
)

// cache keeps immutable things by location: decoded metadata, manifest lists, manifests.
// What it gives is never stale; it may give nothing.
type cache struct{ c *ristretto.Cache[string, any] }

func newCache(budget int64) (*cache, error) {
	c, err := ristretto.NewCache(&ristretto.Config[string, any]{
		NumCounters: max(10_000, budget/1024),
		MaxCost:     budget,
		BufferItems: 64,
		Metrics:     true,
	})
	if err != nil {
		return nil, fmt.Errorf("metadata cache: %w", err)
	}
	return &cache{c: c}, nil
}

func cached[T any](c *cache, key string) (T, bool) {
	v, ok := c.c.Get(key)
	if !ok {
		var zero T
		return zero, false
	}
	t, ok := v.(T)
	return t, ok
}

// put waits until the entry is there (or was turned away), so that the commit after this one finds it.
func (c *cache) put(key string, v any, cost int) {
	if c.c.Set(key, v, int64(cost)) {
		c.c.Wait()
	}
}

func (c *cache) drop(key string) { c.c.Del(key) }
func (c *cache) close()          { c.c.Close() }
