package rest

import (
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// Report is what an engine says of a scan or a commit it made. It is the
// engine's word: nothing here is checked against the table.
type Report struct {
	Table      uuid.UUID
	Ident      catalog.Ident
	At         time.Time
	Type       string // scan-report or commit-report
	SnapshotID int64
	// Filter and Metrics are as sent.
	Filter, Metrics json.RawMessage
}

// maxReports bounds the tables whose last report is kept.
const maxReports = 10_000

// reports keeps the last report of each table, in memory.
type reports struct {
	mu   sync.Mutex
	last map[uuid.UUID]Report
}

func newReports() *reports { return &reports{last: map[uuid.UUID]Report{}} }

func (r *reports) put(report Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.last[report.Table]; !known && len(r.last) >= maxReports {
		for id := range r.last { // any one: reports are a hint
			delete(r.last, id)
			break
		}
	}
	r.last[report.Table] = report
}

// LastReport is the newest report of a table since the process started.
func (s *Server) LastReport(table uuid.UUID) (Report, bool) {
	s.reports.mu.Lock()
	defer s.reports.mu.Unlock()
	report, ok := s.reports.last[table]
	return report, ok
}

func (s *Server) reportMetrics(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	var body struct {
		Type       string          `json:"report-type"`
		SnapshotID int64           `json:"snapshot-id"`
		Filter     json.RawMessage `json:"filter"`
		Metrics    json.RawMessage `json:"metrics"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if body.Type != "scan-report" && body.Type != "commit-report" {
		return badRequest("report-type %q is neither scan-report nor commit-report", body.Type)
	}
	t, err := s.cat.LoadTable(r.Context(), id)
	if err != nil {
		return err
	}
	report := Report{
		Table: t.ID, Ident: t.Ident, At: time.Now().UTC(), Type: body.Type,
		SnapshotID: body.SnapshotID, Filter: body.Filter, Metrics: body.Metrics,
	}
	s.reports.put(report)
	if s.onReport != nil {
		s.onReport(r.Context(), report)
	}
	return noContent(w)
}
