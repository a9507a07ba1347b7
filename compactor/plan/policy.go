package plan

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Table properties that make up a policy; the Iceberg names where there are
// any. Durations are Go's ("90s", "24h").
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
	// MaxGroupFiles bounds the files of one group, and with it memory.
	MaxGroupFiles int
	// FormatVersion of the table.
	FormatVersion int
	// Reshape moves the rows of files of other partition specs than SpecID, the
	// table's present one, into its partitions.
	Reshape bool
	SpecID  int

	// MaxSnapshots and MaxAge say which snapshots expire, MinKeep how many
	// stay in any case.
	MaxSnapshots int
	MaxAge       time.Duration
	MinKeep      int
	// Grace is how long an unreachable file stays in quarantine. 0: the
	// service's.
	Grace time.Duration
}

// DefaultPolicy is used where a table's properties say nothing.
func DefaultPolicy() Policy {
	return Policy{
		Enabled: true, Target: 128 << 20, MinFiles: 5, Quiet: 10 * time.Second, Growth: 4,
		DeleteRatio: 0.2, MaxDeletes: 5, AllowFuse: true, MaxJobBytes: 8 << 30, MaxGroupFiles: 2000, FormatVersion: 2,
		MaxSnapshots: 200, MaxAge: 5 * 24 * time.Hour, MinKeep: 1,
	}
}

// Small is the size below which a file is small.
func (p Policy) Small() int64 { return p.Target / 4 * 3 }

// Oversized is the size above which a file is split.
func (p Policy) Oversized() int64 { return p.Target * 2 }

// PolicyOf reads a policy from table properties over a base.
func PolicyOf(base Policy, props map[string]string) (Policy, error) {
	p := base
	var bad error
	read := func(key string, parse func(string) error) {
		if v, ok := props[key]; ok && bad == nil {
			if err := parse(strings.TrimSpace(v)); err != nil {
				bad = fmt.Errorf("table property %s = %q: %w", key, v, err)
			}
		}
	}
	boolean := func(dst *bool) func(string) error {
		return func(s string) (err error) {
			if *dst, err = strconv.ParseBool(s); err != nil {
				return fmt.Errorf("want true or false")
			}
			return nil
		}
	}
	integer := func(dst *int64, least int64) func(string) error {
		return func(s string) (err error) {
			if *dst, err = strconv.ParseInt(s, 10, 64); err != nil || *dst < least {
				return fmt.Errorf("want a whole number of at least %d", least)
			}
			return nil
		}
	}
	duration := func(dst *time.Duration) func(string) error {
		return func(s string) (err error) {
			if *dst, err = time.ParseDuration(s); err != nil || *dst < 0 {
				return fmt.Errorf("want a duration like 30s or 24h")
			}
			return nil
		}
	}
	real := func(dst *float64, least, most float64) func(string) error {
		return func(s string) (err error) {
			if *dst, err = strconv.ParseFloat(s, 64); err != nil || !(*dst >= least && *dst <= most) {
				return fmt.Errorf("want a number from %g to %g", least, most)
			}
			return nil
		}
	}
	minFiles, snaps, keep, age := int64(p.MinFiles), int64(p.MaxSnapshots), int64(p.MinKeep), p.MaxAge.Milliseconds()
	read(PropertyEnabled, boolean(&p.Enabled))
	read(PropertyTarget, integer(&p.Target, 1<<10))
	read(PropertyMinFiles, integer(&minFiles, 2))
	read(PropertyQuiet, duration(&p.Quiet))
	read(PropertyGrowth, real(&p.Growth, 1, 1e9))
	read(PropertyDeleteRatio, real(&p.DeleteRatio, 0.0001, 1))
	read(PropertyFuse, boolean(&p.AllowFuse))
	read(PropertyReshape, boolean(&p.Reshape))
	read(PropertyRowHash, boolean(&p.RowHash))
	read(PropertyMaxJobBytes, integer(&p.MaxJobBytes, 1<<20))
	read(PropertyMaxSnaps, integer(&snaps, 1))
	read(PropertyMinKeep, integer(&keep, 1))
	read(PropertyMaxAge, integer(&age, 0))
	read(PropertyGrace, duration(&p.Grace))
	read(PropertySort, func(s string) error {
		p.Sort = SplitSort(s)
		o, err := ParseOrder(p.Sort)
		if o.Curve == "" && len(o.Terms) == 0 {
			p.Sort = nil
		}
		return err
	})
	if bad != nil {
		return base, bad
	}
	p.MinFiles, p.MaxSnapshots, p.MinKeep, p.MaxAge = int(minFiles), int(snaps), int(keep), time.Duration(age)*time.Millisecond
	return p, nil
}
