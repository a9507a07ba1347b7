package duck

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/firnlake/firn/internal/capped"
)

// errReleased: the caller let go of a result before its end.
var errReleased = errors.New("result released before its end")

// A worker is our own process, but what it declares is not trusted: batches of
// one result that are held at the same time stay below this.
const maxHeldBytes = 1 << 30

// Result is the stream of record batches of a job. It is an
// array.RecordReader; it is not safe for concurrent use. A batch is valid
// until the next call of Next, or longer if it is retained.
type Result struct {
	run  *run
	ipc  *ipc.Reader
	refs atomic.Int64
	err  error
	rec  arrow.RecordBatch
}

var _ array.RecordReader = (*Result)(nil)

// newResult reads the schema: an error of the statement shows here.
func newResult(r *run) (_ *Result, err error) {
	res := &Result{run: r}
	res.refs.Store(1)
	defer func() {
		if p := recover(); p != nil {
			err = r.blame(fmt.Errorf("%w: it answered no Arrow stream: %v", ErrKilled, p))
		}
	}()
	rd, err := ipc.NewReader(r, ipc.WithAllocator(capped.New(maxHeldBytes)))
	if err != nil {
		return nil, r.blame(fmt.Errorf("%w: it answered no Arrow stream: %w", ErrKilled, err))
	}
	res.ipc = rd
	return res, nil
}

func (r *Result) Retain() { r.refs.Add(1) }

// Release lets go of the result. Before its end this kills the worker.
func (r *Result) Release() {
	if r.refs.Add(-1) != 0 {
		return
	}
	r.run.end(errReleased)
	if r.ipc != nil {
		r.ipc.Release()
		r.ipc = nil
	}
	r.rec = nil
}

func (r *Result) Schema() *arrow.Schema { return r.ipc.Schema() }

// Next reads the next batch. It answers false at the end, and on an error,
// which Err tells.
func (r *Result) Next() (more bool) {
	if r.err != nil || r.ipc == nil {
		return false
	}
	r.rec = nil
	defer func() {
		if p := recover(); p != nil {
			r.err = r.run.blame(fmt.Errorf("%w: its Arrow stream is broken: %v", ErrKilled, p))
			more = false
		}
	}()
	if r.ipc.Next() {
		r.rec = r.ipc.RecordBatch()
		return true
	}
	if err := r.ipc.Err(); err != nil && err != io.EOF { //nolint:errorlint // a wrapped EOF is a stream that broke off
		r.err = r.run.blame(fmt.Errorf("%w: its Arrow stream is broken: %w", ErrKilled, err))
		return false
	}
	// The end of the stream is the end of the job only when the worker's
	// trailer says so.
	var extra [1]byte
	if n, err := r.run.Read(extra[:]); n > 0 || err != io.EOF { //nolint:errorlint // only the bare EOF is the worker's word for the end
		if n > 0 {
			err = r.run.finish(fmt.Errorf("%w: it went on after the end of its Arrow stream", ErrKilled))
		}
		r.err = err
	}
	return false
}

// RecordBatch is the batch that Next read.
func (r *Result) RecordBatch() arrow.RecordBatch { return r.rec }

// Record is RecordBatch by its older name.
func (r *Result) Record() arrow.RecordBatch { return r.rec }

// Err is why Next answered false; nil at the end of the result.
func (r *Result) Err() error { return r.err }

// Stats is what the job has cost. Rows, Batches and CPU are known after Next
// answered false.
func (r *Result) Stats() Stats { return r.run.stats() }
