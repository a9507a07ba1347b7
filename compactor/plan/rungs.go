package plan

import (
	"fmt"
	"strings"
)

// Ladder says of each step what there is to it for a hot partition. why says where
// the columns of the lookups come from, or why there are none.
func (p Policy) Ladder(h Hot, f Facts, why string) []Rung {
	return []Rung{p.groupRung(h, f), p.pathsRung(f), p.fragmentsRung(h), p.clusterRung(h, f, why), p.bucketRung(h, f, why), p.CoarsenRung(f)}
}

func (p Policy) groupRung(h Hot, f Facts) Rung {
	switch {
	case f.Transactions == 0:
		return Rung{StepGroup, StateOn, "no commit of late"}
	case f.Transactions > 1.05:
		return Rung{StepGroup, StateOn, fmt.Sprintf("%.1f transactions share a commit; %.1f new files a minute here", f.Transactions, h.Added)}
	}
	return Rung{StepGroup, StateOn, fmt.Sprintf("no transaction of late found another to share its commit with; %.1f new files a minute here", h.Added)}
}

func (p Policy) pathsRung(f Facts) Rung {
	switch {
	case f.ObjectPaths:
		return Rung{StepPaths, StateOn, "new objects have hashed prefixes"}
	case f.Local:
		return Rung{StepPaths, StateIdle, "the objects lie on this machine's disk, which has no prefixes to spread load over"}
	}
	return Rung{StepPaths, StateAsks, "a store that answers 503 SlowDown spreads load by prefixes: set " + PropertyObjectPaths + " to true"}
}

func (p Policy) fragmentsRung(h Hot) Rung {
	switch {
	case h.Held:
		return Rung{StepFragments, StateOn, fmt.Sprintf("writers are here: small files are joined by copying, everything heavier waits until none came for %s", p.Quiet)}
	case h.Active:
		return Rung{StepFragments, StateIdle, fmt.Sprintf("writers are here for %s and more, or have left %d delete files: what is heavier is not held back", patience, heldDeletes*p.MaxDeletes)}
	}
	return Rung{StepFragments, StateIdle, "no writer is here now: nothing is held back"}
}

// clusterRung: ready when single values lie in many files, and no writer is here.
func (p Policy) clusterRung(h Hot, f Facts, why string) Rung {
	if len(f.Lookups) == 0 {
		return Rung{StepCluster, StateNeeds, why}
	}
	var depths []string
	most := 0.0
	for _, l := range f.Lookups {
		depths = append(depths, fmt.Sprintf("%.1f by %s", l.Depth, l.Column))
		most = max(most, l.Depth)
	}
	text := fmt.Sprintf("of %s, a lookup opens %s", count(h.Files, "file"), strings.Join(depths, ", "))
	switch {
	case most < deep:
		return Rung{StepCluster, StateOn, text + ": rows are laid out well"}
	case p.HotFix == FixOff:
		return Rung{StepCluster, StateAsks, text + "; " + PropertyHotFix + " is off"}
	case h.Held:
		return Rung{StepCluster, StateWaits, fmt.Sprintf("%s; it waits until no writer came for %s, at most %s", text, p.Quiet, patience)}
	}
	return Rung{StepCluster, StateReady, text + "; chosen " + why}
}

// bucketRung: more than one file's worth in one partition could be spread over
// buckets of a column that is compared with single values.
func (p Policy) bucketRung(h Hot, f Facts, why string) Rung {
	if len(f.Lookups) == 0 {
		return Rung{StepBucket, StateNeeds, why}
	}
	column := ""
	for _, l := range f.Lookups {
		if l.Bucketed && h.SpecID != p.SpecID && p.HotFix == FixSpec {
			return Rung{StepBucket, StateReady, "its files are of the partition spec before the bucket of " + l.Column}
		}
		if l.Bucketed {
			return Rung{StepBucket, StateOn, "the partition spec has a bucket of " + l.Column}
		}
		if l.Equal && column == "" {
			column = l.Column
		}
	}
	n := p.Buckets(h.Bytes)
	switch {
	case column == "":
		return Rung{StepBucket, StateIdle, NoBucket}
	case n < 2:
		return Rung{StepBucket, StateIdle, fmt.Sprintf("%s make no two buckets of %s", Size(h.Bytes), Size(p.Target))}
	case p.HotFix == FixSpec:
		return Rung{StepBucket, StateReady, fmt.Sprintf("bucket[%d] of %s for rows to come, and for the files of this partition", n, column)}
	}
	return Rung{StepBucket, StateAsks, fmt.Sprintf("bucket[%d] of %s would spread it; that changes the partition spec for all partitions, so it is done when asked for, or with %s=%s", n, column, PropertyHotFix, FixSpec)}
}

// NoBucket is why no bucket would help.
const NoBucket = "scans compare no column with single values, which is what buckets help, or its type has none"

// maxBuckets: each partition gets as many, also the small ones.
const maxBuckets = 64

// Buckets is how many buckets suit a partition: each of a target size, in a power
// of two, so that they can be halved later.
func (p Policy) Buckets(bytes int64) int {
	n := 1
	for n < maxBuckets && int64(n)*2*p.Target <= bytes {
		n *= 2
	}
	return n
}

// CoarsenRung is of the table, not of one partition.
func (p Policy) CoarsenRung(f Facts) Rung {
	switch {
	case f.Coarser == "":
		return Rung{StepCoarsen, StateIdle, "the table has not too many partitions"}
	case p.HotFix == FixSpec:
		return Rung{StepCoarsen, StateReady, f.Coarser}
	}
	return Rung{StepCoarsen, StateAsks, f.Coarser + "; that changes the partition spec, so it is done when asked for, or with " + PropertyHotFix + "=" + FixSpec}
}

// Crowded says that a table has too many partitions for its bytes.
func (h *Health) Crowded(p Policy) (why string, crowded bool) {
	var bytes int64
	for _, q := range h.Partitions {
		bytes += q.Bytes
	}
	return h.crowded(p, bytes)
}

func (h *Health) crowded(p Policy, bytes int64) (why string, crowded bool) {
	n := int64(len(h.Partitions))
	if n < manyPartitions || bytes/n >= p.Target/coarse {
		return "", false
	}
	return fmt.Sprintf("%d partitions hold %s on average, of a target of %s", n, Size(bytes/n), Size(p.Target)), true
}
