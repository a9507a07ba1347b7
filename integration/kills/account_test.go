package kills

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func small() *source {
	return &source{rows: 6, feeds: []*feed{{contributor: "x", channel: "x", positions: []int64{0, 1, 2, 3, 4, 5}, batch: 2}}}
}

func snap(sequence int64, rows ...int64) snapshot {
	return snapshot{id: 100 + sequence, sequence: sequence, files: []*dataFile{{rows: int64(len(rows)), positions: rows}}}
}

// The comparison of ledger and table turns red on every way to lose, repeat or
// split rows, and stays green when all is well.
func TestCompare(t *testing.T) {
	entries := []entry{
		{Event: sent, Channel: "x", From: 0, To: 2},
		{Event: acked, Channel: "x", From: 0, To: 2, Snapshot: 101, Sequence: 1},
		{Event: sent, Channel: "x", From: 2, To: 4},
		{Event: unknown, Channel: "x", From: 2, To: 4},
	}
	with := func(more ...entry) []entry { return append(slices.Clip(entries), more...) }
	absent := with(entry{Event: found, Channel: "x", From: 2, To: 4})
	present := with(entry{Event: found, Channel: "x", From: 2, To: 4, Applied: true})
	repeated := with(entry{Event: acked, Channel: "x", From: 2, To: 4, Snapshot: 102, Duplicate: true})

	for name, c := range map[string]struct {
		entries   []entry
		snapshots []snapshot
		want      string
	}{
		"as acknowledged":             {entries, []snapshot{snap(1, 0, 1)}, ""},
		"unknown and there":           {entries, []snapshot{snap(1, 0, 1), snap(2, 0, 1, 2, 3)}, ""},
		"unknown and not there":       {entries, []snapshot{snap(1, 0, 1), snap(2, 0, 1)}, ""},
		"before its acknowledgement":  {entries, []snapshot{snap(0), snap(1, 0, 1)}, ""},
		"found present":               {present, []snapshot{snap(1, 0, 1), snap(2, 0, 1, 2, 3)}, ""},
		"no snapshot":                 {entries, nil, "I1: there is no snapshot"},
		"lost at once":                {entries, []snapshot{snap(1), snap(2, 0, 1)}, "I1: snapshot 101"},
		"lost later":                  {entries, []snapshot{snap(1, 0, 1), snap(2)}, "I1: snapshot 102"},
		"lost one row":                {entries, []snapshot{snap(1, 1)}, "I1: snapshot 101"},
		"twice":                       {entries, []snapshot{snap(1, 0, 1, 0)}, "I2: snapshot 101 has row 0 twice"},
		"unknown in part":             {entries, []snapshot{snap(1, 0, 1, 2)}, "I2: snapshot 101 has a part of a batch"},
		"never sent":                  {entries, []snapshot{snap(1, 0, 1, 5)}, "I2: snapshot 101 has 1 rows that were never sent"},
		"foreign row":                 {entries, []snapshot{snap(1, 0, 1, 77)}, "I2: snapshot 101 has row 77"},
		"found absent, yet there":     {absent, []snapshot{snap(1, 0, 1, 2, 3)}, "I2: snapshot 101 has a batch that its sender was told is absent"},
		"found present, yet missing":  {present, []snapshot{snap(1, 0, 1)}, "I1: snapshot 101"},
		"repetition, yet missing":     {repeated, []snapshot{snap(1, 0, 1), snap(2, 0, 1), snap(3, 0, 1, 2, 3)}, "I1: snapshot 102"},
		"another sequence than said":  {entries, []snapshot{{id: 101, sequence: 2, files: snap(1, 0, 1).files}}, "I1: an answer said"},
		"acknowledged, never in sent": {[]entry{{Event: acked, Channel: "x", From: 4, To: 6}}, nil, "before it was sent"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := reckon(small(), c.entries)
			if err != nil {
				require.ErrorContains(t, err, c.want)
				require.NotEmpty(t, c.want)
				return
			}
			problems := append(a.settle(c.snapshots), a.compare(c.snapshots)...)
			if c.want == "" {
				require.Empty(t, problems)
				return
			}
			require.NotEmpty(t, problems)
			require.Contains(t, problems[0], c.want)
		})
	}
}

// A sender's successor takes an offset only at the ends of what was sent.
func TestResume(t *testing.T) {
	book, err := openLedger(filepath.Join(t.TempDir(), "ledger"))
	require.NoError(t, err)
	l := &load{ledger: book}
	for offset, ok := range map[uint64]bool{1: false, 2: true, 3: false, 4: true, 6: false} {
		s := &sender{load: l, feed: small().feeds[0], next: 2, pending: 4}
		if err := s.resume(offset); ok {
			require.NoError(t, err)
			require.Equal(t, offset, s.next)
		} else {
			require.Error(t, err)
		}
	}
	require.NoError(t, book.close())
	entries, err := readLedger(filepath.Join(filepath.Dir(book.file.Name()), "ledger"))
	require.NoError(t, err)
	require.Len(t, entries, 2)
}

// Watermarks that skip or go back are seen.
func TestWatermarks(t *testing.T) {
	run := func(id string, from, to int64) *firnv1.Run {
		return &firnv1.Run{
			Id: id, Model: "m", State: firnv1.RunState_RUN_STATE_SUCCEEDED,
			Sources: []*firnv1.SourceRange{{Table: "s", FromSnapshotId: from, ToSnapshotId: to}},
		}
	}
	made := map[string][]tableCommit{"s": {{5, "append"}, {6, "replace"}, {7, "append"}, {8, "overwrite"}, {9, "replace"}, {10, "replace"}, {11, "append"}}}
	check := func(runs ...*firnv1.Run) []string { return watermarks(runs, made) }
	require.Empty(t, check(run("c", 8, 9), run("b", 5, 8), run("a", 0, 5)))
	require.Empty(t, check(run("b", 10, 11), run("a", 0, 8)), "compactions only")
	require.Contains(t, check(run("c", 8, 9), run("b", 5, 7), run("a", 0, 5))[0], "I6: run b")
	require.Contains(t, check(run("b", 5, 7), run("a", 0, 7))[0], "I6: run a")
	require.Contains(t, check(run("b", 7, 8), run("a", 0, 5))[0], "I6: run a", "an append among compactions")
	require.Contains(t, check(run("b", 9, 11), run("a", 0, 10))[0], "I6: run a", "back over a compaction")
	require.Contains(t, check(run("b", 10, 11), run("a", 0, 4))[0], "I6: run a", "an unknown snapshot")
	require.Contains(t, check(run("a", 3, 5))[0], "not at the beginning")
}
