package parquet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/objstore"
)

// WriteOptions steers WriteFiles. The zero value is right for promotion.
type WriteOptions struct {
	// TargetBytes is the size at which a file is closed and the next begun;
	// 0 means the table's property or 128 MiB.
	TargetBytes int64
	// BufferBytes bounds the rows and encoded bytes held at a time; 0 means
	// 256 MiB. When it is reached the largest partition's file is closed early,
	// so memory does not depend on the number of partitions.
	BufferBytes int64
	// Workers encode at a time; 0 means GOMAXPROCS.
	Workers int
	// Puts under way at a time; 0 means 16.
	Puts int
	// MergeReady overrides the table's property when it is true.
	MergeReady bool
	// Codec overrides the table's property.
	Codec Codec
	// SortOrderID is the order that the rows are in; 0 is unsorted.
	SortOrderID int
}

// Records makes a sequence of the batches of a reader. It does not release the
// reader.
func Records(r array.RecordReader) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for r.Next() {
			if !yield(r.RecordBatch(), nil) {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// WriteFiles writes rows into data files of a table below dataPrefix (a
// location) and describes them; committing them is the caller's. Rows are
// conformed to the table's current schema first (see Conformer), split by its
// default partition spec, and keep their order within a partition. No rows give
// no files. On an error some files may have been put; nothing refers to them.
//
// A batch need only be valid until the next is asked for.
func WriteFiles(ctx context.Context, bucket *objstore.Bucket, meta table.Metadata, dataPrefix string, rows iter.Seq2[arrow.RecordBatch, error], o WriteOptions) ([]iceberg.DataFile, error) {
	w, err := newFilesWriter(ctx, bucket, meta, dataPrefix, o)
	if err != nil {
		return nil, err
	}
	defer w.release()
	err = w.consume(rows)
	if err == nil {
		err = w.finish()
	}
	if waitErr := w.group.Wait(); waitErr != nil {
		// The first failure of a put cancelled the rest; it is the reason.
		return nil, waitErr
	}
	if err != nil {
		return nil, err
	}
	return w.files(), nil
}

// WriteClustered writes rows that Cluster has split already: one file for each
// partition. It takes the batches of parts over, also when it fails.
func WriteClustered(ctx context.Context, bucket *objstore.Bucket, meta table.Metadata, dataPrefix string, parts []Partitioned, o WriteOptions) ([]iceberg.DataFile, error) {
	w, err := newFilesWriter(ctx, bucket, meta, dataPrefix, o)
	if err != nil {
		for i := range parts {
			parts[i].Release()
		}
		return nil, err
	}
	for i := range parts {
		err = errors.Join(err, w.seal(&partition{Partitioned: &parts[i]}))
	}
	if waitErr := w.group.Wait(); waitErr != nil {
		return nil, waitErr
	}
	if err != nil {
		return nil, err
	}
	return w.files(), nil
}

// partition is the rows of one partition that are not in the bucket yet.
type partition struct {
	*Partitioned
	file *openFile // row groups encoded so far, or nil
}

func (p *partition) held() int64 {
	n := p.Bytes
	if p.file != nil {
		n += int64(p.file.buf.Len())
	}
	return n
}

// filesWriter is the state of one WriteFiles. The producer goroutine owns
// everything but results, which each task fills at its own index.
type filesWriter struct {
	ctx    context.Context
	group  *errgroup.Group
	encode chan struct{}

	bucket *objstore.Bucket
	prefix string
	opts   FileOptions
	schema *arrow.Schema
	target int64
	buffer int64

	cluster *clusterer
	open    map[*Partitioned]*partition
	results []*iceberg.DataFile
}

func newFilesWriter(ctx context.Context, bucket *objstore.Bucket, meta table.Metadata, prefix string, o WriteOptions) (*filesWriter, error) {
	opts := OptionsFor(meta)
	opts.MergeReady = opts.MergeReady || o.MergeReady
	opts.Codec = cmp.Or(o.Codec, opts.Codec)
	opts.SortOrderID = o.SortOrderID
	schema, err := ArrowSchema(opts.Schema)
	if err != nil {
		return nil, err
	}
	c, err := newClusterer(opts.Schema, opts.Spec)
	if err != nil {
		return nil, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(cmp.Or(o.Puts, 16))
	return &filesWriter{
		ctx: ctx, group: group, encode: make(chan struct{}, cmp.Or(o.Workers, runtime.GOMAXPROCS(0))),
		bucket: bucket, prefix: strings.TrimSuffix(prefix, "/"), opts: opts, schema: schema,
		target:  cmp.Or(o.TargetBytes, int64(opts.Properties.GetInt(PropertyTargetBytes, 0)), int64(defaultTargetBytes)),
		buffer:  cmp.Or(o.BufferBytes, int64(256<<20)),
		cluster: c, open: map[*Partitioned]*partition{},
	}, nil
}

func (w *filesWriter) consume(rows iter.Seq2[arrow.RecordBatch, error]) error {
	var conform *Conformer
	for b, err := range rows {
		if err != nil {
			return fmt.Errorf("read the rows to write: %w", err)
		}
		if err := context.Cause(w.ctx); err != nil {
			return err
		}
		if conform == nil || !conform.Source().Equal(b.Schema()) {
			if conform, err = NewConformer(b.Schema(), w.opts.Schema, ConformOptions{}); err != nil {
				return err
			}
		}
		conformed, err := conform.Conform(b)
		if err != nil {
			return err
		}
		err = w.cluster.add(conformed)
		conformed.Release()
		if err != nil {
			return err
		}
		if err := w.roll(); err != nil {
			return err
		}
	}
	return nil
}

// roll encodes what makes a full row group, puts what makes a full file, and
// closes the largest files early while too much is held.
func (w *filesWriter) roll() error {
	var held int64
	for _, p := range w.cluster.parts {
		st := w.open[p]
		if st == nil {
			st = &partition{Partitioned: p}
			w.open[p] = st
		}
		if p.Bytes >= w.opts.rowGroupBytes() {
			if err := w.encodeGroup(st); err != nil {
				return err
			}
		}
		if st.file != nil && int64(st.file.buf.Len()) >= w.target {
			if err := w.seal(st); err != nil {
				return err
			}
		}
		held += st.held()
	}
	for held > w.buffer {
		largest := slices.MaxFunc(w.cluster.parts, func(a, b *Partitioned) int { return cmp.Compare(w.open[a].held(), w.open[b].held()) })
		st := w.open[largest]
		held -= st.held()
		if err := w.seal(st); err != nil {
			return err
		}
	}
	return nil
}

// encodeGroup turns the rows held for a partition into a row group of its file.
func (w *filesWriter) encodeGroup(p *partition) error {
	if p.file == nil {
		opts := w.opts
		opts.PartitionValues = p.Values
		f, err := newOpenFile(opts, w.schema)
		if err != nil {
			return err
		}
		p.file = f
	}
	err := p.file.write(w.ctx, p.Batches)
	p.Release()
	p.Rows, p.Bytes = 0, 0
	return err
}

// seal hands what is held for a partition to a task that makes a file of it.
func (w *filesWriter) seal(p *partition) error {
	if p.file == nil && p.Rows == 0 {
		return nil
	}
	task := &partition{Partitioned: &Partitioned{Values: p.Values, Batches: p.Batches, Rows: p.Rows, Bytes: p.Bytes}, file: p.file}
	p.file, p.Batches, p.Rows, p.Bytes = nil, nil, 0, 0
	result := new(iceberg.DataFile)
	w.results = append(w.results, result)
	w.group.Go(func() error {
		defer task.Release()
		df, err := w.finishFile(task)
		*result = df
		return err
	})
	return nil
}

func (w *filesWriter) finishFile(p *partition) (iceberg.DataFile, error) {
	select {
	case w.encode <- struct{}{}:
	case <-w.ctx.Done():
		return nil, context.Cause(w.ctx)
	}
	err := func() error {
		defer func() { <-w.encode }()
		if p.Rows == 0 {
			return nil
		}
		return w.encodeGroup(p)
	}()
	if err != nil {
		return nil, err
	}
	return p.file.put(w.ctx, w.bucket, w.prefix)
}

func (w *filesWriter) finish() error {
	for _, p := range w.cluster.parts {
		st := w.open[p]
		if st == nil {
			st = &partition{Partitioned: p}
		}
		if err := w.seal(st); err != nil {
			return err
		}
	}
	return nil
}

func (w *filesWriter) release() { w.cluster.release() }

func (w *filesWriter) files() []iceberg.DataFile {
	var out []iceberg.DataFile
	for _, r := range w.results {
		if *r != nil {
			out = append(out, *r)
		}
	}
	return out
}
