package parquet

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// Encode writes batches, in order, as one Parquet file to w and answers its
// footer. The batches must have the schema that ArrowSchema gives for
// opts.Schema (Conform makes them so). It releases nothing and does not close
// w. At least one row is required: Iceberg has no use for an empty file.
func Encode(ctx context.Context, w io.Writer, batches []arrow.RecordBatch, opts FileOptions) (Encoded, error) {
	schema, err := ArrowSchema(opts.Schema)
	if err != nil {
		return Encoded{}, err
	}
	var rows, size int64
	for _, b := range batches {
		rows += b.NumRows()
		size += BatchBytes(b)
	}
	if rows == 0 {
		return Encoded{}, fmt.Errorf("encode a data file: no rows")
	}
	counted := &countingWriter{ctx: ctx, w: w}
	md, err := encode(counted, schema, batches, rowsPerGroup(rows, size, opts.rowGroupBytes()), opts)
	if err != nil {
		return Encoded{}, fmt.Errorf("encode a data file: %w", err)
	}
	return Encoded{Metadata: md, Rows: rows, Bytes: counted.n}, nil
}

func encode(w io.Writer, schema *arrow.Schema, batches []arrow.RecordBatch, groupRows int64, opts FileOptions) (md *metadata.FileMetaData, err error) {
	// arrow-go panics on arrays that do not fit their type. Conform rules that
	// out for what clients send; a panic here must still not end the process.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the Parquet writer stopped: %v", r)
		}
	}()
	props, err := opts.writerProperties()
	if err != nil {
		return nil, err
	}
	fw, err := pqarrow.NewFileWriter(schema, w, props, pqarrow.DefaultWriterProps())
	if err != nil {
		return nil, err
	}
	tbl := array.NewTableFromRecords(schema, batches)
	defer tbl.Release()
	if err := fw.WriteTable(tbl, groupRows); err != nil {
		return nil, err
	}
	if err := fw.Close(); err != nil {
		return nil, err
	}
	return fw.FileMetadata()
}

// rowsPerGroup divides the rows into equal row groups that stay below limit.
func rowsPerGroup(rows, size, limit int64) int64 {
	groups := max(1, (size+limit-1)/max(limit, 1))
	return min(max(1, (rows+groups-1)/groups), maxRowGroupRows)
}

// BatchBytes answers the bytes that the rows of a batch occupy. Slices count
// their share, not the whole of the buffers they point into.
func BatchBytes(b arrow.RecordBatch) int64 {
	var n int64
	for _, col := range b.Columns() {
		n += dataBytes(col.Data())
	}
	return n
}

func dataBytes(d arrow.ArrayData) int64 {
	rows := int64(d.Len())
	n := (rows + 7) / 8
	switch t := d.DataType().(type) {
	case arrow.ExtensionType:
		return typeBytes(t.StorageType(), d)
	default:
		return n + typeBytes(t, d)
	}
}

func typeBytes(t arrow.DataType, d arrow.ArrayData) int64 {
	rows := int64(d.Len())
	switch t := t.(type) {
	case arrow.FixedWidthDataType:
		return rows * int64(max(t.BitWidth(), 1)) / 8
	case *arrow.StringType, *arrow.BinaryType:
		if rows == 0 || d.Buffers()[1] == nil {
			return 0
		}
		offsets := arrow.Int32Traits.CastFromBytes(d.Buffers()[1].Bytes())
		if len(offsets) <= d.Offset()+d.Len() {
			return 0
		}
		return 4*rows + int64(offsets[d.Offset()+d.Len()]-offsets[d.Offset()])
	}
	var n int64
	for _, c := range d.Children() {
		n += dataBytes(c)
	}
	if len(d.Children()) > 0 {
		return n + 4*rows
	}
	for _, b := range d.Buffers() {
		if b != nil {
			n += int64(b.Len())
		}
	}
	return n
}

// countingWriter counts bytes and stops when the context ends.
type countingWriter struct {
	ctx context.Context
	w   io.Writer
	n   int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	if err := context.Cause(c.ctx); err != nil {
		return 0, err
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
