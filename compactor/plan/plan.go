// Package plan decides what maintenance a table needs. It is pure: health,
// policy and the time go in, proposals and reasons come out; nothing here
// reads a clock, a store or a file.
//
// It works in two steps, so that planning costs what changed and not what
// exists. [Jobs] looks at the statistics that the commit log keeps for each
// partition and says which tables deserve a job. [Groups] looks at the live
// files of one such table and says which files become one. Both answer why
// they leave something alone.
//
// Promises: a group never crosses a partition or a spec; every group leaves
// fewer or better files than it found, so that planning and compacting in turn
// come to rest; a file is not rewritten again and again for a few small ones
// that arrive beside it (see Policy.Growth); no group leaves a runt that the
// rest of its partition could have taken.
package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Tier is how a group is compacted, cheapest first.
type Tier string

const (
	// Fuse copies column chunks without decoding.
	Fuse Tier = "fuse"
	// Rewrite reads rows, applies deletes, sorts if wanted, and encodes.
	Rewrite Tier = "rewrite"
)

// File is a live data file as the planner sees it.
type File struct {
	Path      string
	SpecID    int
	Partition map[string]*string
	Bytes     int64
	Rows      int64
	// Deleted is how many of the rows are removed by delete files, as far as
	// the manifests tell.
	Deleted int64
	// Deletes is the number of delete files that apply.
	Deletes  int
	Sequence int64
	// Unsorted: its rows are not in the order that the table's files say they are in.
	Unsorted bool
}

// Live is about how many of the bytes a rewrite leaves.
func (f File) Live() int64 {
	if f.Deleted <= 0 || f.Rows <= 0 {
		return f.Bytes
	}
	return int64(float64(f.Bytes) * float64(max(f.Rows-f.Deleted, 0)) / float64(f.Rows))
}

// Group is a set of files of one partition that become Outputs files.
type Group struct {
	Tier      Tier
	SpecID    int
	Partition map[string]*string
	Files     []File
	Bytes     int64
	Rows      int64
	// Outputs is 1 unless an oversized file is split, or the rows are sorted into
	// several; of a reshape it is a guess.
	Outputs int
	Reason  string
	// Partitions that the files of a reshape are of, Partition the first of them.
	Partitions int
}

// Compaction is the plan for one table.
type Compaction struct {
	Groups []Group
	Bytes  int64
	// Truncated: groups were left out because of Policy.MaxJobBytes.
	Truncated bool
	// WhyNot says why nothing (more) is done; never empty when Groups is.
	WhyNot string
}

// ID names a plan for a snapshot: its groups with every file of theirs, in any
// order. Two plans that would do the same have the same one.
func (c Compaction) ID(snapshot int64) string {
	groups := make([]string, len(c.Groups))
	for i, g := range c.Groups {
		paths := make([]string, len(g.Files))
		for j, f := range g.Files {
			paths[j] = f.Path
		}
		slices.Sort(paths)
		groups[i] = fmt.Sprintf("%s %d %q", g.Tier, g.Outputs, paths)
	}
	slices.Sort(groups)
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q", snapshot, groups))
	return hex.EncodeToString(sum[:8])
}

// String is the plan as text: what a dry run prints and what golden tests hold.
func (c Compaction) String() string {
	var b strings.Builder
	for _, g := range c.Groups {
		fmt.Fprintf(&b, "%s %s: %s, %s -> %d; %s\n", g.Tier, g.place(), count(int64(len(g.Files)), "file"), Size(g.Bytes), g.Outputs, g.Reason)
	}
	if c.WhyNot != "" {
		fmt.Fprintf(&b, "why not more: %s\n", c.WhyNot)
	}
	return b.String()
}
