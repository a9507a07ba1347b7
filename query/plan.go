package query

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/firnlake/firn/internal/duck"
)

// DuckDB's plans name the files that were read. Where those lie on the server
// is nobody's business, and their number is in the header already.

var pathPiece = regexp.MustCompile(`[^\s│(]*/[^\s│)]*`)

// scrubPlan blanks out paths and keeps the boxes in shape.
func scrubPlan(plan string) string {
	return pathPiece.ReplaceAllStringFunc(plan, func(s string) string {
		return strings.Repeat("·", utf8.RuneCountInString(s))
	})
}

// planReader is the result of an EXPLAIN without paths.
type planReader struct {
	*duck.Result
	rec arrow.RecordBatch
}

func (p *planReader) Next() bool {
	if p.rec != nil {
		p.rec.Release()
		p.rec = nil
	}
	if !p.Result.Next() {
		return false
	}
	in := p.Result.RecordBatch()
	cols := make([]arrow.Array, in.NumCols())
	for i, col := range in.Columns() {
		texts, ok := col.(*array.String)
		if !ok {
			col.Retain()
			cols[i] = col
			continue
		}
		b := array.NewStringBuilder(memory.DefaultAllocator)
		for j := range texts.Len() {
			b.Append(scrubPlan(texts.Value(j)))
		}
		cols[i] = b.NewArray()
		b.Release()
	}
	p.rec = array.NewRecordBatch(in.Schema(), cols, in.NumRows())
	for _, col := range cols {
		col.Release()
	}
	return true
}

func (p *planReader) RecordBatch() arrow.RecordBatch { return p.rec }
func (p *planReader) Record() arrow.RecordBatch      { return p.rec }
