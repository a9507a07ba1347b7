package writer

import (
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
)

// ingestedAt is the column that the server fills with the time of arrival
// when the table has it and the rows do not.
const ingestedAt = "_ingested_at"

func isInstant(t arrow.DataType) bool {
	ts, ok := t.(*arrow.TimestampType)
	return ok && ts.TimeZone != ""
}

func instant(t time.Time, unit arrow.TimeUnit) arrow.Timestamp {
	if unit == arrow.Nanosecond {
		return arrow.Timestamp(t.UnixNano())
	}
	return arrow.Timestamp(t.UnixMicro())
}

// fillIngestedAt sets the time of arrival where the sender did not. It takes b
// over.
func fillIngestedAt(b arrow.RecordBatch, sent *arrow.Schema, received time.Time) (arrow.RecordBatch, error) {
	at := b.Schema().FieldIndices(ingestedAt)
	if len(at) != 1 || len(sent.FieldIndices(ingestedAt)) > 0 || !isInstant(b.Schema().Field(at[0]).Type) {
		return b, nil
	}
	defer b.Release()
	typ := b.Schema().Field(at[0]).Type.(*arrow.TimestampType)
	column := constantInstant(typ, instant(received, typ.Unit), int(b.NumRows()))
	defer column.Release()
	return b.SetColumn(at[0], column)
}

func constantInstant(typ *arrow.TimestampType, v arrow.Timestamp, n int) arrow.Array {
	b := array.NewTimestampBuilder(memory.DefaultAllocator, typ)
	defer b.Release()
	b.Reserve(n)
	for range n {
		b.UnsafeAppend(v)
	}
	return b.NewArray()
}

// unfilled stands in for a missing `_ingested_at` until fillIngestedAt sets it;
// nil when the table's column is not an instant, so that it counts as missing.
func unfilled(t *catalog.Table) func(int) arrow.Array {
	schema, err := parquet.ArrowSchema(t.Metadata.CurrentSchema())
	if err != nil {
		return nil
	}
	at := schema.FieldIndices(ingestedAt)
	if len(at) != 1 || !isInstant(schema.Field(at[0]).Type) {
		return nil
	}
	typ := schema.Field(at[0]).Type.(*arrow.TimestampType)
	return func(n int) arrow.Array { return constantInstant(typ, 0, n) }
}
