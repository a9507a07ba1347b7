package medallion_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
)

// BenchmarkPromotion promotes all real rows to silver in one run, and reports
// rows per second.
func BenchmarkPromotion(b *testing.B) {
	h := newHouse(b, func(c *medallion.Config) { c.BatchRows = 1_000_000 })
	h.apply(retail(b))
	h.sendRetail("TRUE")
	var rows int64
	for b.Loop() {
		b.StopTimer()
		_, err := h.service.Apply(b.Context(), rebuilt(retail(b)), true)
		require.NoError(b, err)
		_, err = h.service.Apply(b.Context(), retail(b), true)
		require.NoError(b, err)
		b.StartTimer()
		run, err := h.service.Promote(b.Context(), "silver.invoice_lines")
		require.NoError(b, err)
		rows += run.Read
		b.Log(run.Steps)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkIncrement promotes 5,000 rows at a time onto a silver table that
// holds most of the year.
func BenchmarkIncrement(b *testing.B) {
	h := newHouse(b)
	h.apply(retail(b))
	h.sendRetail("row_no < 400000")
	_, err := h.service.RunOnce(b.Context(), nil)
	require.NoError(b, err)
	at := 400_000
	var rows int64
	for b.Loop() {
		b.StopTimer()
		h.sendRetail(between(at, at+5000))
		at += 5000
		b.StartTimer()
		runs, err := h.service.RunOnce(b.Context(), nil)
		require.NoError(b, err)
		rows += runs[0].Read
		for _, r := range runs {
			b.Log(r.Model, r.Steps)
		}
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
