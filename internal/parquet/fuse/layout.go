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
	bytes int64
}

func (g group) joined() bool { return len(g.parts) > 1 }

// layout assigns the inputs' row groups to those of the output, in order.
func (p *Plan) layout() error {
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
	return nil
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
	for c := range s.md.RowGroups[rg].Columns {
		_, length := s.extent(rg, c)
		n += length
	}
	return n
}

// joinable says whether the chunks of two row groups can follow each other in
// one chunk, for every column.
func joinable(a, b part) bool {
	x, y := a.src.md.RowGroups[a.rg].Columns, b.src.md.RowGroups[b.rg].Columns
	for c := range x {
		if x[c].MetaData.Codec != y[c].MetaData.Codec || hasDictionary(a, c) || hasDictionary(b, c) {
			return false
		}
	}
	return true
}

// hasDictionary looks at all that a footer says about dictionaries: writers
// differ in which of the three they fill in.
func hasDictionary(p part, col int) bool {
	m := p.src.md.RowGroups[p.rg].Columns[col].MetaData
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
