package lake

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"

	"github.com/firnlake/firn/internal/manifest"
)

// manifestCache holds decoded manifest lists and manifests by location. Both
// are immutable, so an entry is never stale; ristretto may drop any at any
// time. What it hands out is shared: nobody changes it.
type manifestCache struct {
	fs    iceio.IO
	cache *ristretto.Cache[string, any] // nil: switched off
	loads singleflight.Group
}

func newManifestCache(fs iceio.IO, bytes int64, reg prometheus.Registerer) (*manifestCache, error) {
	c := &manifestCache{fs: fs}
	if bytes < 0 {
		return c, nil
	}
	cache, err := ristretto.NewCache(&ristretto.Config[string, any]{
		NumCounters: max(1000, bytes/4096*10), MaxCost: bytes, BufferItems: 64, Metrics: true, IgnoreInternalCost: true,
	})
	if err != nil {
		return nil, fmt.Errorf("manifest cache: %w", err)
	}
	c.cache = cache
	if reg != nil {
		reg.MustRegister(
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firn_lake_manifest_cache_hit_ratio", Help: "Share of manifest reads answered from memory."}, cache.Metrics.Ratio),
			prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "firn_lake_manifest_cache_bytes", Help: "Estimated bytes of decoded manifests in memory."},
				func() float64 { return float64(cache.Metrics.CostAdded() - cache.Metrics.CostEvicted()) }),
		)
	}
	return c, nil
}

func (c *manifestCache) close() {
	if c.cache != nil {
		c.cache.Close()
	}
}

// get answers a value of the cache or loads it, once for all who ask at the
// same time. cost is the value's size in memory.
func cached[T any](ctx context.Context, c *manifestCache, key string, load func() (T, int64, error)) (T, error) {
	if c.cache == nil {
		v, _, err := load()
		return v, err
	}
	if v, ok := c.cache.Get(key); ok {
		return v.(T), nil
	}
	ch := c.loads.DoChan(key, func() (any, error) {
		v, cost, err := load()
		if err != nil {
			return nil, err
		}
		c.cache.Set(key, v, cost)
		return v, nil
	})
	select {
	case res := <-ch:
		if res.Err != nil {
			var zero T
			return zero, res.Err
		}
		return res.Val.(T), nil
	case <-ctx.Done():
		var zero T
		return zero, ctx.Err()
	}
}

// list answers the manifests of a snapshot.
func (c *manifestCache) list(ctx context.Context, location string) ([]iceberg.ManifestFile, error) {
	return cached(ctx, c, "list "+location, func() (_ []iceberg.ManifestFile, _ int64, err error) {
		f, err := c.fs.Open(location)
		if err != nil {
			return nil, 0, fmt.Errorf("open manifest list: %w", err)
		}
		defer f.Close()
		list, err := iceberg.ReadManifestList(f)
		if err != nil {
			return nil, 0, fmt.Errorf("read manifest list %s: %w", location, err)
		}
		return list, int64(len(list)) * 512, nil
	})
}

// Bytes that a decoded entry holds, beside its bounds.
const entryCost = 900

// entries answers the live entries of a manifest. Files take their row ids from
// the manifest's place in a list: the list of a table that was upgraded to v3
// gives some to a manifest that had none in older lists.
func (c *manifestCache) entries(ctx context.Context, m iceberg.ManifestFile) ([]Entry, error) {
	key := m.FilePath()
	if id := m.FirstRowID(); id != nil {
		key += fmt.Sprintf(" rows from %d", *id)
	}
	return cached(ctx, c, key, func() ([]Entry, int64, error) {
		var out []Entry
		cost := int64(0)
		for e, err := range m.Entries(manifest.IO(c.fs), true) {
			if err != nil {
				return nil, 0, fmt.Errorf("read manifest %s: %w", m.FilePath(), err)
			}
			entry := Entry{Data: e.DataFile(), Sequence: e.SequenceNum(), SnapshotID: e.SnapshotID()}
			if n := e.FileSequenceNum(); n != nil {
				entry.FileSequence = *n
			}
			out = append(out, entry)
			cost += entryCost + int64(len(entry.Data.ValueCounts()))*150
		}
		return out, cost, nil
	})
}
