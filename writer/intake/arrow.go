package intake

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/firnlake/firn/internal/parquet"
)

// DecodeArrow reads a complete Arrow IPC stream. Errors wrap ErrMalformed, or
// are a *parquet.LimitError, or what Limits.Take answered.
func DecodeArrow(data []byte, l Limits) (*Rows, error) {
	l = l.withDefaults()
	if err := precheck(data, l); err != nil {
		return nil, err
	}
	mem := newMemory(l)
	rows := &Rows{}
	err := mem.guard(func() error { return decode(data, rows, ipc.WithAllocator(mem)) })
	if err == nil {
		return rows, nil
	}
	rows.Release()
	if mem.refusal != nil {
		return nil, mem.refusal
	}
	if limit, ok := errors.AsType[*parquet.LimitError](err); ok {
		return nil, limit
	}
	if errors.Is(err, ErrMalformed) {
		return nil, err
	}
	return nil, fmt.Errorf("%w Arrow stream: %w"+wholeStream, ErrMalformed, err)
}

func decode(data []byte, rows *Rows, opts ...ipc.Option) error {
	r, err := ipc.NewReader(bytes.NewReader(data), opts...)
	if err != nil {
		return err
	}
	defer r.Release()
	rows.Schema = r.Schema()
	for r.Next() {
		b := r.RecordBatch()
		if b.NumRows() == 0 {
			continue
		}
		checked, err := validate(b)
		if err != nil {
			return err
		}
		rows.Batches = append(rows.Batches, checked)
		rows.Count += checked.NumRows()
	}
	if err := r.Err(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
