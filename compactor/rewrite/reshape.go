package rewrite

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	firnparquet "github.com/firnlake/firn/internal/parquet"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// reshape moves the rows of files of an old partition spec into the partitions of
// the table's present one. DuckDB reads them, with deletes applied and in order;
// the partition of each row is computed as for rows that are ingested. The proof
// is that of a rewrite, and one more: every row lies in the partition that
// Iceberg's transforms give it, computed again from what was written.
func (c *compaction) reshape(ctx context.Context, dir string, index int, g plan.Group, files []lake.File) (output, error) {
	out := output{tier: plan.Reshape}
	if c.cfg.Pool == nil {
		return out, fmt.Errorf("reshape: %w", duck.ErrNotBuiltIn)
	}
	src, err := c.source(ctx, g, files)
	if err != nil {
		return out, err
	}
	defer src.rel.Release()
	o := firnparquet.OptionsFor(c.Table.Metadata)
	o.Schema = c.Scan.Schema
	if src.lineage {
		o.Schema = withLineage(o.Schema)
	}
	// Small enough that a file of a partition can be cut to the target.
	o.RowGroupBytes = min(max(c.Policy.Target, 64<<10), rowGroupBytes)
	parts, err := c.split(ctx, dir, src, o, &out)
	if err != nil {
		return out, fmt.Errorf("reshape: %w", err)
	}
	var paths []string
	cut := make([][]string, len(parts))
	for i, p := range parts {
		name := func(part int) string { return filepath.Join(dir, fmt.Sprintf("part-%d-%d.parquet", i, part)) }
		if cut[i], err = fuse.Cut(ctx, []string{p.Path}, c.Policy.Target, name); err != nil {
			return out, fmt.Errorf("reshape: %w", err)
		}
		paths = append(paths, cut[i]...)
	}
	if len(paths) > 0 {
		err = c.prove(ctx, src, g, files, paths, &out)
	} else { // all rows are deleted
		out.deleted, err = deletedRows(g, files, 0)
	}
	if err != nil {
		return out, err
	}
	o.SortOrderID = src.order.id
	part := 0
	for i, p := range parts {
		o.PartitionValues = p.Values
		if err := c.checkPartition(ctx, o, cut[i]); err != nil {
			return out, err
		}
		for _, path := range cut[i] {
			if err := c.keep(ctx, o, path, c.location(index, part), &out); err != nil {
				return out, err
			}
			part++
		}
	}
	c.Progress.Advance(g.Bytes)
	return out, nil
}

// split writes the rows into a file for each partition. If there is not enough
// memory to put them in order, it tries again by ranges, and then without order.
func (c *compaction) split(ctx context.Context, dir string, src *source, o firnparquet.FileOptions, out *output) ([]firnparquet.LocalFile, error) {
	for i, w := range ways {
		try := filepath.Join(dir, fmt.Sprintf("try-%d", i))
		if err := os.Mkdir(try, 0o700); err != nil {
			return nil, fmt.Errorf("temporary folder: %w", err)
		}
		parts, err := firnparquet.Split(ctx, try, o, c.rows(ctx, src, w, out), firnparquet.SplitOptions{})
		if !errors.Is(err, duck.ErrMemory) || src.order.by == "" {
			return parts, err
		}
		c.cfg.Logger.InfoContext(ctx, "reshape needs too much memory at once", "table", c.Table.Ident.String(), "ranges", w.ranges, "error", err)
		if err := os.RemoveAll(try); err != nil {
			return nil, err
		}
	}
	c.unordered(ctx, src)
	return firnparquet.Split(ctx, dir, o, c.rows(ctx, src, way{1, 1, 1}, out), firnparquet.SplitOptions{})
}

// rows reads the source, range after range.
func (c *compaction) rows(ctx context.Context, src *source, w way, out *output) iter.Seq2[arrow.RecordBatch, error] {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, where := range src.order.ranges(w.ranges) {
			res, err := c.cfg.Pool.Query(ctx, src.job(src.sql(where), w))
			if err != nil {
				yield(nil, err)
				return
			}
			for b, err := range firnparquet.Records(res) {
				if !yield(b, err) {
					res.Release()
					return
				}
			}
			out.copyCPU += res.Stats().CPU
			res.Release()
		}
	}
}

// checkPartition reads the columns that a partition is computed from back from
// its files. Where the transform keeps the order, the least and the greatest
// value speak for all.
func (c *compaction) checkPartition(ctx context.Context, o firnparquet.FileOptions, paths []string) error {
	for _, f := range o.Spec.Fields() {
		path, typ, ok, err := firnparquet.SourcePath(o.Schema, f)
		if err != nil {
			return err
		}
		want := o.PartitionValues[f.FieldID]
		if !ok {
			if want != nil {
				return fmt.Errorf("%w: partition field %s is void, and has the value %v", ErrProof, f.Name, want)
			}
			continue
		}
		names := make([]string, len(path))
		for i, n := range path {
			names[i] = duck.QuoteName(n)
		}
		value := "r." + strings.Join(names, ".")
		from := " FROM read_parquet(" + duck.QuoteList(paths) + ") AS r"
		sql := "SELECT DISTINCT " + value + " AS v" + from
		if f.Transform.PreservesOrder() {
			sql = fmt.Sprintf("SELECT min(%[1]s) AS v%[2]s UNION ALL SELECT max(%[1]s)%[2]s UNION ALL (SELECT %[1]s%[2]s WHERE %[1]s IS NULL LIMIT 1)", value, from)
		}
		if err := c.checkValues(ctx, f, typ, want, duck.Job{SQL: sql, Read: paths}); err != nil {
			return err
		}
	}
	return nil
}

func (c *compaction) checkValues(ctx context.Context, f iceberg.PartitionField, typ iceberg.Type, want any, job duck.Job) error {
	res, err := c.cfg.Pool.Query(ctx, job)
	if err != nil {
		return fmt.Errorf("check partition field %s: %w", f.Name, err)
	}
	defer res.Release()
	schema := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "v", Type: typ})
	conform, err := firnparquet.NewConformer(res.Schema(), schema, firnparquet.ConformOptions{})
	if err != nil {
		return fmt.Errorf("check partition field %s: %w", f.Name, err)
	}
	for b, err := range firnparquet.Records(res) {
		if err != nil {
			return fmt.Errorf("check partition field %s: %w", f.Name, err)
		}
		values, err := conform.Conform(b)
		if err != nil {
			return fmt.Errorf("check partition field %s: %w", f.Name, err)
		}
		err = firnparquet.Belongs(f, typ, want, values)
		values.Release()
		if err != nil {
			return fmt.Errorf("%w: %w", ErrProof, err)
		}
	}
	return nil
}
