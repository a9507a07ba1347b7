// Package report is what the reports of the benchmarks have in common: the head
// that says on what figures were taken, the bars that they are held to, the file
// that they are written to, and the tables that they are printed as. It promises
// that reports of all benchmarks name these things alike, in JSON and on the
// terminal, and that a report once written can be read by later revisions. What
// was measured, and which bars there are, is the benchmark's own.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/firnlake/firn/integration/bench/host"
)

// Head is the beginning of a report; reports embed it, first.
type Head struct {
	At       time.Time    `json:"at"` // to the second
	Commit   string       `json:"commit"`
	Modified bool         `json:"modified"` // the work tree had changes
	Machine  host.Machine `json:"machine"`
	Load     string       `json:"load_average_before"`
	LoadThen string       `json:"load_average_after,omitempty"`
}

// Begin is the head of a report on the work tree at root. Call it before
// measuring: it looks how busy the machine is with other things.
func Begin(root string) Head {
	h := Head{At: time.Now().UTC().Truncate(time.Second), Machine: host.This(), Load: host.Load()}
	h.Commit, h.Modified = host.Commit(root)
	return h
}

// End looks how busy the machine is after measuring. A report that does not call
// it has no load after.
func (h *Head) End() { h.LoadThen = host.Load() }

// Line is the head in one line, after what was measured. Figures are medians of
// so many runs, or none when runs is 0.
func (h *Head) Line(what string, runs int) string {
	line := fmt.Sprintf("%s, %s, %d cores, commit %.12s", what, h.Machine.CPU, h.Machine.Cores, h.Commit)
	if runs > 0 {
		line += fmt.Sprintf(", median of %d runs", runs)
	}
	line += ", load before " + h.Load
	if h.LoadThen != "" {
		line += ", after " + h.LoadThen
	}
	return line
}

// Write writes a report as JSON into a folder, which it makes: by the day of at,
// and as the latest, both of a kind ("2026-11-21-hot.json", "latest-hot.json"), or
// of none when kind is empty. What is there is overwritten. After an error either
// file may be written, or cut short: writing again mends that.
func Write(dir, kind string, at time.Time, report any) error {
	data, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make the folder of reports: %w", err)
	}
	if kind != "" {
		kind = "-" + kind
	}
	for _, name := range []string{at.Format(time.DateOnly), "latest"} {
		if err := os.WriteFile(filepath.Join(dir, name+kind+".json"), append(data, '\n'), 0o644); err != nil {
			return fmt.Errorf("write the report: %w", err)
		}
	}
	return nil
}
