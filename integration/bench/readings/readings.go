// Package readings makes rows that hardly compress, as measurements and
// identifiers do not: 60 bytes each, about 41 of them in a Parquet file.
package readings

import (
	"math/rand/v2"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Columns of the rows, with their Iceberg types.
var Columns = []struct{ Name, Type string }{{"sensor", "string"}, {"id", "long"}, {"at", "timestamp"}, {"value", "double"}, {"payload", "string"}}

const letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"

// Batch answers n rows from a position on: the same for the same arguments. The
// caller releases it.
func Batch(from, n int) arrow.RecordBatch {
	rng := rand.New(rand.NewPCG(uint64(from), 7))
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "sensor", Type: arrow.BinaryTypes.String},
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond}},
		{Name: "value", Type: arrow.PrimitiveTypes.Float64},
		{Name: "payload", Type: arrow.BinaryTypes.String},
	}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	payload := make([]byte, 28)
	for i := range n {
		b.Field(0).(*array.StringBuilder).Append("s1")
		b.Field(1).(*array.Int64Builder).Append(int64(rng.Uint64() >> 1))
		b.Field(2).(*array.TimestampBuilder).Append(arrow.Timestamp(1_760_000_000_000_000 + int64(from+i)*1000 + int64(rng.Uint64()%1000)))
		b.Field(3).(*array.Float64Builder).Append(rng.NormFloat64())
		for j := range payload {
			payload[j] = letters[rng.Uint64()%64]
		}
		b.Field(4).(*array.StringBuilder).Append(string(payload))
	}
	return b.NewRecordBatch()
}
