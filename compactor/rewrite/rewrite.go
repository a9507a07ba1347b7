// Package rewrite carries out what the planner decided: it joins data files,
// applies deletes, expires snapshots and removes files that nothing reaches.
//
// What it promises. A compaction changes no row: before each commit the output
// is compared with its input, and a difference ends the job with [ErrProof] and
// leaves the table as it was. Fused files are compared by row count and by the
// checksum of every copied chunk, rewritten ones by row count and by a sum over
// each column, and by a multiset hash over whole rows where the policy asks for
// it. A compaction never stands in a writer's way: its commit is a replace,
// which an append cannot fail, and which gives way when its input is gone. Rows
// that are deleted from an input meanwhile are deleted in the output by the same
// commit, and their sums and hashes are compared as well.
//
// Outputs of a job that ended without a commit stay behind; the removal of
// orphans finds them. No data is deleted anywhere else but there.
package rewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
)

// ErrProof: the output of a compaction does not hold the rows of its input.
// Nothing was committed. Doing it again gives the same, so somebody must look.
var ErrProof = errors.New("a compaction would have changed rows and was stopped")

// Catalog is what compaction needs of the catalog.
type Catalog interface {
	catalog.Committer
	LoadTableID(ctx context.Context, id uuid.UUID) (*catalog.Table, error)
	Tables(ctx context.Context) ([]*catalog.Table, error)
	Intents(ctx context.Context) ([]catalog.Intent, error)
	Turn(ctx context.Context, id uuid.UUID, do func(*catalog.Turn) error) error
	Recluster(ctx context.Context, id uuid.UUID, o catalog.ReclusterOptions) (catalog.Reclustered, error)
	DataPath(t *catalog.Table) string
	Warehouse() string
}

// Lake is what compaction needs of the scan planner.
type Lake interface {
	Plan(ctx context.Context, meta table.Metadata, snapshotID int64, filter iceberg.BooleanExpression) (*lake.Scan, error)
	Relation(ctx context.Context, scan *lake.Scan, o lake.RelationOptions) (*lake.Relation, error)
	Entries(ctx context.Context, meta table.Metadata, snapshotID int64) iter.Seq2[lake.Entry, error]
	Positions(ctx context.Context, files []lake.File) (*lake.Relation, error)
}

// Config of a Worker.
type Config struct {
	Catalog Catalog          // required
	Store   catalog.Store    // required: quarantine of unreachable files
	Bucket  *objstore.Bucket // required
	Lake    Lake             // required
	Pool    *duck.Pool       // required for rewrites
	TempDir string           // default os.TempDir()
	// Now is the clock. Default time.Now.
	Now    func() time.Time
	Logger *slog.Logger // default: none
	// Grace is how long a file must be unreachable, and known to be, before it
	// is deleted. Default 1 h.
	Grace time.Duration
	// MaxShare of a table's objects that one removal deletes at the most, once
	// more than 1000 are to go; the rest goes with the next. Default 0.5.
	MaxShare float64
	// Protected reports files in flight by a part of their name: those of
	// running jobs. Nil: none.
	Protected func(ctx context.Context) (func(key string) bool, error)
	// BeforeCommit is told when a compaction has its outputs; nil for nobody.
	BeforeCommit func(ctx context.Context)
	// BeforeApply is told at each attempt to commit, when it has followed what came
	// in between; nil for nobody.
	BeforeApply func(ctx context.Context)
	// Turn is how long a compaction that came too late several times may hold up a
	// table's writers of this process, to commit at last. Where that is too short, it
	// gives way and comes again for twice as long. Default 5 s.
	Turn time.Duration
}

// Worker carries out maintenance. It is safe for concurrent use.
type Worker struct {
	cfg Config
}

// New makes a Worker.
func New(cfg Config) (*Worker, error) {
	if cfg.Catalog == nil || cfg.Store == nil || cfg.Bucket == nil || cfg.Lake == nil {
		return nil, errors.New("rewrite: Catalog, Store, Bucket and Lake are required")
	}
	cfg.TempDir = cmp.Or(cfg.TempDir, os.TempDir())
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	cfg.Grace = cmp.Or(cfg.Grace, time.Hour)
	cfg.MaxShare = cmp.Or(cfg.MaxShare, 0.5)
	cfg.Turn = cmp.Or(cfg.Turn, 5*time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.BeforeCommit == nil {
		cfg.BeforeCommit = func(context.Context) {}
	}
	if cfg.BeforeApply == nil {
		cfg.BeforeApply = func(context.Context) {}
	}
	return &Worker{cfg: cfg}, nil
}

// Progress is told what a job does.
type Progress interface {
	Progress(step string, done, total int64)
	Advance(bytes int64)
}

// tempDir makes a folder for one run.
func (w *Worker) tempDir() (string, func(), error) {
	if err := os.MkdirAll(w.cfg.TempDir, 0o700); err != nil {
		return "", nil, fmt.Errorf("temporary folder: %w", err)
	}
	dir, err := os.MkdirTemp(w.cfg.TempDir, "compact-")
	if err != nil {
		return "", nil, fmt.Errorf("temporary folder: %w", err)
	}
	// DuckDB's workers are told absolute paths.
	if dir, err = filepath.Abs(dir); err != nil {
		return "", nil, err
	}
	return dir, func() { _ = os.RemoveAll(dir) }, nil
}
