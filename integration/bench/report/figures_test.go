package report_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/bench/report"
)

func TestMedian(t *testing.T) {
	values := []float64{9, 1, 2}
	assert.InDelta(t, 2, report.Median(values), 0)
	assert.Equal(t, []float64{9, 1, 2}, values)
	assert.InDelta(t, 5, report.Median(values[:2]), 0)
	assert.Zero(t, report.Median(nil))
}

func TestRoundKeepsFourDigits(t *testing.T) {
	for v, want := range map[float64]float64{123456: 123500, -0.00123456: -0.001235, 7: 7, 0: 0, math.Inf(1): 0} {
		assert.InDelta(t, want, report.Round(v), 1e-12)
	}
	assert.Zero(t, report.Round(math.NaN()))
}
