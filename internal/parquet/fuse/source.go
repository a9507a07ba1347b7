package fuse

import (
	"bytes"
	"io"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	// A tiny file is read in one go instead of chunk by chunk, as long as the
	// files held this way stay within the budget. For larger ones fresh memory
	// costs more than the calls.
	slurpSize   = 64 << 10
	slurpBudget = 64 << 20
)

// source is an opened input.
type source struct {
	Source
	md      *metadata.FileMetaData
	file    *file.Reader
	columns columns
	held    bool // the file is in memory
}

func open(s Source, budget *int64, lineage bool) (*source, error) {
	held := false
	if s.Size <= slurpSize && s.Size <= *budget {
		data := make([]byte, s.Size)
		if n, err := s.R.ReadAt(data, 0); n < len(data) {
			return nil, readError(s.Name, err)
		}
		*budget -= s.Size
		held = true
		s.R = bytes.NewReader(data)
	}
	r, err := file.NewParquetReader(io.NewSectionReader(s.R, 0, s.Size))
	if err != nil {
		return nil, readError(s.Name, err)
	}
	src := &source{Source: s, md: r.MetaData(), file: r, held: held}
	if err := src.check(); err != nil {
		return nil, err
	}
	if src.columns, err = columnsOf(src, lineage); err != nil {
		return nil, err
	}
	if lineage && s.FirstRowID == nil && src.columns.lineage[rowID] < 0 {
		return nil, notFusable(s.Name, "its rows have no ids yet: it was written before the table was upgraded to version 3")
	}
	return src, nil
}

// check refuses what cannot be copied by any layout.
func (s *source) check() error {
	if s.md.IsSetEncryptionAlgorithm() {
		return notFusable(s.Name, "it is encrypted")
	}
	if s.md.WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
		return notFusable(s.Name, "its writer %q records wrong chunk sizes", s.md.GetCreatedBy())
	}
	var rows int64
	for i, rg := range s.md.RowGroups {
		rows += rg.NumRows
		if rg.NumRows < 0 || len(rg.Columns) != s.md.NumColumns() {
			return notFusable(s.Name, "row group %d has %d of %d columns and %d rows", i, len(rg.Columns), s.md.NumColumns(), rg.NumRows)
		}
		for c, chunk := range rg.Columns {
			if rg.NumRows == 0 {
				break // is not copied, and its offsets mean nothing
			}
			switch {
			case chunk.MetaData == nil || chunk.CryptoMetadata != nil || len(chunk.EncryptedColumnMetadata) > 0:
				return notFusable(s.Name, "column %d of row group %d is encrypted", c, i)
			case chunk.FilePath != nil && *chunk.FilePath != "":
				return notFusable(s.Name, "column %d of row group %d is in another file", c, i)
			case chunk.MetaData.IndexPageOffset != nil:
				return notFusable(s.Name, "column %d of row group %d has an index page", c, i)
			}
			off, n := s.extent(i, c)
			if off < int64(len(magic)) || n < 0 || off > s.Size || n > s.Size-off {
				return notFusable(s.Name, "column %d of row group %d lies outside of the file", c, i)
			}
		}
	}
	if orders := s.md.ColumnOrders; orders != nil && len(orders) != s.md.NumColumns() {
		return notFusable(s.Name, "its footer says the order of %d of %d columns", len(orders), s.md.NumColumns())
	}
	if rows != s.md.NumRows {
		return notFusable(s.Name, "its footer says %d rows, its row groups %d", s.md.NumRows, rows)
	}
	return nil
}

// extent is where the chunk of a column begins and how long it is.
func (s *source) extent(rg, col int) (offset, length int64) {
	m := s.md.RowGroups[rg].Columns[col].MetaData
	offset = m.DataPageOffset
	// Some writers set the dictionary offset to 0 for "none".
	if d := m.DictionaryPageOffset; d != nil && *d > 0 && *d < offset {
		offset = *d
	}
	return offset, m.TotalCompressedSize
}
