package fuse

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	magic = "PAR1"
	// Larger writes cost more on Linux with large folios: at 1 MiB ten times as much.
	bufferSize = 256 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// copier writes the output and records what it copied. The first write error
// stays and is returned at the end.
type copier struct {
	ctx      context.Context
	w        flusher
	buf      []byte
	offset   int64
	copied   int64
	pieces   []Piece
	progress func(int64)
	image    *Image // nil when none is made
	index    bool   // page indexes are made
	indexes  []pageIndex
}

type flusher interface {
	io.Writer
	Flush() error
}

func newCopier(ctx context.Context, w flusher, progress func(int64)) *copier {
	return &copier{ctx: ctx, w: w, buf: make([]byte, bufferSize), progress: progress}
}

// bytes writes what is of no input.
func (c *copier) bytes(b []byte) {
	n, _ := c.w.Write(b) // the error stays in w until Flush
	c.image.add(bytes.NewReader(b), 0, int64(n))
	c.offset += int64(n)
}

// chunk copies one column chunk as one piece.
func (c *copier) chunk(from chunk, joined bool) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	at, left := from.extent()
	piece := Piece{Offset: c.offset, Length: left}
	c.image.add(from.src.R, at, left)
	for first := true; left > 0; first = false {
		b := c.buf[:min(left, int64(len(c.buf)))]
		if n, err := from.src.R.ReadAt(b, at); n < len(b) {
			return readError(from.src.Name, err)
		}
		if first && joined && beginsWithDictionary(b) {
			return notFusable(from.src.Name, "column %d has a dictionary page that its footer does not name", from.col)
		}
		piece.CRC = crc32.Update(piece.CRC, castagnoli, b)
		if _, err := c.w.Write(b); err != nil {
			return err
		}
		at, left = at+int64(len(b)), left-int64(len(b))
	}
	c.offset += piece.Length
	c.copied += piece.Length
	c.pieces = append(c.pieces, piece)
	c.progress(piece.Length)
	return nil
}

// beginsWithDictionary reads the first field of a page header (Thrift compact:
// field 1 of type i32, zigzag) and compares it with DICTIONARY_PAGE.
func beginsWithDictionary(b []byte) bool {
	return len(b) > 1 && b[0] == 0x15 && b[1] == 2<<1
}

// footer ends the file.
func (c *copier) footer(md *metadata.FileMetaData) error {
	var b bytes.Buffer
	n, err := md.WriteTo(&b, nil)
	if err != nil {
		return err
	}
	c.bytes(append(binary.LittleEndian.AppendUint32(b.Bytes(), uint32(n)), magic...))
	return c.w.Flush()
}

// writeGroup copies one row group of the output, column by column, and appends
// its description to the footer.
func (p *Plan) writeGroup(c *copier, out *metadata.FileMetaData, g group, res *Result) error {
	first := g.parts[0]
	rg := clone(first.src.md.RowGroups[first.rg])
	rg.Columns = rg.Columns[:0:0]
	rg.NumRows = g.rows // never a column's value count: nested columns have more
	rg.TotalByteSize = 0
	rg.FileOffset = new(c.offset)
	if g.joined() || !first.src.whole(p.opts.Lineage) {
		rg.SortingColumns = nil // sorted runs one after another are not sorted, and columns have other numbers
	}
	columns := make([][]chunk, len(first.src.columns.chunks))
	for n := range columns {
		columns[n] = g.chunks(n)
	}
	if p.opts.Lineage {
		src, err := encodeLineage(c.ctx, g.parts, c.index, &res.Lineage)
		if err != nil {
			return err
		}
		if err := c.image.hold(src.Size); err != nil {
			return err
		}
		for _, n := range src.columns.chunks {
			columns = append(columns, []chunk{part{src, 0}.chunk(n)})
		}
	}
	out.RowGroups = append(out.RowGroups, rg)
	for _, chunks := range columns {
		start := c.offset
		for _, from := range chunks {
			if err := c.chunk(from, len(chunks) > 1); err != nil {
				return err
			}
		}
		describe(out, chunks, start)
		if c.index {
			var i pageIndex
			i, c.index = index(chunks, start)
			c.indexes = append(c.indexes, i)
		}
	}
	rg.TotalCompressedSize = new(c.offset - *rg.FileOffset)
	out.NumRows += rg.NumRows
	return nil
}
