package fuse

import (
	"context"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// output is a file in the making: row groups of one plan or of several, whose
// sources are not needed any more once they were added.
type output struct {
	c     *copier
	opts  Options
	first *source
	md    *metadata.FileMetaData // of what was added
	res   *Result

	lineage [lineageColumns]digest
}

func newOutput(c *copier, o Options) *output {
	c.bytes([]byte(magic))
	c.index = true
	return &output{c: c, opts: o, res: &Result{}}
}

// begin makes the footer of the first source without its row groups. Columns of
// row lineage come last.
func (w *output) begin(first *source) error {
	md, err := copyFooter(first.md)
	if err != nil {
		return err
	}
	w.first, w.md = first, md
	md.RowGroups, md.NumRows = md.RowGroups[:0:0], 0
	if !w.opts.Lineage {
		return nil
	}
	lineage, err := encodeLineage(context.Background(), nil, false, nil)
	if err != nil {
		return err
	}
	all := md.FileMetaData.Schema
	elements := append(all[:0:0], clone(all[0]))
	for _, i := range first.columns.elements {
		elements = append(elements, all[i])
	}
	elements = append(elements, lineage.md.FileMetaData.Schema[1:]...)
	held := int32(0)
	for _, col := range first.columns.lineage {
		if col >= 0 {
			held++
		}
	}
	elements[0].NumChildren = new(all[0].GetNumChildren() - held + lineageColumns)
	md.FileMetaData.Schema = elements
	if all := md.ColumnOrders; all != nil {
		orders := all[:0:0]
		for _, c := range first.columns.chunks {
			orders = append(orders, all[c])
		}
		md.ColumnOrders = append(orders, lineage.md.ColumnOrders...)
	}
	w.md, err = copyFooter(md)
	return err
}

// add copies the row groups of a plan.
func (w *output) add(p *Plan) error {
	if w.first == nil {
		if err := w.begin(p.sources[0]); err != nil {
			return err
		}
	} else if err := compatible(w.first, p.sources[0]); err != nil {
		return err
	}
	for _, s := range p.sources {
		w.agree(s)
	}
	w.c.index = w.c.index && p.indexed()
	w.res.Rows += p.Rows
	w.res.BytesIn += p.BytesIn
	w.res.RowGroupsIn += p.RowGroupsIn
	w.res.RowGroupsOut += len(p.groups)
	for _, g := range p.groups {
		if g.joined() {
			w.res.Joined++
		}
		if err := w.group(g); err != nil {
			return err
		}
	}
	return nil
}

// agree takes from the footer what does not hold for one source more: the writer,
// where it is another, and the key-value pairs that it lacks. Where an input has
// columns of row lineage otherwise than the output, key-value pairs, which may
// describe its schema, are left out.
func (w *output) agree(s *source) {
	md := w.md.FileMetaData
	md.Version = max(md.Version, s.md.FileMetaData.Version)
	if s.md.GetCreatedBy() != w.first.md.GetCreatedBy() {
		md.CreatedBy = new(createdBy)
	}
	if !s.whole(w.opts.Lineage) {
		md.KeyValueMetadata = nil
	}
	if s == w.first || len(md.KeyValueMetadata) == 0 {
		return
	}
	held, kept := s.md.KeyValueMetadata(), md.KeyValueMetadata[:0:0]
	for _, kv := range md.KeyValueMetadata {
		if v := held.FindValue(kv.Key); (v == nil) == (kv.Value == nil) && (v == nil || *v == *kv.Value) {
			kept = append(kept, kv)
		}
	}
	md.KeyValueMetadata = kept
}

// finish ends the file.
func (w *output) finish() (*Result, error) {
	numberRowGroups(w.md)
	if w.c.index {
		w.c.writeIndexes(w.md)
	}
	if err := w.c.footer(w.md); err != nil {
		return nil, err
	}
	res := w.res
	for i, d := range w.lineage {
		res.Lineage[i] = d.done()
	}
	res.Pieces, res.Copied, res.Size, res.Metadata = w.c.pieces, w.c.copied, w.c.offset, w.md
	return res, nil
}

// group copies one row group of the output, column by column, and appends
// its description to the footer.
func (w *output) group(g group) error {
	c, out := w.c, w.md
	first := g.parts[0]
	rg := clone(first.src.md.RowGroups[first.rg])
	rg.Columns = rg.Columns[:0:0]
	rg.NumRows = g.rows // never a column's value count: nested columns have more
	rg.TotalByteSize = 0
	rg.FileOffset = new(c.offset)
	if g.joined() || !first.src.whole(w.opts.Lineage) {
		rg.SortingColumns = nil // sorted runs one after another are not sorted, and columns have other numbers
	}
	columns := make([][]chunk, len(first.src.columns.chunks))
	for n := range columns {
		columns[n] = g.chunks(n)
	}
	if w.opts.Lineage {
		src, err := encodeLineage(c.ctx, g.parts, c.index, &w.lineage)
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
