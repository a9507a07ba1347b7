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
