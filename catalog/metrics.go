package catalog

import (
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what the catalog measures. They count whether anyone collects them or not.
type metrics struct {
	commits   *prometheus.CounterVec // by outcome
	groupSize prometheus.Histogram
	seconds   *prometheus.HistogramVec // by step
	manifests prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		commits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "firn_catalog_commits_total", Help: "Transactions by outcome.",
		}, []string{"outcome"}),
		groupSize: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "firn_catalog_group_transactions", Help: "Transactions that shared one commit.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "firn_catalog_commit_seconds", Help: "Time of a commit by step: build, stage, apply.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"step"}),
		manifests: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "firn_catalog_snapshot_manifests", Help: "Manifests in the list of a new snapshot.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
	}
	if r != nil {
		r.MustRegister(m.commits, m.groupSize, m.seconds, m.manifests)
	}
	return m
}
