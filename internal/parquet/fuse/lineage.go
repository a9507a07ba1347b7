package fuse

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// The columns of row lineage, in their order in the output.
const (
	rowID = iota
	updated
	lineageColumns
)

var (
	// Field ids and names that Iceberg reserves.
	lineageIDs   = [lineageColumns]int32{2147483540, 2147483539}
	lineageNames = [lineageColumns]string{"_row_id", "_last_updated_sequence_number"}
)

// lineageColumn is the number of a column of row lineage, or -1.
func lineageColumn(id int32, name string) int {
	for i := range lineageColumns {
		if id == lineageIDs[i] || name == lineageNames[i] {
			return i
		}
	}
	return -1
}

// Rows that are encoded, or decoded, at a time.
const lineageBatch = 1 << 13

// Lineage is a digest of one column of row lineage: how many rows, the sum of
// their values modulo 2^64, and a hash that depends on their order.
type Lineage struct {
	Rows int64
	Sum  uint64
	Hash uint64
}

func (l *Lineage) add(values []int64) {
	sum, hash := l.Sum, l.Hash
	for _, v := range values {
		sum += uint64(v)
		hash = (hash ^ uint64(v)) * 0x9e3779b97f4a7c15
		hash ^= hash >> 29
	}
	l.Rows, l.Sum, l.Hash = l.Rows+int64(len(values)), sum, hash
}

// lineage hands over the values of one of the columns for a row group of an
// input, in pieces: those that the file holds, and what its rows inherit where
// it holds none.
func (p part) lineage(ctx context.Context, which int, yield func([]int64) error) error {
	rows := p.src.md.RowGroups[p.rg].NumRows
	first := int64(0)
	if p.src.FirstRowID != nil {
		first = *p.src.FirstRowID
	}
	for _, rg := range p.src.md.RowGroups[:p.rg] {
		first += rg.NumRows
	}
	inherited := func(row int64) int64 {
		if which == updated {
			return p.src.Sequence
		}
		return first + row
	}
	if col := p.src.columns.lineage[which]; col >= 0 {
		return numbers(ctx, p.src.file, p.rg, col, func(from int64, values []int64, null func(int) bool) error {
			for i := range values {
				if !null(i) {
					continue
				}
				if which == rowID && p.src.FirstRowID == nil {
					return notFusable(p.src.Name, "some of its rows have no ids yet")
				}
				values[i] = inherited(from + int64(i))
			}
			return yield(values)
		})
	}
	values := make([]int64, min(rows, lineageBatch))
	for from := int64(0); from < rows; from += lineageBatch {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := values[:min(rows-from, lineageBatch)]
		for i := range b {
			b[i] = inherited(from + int64(i))
		}
		if err := yield(b); err != nil {
			return err
		}
	}
	return nil
}

// numbers decodes a plain column of 64-bit numbers. Values at nulls mean nothing.
func numbers(ctx context.Context, r *file.Reader, rg, col int, yield func(from int64, values []int64, null func(int) bool) error) (err error) {
	defer func() {
		if p := recover(); p != nil { // the decoder's answer to some broken pages
			err = fmt.Errorf("decode row lineage: %v", p)
		}
	}()
	group := r.RowGroup(rg)
	c, err := group.Column(col)
	if err != nil {
		return fmt.Errorf("decode row lineage: %w", err)
	}
	reader, ok := c.(*file.Int64ColumnChunkReader)
	if !ok {
		return fmt.Errorf("decode row lineage: column %d has no 64-bit numbers", col)
	}
	set := c.Descriptor().MaxDefinitionLevel()
	rows := group.NumRows()
	packed, values, levels := make([]int64, lineageBatch), make([]int64, lineageBatch), make([]int16, lineageBatch)
	null := func(i int) bool { return levels[i] < set }
	for from := int64(0); from < rows; {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, _, err := reader.ReadBatch(min(rows-from, lineageBatch), packed, levels, nil)
		if err == nil && n == 0 {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return fmt.Errorf("decode row lineage: row %d of %d: %w", from, rows, err)
		}
		next := 0
		for i := range values[:n] {
			if values[i] = 0; !null(i) {
				values[i] = packed[next]
				next++
			}
		}
		if err := yield(from, values[:n], null); err != nil {
			return err
		}
		from += n
	}
	return nil
}

// encodeLineage writes the columns of row lineage of a row group into a Parquet
// file of its own, in memory, whose chunks are copied like those of inputs. Of
// no parts it is a file without row groups, from which the schema is taken.
// Constants and runs, which is what rows inherit, take a byte for 25 rows.
func encodeLineage(ctx context.Context, parts []part, index bool, digests *[lineageColumns]Lineage) (*source, error) {
	var fields schema.FieldList
	for i, id := range lineageIDs {
		n, err := schema.NewPrimitiveNode(lineageNames[i], parquet.Repetitions.Optional, parquet.Types.Int64, id, -1)
		if err != nil {
			return nil, err
		}
		fields = append(fields, n)
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, fields, -1)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	w := file.NewParquetWriter(&buf, root, file.WithWriterProps(parquet.NewWriterProperties(
		parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked),
		parquet.WithVersion(parquet.V2_LATEST), parquet.WithPageIndexEnabled(index))))
	if len(parts) > 0 {
		group, err := w.AppendRowGroupChecked()
		if err != nil {
			return nil, fmt.Errorf("encode row lineage: %w", err)
		}
		if err := encodeGroup(ctx, group, parts, digests); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode row lineage: %w", err)
	}
	data := buf.Bytes()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("encode row lineage: %w", err)
	}
	src := &source{Source: Source{Name: "row lineage", R: bytes.NewReader(data), Size: int64(len(data))}, md: r.MetaData(), file: r}
	src.columns, err = columnsOf(src, false)
	return src, err
}

func encodeGroup(ctx context.Context, w file.SerialRowGroupWriter, parts []part, digests *[lineageColumns]Lineage) error {
	levels := make([]int16, lineageBatch)
	for i := range levels {
		levels[i] = 1 // no value is null
	}
	for which := range lineageColumns {
		c, err := w.NextColumn()
		if err != nil {
			return fmt.Errorf("encode row lineage: %w", err)
		}
		column := c.(*file.Int64ColumnChunkWriter)
		for _, p := range parts {
			err := p.lineage(ctx, which, func(values []int64) error {
				digests[which].add(values)
				_, err := column.WriteBatch(values, levels[:len(values)], nil)
				return err
			})
			if err != nil {
				return fmt.Errorf("row lineage of %s: %w", p.src.Name, err)
			}
		}
		if err := c.Close(); err != nil {
			return fmt.Errorf("encode row lineage: %w", err)
		}
	}
	return w.Close()
}
