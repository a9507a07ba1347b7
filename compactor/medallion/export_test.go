package medallion

import "github.com/firnlake/firn/catalog"

// LoseFile makes every run forget one of the data files it staged: a planted
// bug, which the conservation law must find.
func (s *Service) LoseFile() {
	s.tamper = func(st *staged) {
		if len(st.added) > 0 {
			st.added = st.added[1:]
		}
	}
}

// LoseDeletes makes every run forget the rows it should have removed.
func (s *Service) LoseDeletes() {
	s.tamper = func(st *staged) { st.deletes, st.removed = nil, nil }
}

// DeleteTwice makes every run delete a row more than it should.
func (s *Service) ForgetRewritten() {
	s.tamper = func(st *staged) {
		if len(st.removed) > 0 {
			st.removed = st.removed[1:]
		}
	}
}

// SetCommitter puts something between the service and the catalog.
func (s *Service) SetCommitter(c catalog.Committer) { s.committer = c }
