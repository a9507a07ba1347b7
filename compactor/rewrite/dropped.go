package rewrite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// dropped is what the catalog records about a dropped table (drop/<warehouse>/<uuid>).
type dropped struct {
	ID       uuid.UUID `json:"id"`
	Purge    bool      `json:"purge"`
	Dropped  time.Time `json:"dropped"`
	Location string    `json:"location"`
}

func (w *Worker) dropPrefix() string { return "drop/" + w.cfg.Catalog.Warehouse() + "/" }

// AnyDropped says whether files of a dropped table wait for the end of their grace.
func (w *Worker) AnyDropped(ctx context.Context) (bool, error) {
	_, kvs, err := w.cfg.Store.Scan(ctx, catalog.Range{Prefix: w.dropPrefix()})
	if err != nil {
		return false, fmt.Errorf("read dropped tables: %w", err)
	}
	for _, kv := range kvs {
		var d dropped
		if err := json.Unmarshal(kv.Value, &d); err == nil && d.Purge && w.cfg.Now().Sub(d.Dropped) >= w.cfg.Grace {
			return true, nil
		}
	}
	return false, nil
}

// Dropped removes the files of tables that were dropped with purge, once the
// grace has passed since. A table that was registered again meanwhile keeps
// its files: the catalog then forgets the drop.
func (w *Worker) Dropped(ctx context.Context, dryRun bool, p Progress) (Removal, error) {
	var sum Removal
	_, kvs, err := w.cfg.Store.Scan(ctx, catalog.Range{Prefix: w.dropPrefix()})
	if err != nil {
		return sum, fmt.Errorf("read dropped tables: %w", err)
	}
	for _, kv := range kvs {
		var d dropped
		if err := json.Unmarshal(kv.Value, &d); err != nil {
			return sum, fmt.Errorf("record of a dropped table: %w", err)
		}
		if !d.Purge || w.cfg.Now().Sub(d.Dropped) < w.cfg.Grace {
			continue
		}
		key, err := w.cfg.Bucket.Key(strings.TrimSuffix(d.Location, "/"))
		if err != nil || key != w.cfg.Catalog.Warehouse()+"/"+d.ID.String() {
			continue // not a prefix that Firn chose
		}
		r := newReach(w.cfg.Bucket)
		mark := func(ctx context.Context) error {
			t, err := w.cfg.Catalog.LoadTableID(ctx, d.ID)
			if errors.Is(err, catalog.ErrNotFound) {
				return nil
			}
			if err != nil {
				return err
			}
			return r.table(ctx, t.MetadataLocation, t.Metadata)
		}
		// The whole prefix goes: the breaker is for tables that live.
		one := *w
		one.cfg.MaxShare = 2
		got, err := one.remove(ctx, sweep{table: d.ID, prefix: key + "/", reach: r, mark: mark, grace: w.cfg.Grace, dropped: d.Dropped, dryRun: dryRun}, p)
		if err != nil {
			return sum, fmt.Errorf("purge dropped table %s: %w", d.ID, err)
		}
		sum.Listed += got.Listed
		sum.Reachable += got.Reachable
		sum.Protected += got.Protected
		sum.Quarantined += got.Quarantined
		sum.Bytes += got.Bytes
		sum.Delete = append(sum.Delete, got.Delete...)
		if !dryRun && got.Listed == 0 {
			// Nothing is left: forget the drop, unless somebody touched it.
			_, err := w.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: kv.Key, Version: kv.Version}}, Then: []catalog.Op{{Key: kv.Key, Delete: true}}})
			if _, lost := errors.AsType[*catalog.ConflictError](err); err != nil && !lost {
				return sum, fmt.Errorf("forget dropped table: %w", err)
			}
		}
	}
	return sum, nil
}
