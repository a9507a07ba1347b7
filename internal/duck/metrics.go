package duck

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// poolMetrics counts jobs and workers.
type poolMetrics struct {
	jobs    *prometheus.CounterVec
	seconds prometheus.Histogram
	wait    prometheus.Histogram
	cpu     prometheus.Counter
	spawned prometheus.Counter
}

func newPoolMetrics(reg prometheus.Registerer) *poolMetrics {
	m := &poolMetrics{
		jobs:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firn_duck_jobs_total", Help: "Jobs of query workers by outcome."}, []string{"outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firn_duck_job_seconds", Help: "Time of a job on its worker.", Buckets: prometheus.ExponentialBuckets(0.001, 4, 10)}),
		wait:    prometheus.NewHistogram(prometheus.HistogramOpts{Name: "firn_duck_wait_seconds", Help: "Time a job waited for a worker.", Buckets: prometheus.ExponentialBuckets(0.0001, 6, 8)}),
		cpu:     prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_duck_cpu_seconds_total", Help: "CPU time of jobs that ended by themselves."}),
		spawned: prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_duck_workers_started_total", Help: "Worker processes started."}),
	}
	if reg != nil {
		reg.MustRegister(m.jobs, m.seconds, m.wait, m.cpu, m.spawned)
	}
	return m
}

func (m *poolMetrics) started()               { m.spawned.Inc() }
func (m *poolMetrics) waited(d time.Duration) { m.wait.Observe(d.Seconds()) }

func (m *poolMetrics) ended(err error, d, cpu time.Duration) {
	outcome := "crashed"
	_, isSQL := errors.AsType[*SQLError](err)
	switch {
	case err == nil, errors.Is(err, io.EOF):
		outcome = "ok"
	case isSQL:
		outcome = "sql_error"
	case errors.Is(err, ErrMemory):
		outcome = "memory"
	case errors.Is(err, ErrTimeout):
		outcome = "timeout"
	case errors.Is(err, ErrDiskFull):
		outcome = "disk_full"
	case errors.Is(err, context.Canceled), errors.Is(err, ErrClosed), errors.Is(err, errReleased):
		outcome = "cancelled"
	}
	m.jobs.WithLabelValues(outcome).Inc()
	m.seconds.Observe(d.Seconds())
	m.cpu.Add(cpu.Seconds())
}
