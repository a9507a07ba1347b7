package compactor

import (
	"slices"

	"github.com/google/uuid"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// heat answers how busy the partitions of a table have been, by their key:
// commits of late.
func (s *Service) heat(id uuid.UUID) func(key string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	commits := map[string]float64{}
	if t := s.tables[id]; t != nil && t.health != nil {
		for k, p := range t.health.Partitions {
			commits[k] = p.Heat.As(s.cfg.Now()).Commits
		}
	}
	return func(key string) float64 { return commits[key] }
}

// heldBack are the hot partitions of a table in which writers are at work.
func (s *Service) heldBack(id uuid.UUID, p plan.Policy) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil && t.health != nil {
		return t.health.HoldsBack(p, s.cfg.Now())
	}
	return nil
}

// compacted counts what a compaction did, and in which partitions it lost.
func (s *Service) compacted(id uuid.UUID, groups []plan.Group, res rewrite.Result) {
	s.metrics.wasted.Add(float64(res.Wasted))
	s.metrics.carried.Add(float64(res.Carried))
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[id]
	if t == nil || t.health == nil {
		return
	}
	for _, g := range groups {
		key := plan.Key(g.SpecID, g.Partition)
		t.health.Compacted(key, slices.Contains(res.Contested, key), s.cfg.Now())
	}
	t.unsaved = true
}
