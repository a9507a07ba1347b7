// Package intake turns bytes from clients into Arrow batches.
//
// It promises that no input, however it is made, ends the process, reads
// outside its buffers or holds more memory than the limits say; and that what
// comes out is internally consistent, so that the code after it may trust it.
// It does not look at table schemas for Arrow input (internal/parquet conforms
// the batches); JSON is read straight into the table's schema.
package intake

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

// Limits bound one request. Zero fields take the defaults.
type Limits struct {
	// Memory is the most that the decoded rows may hold; default 256 MiB.
	Memory int64
	// Rows of one request; default 4,000,000.
	Rows int64
	// Fields of the schema, nested ones included; default 10,000.
	Fields int
	// Depth of nesting; default 32.
	Depth int
	// LineBytes of one JSON row; default 4 MiB.
	LineBytes int
	// Values in one JSON row, nested ones included; default 50,000. A value of
	// two bytes takes forty times as much while its row is read.
	Values int
	// Take is asked before memory for rows is taken, in steps; an error ends the
	// decoding and is its error. Nil is never asked.
	Take func(bytes int64) error
}

func (l Limits) withDefaults() Limits {
	l.Memory = cmp.Or(l.Memory, 256<<20)
	l.Rows = cmp.Or(l.Rows, 4_000_000)
	l.Fields = cmp.Or(l.Fields, 10_000)
	l.Depth = cmp.Or(l.Depth, 32)
	l.LineBytes = cmp.Or(l.LineBytes, 4<<20)
	l.Values = cmp.Or(l.Values, 50_000)
	return l
}

// ErrMalformed is wrapped by every error about input that is not what it
// claims to be.
var ErrMalformed = errors.New("malformed")

// wholeStream is the remedy for nearly all of them.
const wholeStream = " (send a complete Arrow IPC stream: its schema, then its batches)"

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w Arrow stream: %s"+wholeStream, ErrMalformed, fmt.Sprintf(format, args...))
}

// Rows is decoded input. Release it.
type Rows struct {
	Batches []arrow.RecordBatch
	Count   int64
	Schema  *arrow.Schema
}

// Release gives the batches back.
func (r *Rows) Release() {
	for _, b := range r.Batches {
		b.Release()
	}
	r.Batches = nil
}
