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
func expired(line []link, refs map[string]table.SnapshotRef, limit int) []int64 {
	if limit <= 0 || len(line) <= limit {
		return nil
	}
	byID := make(map[int64]link, len(line))
	for _, at := range line {
		byID[at.id] = at
	}
	keep := map[int64]bool{}
	watermarks := map[int64]bool{}
	for name, ref := range refs {
		keep[ref.SnapshotID] = true
		if ref.SnapshotRefType == table.TagRef && strings.HasPrefix(name, WatermarkTagPrefix) {
			watermarks[ref.SnapshotID] = true
		}
	}
	// A snapshot on no branch may be staged for publication: it goes when it is
	// older than the oldest that the branches keep.
	oldest := int64(math.MaxInt64)
	onBranch := map[int64]bool{}
	var branches [][]int64
	for _, ref := range refs {
		if ref.SnapshotRefType != table.BranchRef {
			continue
		}
		ids := ancestry(byID, ref.SnapshotID)
		branches = append(branches, ids)
		n := min(limit, len(ids))
		for i := min(len(ids), limit*watermarkSlack) - 1; i >= n; i-- {
			if watermarks[ids[i]] {
				n = i + 1
				break
			}
		}
		for _, id := range ids[:n] {
			keep[id] = true
		}
	}
	for _, ids := range branches {
		for _, id := range ids {
			onBranch[id] = true
			if keep[id] {
				oldest = min(oldest, byID[id].ms)
			}
		}
	}
	var out []int64
	for _, at := range line {
		if !keep[at.id] && (onBranch[at.id] || at.ms < oldest) {
			out = append(out, at.id)
		}
	}
	return out
}

// ancestry is a snapshot and its retained ancestors, newest first.
func ancestry(byID map[int64]link, id int64) []int64 {
	var ids []int64
	at, ok := byID[id]
	for ok && len(ids) <= len(byID) {
		ids = append(ids, at.id)
		if at.parent == nil {
			break
		}
		at, ok = byID[*at.parent]
	}
	return ids
}
