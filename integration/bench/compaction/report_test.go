package compaction_test

import (
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/report"
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
	assert.InDelta(t, 95, report.Percentile(values, 0.95), 0)
	assert.InDelta(t, 1, report.Percentile(values[99:], 0.5), 0)
	assert.Zero(t, report.Percentile(nil, 0.5))
}

func TestComparingFindsOtherRows(t *testing.T) {
	want := sums{rows: 3, ids: 7, times: 9}
	require.NoError(t, compare([]string{"3", "7", "9"}, want))
	for _, wrong := range [][]string{{"2", "7", "9"}, {"3", "8", "9"}, {"3", "7", "10"}, nil} {
		require.ErrorIs(t, compare(wrong, want), errRows)
	}
}

func TestHistoryTellsHowLongFilesWaited(t *testing.T) {
	files := func(names ...string) map[string]bool {
		out := map[string]bool{}
		for _, name := range names {
			out[name] = true
		}
		return out
	}
	snapshots := []state{
		{true, 1_000, files("a")},
		{true, 2_000, files("a", "b")},
		{true, 5_000, files("a", "b", "c")},
		{false, 6_000, files("ab", "c")},
		{true, 7_000, files("ab", "c", "d")},
		{false, 9_500, files("abc", "d")}, // what a compaction made waits for nobody
	}
	var s compaction.Stream
	waits := history(snapshots, 17_000, &s)
	assert.ElementsMatch(t, []float64{5, 4, 4.5, 10}, waits)
	assert.Equal(t, compaction.Stream{Jobs: 2, Backlog: 3, Left: 2, Untaken: 1, Drain: 2.5}, s)
}

func TestOrderIsChecked(t *testing.T) {
	for _, c := range []struct {
		files [][]int64
		want  bool
	}{
		{[][]int64{{1, 2, 2}, {3, 9}}, true},
		{[][]int64{{3, 9}, {1, 2, 3}}, true},
		{[][]int64{{1, 3, 2}}, false},
		{[][]int64{{1, 4}, {3, 9}}, false},
	} {
		err := rising(len(c.files), func(i int) iter.Seq[[]int64] { return slices.Values([][]int64{c.files[i]}) })
		if c.want {
			assert.NoError(t, err, "%v", c.files)
		} else {
			assert.ErrorIs(t, err, errOrder, "%v", c.files)
		}
	}
}
