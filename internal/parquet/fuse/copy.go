package fuse

import (
	"bufio"
	"context"
	"encoding/binary"
	"hash/crc32"
	"io"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

const (
	magic      = "PAR1"
	bufferSize = 1 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// copier writes the output and records what it copied. The first write error
// stays and is returned at the end.
type copier struct {
	ctx      context.Context
	w        *bufio.Writer
	buf      []byte
	offset   int64
	copied   int64
	pieces   []Piece
	progress func(int64)
}

func newCopier(ctx context.Context, w io.Writer, progress func(int64)) *copier {
	return &copier{ctx: ctx, w: bufio.NewWriterSize(w, bufferSize), buf: make([]byte, bufferSize), progress: progress}
}

func (c *copier) bytes(s string) {
	n, _ := c.w.WriteString(s) // the error stays in w until Flush
	c.offset += int64(n)
}

// chunk copies one column chunk as one piece.
func (c *copier) chunk(p part, col int, joined bool) error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	from, left := p.src.extent(p.rg, col)
	piece := Piece{Offset: c.offset, Length: left}
	for first := true; left > 0; first = false {
		b := c.buf[:min(left, int64(len(c.buf)))]
		if n, err := p.src.R.ReadAt(b, from); n < len(b) {
			return readError(p.src.Name, err)
		}
		if first && joined && beginsWithDictionary(b) {
			return notFusable(p.src.Name, "column %d has a dictionary page that its footer does not name", col)
		}
		piece.CRC = crc32.Update(piece.CRC, castagnoli, b)
		if _, err := c.w.Write(b); err != nil {
			return err
		}
		from, left = from+int64(len(b)), left-int64(len(b))
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
	n, err := md.WriteTo(c.w, nil)
	if err != nil {
		return err
	}
	if err := binary.Write(c.w, binary.LittleEndian, uint32(n)); err != nil {
		return err
	}
	c.offset += n + 4
	c.bytes(magic)
	return c.w.Flush()
}

// writeGroup copies one row group of the output, column by column, and appends
// its description to the footer.
func (p *Plan) writeGroup(c *copier, out *metadata.FileMetaData, g group) error {
	first := g.parts[0]
	rg := clone(first.src.md.RowGroups[first.rg])
	rg.Columns = append(rg.Columns[:0:0], rg.Columns...)
	rg.NumRows = g.rows // never a column's value count: nested columns have more
	rg.TotalByteSize = 0
	rg.TotalCompressedSize = new(g.bytes)
	rg.FileOffset = new(c.offset)
	if g.joined() {
		rg.SortingColumns = nil // sorted runs one after another are not sorted
	}
	for col := range rg.Columns {
		start := c.offset
		for _, part := range g.parts {
			if err := c.chunk(part, col, g.joined()); err != nil {
				return err
			}
		}
		chunk := clone(rg.Columns[col])
		m := clone(chunk.MetaData)
		chunk.MetaData = m
		shift := start - first.start(col)
		m.DataPageOffset += shift
		if d := m.DictionaryPageOffset; d != nil {
			if *d > 0 {
				m.DictionaryPageOffset = new(*d + shift)
			} else {
				m.DictionaryPageOffset = nil
			}
		}
		chunk.FileOffset = m.DataPageOffset
		// Indexes, bloom filters and histograms of the inputs stay behind.
		chunk.ColumnIndexOffset, chunk.ColumnIndexLength = nil, nil
		chunk.OffsetIndexOffset, chunk.OffsetIndexLength = nil, nil
		m.BloomFilterOffset, m.BloomFilterLength = nil, nil
		m.SizeStatistics, m.GeospatialStatistics = nil, nil
		m.KeyValueMetadata = nil
		for _, next := range g.parts[1:] {
			n := next.src.md.RowGroups[next.rg].Columns[col].MetaData
			m.NumValues += n.NumValues
			m.TotalCompressedSize += n.TotalCompressedSize
			m.TotalUncompressedSize += n.TotalUncompressedSize
			m.Encodings = unite(append(m.Encodings[:0:0], m.Encodings...), n.Encodings)
			if len(m.EncodingStats) == 0 || len(n.EncodingStats) == 0 {
				m.EncodingStats = nil
				continue
			}
			stats := m.EncodingStats[:0:0]
			for _, s := range m.EncodingStats {
				stats = append(stats, clone(s))
			}
		add:
			for _, s := range n.EncodingStats {
				for _, have := range stats {
					if have.PageType == s.PageType && have.Encoding == s.Encoding {
						have.Count += s.Count
						continue add
					}
				}
				stats = append(stats, clone(s))
			}
			m.EncodingStats = stats
		}
		if s := m.Statistics; s != nil {
			s = clone(s)
			b := mergeStatistics(g.parts, col)
			s.Min, s.Max, s.DistinctCount = nil, nil, nil
			s.MinValue, s.MaxValue = b.min, b.max
			s.IsMinValueExact, s.IsMaxValueExact = b.minExact, b.maxExact
			s.NullCount, s.NanCount = b.nulls, b.nans
			m.Statistics = s
			if b.empty() {
				m.Statistics = nil
			}
		}
		rg.TotalByteSize += m.TotalUncompressedSize
		rg.Columns[col] = chunk
	}
	out.RowGroups = append(out.RowGroups, rg)
	out.NumRows += rg.NumRows
	return nil
}

func (p part) start(col int) int64 {
	off, _ := p.src.extent(p.rg, col)
	return off
}
