package query

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	statements *prometheus.CounterVec
	seconds    prometheus.Histogram
	rows       prometheus.Counter
	bytes      prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		statements: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firn_query_statements_total", Help: "Statements by outcome."}, []string{"outcome"}),
		seconds:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firn_query_seconds", Help: "Time of a statement, waiting included.", Buckets: prometheus.ExponentialBuckets(0.005, 3, 10)}),
		rows:       prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_query_rows_total", Help: "Rows answered."}),
		bytes:      prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_query_bytes_total", Help: "Bytes of Arrow answered."}),
	}
	if reg != nil {
		reg.MustRegister(m.statements, m.seconds, m.rows, m.bytes)
	}
	return m
}

func (m *metrics) ended(outcome string, e *AccessEntry) {
	m.statements.WithLabelValues(outcome).Inc()
	m.seconds.Observe(e.Elapsed.Seconds())
	m.rows.Add(float64(e.Rows))
	m.bytes.Add(float64(e.Bytes))
}
