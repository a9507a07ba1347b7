package catalog

import (
	"context"
	"math/bits"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

const (
	defaultMergeCount = 16
	// mergeFull is the number of entries beyond which a manifest is not merged again.
	mergeFull = 20_000
)

// mergeable picks the manifests that a commit should merge: groups of one kind and one
// size class, in powers of the fan-out, whenever a class has fanOut members.
// Each entry is thus rewritten once a class, and the number of manifests
// stays under fanOut times the number of classes.
// What is large enough already stays as it is: it may be sorted by partition.
func mergeable(ms []iceberg.ManifestFile, fanOut int, target int64) [][]iceberg.ManifestFile {
	type class struct {
		kind manifestKind
		size int
	}
	classes := map[class][]iceberg.ManifestFile{}
	var order []class
	for _, m := range ms {
		n := entryCount(m)
		if n < 0 || n >= mergeFull || m.Length() >= target/2 {
			continue
		}
		cl := class{kindOf(m), sizeClass(n, fanOut)}
		if classes[cl] == nil {
			order = append(order, cl)
		}
		classes[cl] = append(classes[cl], m)
	}
	var out [][]iceberg.ManifestFile
	for _, cl := range order {
		if group := classes[cl]; len(group) >= fanOut {
			out = append(out, group)
		}
	}
	return out
}

// sizeClass is the base-fanOut logarithm of n.
func sizeClass(n int64, fanOut int) int {
	return (bits.Len64(uint64(n)) - 1) / max(1, bits.Len(uint(fanOut))-1)
}

// entryCount is the number of live entries, -1 when an old manifest does not say.
func entryCount(m iceberg.ManifestFile) int64 {
	if m.AddedDataFiles() < 0 || m.ExistingDataFiles() < 0 {
		return -1
	}
	return int64(m.AddedDataFiles()) + int64(m.ExistingDataFiles())
}

// fanOut reads a table's merge policy; 0 is off.
func fanOut(meta table.Metadata) int {
	props := meta.Properties()
	if props[PropertyMergeEnabled] == "false" {
		return 0
	}
	if n, err := strconv.Atoi(props[PropertyMergeCount]); err == nil && n >= 2 {
		return min(n, 1000)
	}
	return defaultMergeCount
}

// merge rewrites small carried manifests into few. Files stay as they are, as EXISTING entries.
func (p *plan) merge(ctx context.Context, carried []iceberg.ManifestFile, snapshotID int64) ([]iceberg.ManifestFile, error) {
	n := fanOut(p.cur)
	if n == 0 {
		return carried, nil
	}
	for _, group := range mergeable(carried, n, targetManifestBytes(p.cur)) {
		entries, err := p.c.readAll(ctx, group, false)
		if err != nil {
			return nil, err
		}
		merged, err := p.writeManifest(kindOf(group[0]), snapshotID, func(w *iceberg.ManifestWriter) error {
			for _, of := range entries {
				for _, e := range of {
					if err := w.Existing(e); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		carried = slices.DeleteFunc(slices.Clone(carried), func(m iceberg.ManifestFile) bool { return slices.Contains(group, m) })
		carried = append(carried, merged)
	}
	return carried, nil
}
