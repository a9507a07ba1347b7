package fuse

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// pageRows is how many rows a page of row lineage has at most.
const pageRows = 1 << 20

// sink is what is encoded, in memory.
type sink struct{ bytes.Buffer }

// Tell is where the next byte comes.
func (s *sink) Tell() int64 { return int64(s.Len()) }

// encodeLineage writes the columns of row lineage of a row group as chunks of a
// source of its own, in memory, which are copied like those of inputs. Of no parts
// it has no row group; the schema is taken from it. Constants and runs, which is
// what rows inherit, take a byte for 25 rows.
func encodeLineage(ctx context.Context, parts []part, index bool, digests *[lineageColumns]digest) (*source, error) {
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
	builder := metadata.NewFileMetadataBuilder(schema.NewSchema(root), parquet.NewWriterProperties(
		parquet.WithDictionaryDefault(false), parquet.WithEncoding(parquet.Encodings.DeltaBinaryPacked), parquet.WithVersion(parquet.V2_LATEST)), nil)
	out := &sink{}
	out.WriteString(magic) // no chunk begins at 0
	var columns [lineageColumns]*lineageWriter
	if len(parts) > 0 {
		group := builder.AppendRowGroup()
		for which := range columns {
			c, err := newLineageWriter(out, group.NextColumnChunk(), which, index)
			if err != nil {
				return nil, fmt.Errorf("encode row lineage: %w", err)
			}
			for _, p := range parts {
				err := p.lineage(ctx, which, func(v, step, n int64) error {
					digests[which].run(v, step, n)
					return c.run(v, step, n)
				})
				if err != nil {
					return nil, fmt.Errorf("row lineage of %s: %w", p.src.Name, err)
				}
			}
			if err := c.close(); err != nil {
				return nil, fmt.Errorf("encode row lineage: %w", err)
			}
			group.SetNumRows(int(c.rows))
			columns[which] = c
		}
		if err := group.Finish(0, 0); err != nil {
			return nil, fmt.Errorf("encode row lineage: %w", err)
		}
	}
	md, err := builder.Finish()
	if err == nil {
		md, err = copyFooter(md)
	}
	if err != nil {
		return nil, fmt.Errorf("encode row lineage: %w", err)
	}
	if len(parts) > 0 && index {
		for which, c := range columns {
			m := md.RowGroups[0].Columns[which]
			begin := out.Tell()
			if _, err := c.bounds.WriteTo(out, nil); err != nil {
				return nil, fmt.Errorf("encode row lineage: %w", err)
			}
			m.ColumnIndexOffset, m.ColumnIndexLength = new(begin), new(int32(out.Tell()-begin))
			begin = out.Tell()
			if _, err := c.offsets.WriteTo(out, nil); err != nil {
				return nil, fmt.Errorf("encode row lineage: %w", err)
			}
			m.OffsetIndexOffset, m.OffsetIndexLength = new(begin), new(int32(out.Tell()-begin))
		}
	}
	src := &source{Source: Source{Name: "row lineage", R: bytes.NewReader(out.Bytes()), Size: out.Tell()}, md: md}
	src.columns, err = columnsOf(src, false)
	return src, err
}

// lineageWriter writes one column chunk.
type lineageWriter struct {
	chunk       *metadata.ColumnChunkMetaDataBuilder
	pages       file.PageWriter
	bounds      metadata.ColumnIndexBuilder
	offsets     *metadata.OffsetIndexBuilder
	values      deltas // of a page
	rows        int64  // in finished pages
	least, most int64  // of the chunk
}

func newLineageWriter(to *sink, chunk *metadata.ColumnChunkMetaDataBuilder, which int, index bool) (*lineageWriter, error) {
	w := &lineageWriter{chunk: chunk, least: 1<<63 - 1, most: -1 << 63}
	var err error
	w.pages, err = file.NewPageWriter(to, compress.Codecs.Uncompressed, compress.DefaultCompressionLevel, chunk, 0, int16(which), memory.DefaultAllocator, false, nil, nil)
	if err == nil && index {
		w.bounds, w.offsets = metadata.NewColumnIndexBuilder(chunk.Descr()), &metadata.OffsetIndexBuilder{}
		w.pages.SetIndexBuilders(w.bounds, w.offsets)
	}
	return w, err
}

func (w *lineageWriter) run(v, step, n int64) error {
	for n > 0 {
		some := min(n, pageRows-w.values.n)
		w.values.run(v, step, some)
		v, n = v+step*some, n-some
		if w.values.n == pageRows {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// flush ends a page: the levels, all 1, as one run, and the values.
func (w *lineageWriter) flush() error {
	if w.values.n == 0 {
		return nil
	}
	n, least, most := w.values.n, w.values.least, w.values.most
	w.least, w.most = min(w.least, least), max(w.most, most)
	page := w.values.append(appendLevels(nil, n))
	w.values = deltas{blocks: w.values.blocks[:0]}
	_, err := w.pages.WriteDataPage(file.NewDataPageV1WithConfig(memory.NewBufferBytes(page), parquet.Encodings.RLE, parquet.Encodings.RLE, file.DataPageConfig{
		Num: int32(n), Encoding: parquet.Encodings.DeltaBinaryPacked, UncompressedSize: int32(len(page)), Stats: encodedBounds(least, most), FirstRowIndex: w.rows,
	}))
	w.rows += n
	return err
}

func (w *lineageWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	w.chunk.SetStats(encodedBounds(w.least, w.most))
	return w.pages.Close(false, false)
}

// appendLevels appends the definition levels of n values, none of them null.
func appendLevels(b []byte, n int64) []byte {
	run := append(binary.AppendUvarint(nil, uint64(n)<<1), 1)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(run))), run...)
}

// encodedBounds are the statistics of numbers without nulls.
func encodedBounds(least, most int64) metadata.EncodedStatistics {
	s := metadata.EncodedStatistics{Signed: true}
	s.SetMin(binary.LittleEndian.AppendUint64(nil, uint64(least))).SetMax(binary.LittleEndian.AppendUint64(nil, uint64(most))).SetNullCount(0)
	return s
}
