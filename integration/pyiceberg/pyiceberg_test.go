// Package pyiceberg proves the catalog with the real PyIceberg, and the connect
// snippets with the engines they are for, in the environment that setup.sh makes.
package pyiceberg

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/rest/resttest"
	"github.com/firnlake/firn/integration/harness"
)

// python makes the environment when it is not there, which fails the test when
// it can not be made, and answers its interpreter.
func python(t *testing.T) string {
	t.Helper()
	setup := exec.CommandContext(t.Context(), filepath.Join(harness.Root(t), "integration", "pyiceberg", "setup.sh"))
	out, err := setup.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return harness.Python(t)
}

// environment hides configuration of the person who runs the tests.
func environment(t *testing.T) []string {
	t.Helper()
	home := t.TempDir()
	return []string{
		"HOME=" + home, "PYICEBERG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "TZ=UTC",
		"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost", "PYTHONWARNINGS=ignore", "PYTHONUNBUFFERED=1",
	}
}

// steps of lake.py, in order. The test fails when one is missing.
var steps = []string{
	"namespaces", "create", "append_and_read", "evolve_schema", "evolve_partitions", "delete_and_overwrite",
	"time_travel_branches_tags", "transactions", "staged_create", "rename_register_drop",
}

func drive(t *testing.T, uri string) (rows int64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), python(t), "lake.py", uri, "default")
	cmd.Env = environment(t)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	require.NoError(t, err, "%s\n%s", stdout.String(), stderr.String())
	var done []string
	var end struct {
		Step    string   `json:"step"`
		Rows    int64    `json:"rows"`
		Columns []string `json:"columns"`
	}
	for lines := bufio.NewScanner(&stdout); lines.Scan(); {
		end.Step = ""
		require.NoError(t, json.Unmarshal(lines.Bytes(), &end), lines.Text())
		if end.Step != "" {
			done = append(done, end.Step)
		}
	}
	assert.Equal(t, steps, done)
	assert.Equal(t, []string{"country", "id", "gross", "note", "tags", "place", "extra", "raced"}, end.Columns)
	return end.Rows
}

// TestInProcess runs PyIceberg against the catalog served by this process and
// compares what it saw with what the catalog holds.
func TestInProcess(t *testing.T) {
	f := resttest.New(t)
	rows := drive(t, f.URL)
	tbl, err := f.Catalog.LoadTable(t.Context(), catalog.Ident{Namespace: catalog.Namespace{"py"}, Name: "lines"})
	require.NoError(t, err)
	head := tbl.CurrentSnapshot()
	require.NotNil(t, head)
	assert.EqualValues(t, 189, rows)
	assert.Equal(t, "189", head.Summary.Properties["total-records"])
	events, err := f.Catalog.Events(t.Context(), "", 1000)
	require.NoError(t, err)
	var commits int
	for _, e := range events {
		if e.Table == tbl.ID && e.Kind == catalog.EventCommit {
			commits++
			assert.Equal(t, "rest", e.Actor)
		}
	}
	assert.Equal(t, len(tbl.Metadata.Snapshots()), commits, "each snapshot has its event")
}

// TestBinary runs the same against the built binary.
func TestBinary(t *testing.T) {
	f := harness.Start(t, filepath.Join(t.TempDir(), "lake"))
	assert.EqualValues(t, 189, drive(t, f.HTTP))
}
