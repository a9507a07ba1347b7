package plan

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// Rebalance is the kind of job that cools hot partitions.
const Rebalance Kind = "rebalance"

// Step is one rung of the ladder by which hot partitions are cooled, cheapest and
// least visible first.
type Step string

const (
	// StepGroup: writers share commits.
	StepGroup Step = "group-commit"
	// StepPaths: objects get hashed prefixes, so that a store spreads their load.
	StepPaths Step = "object-paths"
	// StepFragments: while writers are there, small files are joined by copying, and
	// nothing heavier is done.
	StepFragments Step = "fragments-only"
	// StepCluster: rows are laid out by the columns that scans select by, so that a
	// scan opens few of the partition's files. The partition spec stays.
	StepCluster Step = "cluster"
	// StepBucket: a bucket field is added to the partition spec, and the partition's
	// files are moved into their buckets.
	StepBucket Step = "bucket"
	// StepCoarsen: a field of the partition spec becomes coarser, and all files are
	// moved: for tables of many partitions with little in each.
	StepCoarsen Step = "coarsen"
)

// Rungs are the steps in their order.
var Rungs = []Step{StepGroup, StepPaths, StepFragments, StepCluster, StepBucket, StepCoarsen}

// State of a rung.
type State string

const (
	// StateOn works now.
	StateOn State = "on"
	// StateReady: the next rebalance does it.
	StateReady State = "ready"
	// StateWaits for what the reason says.
	StateWaits State = "waits"
	// StateAsks: it changes what everybody sees of the table, so that a person must
	// ask for it.
	StateAsks State = "asks"
	// StateNeeds to know something that the reason names.
	StateNeeds State = "needs"
	// StateIdle would not help.
	StateIdle State = "idle"
)

// Rung is a step and what there is to it.
type Rung struct {
	Step   Step
	State  State
	Reason string
}

// Table properties on hot partitions.
const (
	// PropertyHotFix is how far Firn goes unasked: off, cluster (default), or spec,
	// which allows to change the partition spec.
	PropertyHotFix = "firn.hot.fix"
	// PropertyHotColumns are the columns to cluster and bucket by, instead of those
	// that scans select by.
	PropertyHotColumns = "firn.hot.columns"
	// PropertyObjectPaths is Iceberg's switch for hashed object paths.
	PropertyObjectPaths = "write.object-storage.enabled"
)

// The values of [PropertyHotFix].
const (
	FixOff     = "off"
	FixCluster = "cluster"
	FixSpec    = "spec"
)

const (
	// maxCluster is the columns that rows are laid out by.
	maxCluster = 3
	// deep is the number of files that a single value lies in from which on
	// clustering pays.
	deep = 2.5
	// patience: a partition that never cools is clustered all the same.
	patience = time.Hour
	// regrowth: a partition is looked at again when it has grown by this factor, so
	// that each byte is clustered a bounded number of times.
	regrowth = 1.5
	// manyPartitions with less than 1/coarse of the target in each are too many.
	manyPartitions = 100
	coarse         = 16
)

// Lookup is what reading by a column costs in one partition.
type Lookup struct {
	Column string
	// Depth is the files that a scan for a single value opens, on average.
	Depth float64
	// Equal: scans compare it with single values, so that buckets help them.
	Equal bool
	// Bucketed: the partition spec has a bucket of it.
	Bucketed bool
}

// Facts are what the ladder needs to know beside the health.
type Facts struct {
	// Transactions that share a commit of late.
	Transactions float64
	// Local: the objects lie on this machine's disk.
	Local bool
	// ObjectPaths are on.
	ObjectPaths bool
	// Lookups by the columns of [Policy.ClusterColumns], in their order.
	Lookups []Lookup
	// Coarser is the field of the spec that could be coarser, and how; empty: none.
	Coarser string
}

// ClusterColumns are the columns to lay rows out by: what the policy says, else
// those of the table's order, else those that scans select by, the most wanted
// first. Columns that a partition has one value of are of no use and left out by
// the caller. why says where they come from, or why there are none.
func (p Policy) ClusterColumns(demand map[string]Demand, now time.Time) (columns []string, why string) {
	if len(p.HotColumns) > 0 {
		return p.HotColumns, "by " + PropertyHotColumns
	}
	if o, err := ParseOrder(p.Sort); err == nil && (len(o.Terms) > 0 || o.Curve != "") {
		columns = slices.Clone(o.Columns)
		for _, t := range o.Terms {
			columns = append(columns, t.Column)
		}
		return columns, "by the table's order"
	}
	most := 0.0
	for _, d := range demand {
		most = max(most, d.as(now).Weight)
	}
	for _, name := range slices.SortedFunc(maps.Keys(demand), func(a, b string) int {
		return cmp.Or(cmp.Compare(demand[b].as(now).Weight, demand[a].as(now).Weight), cmp.Compare(a, b))
	}) {
		if demand[name].as(now).Weight >= most/5 {
			columns = append(columns, name)
		}
	}
	if len(columns) == 0 {
		return nil, "no scan is known that selects rows by a column"
	}
	return columns, "by the scans of late"
}

// ClusterOrder lays rows out by columns: sorted by one, along a Hilbert curve
// through more.
func ClusterOrder(columns []string) []string {
	quoted := make([]string, 0, maxCluster)
	for _, c := range columns[:min(len(columns), maxCluster)] {
		quoted = append(quoted, `"`+strings.ReplaceAll(c, `"`, `""`)+`"`)
	}
	if len(quoted) == 1 {
		return quoted
	}
	return []string{Hilbert + "(" + strings.Join(quoted, ", ") + ")"}
}
