// Package lake turns a snapshot of an Iceberg table into a relation of
// DuckDB: which files (a [Scan]), and a SELECT over them with deletes applied
// and columns found by field id (a [Relation]). Query, compaction and
// promotion read tables through it and through nothing else.
//
// Metadata and manifests are immutable, so what the caches hold is never
// stale; they may forget at any time. Files of a remote bucket are fetched
// once into a disk cache of bounded size and stay while a Relation uses them.
//
// A column that a data file lacks has the value of the partition (where the
// file's spec has it by identity, as Hive's and Spark's add_files leave it),
// else its initial default, else NULL. Columns without a field id are found by
// schema.name-mapping.default; a file without any, in a table without the
// mapping, is refused.
//
// Not carried, and refused with an error that names the column or file: Avro
// and ORC data files; geometry, variant and timestamptz_ns columns (DuckDB 1.5
// has no type that keeps them); partition values of fields inside structs that
// are in the metadata only. Timestamps with nanoseconds are read as
// TIMESTAMP_NS, those with a zone as TIMESTAMPTZ in UTC; time keeps
// microseconds; fixed and binary are BLOB.
package lake

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/internal/objstore"
)

// Config of a Lake.
type Config struct {
	Bucket *objstore.Bucket // required
	// CacheDir holds copies of data files of a remote bucket. Required unless
	// the bucket is served from this machine.
	CacheDir string
	// CacheBytes bounds CacheDir. Default 8 GiB.
	CacheBytes int64
	// MetadataCacheBytes bounds decoded manifests in memory. Default 64 MiB;
	// negative switches the cache off.
	MetadataCacheBytes int64
	// Registerer for metrics; nil for none.
	Registerer prometheus.Registerer
}

var (
	// ErrNoSnapshot: the table has no snapshot with that id.
	ErrNoSnapshot = errors.New("no such snapshot")
	// ErrNotAppendOnly: between the two snapshots rows were changed or removed.
	ErrNotAppendOnly = errors.New("rows were changed or removed since the watermark, not only appended")
	// ErrChainBroken: snapshots between the two have expired.
	ErrChainBroken = errors.New("snapshots since the watermark have expired")
	// ErrNotAncestor: the older snapshot is no ancestor of the newer: the
	// table was rolled back or replaced.
	ErrNotAncestor = errors.New("the watermark is no ancestor of the snapshot: the table was rolled back")
	// ErrUnsupported: the table holds something that DuckDB cannot read
	// faithfully.
	ErrUnsupported = errors.New("cannot be read")
)

// DeleteFile is a delete file (position or equality deletes, or a deletion
// vector) that applies to a data file.
type DeleteFile struct {
	Data     iceberg.DataFile
	Sequence int64
}

// File is a live data file and the delete files that apply to it.
type File struct {
	Data     iceberg.DataFile
	Sequence int64 // data sequence number
	Deletes  []DeleteFile
}

// Scan is what has to be read of one snapshot. Files of one Scan that share
// delete files share their values.
type Scan struct {
	Schema     *iceberg.Schema
	SnapshotID int64
	Sequence   int64 // sequence number of the snapshot
	Files      []File
	Pruned     int   // live data files that the filter left out
	Bytes      int64 // of Files
	Rows       int64 // of Files, before deletes

	meta table.Metadata // for older schemas, partition specs and the name mapping
}

// Entry is a live file of a snapshot.
type Entry struct {
	Data         iceberg.DataFile
	Sequence     int64 // data sequence number
	FileSequence int64
	SnapshotID   int64 // that added it
}

// RelationOptions choose the columns of a relation.
type RelationOptions struct {
	// Columns by name; nil means all, in the schema's order.
	Columns []string
	// Unread gives columns whose type is not read all the same. A statement that
	// uses their values fails and says why; one that does not is none of their
	// business. Without it such a column is [ErrUnsupported].
	Unread bool
	// WithFile adds _file (location, VARCHAR) and _pos (BIGINT).
	WithFile bool
	// WithSequence adds _seq, the data sequence number of the row's file.
	WithSequence bool
	// WithRowID adds _row_id and _last_updated_sequence_number of a v3 table
	// (NULL where the file has none).
	WithRowID bool
}

// Relation is a scan as SQL. Its files stay on this machine until Release.
type Relation struct {
	SQL     string   // a parenthesised SELECT
	Paths   []string // files it reads, for duck.Job.Read
	Setup   []string // statements to run before, for duck.Job.Setup
	Release func()   // must be called once, when no job uses the relation any more
}

// Planner is what readers of tables need of a Lake.
type Planner interface {
	PlanAs(ctx context.Context, meta table.Metadata, snapshotID int64, schema *iceberg.Schema, filter iceberg.BooleanExpression) (*Scan, error)
	Relation(ctx context.Context, scan *Scan, o RelationOptions) (*Relation, error)
}
