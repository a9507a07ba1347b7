package rewrite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/objstore"
	firnparquet "github.com/firnlake/firn/internal/parquet"
)

// Field ids of position delete files.
const (
	deletePathField = 2147483546
	deletePosField  = 2147483545
)

// writeDeletes makes delete files of the rows that are to be deleted from outputs:
// deletion vectors in one Puffin file, before v3 a file of positions for each.
// What an earlier attempt wrote is left to the removal of orphans.
func (c *compaction) writeDeletes(ctx context.Context, outputs []output) error {
	if !c.dirty {
		return nil
	}
	for _, f := range c.deletes {
		c.abandoned += f.FileSizeBytes()
	}
	c.deletes = nil
	write := c.writePositions
	if c.meta.Version() >= 3 {
		write = c.writeVectors
	}
	if err := write(ctx, outputs); err != nil {
		return fmt.Errorf("write carried deletes: %w", err)
	}
	if len(c.deletes) > 0 {
		if err := c.cfg.Bucket.Sync(ctx); err != nil {
			return fmt.Errorf("sync carried deletes: %w", err)
		}
	}
	c.dirty = false
	return nil
}

func (c *compaction) deletesLocation(ext string) string {
	name := fmt.Sprintf("compact-%s-deletes-%s.%s", c.JobID, uuid.NewString(), ext)
	return firnparquet.Location(c.Table.Metadata.Properties(), c.cfg.Catalog.DataPath(c.Table), name)
}

// bitmaps calls f for each output file that rows are deleted from.
func bitmaps(outputs []output, f func(iceberg.DataFile, *dv.RoaringPositionBitmap) error) error {
	for _, o := range outputs {
		if o.left != nil || o.lost {
			continue
		}
		for i, file := range o.files {
			if gone := o.carry.out[i]; gone != nil {
				if err := f(file, gone); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (c *compaction) writeVectors(ctx context.Context, outputs []output) error {
	w := dv.NewDVWriter(c.cfg.Bucket.FileIO(), func(id int32) *iceberg.PartitionSpec { return c.meta.PartitionSpecByID(int(id)) })
	err := bitmaps(outputs, func(f iceberg.DataFile, gone *dv.RoaringPositionBitmap) error {
		w.Load(f.FilePath(), gone, f.SpecID(), f.Partition())
		return nil
	})
	if err != nil {
		return err
	}
	c.deletes, err = w.Flush(ctx, c.deletesLocation("puffin"))
	return err
}

func (c *compaction) writePositions(ctx context.Context, outputs []output) error {
	schema, err := firnparquet.ArrowSchema(iceberg.PositionalDeleteSchema)
	if err != nil {
		return err
	}
	return bitmaps(outputs, func(f iceberg.DataFile, gone *dv.RoaringPositionBitmap) error {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		first, last := int64(-1), int64(-1)
		for pos := range gone.Positions() {
			if last = int64(pos); first < 0 {
				first = last
			}
			b.Field(0).(*array.StringBuilder).Append(f.FilePath())
			b.Field(1).(*array.Int64Builder).Append(last)
		}
		batch := b.NewRecordBatch()
		defer batch.Release()
		var buf bytes.Buffer
		o := firnparquet.FileOptions{Schema: iceberg.PositionalDeleteSchema, FormatVersion: c.meta.Version(), Codec: firnparquet.Zstd}
		if _, err := firnparquet.Encode(ctx, &buf, []arrow.RecordBatch{batch}, o); err != nil {
			return err
		}
		location := c.deletesLocation("parquet")
		key, err := c.cfg.Bucket.Key(location)
		if err != nil {
			return err
		}
		if err := c.cfg.Bucket.PutBytes(ctx, key, buf.Bytes(), objstore.PutOptions{}); err != nil {
			return err
		}
		spec := c.meta.PartitionSpecByID(int(f.SpecID()))
		if spec == nil {
			return fmt.Errorf("the table has no partition spec %d", f.SpecID())
		}
		df, err := iceberg.NewDataFileBuilder(*spec, iceberg.EntryContentPosDeletes, location, iceberg.ParquetFile, f.Partition(), nil, nil, gone.Cardinality(), int64(buf.Len()))
		if err != nil {
			return err
		}
		// Bounds of the path that are equal say which file is meant, where a
		// manifest keeps no name.
		path, n := []byte(f.FilePath()), gone.Cardinality()
		df.ReferencedDataFile(f.FilePath()).
			ValueCounts(map[int]int64{deletePathField: n, deletePosField: n}).
			LowerBoundValues(map[int][]byte{deletePathField: path, deletePosField: binary.LittleEndian.AppendUint64(nil, uint64(first))}).
			UpperBoundValues(map[int][]byte{deletePathField: path, deletePosField: binary.LittleEndian.AppendUint64(nil, uint64(last))})
		c.deletes = append(c.deletes, df.Build())
		return nil
	})
}
