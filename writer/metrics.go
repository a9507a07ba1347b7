package writer

import (
	"errors"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts what the service does; it works without a registry.
type metrics struct {
	rows, bytes, batches      prometheus.Counter
	groups, files, fileBytes  prometheus.Counter
	unknowns                  prometheus.Counter
	refused                   *prometheus.CounterVec
	encodeSeconds, commitTime prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "firn", Subsystem: "ingest", Name: name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "firn", Subsystem: "ingest", Name: name, Help: help,
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		})
	}
	m := &metrics{
		rows:      counter("rows_total", "Rows received and decoded."),
		bytes:     counter("bytes_total", "Bytes of rows received, as sent."),
		batches:   counter("batches_total", "Batches committed."),
		groups:    counter("groups_total", "Micro-batches committed: one transaction each."),
		files:     counter("files_total", "Data files written."),
		fileBytes: counter("file_bytes_total", "Bytes of data files written."),
		unknowns:  counter("unknown_outcomes_total", "Commits whose outcome had to be asked for again."),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "firn", Subsystem: "ingest", Name: "refused_total", Help: "Requests refused for lack of room, by budget.",
		}, []string{"budget"}),
		encodeSeconds: histogram("encode_seconds", "Time to write the files of a micro-batch."),
		commitTime:    histogram("commit_seconds", "Time to commit a micro-batch."),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.rows, m.bytes, m.batches, m.groups, m.files, m.fileBytes, m.unknowns, m.refused, m.encodeSeconds, m.commitTime,
	} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) received(bytes int, rows int64) {
	m.bytes.Add(float64(bytes))
	m.rows.Add(float64(rows))
}

func (m *metrics) encoded(files []iceberg.DataFile, d time.Duration) {
	m.files.Add(float64(len(files)))
	for _, f := range files {
		m.fileBytes.Add(float64(f.FileSizeBytes()))
	}
	m.encodeSeconds.Observe(d.Seconds())
}

func (m *metrics) committed(g *group, d time.Duration) {
	m.groups.Inc()
	m.batches.Add(float64(len(g.requests)))
	m.commitTime.Observe(d.Seconds())
}

func (m *metrics) unknown() { m.unknowns.Inc() }

// refuse counts an error that is a lack of room; others are not.
func (m *metrics) refuse(err error) {
	switch {
	case errors.Is(err, errBusy):
		m.refused.WithLabelValues("memory").Inc()
	case errors.Is(err, errQuota):
		m.refused.WithLabelValues("contributor").Inc()
	case errors.Is(err, errRatio), errors.As(err, new(*sizeError)), errors.As(err, new(*roomError)):
		m.refused.WithLabelValues("request").Inc()
	}
}
