package fuse

import (
	"context"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet/file"
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

// Rows that are decoded at a time.
const lineageBatch = 1 << 13

// lineage hands over the values of one of the columns for a row group of an
// input, as runs of a constant step: those that the file holds, and what its rows
// inherit where it holds none.
func (p part) lineage(ctx context.Context, which int, run func(v, step, n int64) error) error {
	first, step := p.src.Sequence, int64(0)
	if which == rowID {
		first, step = 0, 1
		if p.src.FirstRowID != nil {
			first = *p.src.FirstRowID
		}
		for _, rg := range p.src.md.RowGroups[:p.rg] {
			first += rg.NumRows
		}
	}
	col := p.src.columns.lineage[which]
	if col < 0 {
		return run(first, step, p.src.md.RowGroups[p.rg].NumRows)
	}
	return numbers(ctx, p.src.file, p.rg, col, func(from int64, values []int64, null func(int) bool) error {
		for i := range values {
			if !null(i) {
				continue
			}
			if which == rowID && p.src.FirstRowID == nil {
				return notFusable(p.src.Name, "some of its rows have no ids yet")
			}
			values[i] = first + step*(from+int64(i))
		}
		return eachRun(values, run)
	})
}

// eachRun cuts values into runs of a constant step.
func eachRun(values []int64, run func(v, step, n int64) error) error {
	for len(values) > 0 {
		n, step := 1, int64(0)
		if len(values) > 1 {
			step = values[1] - values[0]
			for n < len(values) && values[n]-values[n-1] == step {
				n++
			}
		}
		if err := run(values[0], step, int64(n)); err != nil {
			return err
		}
		values = values[n:]
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
