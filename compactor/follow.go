package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// tracked is what is known of one table.
type tracked struct {
	health *plan.Health
	// unsaved: the store has an older health.
	unsaved bool
	// touched: something happened since the table was last looked at.
	touched bool
	looked  time.Time
	whyNot  string
	// busy: a job was active at the last look, and may have ended since.
	busy bool
	// policy and number of snapshots as of the last look.
	policy    *plan.Policy
	snapshots int
	report    plan.Report
	// notBefore holds kinds back after a failure.
	notBefore map[plan.Kind]time.Time
	// pinned: the last writer was a promotion.
	pinned bool
	// unreachable: files may wait for removal.
	unreachable bool
	lastOrphans time.Time
	// tidied is how many commits there were when manifests were last looked at.
	tidied *int64
}

func (s *Service) healthPrefix() string { return "health/" + s.cfg.Catalog.Warehouse() + "/" }
func (s *Service) positionKey() string  { return "healthpos/" + s.cfg.Catalog.Warehouse() }

// restore reads what an earlier run knew. Whatever is missing is counted again
// from the manifests.
func (s *Service) restore(ctx context.Context) error {
	_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.healthPrefix()})
	if err != nil {
		return fmt.Errorf("read table health: %w", err)
	}
	position, err := s.cfg.Store.Get(ctx, s.positionKey())
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("read table health: %w", err)
	}
	s.mu.Lock()
	s.position = string(position.Value)
	for _, kv := range kvs {
		h := &plan.Health{}
		if err := json.Unmarshal(kv.Value, h); err != nil || h.Partitions == nil {
			continue // counted again below
		}
		s.tables[h.Table] = &tracked{health: h, touched: true, unreachable: true}
	}
	s.mu.Unlock()
	if err := s.loadUsage(ctx); err != nil {
		return err
	}
	s.loadRates(ctx)
	tables, err := s.cfg.Catalog.Tables(ctx)
	if err != nil {
		return fmt.Errorf("list tables: %w", err)
	}
	live := map[uuid.UUID]bool{}
	for _, t := range tables {
		live[t.ID] = true
		s.mu.Lock()
		_, known := s.tables[t.ID]
		s.mu.Unlock()
		if !known {
			if err := s.recount(ctx, t.ID); err != nil {
				s.cfg.Logger.WarnContext(ctx, "count files of table", "table", t.Ident.String(), "error", err)
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.tables {
		if !live[id] {
			delete(s.tables, id)
		}
	}
	return nil
}

// follow brings health up to each event of the commit log.
func (s *Service) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		s.mu.Lock()
		after := s.position
		s.mu.Unlock()
		for e, err := range s.cfg.Catalog.Watch(ctx, after) {
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				s.cfg.Logger.WarnContext(ctx, "follow the commit log", "error", err)
				break
			}
			if err := s.observe(ctx, e); err != nil {
				s.cfg.Logger.WarnContext(ctx, "health of table", "table", e.Ident.String(), "error", err)
			}
			s.mu.Lock()
			s.position = e.Position
			s.mu.Unlock()
			s.signal()
		}
		select {
		case <-ctx.Done():
		case <-time.After(s.cfg.Tick):
		}
	}
	return nil
}

func (s *Service) observe(ctx context.Context, e catalog.Event) error {
	if e.Table == uuid.Nil {
		return nil
	}
	s.mu.Lock()
	t := s.tables[e.Table]
	if e.Kind == catalog.EventDropTable {
		delete(s.tables, e.Table)
		s.mu.Unlock()
		return s.forget(ctx, e.Table)
	}
	follows := false
	if t != nil && t.health != nil {
		t.touched, t.unsaved = true, true
		if e.Kind == catalog.EventCommit && e.Operation != "replace" {
			t.pinned = strings.HasPrefix(e.Actor, "promote")
		}
		// Any commit leaves an old metadata file behind, many more.
		follows, t.unreachable = t.health.Apply(e), true
	}
	s.mu.Unlock()
	if follows {
		return nil
	}
	return s.recount(ctx, e.Table)
}

func (s *Service) forget(ctx context.Context, id uuid.UUID) error {
	fixes, err := s.fixes(ctx, s.fixPrefix(id))
	if err != nil {
		return err
	}
	gone := []catalog.Op{{Key: s.healthPrefix() + id.String(), Delete: true}}
	for _, f := range fixes {
		gone = append(gone, catalog.Op{Key: f.key, Delete: true})
	}
	_, err = s.cfg.Store.Apply(ctx, catalog.Batch{Then: gone})
	return err
}

// recount makes a table's health anew from its manifests.
func (s *Service) recount(ctx context.Context, id uuid.UUID) error {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if errors.Is(err, catalog.ErrNotFound) {
		return nil // dropped meanwhile; its event comes
	}
	if err != nil {
		return err
	}
	h := plan.NewHealth(id)
	// Every event of an older revision is in these files.
	h.Position = t.Version.String() + ".9999"
	if snap := t.CurrentSnapshot(); snap != nil {
		h.SnapshotID = snap.SnapshotID
		names := rewrite.NewPartitions(t.Metadata)
		at := time.UnixMilli(snap.TimestampMs).UTC()
		for e, err := range s.cfg.Lake.Entries(ctx, t.Metadata, 0) {
			if err != nil {
				return err
			}
			h.Add(int(e.Data.SpecID()), names.Values(e.Data), e.Data.FileSizeBytes(), e.Data.Count(), e.Data.ContentType() != iceberg.EntryContentData, at)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.tables[id]
	if old == nil {
		old = &tracked{unreachable: true}
		s.tables[id] = old
	}
	h.Inherit(old.health)
	old.health, old.touched, old.unsaved = h, true, true
	return nil
}

// persist saves what changed.
func (s *Service) persist(ctx context.Context) error {
	return errors.Join(s.saveHealth(ctx), s.saveUsage(ctx), s.saveRates(ctx))
}

// saveHealth saves the health that changed, and the position up to which it is
// right.
func (s *Service) saveHealth(ctx context.Context) error {
	s.mu.Lock()
	var b catalog.Batch
	var saved []*tracked
	for id, t := range s.tables {
		if !t.unsaved || t.health == nil {
			continue
		}
		value, err := json.Marshal(t.health)
		if err != nil {
			s.mu.Unlock()
			return err
		}
		b.Then = append(b.Then, catalog.Op{Key: s.healthPrefix() + id.String(), Value: value})
		t.unsaved = false
		saved = append(saved, t)
	}
	if len(b.Then) > 0 {
		b.Then = append(b.Then, catalog.Op{Key: s.positionKey(), Value: []byte(s.position)})
	}
	s.mu.Unlock()
	if len(b.Then) == 0 {
		return nil
	}
	if _, err := s.cfg.Store.Apply(ctx, b); err != nil {
		s.mu.Lock()
		for _, t := range saved {
			t.unsaved = true
		}
		s.mu.Unlock()
		return fmt.Errorf("save table health: %w", err)
	}
	return nil
}

func (s *Service) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
