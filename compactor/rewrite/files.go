package rewrite

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
)

// typed spells a value with the type of its column.
type typed interface {
	ToHumanStrType(typ iceberg.Type, val any) string
}

// Partitions spells the partition values of a table's files, as the commit log
// and the page do.
type Partitions struct {
	specs map[int][]iceberg.PartitionField
	types map[int]iceberg.Type
}

// NewPartitions reads the specs of a table.
func NewPartitions(meta table.Metadata) Partitions {
	p := Partitions{specs: map[int][]iceberg.PartitionField{}, types: map[int]iceberg.Type{}}
	for _, s := range meta.Schemas() {
		for _, f := range s.Fields() {
			p.types[f.ID] = f.Type
		}
	}
	for _, spec := range meta.PartitionSpecs() {
		p.specs[spec.ID()] = nil
		for _, f := range spec.Fields() {
			p.specs[spec.ID()] = append(p.specs[spec.ID()], f)
		}
	}
	return p
}

// Values are the partition values of a file, by field name.
func (p Partitions) Values(f iceberg.DataFile) map[string]*string {
	fields := p.specs[int(f.SpecID())]
	if len(fields) == 0 {
		return nil
	}
	values := f.Partition()
	out := make(map[string]*string, len(fields))
	for _, field := range fields {
		v := values[field.FieldID]
		switch t, ok := field.Transform.(typed); {
		case v == nil:
			out[field.Name] = nil
		case ok && p.types[field.SourceID()] != nil:
			out[field.Name] = new(t.ToHumanStrType(p.types[field.SourceID()], v))
		default:
			out[field.Name] = new(field.Transform.ToHumanStr(v)) //nolint:staticcheck // a transform without the typed form knows no better
		}
	}
	return out
}

// Files turns a scan into what the planner works on, for files that are to be in the
// order of sort. Files that cannot be read are left out, and why says how many and
// the first reason.
func Files(meta table.Metadata, scan *lake.Scan, sort []string) (_ []plan.File, why string) {
	names := NewPartitions(meta)
	// Only an order of the table is noted in its files.
	order := table.UnsortedSortOrderID
	if o, err := plan.ParseOrder(sort); err == nil && len(o.Terms) > 0 {
		order = sortOrderID(meta, o.Terms)
	}
	// How many of the files a delete file applies to: its rows are shared out
	// among them, for want of better knowledge.
	applies := map[string]int64{}
	for _, f := range scan.Files {
		for _, d := range f.Deletes {
			applies[deleteKey(d)]++
		}
	}
	out := make([]plan.File, 0, len(scan.Files))
	left := 0
	for _, f := range scan.Files {
		if err := lake.ReadsFile(f); err != nil {
			if left++; why == "" {
				why = err.Error()
			}
			continue
		}
		p := plan.File{
			Path: f.Data.FilePath(), SpecID: int(f.Data.SpecID()), Partition: names.Values(f.Data),
			Bytes: f.Data.FileSizeBytes(), Rows: f.Data.Count(), Deletes: len(f.Deletes), Sequence: f.Sequence,
		}
		if id := f.Data.SortOrderID(); order != table.UnsortedSortOrderID {
			p.Unsorted = id == nil || *id != order
		}
		for _, d := range f.Deletes {
			if d.Data.ContentType() == iceberg.EntryContentPosDeletes {
				p.Deleted += (d.Data.Count() + applies[deleteKey(d)] - 1) / applies[deleteKey(d)]
			}
		}
		out = append(out, p)
	}
	if left > 1 {
		why = fmt.Sprintf("%d files are left as they are, among them: %s", left, why)
	}
	return out, why
}

// deleteKey names a delete file; deletion vectors share Puffin files.
func deleteKey(d lake.DeleteFile) string {
	if ref := d.Data.ReferencedDataFile(); ref != nil {
		return d.Data.FilePath() + "\x00" + *ref
	}
	return d.Data.FilePath()
}

// Files of a remote bucket that are fetched at once.
const fetches = 8

// local answers paths on this machine for files of the bucket, copying them
// into dir when the bucket is remote.
func (w *Worker) local(ctx context.Context, dir string, files []lake.File) ([]string, error) {
	paths := make([]string, len(files))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fetches)
	for i, f := range files {
		location := f.Data.FilePath()
		if p, ok := w.cfg.Bucket.LocalPath(location); ok {
			paths[i] = p
			continue
		}
		key, err := w.cfg.Bucket.Key(location)
		if err != nil {
			return nil, err
		}
		paths[i] = filepath.Join(dir, fmt.Sprintf("in-%d.parquet", i))
		g.Go(func() error {
			if err := w.cfg.Bucket.GetFile(ctx, key, paths[i]); err != nil {
				return fmt.Errorf("fetch input: %w", err)
			}
			return nil
		})
	}
	return paths, g.Wait()
}
