// Package parquet turns Arrow batches into Iceberg data files.
//
// It promises that a file it writes carries the field ids of the table's
// schema, that the DataFile it answers states counts, null counts, sizes and
// bounds which are true of the bytes written, that rows keep their order
// within a partition, and that NULL and the text "null" are different
// partitions. Nothing here commits: a file that was put and never committed is
// an orphan that the garbage collector finds.
//
// Files come in two kinds. Published files (the default) use dictionaries and
// serve readers. Merge-ready files (bronze) carry no dictionary page, because
// chunks with dictionaries cannot be concatenated; the compactor fuses them
// without decoding.
package parquet

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Table properties that steer how files are written. Absent ones take the
// defaults of FileOptions.
const (
	PropertyCodec         = "write.parquet.compression-codec"
	PropertyCodecLevel    = "write.parquet.compression-level"
	PropertyRowGroupBytes = "write.parquet.row-group-size-bytes"
	PropertyTargetBytes   = "write.target-file-size-bytes"
	// PropertyMergeReady set to "true" makes every file Firn appends to the
	// table merge-ready.
	PropertyMergeReady = "firn.write.merge-ready"
)

const (
	defaultRowGroupBytes = 64 << 20
	defaultTargetBytes   = 128 << 20
	maxRowGroupRows      = 1 << 20
)

// Codec names a compression codec by its Iceberg property value.
type Codec string

// The codecs that can be written. All engines of the README read them.
const (
	Zstd         Codec = "zstd"
	Snappy       Codec = "snappy"
	Gzip         Codec = "gzip"
	LZ4          Codec = "lz4"
	Uncompressed Codec = "uncompressed"
)

// ParseCodec reads an Iceberg codec name.
func ParseCodec(s string) (Codec, error) {
	c := Codec(strings.ToLower(s))
	if _, err := c.compression(); err != nil {
		return "", err
	}
	return c, nil
}

func (c Codec) compression() (compress.Compression, error) {
	switch c {
	case Zstd:
		return compress.Codecs.Zstd, nil
	case Snappy:
		return compress.Codecs.Snappy, nil
	case Gzip:
		return compress.Codecs.Gzip, nil
	case LZ4:
		return compress.Codecs.Lz4Raw, nil
	case Uncompressed, "none":
		return compress.Codecs.Uncompressed, nil
	}
	return 0, fmt.Errorf("unknown compression codec %q: use zstd, snappy, gzip, lz4 or uncompressed", c)
}

// FileOptions says how one data file is written and described.
type FileOptions struct {
	// Schema is the table's schema. Required.
	Schema *iceberg.Schema
	// Spec is the partition spec the file belongs to; the zero value means
	// unpartitioned.
	Spec iceberg.PartitionSpec
	// FormatVersion of the table; 0 means 2.
	FormatVersion int
	// Properties of the table: codec, row group size, metrics modes.
	Properties iceberg.Properties
	// Codec overrides the property; both empty means zstd.
	Codec Codec
	// CodecLevel overrides the property; 0 means the codec's default, for zstd
	// the fastest level.
	CodecLevel int
	// RowGroupBytes bounds a row group by the Arrow bytes that go into it;
	// 0 means the property or 64 MiB.
	RowGroupBytes int64
	// MergeReady writes no dictionaries, so that the file can be fused.
	MergeReady bool
	// PartitionValues holds the transformed value of each partition field by
	// its field id, in the Go types that Cluster gives. NULL is nil.
	PartitionValues map[int]any
	// SortOrderID is the order the rows are in; 0 is unsorted.
	SortOrderID int
}

// Encoded describes a file that was written.
type Encoded struct {
	Metadata *metadata.FileMetaData
	Rows     int64
	Bytes    int64
}

// OptionsFor answers the options that a table's metadata asks for: its current
// schema, default spec and properties.
func OptionsFor(meta table.Metadata) FileOptions {
	props := meta.Properties()
	return FileOptions{
		Schema:        meta.CurrentSchema(),
		Spec:          meta.PartitionSpec(),
		FormatVersion: meta.Version(),
		Properties:    props,
		MergeReady:    strings.EqualFold(props[PropertyMergeReady], "true"),
	}
}

// ArrowSchema answers the Arrow form of an Iceberg schema with the field ids
// in the fields' metadata, which is the only schema Encode accepts.
func ArrowSchema(schema *iceberg.Schema) (*arrow.Schema, error) {
	out, err := table.SchemaToArrowSchema(schema, nil, true, false)
	if err != nil {
		return nil, fmt.Errorf("arrow form of the table schema: %w", err)
	}
	return out, nil
}

func (o FileOptions) codec() (compress.Compression, int, error) {
	c := Codec(strings.ToLower(string(cmp.Or(o.Codec, Codec(o.Properties[PropertyCodec]), Zstd))))
	compression, err := c.compression()
	if err != nil {
		return 0, 0, err
	}
	level := cmp.Or(o.CodecLevel, o.Properties.GetInt(PropertyCodecLevel, 0))
	if level == 0 {
		level = compress.DefaultCompressionLevel
		if c == Zstd {
			level = 1
		}
	}
	return compression, level, nil
}

func (o FileOptions) rowGroupBytes() int64 {
	return cmp.Or(o.RowGroupBytes, int64(o.Properties.GetInt(PropertyRowGroupBytes, 0)), int64(defaultRowGroupBytes))
}

func (o FileOptions) writerProperties() (*parquet.WriterProperties, error) {
	compression, level, err := o.codec()
	if err != nil {
		return nil, err
	}
	return parquet.NewWriterProperties(
		parquet.WithCompression(compression),
		parquet.WithCompressionLevel(level),
		parquet.WithDictionaryDefault(!o.MergeReady),
		parquet.WithDataPageVersion(parquet.DataPageV1),
		parquet.WithDataPageSize(1<<20),
		parquet.WithMaxRowGroupLength(maxRowGroupRows),
		parquet.WithStoreDecimalAsInteger(true),
		parquet.WithStats(true),
		parquet.WithCreatedBy("firn"),
	), nil
}
