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
	sources, done, err := fuse.OpenFiles(paths)
	if err != nil {
		return output{}, err
	}
	defer done()
	for i, f := range files {
		sources[i].FirstRowID, sources[i].Sequence = f.Data.FirstRowID(), f.Sequence
	}
	p, err := fuse.NewPlan(ctx, sources, fuse.Options{Progress: c.Progress.Advance, Lineage: c.lineage()})
	if err == nil {
		err = c.profitable(p, paths[0], g)
	}
	if errors.Is(err, fuse.ErrNotFusable) {
		err = fmt.Errorf("%w: %w", errFuseless, err)
	}
	if err != nil {
		return output{}, err
	}
	res, store, err := c.assemble(ctx, p, filepath.Join(dir, "fused.parquet"), c.location(index, 0))
	if errors.Is(err, fuse.ErrNotFusable) {
		return output{}, fmt.Errorf("%w: %w", errFuseless, err)
	}
	if err != nil {
		return output{}, proofError(err)
	}
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

// stored is how a fused file comes to its location.
type stored struct {
	location string
	put      func(context.Context) error
}

// assemble makes the fused file, which put then stores. Where objects are files
// of this machine it is sent without being written to a file before, and read back
// from where it lies; else a file is written, read back, and sent. Either way what
// is read back is compared with the checksums of what was read.
func (c *compaction) assemble(ctx context.Context, p *fuse.Plan, path, location string) (*fuse.Result, stored, error) {
	if object, ok := c.cfg.Bucket.LocalPath(location); ok && p.ChunkBytes < largestPut {
		im, err := p.Assemble(ctx)
		if err == nil {
			return im.Result, stored{location, func(ctx context.Context) error { return c.send(ctx, im, object, location) }}, nil
		}
		if !errors.Is(err, fuse.ErrHeavy) {
			return nil, stored{}, err
		}
	}
	res, err := p.WriteFile(ctx, path)
	if err != nil {
		return nil, stored{}, err
	}
	return res, stored{location, func(ctx context.Context) error { return c.put(ctx, path, location, res.Size) }}, nil
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

// profitable refuses a fusion that keeps tiny row groups, and one of files that
// the table's present schema describes differently or that have no field ids: the
// metrics of the output would be taken by name, which may be another column's.
func (c *compaction) profitable(p *fuse.Plan, first string, g plan.Group) error {
	if p.RowGroupsOut > 4 && p.AverageRowGroupBytes() < leastRowGroup {
		return fmt.Errorf("%w: it would keep %d row groups of %s", errFuseless, p.RowGroupsOut, plan.Size(p.AverageRowGroupBytes()))
	}
	if p.Rows != g.Rows {
		return fmt.Errorf("%w: files of %s hold %d rows, the manifests say %d", ErrProof, plan.PartitionText(g.Partition), p.Rows, g.Rows)
	}
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
