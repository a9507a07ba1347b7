package medallion

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	runs    *prometheus.CounterVec
	rows    *prometheus.CounterVec
	seconds *prometheus.HistogramVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		runs:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firn_promotion_runs_total", Help: "Runs of models, by state."}, []string{"model", "state"}),
		rows:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firn_promotion_rows_total", Help: "Source rows of committed runs, by what became of them."}, []string{"model", "fate"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "firn_promotion_seconds", Help: "Duration of runs that did something.", Buckets: prometheus.ExponentialBuckets(0.05, 2, 12)}, []string{"model"}),
	}
	if r != nil {
		r.MustRegister(m.runs, m.rows, m.seconds)
	}
	return m
}

func (m *metrics) observe(r *Run) {
	m.runs.WithLabelValues(r.Model, string(r.State)).Inc()
	if r.State != RunSucceeded {
		return
	}
	m.seconds.WithLabelValues(r.Model).Observe(r.EndedAt.Sub(r.StartedAt).Seconds())
	for fate, n := range map[string]int64{
		"read": r.Read, "written": r.RowsWritten, "superseded": r.Superseded, "stale": r.Stale,
		"quarantined": r.Quarantined, "dropped": r.Dropped, "filtered": r.Filtered,
	} {
		m.rows.WithLabelValues(r.Model, fate).Add(float64(n))
	}
}
