package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/firnlake/firn/integration/bench/host"
)

// startup measures from exec to an answer of /readyz, on an empty folder,
// beside the start of the same binary that only says its version.
func (b *bench) startup(ctx context.Context) error {
	for range 3 {
		begin := time.Now()
		if err := exec.CommandContext(ctx, b.binary, "version").Run(); err != nil {
			return fmt.Errorf("firn version: %w", err)
		}
		bare := time.Since(begin)
		s, err := b.start(ctx)
		if err != nil {
			return err
		}
		idle := host.Peak(s.cmd.Process.Pid)
		s.stop()
		b.record(spec{"start-up", "exec to ready", "ms", "firn version", below(1000, "ms")}, s.took.Seconds()*1000, bare.Seconds()*1000)
		b.record(spec{"start-up", "memory of the service, idle", "MB", "", bar{}}, float64(idle)/1e6, 0)
	}
	return nil
}

// demo runs the whole demo and takes its own summary.
func (b *bench) demo(ctx context.Context) error {
	dir, err := os.MkdirTemp(b.temp, "demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	out := filepath.Join(dir, "summary.json")
	cmd := exec.CommandContext(ctx, b.binary, "demo", "--exit", "--listen", "127.0.0.1:0", "--data", filepath.Join(dir, "lake"), "--summary", out)
	cmd.Dir = b.root
	begin := time.Now()
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("firn demo: %w\n%s", err, text)
	}
	wall := time.Since(begin)
	data, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	var summary struct {
		Steps []struct {
			Name    string  `json:"name"`
			Seconds float64 `json:"seconds"`
			Rate    float64 `json:"rows_per_second"`
		} `json:"steps"`
		Peak int64 `json:"peak_memory_bytes"`
	}
	if err := json.Unmarshal(data, &summary); err != nil {
		return err
	}
	b.record(spec{"demo", "wall time", "s", "", bar{}}, wall.Seconds(), 0)
	for _, step := range summary.Steps {
		switch step.Name {
		case "ingest":
			b.record(spec{"demo", "ingest, 1,716 micro-batches of 38 channels, beside promotion and compaction", "rows/s", "", bar{}}, step.Rate, 0)
		case "promote, all runs":
			b.record(spec{"demo", "promotion, all runs", "rows/s", "", bar{}}, step.Rate, 0)
		}
	}
	b.record(spec{"demo", "peak memory, service and workers", "MB", "", bar{}}, float64(summary.Peak)/1e6, 0)
	return nil
}
