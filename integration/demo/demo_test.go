package demo

import (
	"bufio"
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/cmd/firn/demo"
	"github.com/firnlake/firn/integration/harness"
)

// TestDemo runs the demo, opens its lake with `firn dev`, goes through every
// door of it, and runs the demo once more over the same lake.
func TestDemo(t *testing.T) {
	data := filepath.Join(t.TempDir(), "lake")
	var summary string
	t.Run("demo", func(t *testing.T) {
		var s demo.Summary
		s, summary = replay(t, data, "--s3", harness.Store())
		assert.EqualValues(t, rows, s.RowsIn)
		assert.EqualValues(t, 1716, s.Batches)
		assert.Equal(t, harness.Store(), s.ObjectStore)
		layers(t, s)
	})
	if t.Failed() {
		t.FailNow()
	}
	lake := harness.Start(t, data)
	t.Run("rows", func(t *testing.T) { equal(t, lake.HTTP) })
	t.Run("pyiceberg", func(t *testing.T) { pyiceberg(t, lake.HTTP) })
	t.Run("time travel", func(t *testing.T) { timeTravel(t, lake.HTTP) })
	t.Run("commands", func(t *testing.T) { commands(t, lake.HTTP) })
	t.Run("scheduling", func(t *testing.T) { scheduling(t, lake.HTTP) })
	t.Run("page", func(t *testing.T) { page(t, lake.HTTP, summary) })
	t.Run("in use", func(t *testing.T) { inUse(t, lake) })
	// Whatever was done above kept every row.
	t.Run("rows again", func(t *testing.T) { equal(t, lake.HTTP) })
	lake.Stop(t)
	t.Run("demo again", func(t *testing.T) {
		s, _ := replay(t, data, "--s3", harness.Store())
		assert.Zero(t, s.RowsIn, "nothing is sent twice")
		assert.Zero(t, s.Batches)
		layers(t, s)
	})
	t.Run("stays up", func(t *testing.T) { staysUp(t, data) })
}

// staysUp runs the demo without --exit: it names the address of the page, which
// answers until Ctrl-C, and that is no failure.
func staysUp(t *testing.T, data string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Binary(t), "demo", "--data", data, "--listen", "127.0.0.1:0", "--s3", harness.Store())
	cmd.Dir = harness.Root(t)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	address := regexp.MustCompile(`The page is at (http://\S+)`)
	var text strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		text.WriteString(lines.Text() + "\n")
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			answer, err := http.Get(found[1])
			require.NoError(t, err)
			answer.Body.Close()
			assert.Equal(t, http.StatusOK, answer.StatusCode)
			assert.Contains(t, answer.Header.Get("Content-Type"), "text/html")
			assert.True(t, harness.Ready(found[1]))
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.NoError(t, cmd.Wait(), text.String())
	assert.Regexp(t, address, text.String())
}

// page walks the page in Chromium. The pictures stay in integration/browser/out,
// or where FIRN_BROWSER_OUT says.
func page(t *testing.T, base, summary string) {
	out := os.Getenv("FIRN_BROWSER_OUT")
	if out == "" {
		out = filepath.Join(harness.Root(t), "integration", "browser", "out")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	journey := exec.CommandContext(ctx, "node", filepath.Join(harness.Root(t), "integration", "browser", "journey.mjs"), "--base", base, "--out", out, "--expect", summary)
	text, err := journey.CombinedOutput()
	t.Logf("%s", text)
	require.NoError(t, err)
	pictures, err := filepath.Glob(filepath.Join(out, "*.png"))
	require.NoError(t, err)
	assert.GreaterOrEqual(t, len(pictures), 20, "pictures in %s", out)
}

// inUse starts a second server, and a second demo, on a lake that is open: both
// say so, and the first goes on.
func inUse(t *testing.T, lake *harness.Firn) {
	_, err := harness.TryStart(t, lake.Data)
	require.ErrorContains(t, err, "the data folder is in use")
	second := exec.CommandContext(t.Context(), harness.Binary(t), "demo", "--exit", "--data", lake.Data, "--listen", "127.0.0.1:0")
	second.Dir = harness.Root(t)
	out, err := second.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), "the data folder is in use")
	assert.True(t, harness.Ready(lake.HTTP))
	run, err := os.ReadFile(filepath.Join(lake.Data, "run.json"))
	require.NoError(t, err, "the open lake's run.json stays")
	assert.Contains(t, string(run), strings.TrimPrefix(lake.HTTP, "http://"))
}
