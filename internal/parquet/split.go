package parquet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// LocalFile holds rows of one partition on this machine.
type LocalFile struct {
	Path   string
	Values map[int]any // as in Partitioned
	Rows   int64
}

// SplitOptions bound what Split holds; the zero value is fit for use.
type SplitOptions struct {
	// BufferBytes of rows that wait for their row group. Default 64 MiB.
	BufferBytes int64
	// OpenFiles at a time. Default 256.
	OpenFiles int
}

// Split writes rows into files below dir, one a partition, by opts.Schema and
// opts.Spec. Rows keep their order within a partition. What is held in memory
// does not depend on the number of rows or partitions; a partition has a second
// file when more than OpenFiles were open at a time. After an error files may be
// left in dir. A batch need only be valid until the next is asked for.
func Split(ctx context.Context, dir string, opts FileOptions, rows iter.Seq2[arrow.RecordBatch, error], o SplitOptions) (_ []LocalFile, err error) {
	schema, err := ArrowSchema(opts.Schema)
	if err != nil {
		return nil, err
	}
	c, err := newClusterer(opts.Schema, opts.Spec)
	if err != nil {
		return nil, err
	}
	s := &splitter{
		ctx: ctx, dir: dir, opts: opts, schema: schema, cluster: c, open: map[*Partitioned]*splitFile{},
		buffer: cmp.Or(o.BufferBytes, 64<<20), most: cmp.Or(o.OpenFiles, 256),
	}
	defer func() { err = errors.Join(err, s.close()) }()
	var conform *Conformer
	for b, err := range rows {
		if err != nil {
			return nil, fmt.Errorf("read the rows to split: %w", err)
		}
		if err := context.Cause(ctx); err != nil {
			return nil, err
		}
		if conform == nil || !conform.Source().Equal(b.Schema()) {
			if conform, err = NewConformer(b.Schema(), opts.Schema, ConformOptions{}); err != nil {
				return nil, err
			}
		}
		if err := s.add(conform, b); err != nil {
			return nil, err
		}
	}
	for p := range s.cluster.parts {
		if err := s.flush(s.cluster.parts[p]); err != nil {
			return nil, err
		}
	}
	return s.done, s.sealAll()
}

// splitter is the state of one Split.
type splitter struct {
	ctx     context.Context
	dir     string
	opts    FileOptions
	schema  *arrow.Schema
	cluster *clusterer
	buffer  int64
	most    int

	held int64
	open map[*Partitioned]*splitFile
	done []LocalFile
	n    int // files so far
}

// splitFile is a file under construction.
type splitFile struct {
	LocalFile
	fw *pqarrow.FileWriter
}

func (s *splitter) add(conform *Conformer, b arrow.RecordBatch) error {
	conformed, err := conform.Conform(b)
	if err != nil {
		return err
	}
	defer conformed.Release()
	before := make(map[*Partitioned]int, len(s.cluster.parts))
	for _, p := range s.cluster.parts {
		before[p] = len(p.Batches)
	}
	if err := s.cluster.add(conformed); err != nil {
		return err
	}
	for _, p := range s.cluster.parts {
		// A slice would keep all of its batch in memory for the sake of few rows.
		for i := before[p]; i < len(p.Batches); i++ {
			own, err := copied(p.Batches[i])
			if err != nil {
				return fmt.Errorf("split rows: %w", err)
			}
			p.Batches[i].Release()
			p.Batches[i] = own
			s.held += BatchBytes(own)
		}
		if p.Bytes >= s.opts.rowGroupBytes() {
			if err := s.flush(p); err != nil {
				return err
			}
		}
	}
	for s.held > s.buffer {
		if err := s.flush(slices.MaxFunc(s.cluster.parts, func(a, b *Partitioned) int { return cmp.Compare(a.Bytes, b.Bytes) })); err != nil {
			return err
		}
	}
	return nil
}

// copied is a batch with memory of its own.
func copied(b arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, b.NumCols())
	defer func() {
		for _, c := range columns {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, c := range b.Columns() {
		own, err := array.Concatenate([]arrow.Array{c}, memory.DefaultAllocator)
		if err != nil {
			return nil, err
		}
		columns[i] = own
	}
	return array.NewRecordBatch(b.Schema(), columns, b.NumRows()), nil
}

// flush makes a row group of what is held for a partition.
func (s *splitter) flush(p *Partitioned) (err error) {
	if p.Rows == 0 {
		return nil
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("encode a data file: the Parquet writer stopped: %v", r)
		}
	}()
	f := s.open[p]
	if f == nil {
		if f, err = s.create(p); err != nil {
			return err
		}
	}
	var held int64
	for _, b := range p.Batches {
		held += BatchBytes(b)
	}
	tbl := array.NewTableFromRecords(s.schema, p.Batches)
	err = f.fw.WriteTable(tbl, rowsPerGroup(p.Rows, p.Bytes, s.opts.rowGroupBytes()))
	tbl.Release()
	if err != nil {
		return fmt.Errorf("encode a data file: %w", err)
	}
	f.Rows += p.Rows
	s.held -= held
	p.Release()
	p.Rows, p.Bytes = 0, 0
	return nil
}

func (s *splitter) create(p *Partitioned) (*splitFile, error) {
	if len(s.open) >= s.most {
		var largest *Partitioned
		for q, f := range s.open {
			if largest == nil || f.Rows > s.open[largest].Rows {
				largest = q
			}
		}
		if err := s.seal(largest); err != nil {
			return nil, err
		}
	}
	props, err := s.opts.writerProperties()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.dir, fmt.Sprintf("split-%d.parquet", s.n))
	s.n++
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open a data file: %w", err)
	}
	fw, err := pqarrow.NewFileWriter(s.schema, f, props, pqarrow.DefaultWriterProps()) // closes f
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open a data file: %w", err), f.Close())
	}
	out := &splitFile{LocalFile: LocalFile{Path: path, Values: p.Values}, fw: fw}
	s.open[p] = out
	return out, nil
}

func (s *splitter) seal(p *Partitioned) error {
	f := s.open[p]
	delete(s.open, p)
	if err := f.fw.Close(); err != nil {
		return fmt.Errorf("close a data file: %w", err)
	}
	s.done = append(s.done, f.LocalFile)
	return nil
}

// sealAll closes the files in the order of their partitions' first rows.
func (s *splitter) sealAll() error {
	for _, p := range s.cluster.parts {
		if s.open[p] == nil {
			continue
		}
		if err := s.seal(p); err != nil {
			return err
		}
	}
	return nil
}

// close gives back what an error left open.
func (s *splitter) close() (err error) {
	for _, f := range s.open {
		err = errors.Join(err, f.fw.Close())
	}
	s.cluster.release()
	return err
}
