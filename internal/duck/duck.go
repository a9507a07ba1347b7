// Package duck runs SQL on DuckDB in worker processes, never in this one.
//
// A [Pool] keeps started workers: this same binary, executed again with
// FIRN_DUCK_WORKER=1, so main and TestMain call [WorkerMain] first. A worker
// runs one job at a time; statements go in over a pipe, an Arrow stream comes
// out. What the package promises:
//
//   - A job cannot take more memory, time or temporary space than it was
//     given: RLIMIT_DATA and DuckDB's own limit make it fail, a watch on
//     resident memory and the deadline kill it. DuckDB's limits alone hold
//     neither (measured: 9.2 GB with a limit of 256 MB).
//   - Nothing of a user's query outlives it: its worker is thrown away.
//   - A user's query reads exactly the files of its job: external access is
//     off and the configuration locked before the user's text is run, and
//     Landlock holds the same in the kernel where there is Landlock.
//   - A worker that dies, hangs or answers garbage costs its own job only;
//     the caller gets a typed error and the pool starts another worker.
//
// Memory of the calling process is bounded by one record batch a result: the
// worker stops when nobody reads.
package duck

import (
	"time"
)

// Job is one unit of work for a worker: a fresh, empty, in-memory database in
// which Setup runs, then SQL. The session's time zone is UTC.
type Job struct {
	// Setup are statements written by Firn (views over files, macros), run
	// first and in order.
	Setup []string
	// SQL is the statement whose result streams out.
	SQL string
	// Untrusted means that SQL is a user's: it must be exactly one SELECT
	// (DESCRIBE, SHOW and SUMMARIZE count as one), external access is limited
	// to Read, the configuration is locked, and the worker is thrown away.
	Untrusted bool
	// Read are the files, as absolute paths, that may be read.
	Read []string
	// WriteDir is the folder that COPY may write to. Not with Untrusted.
	WriteDir string
	// MemoryBytes bounds the worker's own memory. Default: the pool's.
	MemoryBytes int64
	// Threads of DuckDB. Default: the pool's.
	Threads int
	// Timeout ends the job by killing the worker. Zero: only the context does.
	Timeout time.Duration
	// TempBytes bounds what may be spilled to disk. Default 4 times MemoryBytes.
	TempBytes int64
	// SpillEarly is for statements that sort more than memory holds: DuckDB then
	// spills at two fifths of MemoryBytes instead of at three quarters. What its
	// sort does not count comes to another third with two threads, and an
	// allocation that fails costs the whole statement.
	SpillEarly bool
	// PreserveOrder keeps the order of files and rows where the statement has
	// no ORDER BY. It costs memory and speed; without it COPY and scans may
	// answer in any order.
	PreserveOrder bool
	// OnProgress, if set, is told the share of the work done, 0 to 1. It is
	// called from another goroutine until the result has ended.
	OnProgress func(float64)

	// Explain is "EXPLAIN" or "EXPLAIN ANALYZE" to answer the plan of SQL
	// instead of its result.
	Explain string
}

// Column is a column of a statement's result, with DuckDB's name of its type.
type Column struct {
	Name string
	Type string
}

// Stats is what a job cost.
type Stats struct {
	Rows    int64         // rows of the result
	Batches int64         // record batches of the result
	CPU     time.Duration // user and system time of the worker for this job
	PeakRSS int64         // greatest resident memory seen, bytes
	Read    int64         // bytes that the worker read
	Elapsed time.Duration // wall time from hand-over to the last byte
}
