package writer

import (
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
)

// conformerCache keeps how recent schemas fit recent tables: binding two
// schemas costs more than a small batch.
type conformerCache struct {
	mu    sync.Mutex
	cache map[conformerKey][]*parquet.Conformer
}

type conformerKey struct {
	table  uuid.UUID
	schema int
}

const (
	conformersPerTable = 8
	conformedTables    = 256
)

func (c *conformerCache) get(t *catalog.Table, sent *arrow.Schema, limit int64) (*parquet.Conformer, error) {
	key := conformerKey{t.ID, t.Metadata.CurrentSchema().ID}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, known := range c.cache[key] {
		if known.Source().Equal(sent) {
			return known, nil
		}
	}
	fresh, err := parquet.NewConformer(sent, t.Metadata.CurrentSchema(), parquet.ConformOptions{
		CheckText: true, MaxBytes: limit,
		Fill: map[string]func(int) arrow.Array{ingestedAt: unfilled(t)},
	})
	if err != nil {
		return nil, err
	}
	if c.cache == nil || len(c.cache) > conformedTables {
		c.cache = map[conformerKey][]*parquet.Conformer{}
	}
	kept := append([]*parquet.Conformer{fresh}, c.cache[key]...)
	c.cache[key] = kept[:min(len(kept), conformersPerTable)]
	return fresh, nil
}
