package fuse

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
)

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(format, args...))
}

// Verify reads an output back and compares it with what was copied: its footer
// parses and counts the rows of the inputs, every chunk that the footer names
// is made of recorded pieces and of nothing else, and every piece has the
// checksum that it had in its input. Columns of row lineage are decoded, and hold
// what was to be encoded. Any difference is [ErrDamaged].
func Verify(r io.ReaderAt, size int64, res *Result) error {
	if size != res.Size {
		return damaged("%d bytes long, %d were written", size, res.Size)
	}
	pr, err := file.NewParquetReader(io.NewSectionReader(r, 0, size))
	if err != nil {
		return damaged("footer: %v", err)
	}
	md := pr.MetaData()
	if md.NumRows != res.Rows || len(md.RowGroups) != res.RowGroupsOut {
		return damaged("footer says %d rows in %d row groups, the inputs have %d rows for %d", md.NumRows, len(md.RowGroups), res.Rows, res.RowGroupsOut)
	}
	var rows int64
	pieces := res.Pieces
	offset := int64(len(magic))
	out := &source{Source: Source{Name: "output", R: r, Size: size}, md: md}
	for i, rg := range md.RowGroups {
		rows += rg.NumRows
		for c := range rg.Columns {
			from, left := out.extent(i, c)
			if from != offset {
				return damaged("column %d of row group %d begins at %d instead of %d", c, i, from, offset)
			}
			for left > 0 {
				if len(pieces) == 0 || pieces[0].Offset != offset || pieces[0].Length > left {
					return damaged("column %d of row group %d is not what was copied", c, i)
				}
				offset, left = offset+pieces[0].Length, left-pieces[0].Length
				pieces = pieces[1:]
			}
		}
	}
	if rows != res.Rows {
		return damaged("row groups hold %d rows, the inputs %d", rows, res.Rows)
	}
	if len(pieces) > 0 {
		return damaged("%d copied pieces belong to no column", len(pieces))
	}
	if err := verifyPieces(r, res.Pieces); err != nil {
		return err
	}
	if err := verifyIndexes(out); err != nil {
		return err
	}
	return verifyLineage(pr, res)
}

// verifyIndexes holds what the page index says against the pages.
func verifyIndexes(out *source) error {
	const field, data, dataV2 = 0x15, 0 << 1, 3 << 1 // of a page header, see beginsWithDictionary
	for rg := range out.md.RowGroups {
		for col, m := range out.md.RowGroups[rg].Columns {
			if m.OffsetIndexOffset == nil && m.ColumnIndexOffset == nil {
				continue
			}
			pages, ok := chunk{part{out, rg}, col}.pages()
			if !ok {
				return damaged("the page index of column %d of row group %d says where pages are not", col, rg)
			}
			for i, p := range pages {
				var head [2]byte
				if _, err := out.R.ReadAt(head[:], p.Offset); err != nil || head[0] != field || head[1] != data && head[1] != dataV2 {
					return damaged("column %d of row group %d has no data page %d at %d", col, rg, i, p.Offset)
				}
			}
		}
	}
	return nil
}

// verifyLineage decodes the columns of row lineage.
func verifyLineage(r *file.Reader, res *Result) error {
	if res.Lineage == [lineageColumns]Lineage{} {
		return nil
	}
	for which, want := range res.Lineage {
		col := r.MetaData().NumColumns() - lineageColumns + which
		var got digest
		for rg := range r.NumRowGroups() {
			if err := decodeLineage(r, rg, col, got.run); err != nil {
				return damaged("column %s of row group %d: %v", lineageNames[which], rg, err)
			}
		}
		if got := got.done(); got != want || got.Rows != res.Rows {
			return damaged("column %s does not hold what was encoded: %d rows of %d, with the sum %d instead of %d", lineageNames[which], got.Rows, res.Rows, got.Sum, want.Sum)
		}
	}
	return nil
}

// decodeLineage hands over what a chunk of row lineage holds, as runs: pages as
// encodeLineage makes them, without nulls, and no others.
func decodeLineage(r *file.Reader, rg, col int, run func(v, step, n int64)) (err error) {
	defer func() {
		if p := recover(); p != nil { // the answer to some broken page headers
			err = fmt.Errorf("%v", p)
		}
	}()
	pages, err := r.RowGroup(rg).GetColumnPageReader(col)
	if err != nil {
		return err
	}
	defer pages.Close()
	for pages.Next() {
		p, ok := pages.Page().(*file.DataPageV1)
		if !ok || parquet.Encoding(p.Encoding()) != parquet.Encodings.DeltaBinaryPacked {
			return errors.New("a page of it is no delta encoded one")
		}
		n := int64(p.NumValues())
		values, ok := bytes.CutPrefix(p.Data(), appendLevels(nil, n))
		if !ok {
			return fmt.Errorf("some of %d rows of a page have no value", n)
		}
		if err := undelta(values, n, run); err != nil {
			return err
		}
	}
	return pages.Err()
}

func verifyPieces(r io.ReaderAt, pieces []Piece) error {
	buf := make([]byte, bufferSize)
	// Pieces follow each other, so small ones are read together.
	var window []byte
	var at int64
	for _, p := range pieces {
		crc := uint32(0)
		for off, left := p.Offset, p.Length; left > 0; {
			if off < at || off >= at+int64(len(window)) {
				n, err := r.ReadAt(buf, off)
				if n == 0 {
					return readError("fused file", err)
				}
				window, at = buf[:n], off
			}
			b := window[off-at:]
			b = b[:min(int64(len(b)), left)]
			crc = crc32.Update(crc, castagnoli, b)
			off, left = off+int64(len(b)), left-int64(len(b))
		}
		if crc != p.CRC {
			return damaged("%d bytes at %d have checksum %08x, the input had %08x", p.Length, p.Offset, crc, p.CRC)
		}
	}
	return nil
}
