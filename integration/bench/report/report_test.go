package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/hot"
	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/integration/bench/tpch"
)

// decode reads a report strictly: what the type does not know is an error.
func decode(data []byte, into any) error {
	in := json.NewDecoder(bytes.NewReader(data))
	in.DisallowUnknownFields()
	return in.Decode(into)
}

func TestCommittedReportsAreReadable(t *testing.T) {
	for kind, empty := range map[string]func() any{
		"compaction": func() any { return new(compaction.Report) },
		"hot":        func() any { return new(hot.Report) },
		"engines":    func() any { return new(tpch.Report) },
	} {
		t.Run(kind, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "benchmarks", "latest-"+kind+".json"))
			require.NoError(t, err)
			r := empty()
			require.NoError(t, decode(data, r))
			// Names and order of the fields are still those of the file.
			again, err := json.MarshalIndent(r, "", "  ")
			require.NoError(t, err)
			assert.Equal(t, string(data), string(again)+"\n")

			planted := bytes.Replace(data, []byte(`"commit"`), []byte(`"revision"`), 1)
			require.ErrorContains(t, decode(planted, empty()), "revision")
		})
	}
}

func TestWriteByDayAndAsLatest(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for kind, names := range map[string][]string{
		"hot": {"2026-11-21-hot.json", "latest-hot.json"},
		"":    {"2026-11-21.json", "latest.json"},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		require.NoError(t, report.Write(dir, kind, at, report.Bar{Name: "first"}))
		require.NoError(t, report.Write(dir, kind, at, report.Bar{Name: "a", Value: 2, Bar: "at least 1", Met: true}))
		entries, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Len(t, entries, 2)
		for i, e := range entries {
			assert.Equal(t, names[i], e.Name())
			data, err := os.ReadFile(filepath.Join(dir, e.Name()))
			require.NoError(t, err)
			assert.Equal(t, "{\n  \"name\": \"a\",\n  \"value\": 2,\n  \"bar\": \"at least 1\",\n  \"met\": true\n}\n", string(data))
		}
	}
}

// The write did not happen: nothing is there. It happened in part and failed:
// writing again mends it.
func TestWriteThatFails(t *testing.T) {
	dir := t.TempDir()
	require.Error(t, report.Write(dir, "hot", time.Now(), func() {}), "no JSON")
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Empty(t, entries)

	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.ErrorContains(t, report.Write(file, "hot", time.Now(), 1), "make the folder of reports")

	latest := filepath.Join(dir, "latest-hot.json")
	require.NoError(t, os.Mkdir(latest, 0o700))
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	require.ErrorContains(t, report.Write(dir, "hot", at, 1), "write the report")
	assert.FileExists(t, filepath.Join(dir, "2026-11-21-hot.json"))
	require.NoError(t, os.Remove(latest))
	require.NoError(t, report.Write(dir, "hot", at, 1))
	assert.FileExists(t, latest)
}

func TestHeadTellsWhatIsKnown(t *testing.T) {
	h := report.Head{Commit: "0123456789abcdef", Load: "1 2 3"}
	h.Machine.CPU, h.Machine.Cores = "Z80", 1
	assert.Equal(t, "x, Z80, 1 cores, commit 0123456789ab, load before 1 2 3", h.Line("x", 0))
	assert.Equal(t, "x, Z80, 1 cores, commit 0123456789ab, median of 3 runs, load before 1 2 3", h.Line("x", 3))
	h.LoadThen = "4 5 6"
	assert.True(t, strings.HasSuffix(h.Line("x", 0), ", load before 1 2 3, after 4 5 6"))
}

func TestPrint(t *testing.T) {
	var out bytes.Buffer
	w := report.NewTable(table.Row{"Name", "n", "note"}, 1, 3)
	w.AppendRow(table.Row{"a", 1, ""})
	w.AppendRow(table.Row{"longer", 1000, "why"})
	report.PrintTable(&out, w)
	report.PrintBars(&out, "%-6s %4.3g  %-10s", []report.Bar{{"a", 2, "at least 1", true}, {"b", 0.5, "at least 1", false}})
	want := []string{
		" Name       n  note", " a          1", " longer  1000  why",
		"", "a         2  at least 1 met", "b       0.5  at least 1 MISSED", "",
	}
	assert.Equal(t, strings.Join(want, "\n"), out.String())
}
