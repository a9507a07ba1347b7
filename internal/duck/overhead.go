//go:build !race

package duck

// workerOverhead is by how much a worker may pass its job's memory: what the
// process itself needs, for Go's runtime, DuckDB's code and stacks.
const workerOverhead = 96 << 20
