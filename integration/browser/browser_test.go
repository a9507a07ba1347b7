// Package browser drives the page in a real Chromium, on the lake that the demo
// makes of the real data.
package browser

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// TestJourneys replays the demo into a lake, opens it again with `firn dev`, and
// walks the page: overview, table, files, query, quarantined row to its reason,
// graph, jobs; every number is compared with the demo's account. The pictures
// stay in FIRN_BROWSER_OUT, or go with the test.
//
// FIRN_BASE_URL and FIRN_SUMMARY walk a lake that runs already.
func TestJourneys(t *testing.T) {
	base, summary := os.Getenv("FIRN_BASE_URL"), os.Getenv("FIRN_SUMMARY")
	if base == "" {
		lake := filepath.Join(t.TempDir(), "lake")
		summary = filepath.Join(t.TempDir(), "summary.json")
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		demo := exec.CommandContext(ctx, harness.Binary(t), "demo", "--exit", "--data", lake, "--summary", summary)
		demo.Dir = harness.Root(t)
		if out, err := demo.CombinedOutput(); err != nil {
			t.Fatalf("firn demo: %v\n%s", err, out)
		}
		base = harness.Start(t, lake).HTTP
	}
	out := os.Getenv("FIRN_BROWSER_OUT")
	if out == "" {
		out = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	journey := exec.CommandContext(ctx, "node", filepath.Join(harness.Root(t), "integration", "browser", "journey.mjs"),
		"--base", base, "--out", out, "--expect", summary)
	text, err := journey.CombinedOutput()
	t.Logf("pictures in %s\n%s", out, text)
	if err != nil {
		t.Fatalf("the journey: %v", err)
	}
}
