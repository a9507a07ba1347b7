package medallion

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

// What is kept in the Store, as JSON:
//
//	model/<warehouse>/<name>        definition (a model or a source)
//	wm/<warehouse>/<model>          watermark of a model in its source
//	run/<warehouse>/<run id>        runs; ids are UUIDv7, so they sort by time

func (s *Service) modelKey(name string) string {
	return "model/" + s.cfg.Catalog.Warehouse() + "/" + name
}

func (s *Service) watermarkKey(model string) string {
	return "wm/" + s.cfg.Catalog.Warehouse() + "/" + model
}
func (s *Service) runKey(id string) string { return "run/" + s.cfg.Catalog.Warehouse() + "/" + id }

// definition is an applied source or model.
type definition struct {
	Format int `json:"format"` // 1
	// Order is the place in the graph: sources first, then models after what
	// they read.
	Order     int       `json:"order"`
	Model     *Compiled `json:"model,omitempty"`
	Source    *applied  `json:"source,omitempty"`
	Layer     string    `json:"layer"`
	AppliedAt time.Time `json:"applied_at"`
	// Retired definitions are no longer part of the project. They are kept so
	// that one which comes back is compared with what its table was made by.
	Retired bool `json:"retired,omitempty"`
	// Downstream tells that another model reads this one.
	Downstream bool `json:"downstream,omitempty"`
}

// applied is a source as applied.
type applied struct {
	Name        string     `json:"name"`
	File        File       `json:"file"`
	Columns     []Column   `json:"columns"`
	PartitionBy []string   `json:"partition_by,omitempty"`
	SortBy      []string   `json:"sort_by,omitempty"`
	Lane        string     `json:"lane,omitempty"`
	RowID       string     `json:"row_id,omitempty"`
	Properties  Properties `json:"properties,omitempty"`
}

func (d *definition) name() string {
	if d.Source != nil {
		return d.Source.Name
	}
	return d.Model.Name
}

// watermark is how far a model has read its source, and what became of the
// rows so far.
type watermark struct {
	Format int    `json:"format"` // 1
	Model  string `json:"model"`
	Source string `json:"source"`
	// Table and Snapshot of the source; Sequence is the snapshot's.
	Table    uuid.UUID `json:"table"`
	Snapshot int64     `json:"snapshot"`
	Sequence int64     `json:"sequence"`
	// Changes is the snapshot of the source's change table that belongs to
	// Snapshot, when the source is an upsert.
	Changes int64 `json:"changes,omitempty"`
	// SourceLive is the number of rows that the source had at Snapshot, when
	// the source is an upsert.
	SourceLive int64     `json:"source_live,omitempty"`
	RunID      string    `json:"run_id"`
	At         time.Time `json:"at"`
	Totals     Totals    `json:"totals"`
}

// Totals add up all runs of a model.
type Totals struct {
	Read        int64            `json:"read"`
	Published   int64            `json:"published"`
	Superseded  int64            `json:"superseded"`
	Stale       int64            `json:"stale"`
	Dropped     int64            `json:"dropped"`
	Quarantined int64            `json:"quarantined"`
	Filtered    int64            `json:"filtered"`
	Live        int64            `json:"live"`
	ByRule      map[string]int64 `json:"by_rule,omitempty"`
}

func (t Totals) plus(r *Run) Totals {
	byRule := map[string]int64{}
	for k, v := range t.ByRule {
		byRule[k] += v
	}
	for k, v := range r.ByRule {
		byRule[k] += v
	}
	return Totals{
		Read: t.Read + r.Read, Published: t.Published + r.RowsWritten, Superseded: t.Superseded + r.Superseded,
		Stale: t.Stale + r.Stale, Dropped: t.Dropped + r.Dropped, Quarantined: t.Quarantined + r.Quarantined,
		Filtered: t.Filtered + r.Filtered, Live: r.LiveAfter, ByRule: byRule,
	}
}

// ErrNoSuchModel: no model of that name is applied.
var ErrNoSuchModel = fmt.Errorf("no such model is applied: %w", catalog.ErrNotFound)

func getJSON(ctx context.Context, store catalog.Store, key string, v any) (catalog.Version, error) {
	kv, err := store.Get(ctx, key)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(kv.Value, v); err != nil {
		return 0, fmt.Errorf("read %s: %w", key, err)
	}
	return kv.Version, nil
}

// definitions answers what is applied, in the order of the graph.
func (s *Service) definitions(ctx context.Context, retired bool) ([]*definition, error) {
	_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.modelKey("")})
	if err != nil {
		return nil, fmt.Errorf("list models: %w", err)
	}
	var out []*definition
	for _, kv := range kvs {
		var d definition
		if err := json.Unmarshal(kv.Value, &d); err != nil {
			return nil, fmt.Errorf("read %s: %w", kv.Key, err)
		}
		if !d.Retired || retired {
			out = append(out, &d)
		}
	}
	sortDefinitions(out)
	return out, nil
}

func (s *Service) definition(ctx context.Context, name string) (*definition, error) {
	var d definition
	_, err := getJSON(ctx, s.cfg.Store, s.modelKey(name), &d)
	if errors.Is(err, catalog.ErrNotFound) || err == nil && d.Retired {
		return nil, fmt.Errorf("%s: %w", name, ErrNoSuchModel)
	}
	if err != nil {
		return nil, err
	}
	return &d, nil
}

// watermark answers the watermark of a model and its version; a model that
// never ran has the zero watermark at version 0.
func (s *Service) watermark(ctx context.Context, model string) (watermark, catalog.Version, error) {
	w := watermark{Format: 1, Model: model}
	v, err := getJSON(ctx, s.cfg.Store, s.watermarkKey(model), &w)
	if errors.Is(err, catalog.ErrNotFound) {
		return w, 0, nil
	}
	return w, v, err
}

// saveRun keeps a run that published nothing. A *catalog.ConflictError means
// that the run is recorded already: it was committed after all.
func (s *Service) saveRun(ctx context.Context, r *Run) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = s.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: s.runKey(r.ID)}}, Then: []catalog.Op{{Key: s.runKey(r.ID), Value: b}}})
	return err
}

// Runs answers the newest runs of a model ("" is all), newest first, those
// that go on included.
func (s *Service) Runs(ctx context.Context, model string, limit int) ([]Run, error) {
	if limit <= 0 {
		limit = 100
	}
	var out []Run
	seen := map[string]bool{}
	s.mu.Lock()
	for _, r := range s.running {
		if model == "" || r.Model == model {
			out = append(out, *r)
			seen[r.ID] = true
		}
	}
	s.mu.Unlock()
	after := ""
	for len(out) < limit {
		_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.runKey(""), After: after, Limit: 256, Reverse: true})
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		if len(kvs) == 0 {
			break
		}
		for _, kv := range kvs {
			after = kv.Key
			var r Run
			if err := json.Unmarshal(kv.Value, &r); err != nil {
				return nil, fmt.Errorf("read %s: %w", kv.Key, err)
			}
			if (model == "" || r.Model == model) && !seen[r.ID] && len(out) < limit {
				out = append(out, r)
			}
		}
	}
	sortRuns(out)
	return out, nil
}

// RunByID answers one run.
func (s *Service) RunByID(ctx context.Context, id string) (Run, error) {
	s.mu.Lock()
	if r, ok := s.running[id]; ok {
		defer s.mu.Unlock()
		return *r, nil
	}
	s.mu.Unlock()
	var r Run
	if strings.Contains(id, "/") {
		return r, fmt.Errorf("run %q: %w", id, catalog.ErrNotFound)
	}
	_, err := getJSON(ctx, s.cfg.Store, s.runKey(id), &r)
	return r, err
}
