package parquet

import "github.com/firnlake/firn/internal/capped"

type (
	// Capped is an Arrow allocator with an upper limit.
	Capped = capped.Allocator
	// LimitError says that decoding wanted more memory than it was given.
	LimitError = capped.LimitError
)

// CappedAllocator answers an allocator that never holds more than limit bytes.
func CappedAllocator(limit int64) *Capped { return capped.New(limit) }
