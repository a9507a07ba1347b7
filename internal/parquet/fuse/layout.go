package fuse

import (
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/parquet"
)

// part is one row group of one input.
type part struct {
	src *source
	rg  int
}

// group is one row group of the output.
type group struct {
	parts []part
	rows  int64
	bytes int64 // that are copied
}

// chunk is one column of one row group of one input.
type chunk struct {
	part
	col int
}

// chunk of one of the columns that all inputs have, by its number among them.
func (p part) chunk(n int) chunk { return chunk{p, p.src.columns.chunks[n]} }

// chunks are those that follow each other in one chunk of the output.
func (g group) chunks(n int) []chunk {
	out := make([]chunk, len(g.parts))
	for i, p := range g.parts {
		out[i] = p.chunk(n)
	}
	return out
}

func (c chunk) extent() (offset, length int64) { return c.src.extent(c.rg, c.col) }

func (g group) joined() bool { return len(g.parts) > 1 }

// layout assigns the inputs' row groups to those of the output, in order.
func (p *Plan) layout() {
	for _, src := range p.sources {
		for i, rg := range src.md.RowGroups {
			p.RowGroupsIn++
			if rg.NumRows == 0 {
				continue // nothing to copy; a chunk without pages upsets readers
			}
			p.add(part{src, i}, rg.NumRows, src.chunkBytes(i))
		}
	}
	p.RowGroupsOut = len(p.groups)
}

func (p *Plan) add(next part, rows, bytes int64) {
	p.Rows += rows
	p.ChunkBytes += bytes
	if n := len(p.groups); n > 0 {
		g := &p.groups[n-1]
		if g.rows+rows <= p.opts.RowGroupRows && g.bytes+bytes <= p.opts.RowGroupBytes && joinable(g.parts[0], next) {
			g.parts = append(g.parts, next)
			g.rows += rows
			g.bytes += bytes
			return
		}
	}
	p.groups = append(p.groups, group{parts: []part{next}, rows: rows, bytes: bytes})
}

func (s *source) chunkBytes(rg int) (n int64) {
	for _, c := range s.columns.chunks {
		_, length := s.extent(rg, c)
		n += length
	}
	return n
}

// joinable says whether the chunks of two row groups can follow each other in
// one chunk, for every column.
func joinable(a, b part) bool {
	for n := range a.src.columns.chunks {
		x, y := a.chunk(n), b.chunk(n)
		if x.src.md.RowGroups[x.rg].Columns[x.col].MetaData.Codec != y.src.md.RowGroups[y.rg].Columns[y.col].MetaData.Codec || x.hasDictionary() || y.hasDictionary() {
			return false
		}
	}
	return true
}

// hasDictionary looks at all that a footer says about dictionaries: writers
// differ in which of the three they fill in.
func (c chunk) hasDictionary() bool {
	m := c.src.md.RowGroups[c.rg].Columns[c.col].MetaData
	if d := m.DictionaryPageOffset; d != nil && *d > 0 {
		return true
	}
	for _, e := range m.Encodings {
		if isDictionary(parquet.Encoding(e)) {
			return true
		}
	}
	for _, s := range m.EncodingStats {
		if isDictionary(parquet.Encoding(s.Encoding)) {
			return true
		}
	}
	return false
}

func isDictionary(e parquet.Encoding) bool {
	return e == parquet.Encodings.PlainDict || e == parquet.Encodings.RLEDict
}

func readError(name string, err error) error {
	return fmt.Errorf("read %s: %w", name, err)
}

// unite adds the values of b that a lacks.
func unite[E comparable](a, b []E) []E {
	for _, e := range b {
		if !slices.Contains(a, e) {
			a = append(a, e)
		}
	}
	return a
}

func clone[T any](p *T) *T {
	c := *p
	return &c
}
