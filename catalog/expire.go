package catalog

import (
	"math"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go/table"
)

// WatermarkTagPrefix begins the names of tags that pin a promotion's watermark: expiry in
// a commit stops at the oldest of them, up to watermarkSlack times the table's bound.
const WatermarkTagPrefix = "firn-watermark-"

// watermarkSlack bounds what a promotion that stands still can keep.
const watermarkSlack = 10

// maxSnapshots is the bound of a table; 0 is none.
func (c *Catalog) maxSnapshots(meta table.Metadata) int {
	if s, ok := meta.Properties()[PropertyMaxSnapshots]; ok {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 {
			return n
		}
	}
	return c.cfg.MaxSnapshots
}

// expired are the snapshots that a table may forget: beyond the newest limit ancestors of each
// branch, and not held by a ref. Files are not touched here.
func expired(meta table.Metadata, limit int) []int64 {
	if limit <= 0 {
		return nil
	}
	snapshots := meta.Snapshots()
	if len(snapshots) <= limit {
		return nil
	}
	byID := make(map[int64]*table.Snapshot, len(snapshots))
	for i := range snapshots {
		byID[snapshots[i].SnapshotID] = &snapshots[i]
	}
	keep := map[int64]bool{}
	watermarks := map[int64]bool{}
	for name, ref := range meta.Refs() {
		keep[ref.SnapshotID] = true
		if ref.SnapshotRefType == table.TagRef && strings.HasPrefix(name, WatermarkTagPrefix) {
			watermarks[ref.SnapshotID] = true
		}
	}
	for _, ref := range meta.Refs() {
		if ref.SnapshotRefType != table.BranchRef {
			continue
		}
		line := ancestry(byID, ref.SnapshotID)
		n := min(limit, len(line))
		for i := min(len(line), limit*watermarkSlack) - 1; i >= n; i-- {
			if watermarks[line[i]] {
				n = i + 1
				break
			}
		}
		for _, id := range line[:n] {
			keep[id] = true
		}
	}
	// A snapshot on no branch may be staged for publication: it goes when it is
	// older than the oldest that the branches keep.
	oldest := int64(math.MaxInt64)
	onBranch := map[int64]bool{}
	for _, ref := range meta.Refs() {
		if ref.SnapshotRefType == table.BranchRef {
			for _, id := range ancestry(byID, ref.SnapshotID) {
				onBranch[id] = true
				if keep[id] {
					oldest = min(oldest, byID[id].TimestampMs)
				}
			}
		}
	}
	var out []int64
	for _, s := range snapshots {
		if !keep[s.SnapshotID] && (onBranch[s.SnapshotID] || s.TimestampMs < oldest) {
			out = append(out, s.SnapshotID)
		}
	}
	return out
}

// ancestry is a snapshot and its retained ancestors, newest first.
func ancestry(byID map[int64]*table.Snapshot, id int64) []int64 {
	var line []int64
	for s := byID[id]; s != nil && len(line) <= len(byID); {
		line = append(line, s.SnapshotID)
		if s.ParentSnapshotID == nil {
			break
		}
		s = byID[*s.ParentSnapshotID]
	}
	return line
}
