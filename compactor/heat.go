package compactor

import "github.com/google/uuid"

// heat answers how busy the partitions of a table have been, by their key:
// commits, as far as they were counted.
func (s *Service) heat(id uuid.UUID) func(key string) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	commits := map[string]float64{}
	if t := s.tables[id]; t != nil && t.health != nil {
		for k, p := range t.health.Partitions {
			commits[k] = float64(p.Commits)
		}
	}
	return func(key string) float64 { return commits[key] }
}
