package parquet

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// DataFile describes a written Parquet file for a manifest. location is where
// the bytes are or will be, size their length, md the footer. The file's
// columns must be named as in opts.Schema: metrics are matched by column path.
//
// Bounds are left out for a column when one of its row groups has values but no
// statistics: bounds of the other groups alone would prune rows away.
func DataFile(opts FileOptions, location string, size int64, md *metadata.FileMetaData) (iceberg.DataFile, error) {
	props, err := withoutUnsureBounds(opts.Schema, opts.Properties, md)
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", location, err)
	}
	df, err := table.DataFileFromMetadata(table.DataFileArgs{
		Schema:          opts.Schema,
		Spec:            opts.Spec,
		Format:          iceberg.ParquetFile,
		Metadata:        md,
		FilePath:        location,
		FileSize:        size,
		Content:         iceberg.EntryContentData,
		PartitionValues: opts.PartitionValues,
		SortOrderID:     opts.SortOrderID,
		Properties:      props,
		FormatVersion:   cmp.Or(opts.FormatVersion, 2),
	})
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", location, err)
	}
	return df, nil
}

// DataFileFromPath describes a local Parquet file, written by DuckDB or by
// fuse, that is or will be stored at location. Only the footer is read.
func DataFileFromPath(ctx context.Context, opts FileOptions, localPath, location string) (iceberg.DataFile, error) {
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	st, err := os.Stat(localPath)
	if err != nil {
		return nil, fmt.Errorf("describe data file %s: %w", location, err)
	}
	md, err := footer(localPath)
	if err != nil {
		return nil, fmt.Errorf("read the footer of data file %s: %w", location, err)
	}
	return DataFile(opts, location, st.Size(), md)
}

func footer(path string) (_ *metadata.FileMetaData, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not a readable Parquet file: %v", r)
		}
	}()
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return r.MetaData(), nil
}

// withoutUnsureBounds answers the properties with metrics mode "counts" for
// the columns whose bounds iceberg-go would take from a part of the row groups.
func withoutUnsureBounds(schema *iceberg.Schema, props iceberg.Properties, md *metadata.FileMetaData) (iceberg.Properties, error) {
	if schema == nil || md == nil {
		return nil, fmt.Errorf("schema and footer are required")
	}
	columns := map[int]bool{}
	for g := range md.NumRowGroups() {
		rg := md.RowGroup(g)
		for i := range rg.NumColumns() {
			if columns[i] {
				continue
			}
			chunk, err := rg.ColumnChunk(i)
			if err != nil {
				return nil, err
			}
			columns[i] = !boundsSure(chunk)
		}
	}
	out := maps.Clone(props)
	for i, unsure := range columns {
		if !unsure {
			continue
		}
		id := int(md.Schema.Column(i).SchemaNode().FieldID())
		name, ok := schema.FindColumnName(id)
		if !ok {
			continue
		}
		if out == nil {
			out = iceberg.Properties{}
		}
		key := table.MetricsModeColumnConfPrefix + "." + name
		if out[key] != "none" {
			out[key] = "counts"
		}
	}
	return out, nil
}

// boundsSure tells whether a chunk's statistics bound all its values.
func boundsSure(chunk *metadata.ColumnChunkMetaData) bool {
	set, err := chunk.StatsSet()
	if err != nil || !set {
		return false
	}
	stats, err := chunk.Statistics()
	if err != nil || stats == nil {
		return false
	}
	return stats.HasMinMax() || (stats.HasNullCount() && stats.NullCount() == chunk.NumValues())
}
