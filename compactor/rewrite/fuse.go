package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
	firnparquet "github.com/firnlake/firn/internal/parquet"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// errFuseless: fusing is not possible or would not help; a rewrite would.
var errFuseless = errors.New("cannot be fused with profit")

// Below this average size, row groups that could only be copied whole make a
// file that reads no better than the many did.
const leastRowGroup = 1 << 20

func (c *compaction) fuse(ctx context.Context, dir string, index int, g plan.Group, files []lake.File) (output, error) {
	paths, err := c.local(ctx, dir, files)
	if err != nil {
		return output{}, err
	}
	if err := c.described(paths[0]); err != nil {
		return output{}, err
	}
	inputs := make([]fuse.Input, len(files))
	for i, f := range files {
		inputs[i] = fuse.Input{Path: paths[i], FirstRowID: f.Data.FirstRowID(), Sequence: f.Sequence}
	}
	res, store, err := c.assemble(ctx, inputs, filepath.Join(dir, "fused.parquet"), c.location(index, 0), g)
	if errors.Is(err, fuse.ErrNotFusable) {
		return output{}, fmt.Errorf("%w: %w", errFuseless, err)
	}
	if err != nil {
		return output{}, proofError(err)
	}
	defer store.done()
	if res.Rows != g.Rows {
		return output{}, fmt.Errorf("%w: %d rows in the fused file, the manifests say %d", ErrProof, res.Rows, g.Rows)
	}
	o := c.fileOptions(g, files)
	if c.lineage() {
		if err := proveLineage(ctx, files, paths, res); err != nil {
			return output{}, err
		}
		o.Schema = withLineage(o.Schema)
	}
	df, err := firnparquet.DataFile(o, store.location, res.Size, res.Metadata)
	if err != nil {
		return output{}, err
	}
	if err := store.put(ctx); err != nil {
		return output{}, proofError(err)
	}
	return output{tier: plan.Fuse, files: []iceberg.DataFile{df}, rows: res.Rows, chunks: len(res.Pieces)}, nil
}

// proofError: a damaged copy is one that would have changed rows.
func proofError(err error) error {
	if errors.Is(err, fuse.ErrDamaged) {
		return fmt.Errorf("%w: %w", ErrProof, err)
	}
	return err
}

// stored is how a fused file comes to its location; done ends it.
type stored struct {
	location string
	put      func(context.Context) error
	done     func()
}

// assemble makes the fused file, which put then stores. Where objects are files
// of this machine it is sent without being written to a file before, and read back
// from where it lies; else, and of more files than can be held open, a file is
// written, batch by batch, read back, and sent. Either way what is read back is
// compared with the checksums of what was read.
func (c *compaction) assemble(ctx context.Context, inputs []fuse.Input, path, location string, g plan.Group) (*fuse.Result, stored, error) {
	o := fuse.Options{Progress: c.Progress.Advance, Lineage: c.lineage(), BatchFiles: c.atMost()}
	if object, ok := c.cfg.Bucket.LocalPath(location); ok && len(inputs) <= c.atMost() {
		res, store, err := c.image(ctx, inputs, o, object, location, g)
		if !errors.Is(err, fuse.ErrHeavy) {
			return res, store, err
		}
	}
	res, err := fuse.Join(ctx, inputs, path, o)
	if err != nil {
		return nil, stored{}, err
	}
	batches := (len(inputs)-1)/o.BatchFiles + 1
	if err := profitable(g, res.Rows, res.RowGroupsOut-batches+1, res.Copied); err != nil {
		return nil, stored{}, err
	}
	put := func(ctx context.Context) error { return c.put(ctx, path, location, res.Size) }
	return res, stored{location, put, func() {}}, nil
}

// image makes the fused file in place; [fuse.ErrHeavy] where it is too much for that.
func (c *compaction) image(ctx context.Context, inputs []fuse.Input, o fuse.Options, object, location string, g plan.Group) (_ *fuse.Result, _ stored, err error) {
	sources, done, err := fuse.OpenFiles(inputs)
	if err != nil {
		return nil, stored{}, err
	}
	defer func() {
		if err != nil {
			done()
		}
	}()
	p, err := fuse.NewPlan(ctx, sources, o)
	if err == nil {
		err = profitable(g, p.Rows, p.RowGroupsOut, p.ChunkBytes)
	}
	if err == nil && p.ChunkBytes >= largestPut {
		err = fuse.ErrHeavy
	}
	if err != nil {
		return nil, stored{}, err
	}
	im, err := p.Assemble(ctx)
	if err != nil {
		return nil, stored{}, err
	}
	put := func(ctx context.Context) error { return c.send(ctx, im, object, location) }
	return im.Result, stored{location, put, done}, nil
}

// An object of 5 GiB is put by one request; chunks are less than the file.
const largestPut = 4 << 30

// send puts an output and reads back what arrived.
func (c *compaction) send(ctx context.Context, im *fuse.Image, object, location string) error {
	key, err := c.cfg.Bucket.Key(location)
	if err != nil {
		return err
	}
	if err := c.cfg.Bucket.Put(ctx, key, im.Reader(), im.Size, objstore.PutOptions{CRC32C: &im.CRC}); err != nil {
		return fmt.Errorf("put output: %w", err)
	}
	f, err := os.Open(object)
	if err != nil {
		return fmt.Errorf("read back output: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read back output: %w", err)
	}
	return fuse.Verify(f, info.Size(), im.Result)
}

// profitable refuses a fusion that keeps tiny row groups: so many, not counting those
// that end where a batch does.
func profitable(g plan.Group, rows int64, groups int, chunks int64) error {
	if average := chunks / int64(max(groups, 1)); groups > 4 && average < leastRowGroup {
		return fmt.Errorf("%w: it would keep %d row groups of %s", errFuseless, groups, plan.Size(average))
	}
	if rows != g.Rows {
		return fmt.Errorf("%w: files of %s hold %d rows, the manifests say %d", ErrProof, plan.PartitionText(g.Partition), rows, g.Rows)
	}
	return nil
}

// described refuses to fuse files that the table's present schema describes
// differently or that have no field ids: the metrics of the output would be taken by
// name, which may be another column's. All files are as the first one.
func (c *compaction) described(first string) error {
	r, err := file.OpenParquetFile(first, false)
	if err != nil {
		return err
	}
	defer r.Close()
	present := c.Scan.Schema
	if c.lineage() {
		present = withLineage(present)
	}
	root := r.MetaData().Schema.Root()
	for i := range root.NumFields() {
		if err := describes(present, root.Field(i)); err != nil {
			return fmt.Errorf("%w: %w", errFuseless, err)
		}
	}
	return nil
}

// describes checks that a column is in the table as it is in the file.
func describes(s *iceberg.Schema, n schema.Node) error {
	if id := n.FieldID(); id >= 0 {
		f, ok := s.FindFieldByID(int(id))
		if !ok {
			return fmt.Errorf("column %q was dropped", n.Name())
		}
		// Elements, keys and values are named by the file format's rules.
		if name := n.Name(); f.Name != name && f.Name != "element" && f.Name != "key" && f.Name != "value" {
			return fmt.Errorf("column %q is now called %q", name, f.Name)
		}
		if p, ok := n.(*schema.PrimitiveNode); ok && !sameType(f.Type, p) {
			return fmt.Errorf("column %q is now of type %s", n.Name(), f.Type)
		}
	}
	g, ok := n.(*schema.GroupNode)
	if !ok && n.FieldID() < 0 {
		return fmt.Errorf("column %q has no field id", n.Name())
	}
	if ok {
		for i := range g.NumFields() {
			if err := describes(s, g.Field(i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sameType finds columns that were promoted since the file was written.
func sameType(t iceberg.Type, p *schema.PrimitiveNode) bool {
	switch t := t.(type) {
	case iceberg.Int64Type:
		return p.PhysicalType() == parquet.Types.Int64
	case iceberg.Float64Type:
		return p.PhysicalType() == parquet.Types.Double
	case iceberg.DecimalType:
		d, ok := p.LogicalType().(schema.DecimalLogicalType)
		return !ok || int(d.Precision()) == t.Precision()
	}
	return true
}

// fileOptions describe an output that lies where its inputs lay.
func (c *compaction) fileOptions(g plan.Group, files []lake.File) firnparquet.FileOptions {
	o := firnparquet.OptionsFor(c.Table.Metadata)
	o.Schema = c.Scan.Schema
	for _, spec := range c.Table.Metadata.PartitionSpecs() {
		if spec.ID() == g.SpecID {
			o.Spec = spec
		}
	}
	o.PartitionValues = files[0].Data.Partition()
	return o
}

// put uploads an output and asks whether it arrived whole.
func (c *compaction) put(ctx context.Context, path, location string, size int64) error {
	key, err := c.cfg.Bucket.Key(location)
	if err != nil {
		return err
	}
	if err := c.cfg.Bucket.PutFile(ctx, key, path); err != nil {
		return fmt.Errorf("put output: %w", err)
	}
	info, err := c.cfg.Bucket.Stat(ctx, key)
	if err != nil {
		return fmt.Errorf("look at output: %w", err)
	}
	if info.Size != size {
		return fmt.Errorf("put output: %d of %d bytes arrived", info.Size, size)
	}
	return nil
}
