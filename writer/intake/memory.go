package intake

import (
	"github.com/firnlake/firn/internal/parquet"
)

// askedMemory is the memory of one request's rows: an Arrow allocator with an
// upper limit that asks Limits.Take before it goes on.
type askedMemory struct {
	*parquet.Capped
	limits Limits
	// granted is what was asked for, kept what is held beside Arrow's buffers.
	granted, kept int64
	// refusal is the first one: libraries that turn the panic into an error of
	// their own lose it.
	refusal error
}

// askStep is how much is asked for at least.
const askStep = 16 << 10

func newMemory(l Limits) *askedMemory {
	return &askedMemory{Capped: parquet.CappedAllocator(l.Memory), limits: l}
}

// Allocate implements memory.Allocator.
func (m *askedMemory) Allocate(size int) []byte {
	m.mustAsk(int64(size))
	return m.Capped.Allocate(size)
}

// Reallocate implements memory.Allocator.
func (m *askedMemory) Reallocate(size int, b []byte) []byte {
	m.mustAsk(int64(size) - int64(len(b)))
	return m.Capped.Reallocate(size, b)
}

// mustAsk panics like the allocator that it stands before: Arrow's interface
// has no error.
func (m *askedMemory) mustAsk(more int64) {
	if err := m.ask(more); err != nil {
		panic(err)
	}
}

// keep counts bytes that are held beside Arrow's buffers.
func (m *askedMemory) keep(n int64) error {
	if err := m.ask(n); err != nil {
		return err
	}
	m.kept += n
	return nil
}

func (m *askedMemory) ask(more int64) error {
	held := m.Used() + m.kept + more
	switch {
	case m.refusal != nil:
	case held > m.limits.Memory:
		m.refusal = &parquet.LimitError{Limit: m.limits.Memory, Wanted: held}
	case m.limits.Take != nil && held > m.granted:
		step := max(held-m.granted, askStep)
		m.refusal = m.limits.Take(step)
		m.granted += step
	}
	return m.refusal
}

// guard runs f, which takes memory, and answers what it met.
func (m *askedMemory) guard(f func() error) error {
	err := m.Guard(f)
	if m.refusal != nil {
		return m.refusal
	}
	return err
}
