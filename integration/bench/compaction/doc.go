// Package compaction measures one job, joining the files of a table, done by
// Firn and by its peers over the same input: Spark's rewrite_data_files,
// iceberg-go's RewriteDataFiles, a plain COPY of DuckDB, and a copy of the bytes,
// which is the limit. `make bench-compaction` runs it as a Go benchmark, prints
// tables and writes them as JSON under docs/benchmarks.
//
// Each input is made once; each run of each contender gets a copy of its own,
// whose immutable files are links to the same bytes, so that the page cache is
// the same for all. Contenders take turns. What counts is user and system time
// of the processes that do the work, and MB of input, 10^6 bytes, per second of
// it:
//
//   - Firn: the service and its workers, from the submission of the job to its
//     commit: planning, proof and commit are in it.
//   - Spark: the JVM, local[2], warmed up by a job before; neither its start nor
//     the object store that it reads through count.
//   - iceberg-go: a process of its own that loads the table from Firn, plans,
//     rewrites and commits. Its files are local ones: no object store is asked.
//   - DuckDB: the Python wheel, two threads, from and to local files. It keeps no
//     table: no plan, no proof, no commit, no deletes.
//   - the copy of bytes: read and write, a process of its own.
//
// After each run the rows are compared with those of the input, less what is
// deleted: their number and sums over two columns.
package compaction
