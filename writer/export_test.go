package writer

// Waiting answers how many requests wait in all collectors.
func (s *Service) Waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, c := range s.collectors {
		c.mu.Lock()
		n += len(c.pending)
		c.mu.Unlock()
	}
	return n
}

// Draining tells whether Run's context has ended.
func (s *Service) Draining() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.draining
}

// HeldBytes answers what the budget holds.
func (s *Service) HeldBytes() int64 { return s.budget.inUse() }
