package engines

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestFindingsAreHeld writes findings, and plants runs that found something
// else.
func TestFindingsAreHeld(t *testing.T) {
	docs := t.TempDir()
	spark := Result{Engine: Spark, Version: "4.1.4", Feature: Append, Format: 2, Passes: true, Test: "TestA"}
	three := spark
	three.Format = 3
	trino := Result{Engine: Trino, Version: "483", Feature: AddFiles, Format: 3, Reason: "add_files is refused on v3", Test: "TestB"}
	every := []Result{trino, three, spark}

	require.NoError(t, settle(docs, "embedded", every, false, true))
	require.NoError(t, settle(docs, "embedded", every, false, false))
	page, err := os.ReadFile(filepath.Join(docs, "compatibility.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "| | Spark 4.1.4 | Trino 483 |\n|---|---|---|\n| append | v2, v3 |  |\n| add files |  | not v3 (1) |\n\n1. add_files is refused on v3\n")

	broken, newer, better := spark, spark, trino
	broken.Passes, broken.Reason = false, "it does not"
	newer.Version = "4.2.0"
	better.Passes, better.Reason = true, ""
	for name, planted := range map[string]struct {
		found []Result
		want  string
	}{
		"no longer": {[]Result{trino, three, broken}, "changed: spark 4.1.4, format 2: append: was passes, is it does not"},
		"better":    {[]Result{better, three, spark}, "changed: trino 483, format 3: add files"},
		"not asked": {[]Result{trino, spark}, "not found by this run: spark 4.1.4, format 3: append"},
		"version":   {[]Result{trino, three, newer}, "new: spark 4.2.0, format 2: append: passes"},
	} {
		assert.ErrorContains(t, settle(docs, "embedded", planted.found, false, false), planted.want, name)
	}
	// A part of the tests is held to what it found, and keeps the rest.
	require.NoError(t, settle(docs, "embedded", []Result{spark}, true, false))
	require.ErrorContains(t, settle(docs, "embedded", []Result{broken}, true, false), "changed")
	require.NoError(t, settle(docs, "embedded", []Result{spark}, true, true))
	require.NoError(t, settle(docs, "embedded", every, false, false))

	page, err = os.ReadFile(filepath.Join(docs, "compatibility", "layout.json"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(docs, "compatibility", "layout.json"), page[1:], 0o600))
	require.ErrorContains(t, settle(docs, "embedded", every, false, false), "layout.json is not of today's features")

	require.NoError(t, settle(docs, "minio", []Result{spark, broken3()}, false, true))
	page, err = os.ReadFile(filepath.Join(docs, "compatibility.md"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "On MinIO 1 of 2 checks say the same.\n\n- spark 4.1.4, format 3: append: not there\n")
}

func broken3() Result {
	return Result{Engine: Spark, Version: "4.1.4", Feature: Append, Format: 3, Reason: "not there", Test: "TestA"}
}

// TestMissingEngineIsAnError has an engine whose files are not there.
func TestMissingEngineIsAnError(t *testing.T) {
	_, err := startDriver(t, filepath.Join(t.TempDir(), "python"), "duck.py", nil, ".")
	assert.ErrorContains(t, err, "make tools-engines")
	// One whose driver ends at once tells its last words.
	_, err = startDriver(t, "/bin/false", "duck.py", nil, ".")
	assert.ErrorContains(t, err, "the driver")
}
