package parquet

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/objstore"
)

// openFile is a data file under construction: encoded row groups in memory, to
// be put as one object. It belongs to one goroutine.
type openFile struct {
	opts   FileOptions
	schema *arrow.Schema
	buf    bytes.Buffer
	fw     *pqarrow.FileWriter
}

func newOpenFile(opts FileOptions, schema *arrow.Schema) (*openFile, error) {
	props, err := opts.writerProperties()
	if err != nil {
		return nil, err
	}
	f := &openFile{opts: opts, schema: schema}
	if f.fw, err = pqarrow.NewFileWriter(schema, &f.buf, props, pqarrow.DefaultWriterProps()); err != nil {
		return nil, fmt.Errorf("open a data file: %w", err)
	}
	return f, nil
}

// write appends batches as row groups.
func (f *openFile) write(ctx context.Context, batches []arrow.RecordBatch) (err error) {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encode a data file: the Parquet writer stopped: %v", r)
		}
	}()
	var rows, size int64
	for _, b := range batches {
		rows += b.NumRows()
		size += BatchBytes(b)
	}
	if rows == 0 {
		return nil
	}
	tbl := array.NewTableFromRecords(f.schema, batches)
	defer tbl.Release()
	if err := f.fw.WriteTable(tbl, rowsPerGroup(rows, size, f.opts.rowGroupBytes())); err != nil {
		return fmt.Errorf("encode a data file: %w", err)
	}
	return nil
}

// put closes the file, stores it under a fresh name below prefix and describes
// it. When the put fails its outcome is unknown; nothing refers to the object,
// so it is left to the garbage collector.
func (f *openFile) put(ctx context.Context, bucket *objstore.Bucket, prefix string) (iceberg.DataFile, error) {
	if err := f.fw.Close(); err != nil {
		return nil, fmt.Errorf("close a data file: %w", err)
	}
	md, err := f.fw.FileMetadata()
	if err != nil {
		return nil, fmt.Errorf("footer of a data file: %w", err)
	}
	location := Location(f.opts.Properties, prefix, uuid.NewString()+".parquet")
	df, err := DataFile(f.opts, location, int64(f.buf.Len()), md)
	if err != nil {
		return nil, err
	}
	key, err := bucket.Key(location)
	if err != nil {
		return nil, fmt.Errorf("place of a data file: %w", err)
	}
	if err := bucket.PutBytes(ctx, key, f.buf.Bytes(), objstore.PutOptions{}); err != nil {
		return nil, fmt.Errorf("put data file %s: %w", location, err)
	}
	return df, nil
}
