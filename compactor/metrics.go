package compactor

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/firnlake/firn/compactor/jobs"
)

type metrics struct {
	runs     *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	bytes    *prometheus.CounterVec
	files    *prometheus.CounterVec
	firings  prometheus.Counter
	rewrites *prometheus.CounterVec
	wasted   prometheus.Counter
	carried  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg) // with nil the metrics count and nobody sees them
	return &metrics{
		runs:     f.NewCounterVec(prometheus.CounterOpts{Name: "firn_compactor_jobs_total", Help: "Runs of jobs by kind and outcome."}, []string{"kind", "outcome"}),
		seconds:  f.NewHistogramVec(prometheus.HistogramOpts{Name: "firn_compactor_job_seconds", Help: "Duration of runs.", Buckets: prometheus.ExponentialBuckets(0.05, 4, 8)}, []string{"kind"}),
		bytes:    f.NewCounterVec(prometheus.CounterOpts{Name: "firn_compactor_bytes_total", Help: "Bytes of data files read and written."}, []string{"direction"}),
		files:    f.NewCounterVec(prometheus.CounterOpts{Name: "firn_compactor_files_total", Help: "Data files read and written."}, []string{"direction"}),
		firings:  f.NewCounter(prometheus.CounterOpts{Name: "firn_compactor_schedule_firings_total", Help: "Firings of schedules."}),
		rewrites: f.NewCounterVec(prometheus.CounterOpts{Name: "firn_compactor_tiers_total", Help: "Compactions by tier."}, []string{"tier"}),
		wasted:   f.NewCounter(prometheus.CounterOpts{Name: "firn_compactor_wasted_bytes_total", Help: "Bytes that were written and not committed, as writers had changed the input."}),
		carried:  f.NewCounter(prometheus.CounterOpts{Name: "firn_compactor_carried_rows_total", Help: "Rows that were deleted while their files were compacted, and are deleted in the outputs."}),
	}
}

func (m *metrics) ran(kind jobs.Kind, out jobs.Outcome, err error, d time.Duration) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.runs.WithLabelValues(string(kind), outcome).Inc()
	m.seconds.WithLabelValues(string(kind)).Observe(d.Seconds())
	if kind == KindCompact {
		m.bytes.WithLabelValues("in").Add(float64(out.BytesIn))
		m.bytes.WithLabelValues("out").Add(float64(out.BytesOut))
		m.files.WithLabelValues("in").Add(float64(out.FilesIn))
		m.files.WithLabelValues("out").Add(float64(out.FilesOut))
		if out.Tier != "" {
			m.rewrites.WithLabelValues(out.Tier).Inc()
		}
	}
}
