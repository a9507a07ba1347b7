//go:build race

package duck

// workerOverhead counts the race detector's shadow memory too.
const workerOverhead = 1 << 30
