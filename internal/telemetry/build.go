package telemetry

import (
	"cmp"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// Build describes this binary.
type Build struct {
	Version  string    `json:"version"`          // module version, "devel" for a build from a work tree
	Commit   string    `json:"commit,omitempty"` // full hash, "" when unknown
	Time     time.Time `json:"time,omitzero"`    // of the commit
	Modified bool      `json:"modified"`         // the work tree had changes
	Go       string    `json:"go"`
	Platform string    `json:"platform"`
}

// commit is set by the Makefile's -ldflags, for builds that the Go command does
// not stamp itself (-buildvcs=false); with a trailing "+" for a work tree with
// changes.
var commit string

// BuildInfo reads what the Go linker stamped into the binary.
var BuildInfo = sync.OnceValue(func() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return buildOf(info, commit)
})

func buildOf(info *debug.BuildInfo, commit string) Build {
	b := Build{
		Version:  info.Main.Version,
		Go:       cmp.Or(info.GoVersion, runtime.Version()),
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "devel"
	}
	b.Commit, b.Modified = strings.CutSuffix(commit, "+")
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		case "vcs.time":
			// An unreadable time stays zero and is not shown.
			b.Time, _ = time.Parse(time.RFC3339, s.Value)
		}
	}
	return b
}

// String is one line for `firn version` and logs.
func (b Build) String() string {
	s := b.Version
	if b.Commit != "" {
		s += " " + b.Commit[:min(12, len(b.Commit))]
	}
	if b.Modified {
		s += " (modified)"
	}
	return s + " " + b.Go + " " + b.Platform
}
