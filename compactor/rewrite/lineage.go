package rewrite

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// Field ids that Iceberg reserves for row lineage.
const (
	rowIDField   = 2147483540
	updatedField = 2147483539
	rowIDName    = "_row_id"
	updatedName  = "_last_updated_sequence_number"
)

// lineage says whether rows of the table have ids.
func (c *compaction) lineage() bool { return c.Table.Metadata.Version() >= 3 }

// withLineage is a schema that also describes the columns of row lineage.
func withLineage(s *iceberg.Schema) *iceberg.Schema {
	fields := slices.Clone(s.Fields())
	fields = append(fields,
		iceberg.NestedField{ID: rowIDField, Name: rowIDName, Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: updatedField, Name: updatedName, Type: iceberg.PrimitiveTypes.Int64})
	return iceberg.NewSchema(s.ID, fields...)
}

// proveLineage compares the ids and sequence numbers that were written into a
// fused file with those of its inputs: their sums, taken anew, of what manifests
// say, and of what files hold by another decoder.
func proveLineage(ctx context.Context, files []lake.File, paths []string, res *fuse.Result) error {
	var ids, sequences uint64 // modulo 2^64
	for i, f := range files {
		rows, sequence := uint64(f.Data.Count()), uint64(f.Sequence)
		held, err := heldLineage(ctx, paths[i])
		if err != nil {
			return fmt.Errorf("row lineage of %s: %w", f.Data.FilePath(), err)
		}
		// Of rows that hold none: their number, and the sum of their positions.
		id, seq := missing{rows, triangle(rows), 0}, missing{rows, 0, 0}
		if m, ok := held[rowIDField]; ok {
			id = m
		}
		if m, ok := held[updatedField]; ok {
			seq = m
		}
		if id.rows > 0 && f.Data.FirstRowID() == nil {
			return fmt.Errorf("%w: rows of %s have no ids, and were given some", ErrProof, f.Data.FilePath())
		}
		if id.rows > 0 {
			ids += id.rows*uint64(*f.Data.FirstRowID()) + id.positions
		}
		ids += id.held
		sequences += seq.rows*sequence + seq.held
	}
	for i, want := range []uint64{ids, sequences} {
		if got := res.Lineage[i]; got.Rows != res.Rows || got.Sum != want {
			return fmt.Errorf("%w: %s of %d rows add up to %d in the output, to %d in the inputs (modulo 2^64)", ErrProof, []string{rowIDName, updatedName}[i], got.Rows, got.Sum, want)
		}
	}
	return nil
}

// missing is of a column the rows that have no value, the sum of their positions,
// and the sum of the values there are.
type missing struct{ rows, positions, held uint64 }

// triangle is 0 + 1 + … + n-1 modulo 2^64.
func triangle(n uint64) uint64 {
	if n%2 == 0 {
		return n / 2 * (n - 1)
	}
	return (n - 1) / 2 * n
}

// heldLineage reads the columns of row lineage that a file holds, by field id.
func heldLineage(ctx context.Context, path string) (map[int32]missing, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	out := map[int32]missing{}
	s := r.MetaData().Schema
	for col := range s.NumColumns() {
		id := s.Column(col).SchemaNode().FieldID()
		if id != rowIDField && id != updatedField {
			continue
		}
		fr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: 1 << 14}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		m, err := sumUp(ctx, fr, col)
		if err != nil {
			return nil, err
		}
		out[id] = m
	}
	return out, nil
}

func sumUp(ctx context.Context, r *pqarrow.FileReader, col int) (m missing, err error) {
	records, err := r.GetRecordReader(ctx, []int{col}, nil)
	if err != nil {
		return m, err
	}
	defer records.Release()
	position := uint64(0)
	for records.Next() {
		values, ok := records.RecordBatch().Column(0).(*array.Int64)
		if !ok {
			return m, fmt.Errorf("column %d has no %s", col, parquet.Types.Int64)
		}
		for i := range values.Len() {
			if values.IsNull(i) {
				m.rows++
				m.positions += position
			} else {
				m.held += uint64(values.Value(i))
			}
			position++
		}
	}
	return m, records.Err()
}
