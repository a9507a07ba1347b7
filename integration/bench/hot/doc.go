// Package hot measures what cooling a hot partition brings, on real data of which
// one of 38 partitions has 91 % of the rows, and on a Zipf load. `make bench-hot`
// runs it as a Go benchmark, prints a table and writes it under docs/benchmarks.
//
// Each table goes through four layouts: as it was ingested; compacted by size, which
// is what compactors do that know of small files only; clustered within the hot
// partition, by the columns that Firn saw queries select by; and bucketed by a
// change of the partition spec. In each layout the same lookups are planned by
// PyIceberg, which knows nothing but the metadata, and run by Firn's SQL, and the
// same commits are appended by one client after the other.
package hot
