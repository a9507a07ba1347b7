// Package capped bounds what decoding of foreign bytes may allocate. It imports
// little, for a query worker starts with it (see package duck).
package capped

import (
	"fmt"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow/memory"
)

// LimitError says that decoding wanted more memory than it was given.
type LimitError struct {
	Limit, Wanted int64
}

func (e *LimitError) Error() string {
	return fmt.Sprintf("the data needs more than the %d bytes allowed for one request once decoded; send smaller batches", e.Limit)
}

// Allocator is an Arrow allocator with an upper limit. Beyond it the allocation
// panics with a *LimitError, because the Allocator interface has no error; so
// everything that decodes with it runs inside Guard. Bytes given back by Free
// may be used again. It may be used from several goroutines.
type Allocator struct {
	mem      memory.Allocator
	limit    int64
	used     atomic.Int64
	exceeded atomic.Pointer[LimitError]
}

var _ memory.Allocator = (*Allocator)(nil)

// New answers an allocator that never holds more than limit bytes.
func New(limit int64) *Allocator {
	return &Allocator{mem: memory.NewGoAllocator(), limit: limit}
}

// Allocate implements memory.Allocator.
func (c *Allocator) Allocate(size int) []byte {
	if size < 0 {
		panic("negative allocation")
	}
	c.take(int64(size))
	return c.mem.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (c *Allocator) Reallocate(size int, b []byte) []byte {
	if size < 0 {
		panic("negative allocation")
	}
	c.take(int64(size) - int64(len(b)))
	return c.mem.Reallocate(size, b)
}

// Free implements memory.Allocator.
func (c *Allocator) Free(b []byte) {
	c.used.Add(-int64(len(b)))
	c.mem.Free(b)
}

// Used answers the bytes held now.
func (c *Allocator) Used() int64 { return c.used.Load() }

// Err answers the *LimitError of the first allocation that was refused, or nil.
// Libraries that turn the panic into their own error lose its type; this keeps
// it.
func (c *Allocator) Err() error {
	if e := c.exceeded.Load(); e != nil {
		return e
	}
	return nil
}

func (c *Allocator) take(n int64) {
	if n > c.limit {
		c.refuse(n)
	}
	if used := c.used.Add(n); used > c.limit {
		c.used.Add(-n)
		c.refuse(used)
	}
}

func (c *Allocator) refuse(wanted int64) {
	err := &LimitError{Limit: c.limit, Wanted: wanted}
	c.exceeded.CompareAndSwap(nil, err)
	panic(err)
}

// Guard runs f and turns a panic inside it into an error. It cannot catch what
// other goroutines do, so f must not start any.
func (c *Allocator) Guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("malformed data: %v", r)
		}
		if limit := c.Err(); limit != nil {
			err = limit
		}
	}()
	return f()
}
