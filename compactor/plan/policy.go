package plan

import "time"

// Properties that make up a policy, of tables and of what they lie in; the Iceberg
// names where there are any. Durations are Go's ("90s", "24h").
const (
	PropertyTarget      = "write.target-file-size-bytes"
	PropertyEnabled     = "firn.compact.enabled"
	PropertyMinFiles    = "firn.compact.min-input-files"
	PropertyQuiet       = "firn.compact.quiet"
	PropertyGrowth      = "firn.compact.growth"
	PropertyDeleteRatio = "firn.compact.delete-ratio"
	PropertyFuse        = "firn.compact.fuse"
	PropertyRowHash     = "firn.compact.row-hash"
	PropertySort        = "firn.compact.sort"
	PropertyMaxJobBytes = "firn.compact.max-job-bytes"
	PropertyMaxSnaps    = "firn.expire.max-snapshots"
	PropertyMaxAge      = "history.expire.max-snapshot-age-ms"
	PropertyMinKeep     = "history.expire.min-snapshots-to-keep"
	PropertyGrace       = "firn.orphans.grace"
	// Limits of the level that has them, for all tables below it together.
	PropertyBytesPerHour   = "firn.compact.budget-bytes-per-hour"
	PropertyBytesPerDay    = "firn.compact.budget-bytes-per-day"
	PropertySecondsPerHour = "firn.compact.budget-worker-seconds-per-hour"
	PropertyMaxJobs        = "firn.compact.max-jobs"
	PropertyWindows        = "firn.compact.windows"
)

// Policy is what a table's owner wants. DefaultPolicy is a sensible one.
type Policy struct {
	Enabled bool
	// Target is the size that data files should have. Files below 3/4 of it
	// are small, above twice of it oversized.
	Target int64
	// MinFiles is how many small files a busy partition must hold before they
	// are joined.
	MinFiles int
	// Quiet: a partition that had no commit for so long is joined already with
	// two small files.
	Quiet time.Duration
	// Growth: a small file is joined with smaller ones only while it is at
	// most so many times their sum. Bytes are then rewritten a logarithmic
	// number of times, not at each commit. In a quiet partition the factor
	// grows with the time.
	Growth float64
	// DeleteRatio: a file of which this share of the rows is deleted is
	// rewritten whatever its size.
	DeleteRatio float64
	// MaxDeletes: so is a file that so many delete files apply to.
	MaxDeletes int
	// AllowFuse permits copying chunks without decoding.
	AllowFuse bool
	// RowHash checks the multiset hash of rows after a rewrite, beside counts
	// and sums.
	RowHash bool
	// Sort is the order of rewrites as [ParseOrder] reads it: terms of an ORDER
	// BY, or a curve; empty keeps the order of arrival.
	Sort []string
	// MaxJobBytes bounds the input of one job; the rest waits for the next.
	MaxJobBytes int64
	// MaxFilesAtOnce bounds the files whose footers are in memory together. Groups
	// whose rows are sorted, or divided among partitions, are read by one statement
	// and have no more; others have up to MaxGroupFiles and are read in batches.
	MaxGroupFiles, MaxFilesAtOnce int
	// FormatVersion of the table.
	FormatVersion int
	// Reshape moves the rows of files of other partition specs than SpecID, the
	// table's present one, into its partitions.
	Reshape bool
	SpecID  int

	// HotFix is how far hot partitions are mended unasked, HotColumns what by: see
	// [PropertyHotFix] and [PropertyHotColumns].
	HotFix     string
	HotColumns []string

	// MaxSnapshots and MaxAge say which snapshots expire, MinKeep how many
	// stay in any case.
	MaxSnapshots int
	MaxAge       time.Duration
	MinKeep      int
	// Grace is how long an unreachable file stays in quarantine. 0: the
	// service's.
	Grace time.Duration
	// Windows are when the planner may make jobs; empty is always.
	Windows Windows
}

// FilesAtOnce is the default of Policy.MaxFilesAtOnce: DuckDB cannot read 20,000 tiny
// files by one statement within a worker's 512 MiB.
const FilesAtOnce = 2000

// DefaultPolicy is used where nobody says anything.
func DefaultPolicy() Policy {
	return Policy{
		Enabled: true, Target: 128 << 20, MinFiles: 5, Quiet: 10 * time.Second, Growth: 4,
		DeleteRatio: 0.2, MaxDeletes: 5, AllowFuse: true, RowHash: true, MaxJobBytes: 8 << 30, MaxGroupFiles: 50_000, MaxFilesAtOnce: FilesAtOnce, FormatVersion: 2, HotFix: FixCluster,
		MaxSnapshots: 200, MaxAge: 5 * 24 * time.Hour, MinKeep: 1,
	}
}

// Small is the size below which a file is small.
func (p Policy) Small() int64 { return p.Target / 4 * 3 }

// Oversized is the size above which a file is split.
func (p Policy) Oversized() int64 { return p.Target * 2 }
