// Package fuse makes one Parquet file of many without decoding a page: column
// chunks are copied byte for byte, and the row groups of the inputs are joined
// into few large ones, or copied whole where chunks cannot be joined.
//
// What it promises. The output holds exactly the rows of the inputs, in their
// order. Every statistic in its footer is true of the joined chunk, or absent.
// Memory is bounded by the footers of a batch of inputs (see [Options]), the page
// indexes, the encoded row lineage of one row group (of a file for an [Image]), 32
// bytes a chunk and a copy buffer, whatever the number and the size of the files. Each copied piece has a checksum, and [Verify] reads the
// output back and compares them, so that a damaged copy is found before
// anything refers to it.
//
// What it refuses, with [ErrNotFusable] and the reason: inputs whose schemas
// (names, types, field ids) differ, encrypted inputs, inputs that keep chunks
// in other files, and those of writers whose footers are known to be wrong.
// Nothing was written to the table then: the caller rewrites instead.
//
// Page indexes are carried over when every input has them, and left out else.
//
// With [Options.Lineage] the ids and sequence numbers that rows of a v3 table
// inherit are written down in two columns more, the only thing that is encoded;
// Verify decodes them.
//
// Chunks are joined when no chunk of the column has a dictionary page (a chunk
// can have one dictionary only) and the codec is the same; every other row
// group is copied whole, which is right for any content.
package fuse

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// ErrNotFusable: these inputs cannot be fused; a rewrite can still join them.
var ErrNotFusable = errors.New("files cannot be fused")

// ErrDamaged: the output does not hold what was copied into it.
var ErrDamaged = errors.New("fused file is damaged")

func notFusable(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrNotFusable, name, fmt.Sprintf(format, args...))
}

// Source is one input file.
type Source struct {
	Name string // for messages
	R    io.ReaderAt
	Size int64

	// With Options.Lineage, what the rows inherit that hold nothing else: the row
	// id of the file's first row, nil when it has none, and the file's data
	// sequence number.
	FirstRowID *int64
	Sequence   int64
}

// Options bound the output; the zero value is fit for use.
type Options struct {
	// RowGroupBytes is the size on disk up to which row groups are joined.
	// Default 128 MiB.
	RowGroupBytes int64
	// RowGroupRows is the number of rows up to which row groups are joined.
	// Default 1 Mi.
	RowGroupRows int64
	// Lineage adds the columns of row lineage, with what rows hold and else
	// inherit: the output's own row ids and sequence number are then of no effect.
	Lineage bool
	// ImageBytes is what an [Image] holds in memory at the most. Default 64 MiB:
	// inherited row lineage of a billion rows.
	ImageBytes int64
	// BatchFiles and BatchChunks (column chunks of row groups) bound the footers
	// that are held at once, at about a kilobyte a chunk, and BatchFiles what is
	// open. Default 2000 and 100,000.
	BatchFiles, BatchChunks int
	// Progress is told how many bytes were copied since the last call; nil
	// for none.
	Progress func(bytes int64)
}

func (o Options) withDefaults() Options {
	o.RowGroupBytes = cmp.Or(o.RowGroupBytes, 128<<20)
	o.RowGroupRows = cmp.Or(o.RowGroupRows, 1<<20)
	o.ImageBytes = cmp.Or(o.ImageBytes, 64<<20)
	o.BatchFiles = cmp.Or(o.BatchFiles, 2000)
	o.BatchChunks = cmp.Or(o.BatchChunks, 100_000)
	if o.Progress == nil {
		o.Progress = func(int64) {}
	}
	return o
}

// Piece is a run of bytes that was copied: its place in the output and its
// CRC-32C as read from the input.
type Piece struct {
	Offset, Length int64
	CRC            uint32
}

// Result describes a finished output.
type Result struct {
	Rows         int64
	Size         int64 // of the output
	BytesIn      int64 // of the inputs, footers included
	Copied       int64 // bytes of column chunks
	RowGroupsIn  int
	RowGroupsOut int
	Joined       int     // row groups of the output that join several of the inputs
	Pieces       []Piece // in order of Offset, without gaps between them
	Metadata     *metadata.FileMetaData

	// Lineage of the rows, with Options.Lineage: their ids, and the sequence
	// numbers of their last update.
	Lineage [2]Lineage
}

// Plan is what a fusion would do. It holds the inputs' footers.
type Plan struct {
	Rows         int64
	BytesIn      int64
	ChunkBytes   int64 // what will be copied
	RowGroupsIn  int
	RowGroupsOut int

	opts    Options
	sources []*source
	groups  []group
	slurp   int64 // bytes of tiny files that may still be held
	chunks  int   // that the footers describe
}

// AverageRowGroupBytes of the output: the measure of whether fusing helps.
func (p *Plan) AverageRowGroupBytes() int64 {
	return p.ChunkBytes / int64(max(p.RowGroupsOut, 1))
}

// NewPlan reads the footers of the sources and decides what is joined. The
// sources must stay readable until WriteTo has returned. Those of too many files
// or chunks are [ErrHeavy]: [Join] takes them in batches.
func NewPlan(ctx context.Context, sources []Source, o Options) (*Plan, error) {
	if len(sources) == 0 {
		return nil, errors.New("fuse: no source given")
	}
	p := newPlan(o.withDefaults())
	for i, s := range sources {
		if i > 0 && p.full() {
			return nil, fmt.Errorf("footers of %d of %d files: %w", i, len(sources), ErrHeavy)
		}
		if err := p.open(ctx, s); err != nil {
			return nil, err
		}
	}
	p.layout()
	return p, nil
}

func newPlan(o Options) *Plan { return &Plan{opts: o, slurp: slurpBudget} }

// open reads the footer of one source more.
func (p *Plan) open(ctx context.Context, s Source) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	src, err := open(s, &p.slurp, p.opts.Lineage)
	if err != nil {
		return err
	}
	if len(p.sources) > 0 {
		if err := compatible(p.sources[0], src); err != nil {
			return err
		}
		src.share(p.sources[0])
	}
	p.sources = append(p.sources, src)
	p.BytesIn += s.Size
	for _, rg := range src.md.RowGroups {
		p.chunks += len(rg.Columns)
	}
	return nil
}

// full says that no more footers are to be held at once.
func (p *Plan) full() bool {
	return len(p.sources) >= p.opts.BatchFiles || p.chunks >= p.opts.BatchChunks
}

// Write copies the row groups into w and ends with the footer. After an error
// what w holds is no Parquet file.
func (p *Plan) Write(ctx context.Context, w io.Writer) (*Result, error) {
	return p.write(newCopier(ctx, bufio.NewWriterSize(w, bufferSize), p.opts.Progress))
}

func (p *Plan) write(c *copier) (*Result, error) {
	w := newOutput(c, p.opts)
	if err := w.add(p); err != nil {
		return nil, err
	}
	return w.finish()
}
