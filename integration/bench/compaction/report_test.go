package compaction_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
)

func TestCaseTakesMediansAndRatesThem(t *testing.T) {
	c := &compaction.Case{Name: "a", Bytes: 200e6}
	for _, cpu := range []float64{9, 2, 1} {
		c.Add(compaction.Firn, compaction.Outcome{CPU: cpu, Worker: 100 << 20})
	}
	c.Add(compaction.Spark, compaction.Outcome{CPU: 20})
	firn, spark := c.Result(compaction.Firn), c.Result(compaction.Spark)
	assert.InDelta(t, 100, firn.Rate, 1e-9)
	assert.InDelta(t, 1, firn.OfFirn, 1e-9)
	assert.InDelta(t, 0.1, spark.OfFirn, 1e-9)
}

func TestJudgeTellsWhatIsMissed(t *testing.T) {
	judge := func(fuse, rewrite, hash, five float64, worker int64, s compaction.Stream) map[string]bool {
		a, small := &compaction.Case{Name: "a", Bytes: 100e6}, &compaction.Case{Name: "five", Bytes: 1e6}
		a.Add(compaction.Firn, compaction.Outcome{CPU: fuse, Worker: worker})
		a.Add(compaction.FirnRewrite, compaction.Outcome{CPU: rewrite})
		a.Add(compaction.FirnHash, compaction.Outcome{CPU: hash})
		small.Add(compaction.Firn, compaction.Outcome{CPU: 1, Wall: five})
		r := &compaction.Report{Cases: []*compaction.Case{a, small}, Stream: &s}
		r.Judge()
		met := map[string]bool{}
		for _, b := range r.Bars {
			met[b.Name] = b.Met
		}
		return met
	}
	good := judge(0.1, 1.6, 1.8, 0.9, 512<<20, compaction.Stream{P95: 119, Partitions: 4, Left: 4})
	require.Len(t, good, 8)
	for name, met := range good {
		assert.True(t, met, name)
	}
	bad := judge(0.11, 1.7, 2, 1.1, 513<<20, compaction.Stream{P95: 121, Partitions: 4, Left: 5, Conflicts: 1})
	require.Len(t, bad, 8)
	for name, met := range bad {
		assert.False(t, met, name)
	}
}

func TestPercentile(t *testing.T) {
	values := make([]float64, 100)
	for i := range values {
		values[i] = float64(100 - i)
	}
	assert.InDelta(t, 95, compaction.Percentile(values, 0.95), 0)
	assert.InDelta(t, 1, compaction.Percentile(values[99:], 0.5), 0)
	assert.Zero(t, compaction.Percentile(nil, 0.5))
}

func TestComparingFindsOtherRows(t *testing.T) {
	want := sums{rows: 3, ids: 7, times: 9}
	require.NoError(t, compare([]string{"3", "7", "9"}, want))
	for _, wrong := range [][]string{{"2", "7", "9"}, {"3", "8", "9"}, {"3", "7", "10"}, nil} {
		require.ErrorIs(t, compare(wrong, want), errRows)
	}
}
