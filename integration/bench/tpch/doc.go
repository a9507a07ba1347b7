// Package tpch measures the 22 queries of TPC-H, scale 1, through Firn's SQL,
// plain DuckDB over the same Parquet files (the limit), Trino and Spark: with a
// thousand small files in each of the two large tables, then after Firn's
// compaction. `make bench-engines` runs it as a Go benchmark, prints a table and
// writes it as JSON under docs/benchmarks.
//
// All engines are warm and on this machine, one at a time. Each query runs once
// for its rows, which must be those of every other engine, before and after the
// compaction; then so many times on the clock, and the median counts. Plain
// DuckDB is one process whose views stand and whose caches are warm; it has the
// threads and the memory of a statement of Firn.
//
// Files are those that the scans of a plan opened, where the engine tells (Firn,
// DuckDB); Spark and Trino read through the object store, whose requests are
// counted. Bytes are what the process read, or what the object store sent.
package tpch
