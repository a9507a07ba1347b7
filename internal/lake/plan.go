package lake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/objstore"
)

// Lake plans scans. It is safe for concurrent use.
type Lake struct {
	bucket    *objstore.Bucket
	manifests *manifestCache
	files     *fileCache // nil: the bucket's files are on this machine
	tempDir   string
}

// New opens the caches.
func New(cfg Config) (*Lake, error) {
	if cfg.Bucket == nil {
		return nil, errors.New("lake: Bucket is required")
	}
	if cfg.MetadataCacheBytes == 0 {
		cfg.MetadataCacheBytes = 64 << 20
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = 8 << 30
	}
	manifests, err := newManifestCache(cfg.Bucket.FileIO(), cfg.MetadataCacheBytes, cfg.Registerer)
	if err != nil {
		return nil, err
	}
	l := &Lake{bucket: cfg.Bucket, manifests: manifests, tempDir: filepath.Join(os.TempDir(), fmt.Sprintf("firn-lake-%d", os.Getpid()))}
	if cfg.CacheDir != "" {
		l.tempDir = filepath.Join(cfg.CacheDir, "relations")
		// What a crash left behind; this process owns the folder.
		if err := os.RemoveAll(l.tempDir); err != nil {
			return nil, fmt.Errorf("lake: %w", err)
		}
	}
	if err := os.MkdirAll(l.tempDir, 0o700); err != nil {
		return nil, fmt.Errorf("lake: %w", err)
	}
	if cfg.Bucket.Config().LocalRoot == "" {
		if cfg.CacheDir == "" {
			return nil, errors.New("lake: CacheDir is required for a remote bucket")
		}
		if l.files, err = openFileCache(filepath.Join(cfg.CacheDir, "files"), cfg.CacheBytes, cfg.Bucket, cfg.Registerer); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// Close releases the caches; files on disk stay for the next start.
func (l *Lake) Close() {
	l.manifests.close()
	_ = os.RemoveAll(l.tempDir) // relations still in use keep their open files
}

// snapshot resolves a snapshot and the schema it is read with: the table's for
// the head, its own for an older one. A table without snapshots has a nil one.
func snapshot(meta table.Metadata, id int64) (*table.Snapshot, *iceberg.Schema, error) {
	head := meta.CurrentSnapshot()
	if id == 0 || head != nil && head.SnapshotID == id {
		return head, meta.CurrentSchema(), nil
	}
	snap := meta.SnapshotByID(id)
	if snap == nil {
		return nil, nil, fmt.Errorf("%w: %d is not among the %d that the table keeps", ErrNoSnapshot, id, len(meta.Snapshots()))
	}
	if snap.SchemaID != nil {
		for _, s := range meta.Schemas() {
			if s.ID == *snap.SchemaID {
				return snap, s, nil
			}
		}
	}
	return snap, meta.CurrentSchema(), nil
}

// Plan answers the files to read of a snapshot (0 means the head of main) for
// a filter (nil means all rows). The filter only leaves out files that cannot
// match: the caller still has to filter rows.
func (l *Lake) Plan(ctx context.Context, meta table.Metadata, snapshotID int64, filter iceberg.BooleanExpression) (*Scan, error) {
	_, schema, err := snapshot(meta, snapshotID)
	if err != nil {
		return nil, fmt.Errorf("plan scan: %w", err)
	}
	return l.PlanAs(ctx, meta, snapshotID, schema, filter)
}

// PlanAs is Plan for a schema that the caller chooses, one of the table's.
func (l *Lake) PlanAs(ctx context.Context, meta table.Metadata, snapshotID int64, schema *iceberg.Schema, filter iceberg.BooleanExpression) (*Scan, error) {
	snap, _, err := snapshot(meta, snapshotID)
	if err != nil {
		return nil, fmt.Errorf("plan scan: %w", err)
	}
	scan := &Scan{Schema: schema, meta: meta}
	if snap == nil {
		return scan, nil
	}
	scan.SnapshotID, scan.Sequence = snap.SnapshotID, snap.SequenceNumber
	prune, err := newPruner(schema, meta.PartitionSpecs(), filter)
	if err != nil {
		return nil, fmt.Errorf("plan scan: %w", err)
	}
	list, err := l.manifests.list(ctx, snap.ManifestList)
	if err != nil {
		return nil, fmt.Errorf("plan scan: %w", err)
	}
	var read []iceberg.ManifestFile
	for _, m := range list {
		if m.ManifestContent() == iceberg.ManifestContentData && !prune.manifest(m) {
			scan.Pruned += int(m.AddedDataFiles() + m.ExistingDataFiles())
			continue
		}
		read = append(read, m)
	}
	batches, err := l.read(ctx, read)
	if err != nil {
		return nil, fmt.Errorf("plan scan: %w", err)
	}
	var deletes deleteIndex
	for i, m := range read {
		if m.ManifestContent() == iceberg.ManifestContentDeletes {
			for _, e := range batches[i] {
				deletes.add(e)
			}
		}
	}
	deletes.sort()
	for i, m := range read {
		if m.ManifestContent() != iceberg.ManifestContentData {
			continue
		}
		for _, e := range batches[i] {
			if !prune.file(e.Data) {
				scan.Pruned++
				continue
			}
			scan.add(File{Data: e.Data, Sequence: e.Sequence, Deletes: deletes.of(e)})
		}
	}
	return scan, nil
}

func (s *Scan) add(f File) {
	s.Files = append(s.Files, f)
	s.Bytes += f.Data.FileSizeBytes()
	s.Rows += f.Data.Count()
}

// How many manifests are read at once.
const readers = 16

// read answers the live entries of manifests, in their order.
func (l *Lake) read(ctx context.Context, manifests []iceberg.ManifestFile) ([][]Entry, error) {
	out := make([][]Entry, len(manifests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for i, m := range manifests {
		g.Go(func() (err error) {
			out[i], err = l.manifests.entries(ctx, m)
			return err
		})
	}
	return out, g.Wait()
}

// Entries answers the live data files and delete files of a snapshot (0 means
// the head of main).
func (l *Lake) Entries(ctx context.Context, meta table.Metadata, snapshotID int64) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		snap, _, err := snapshot(meta, snapshotID)
		if err != nil {
			yield(Entry{}, fmt.Errorf("list files: %w", err))
			return
		}
		if snap == nil {
			return
		}
		list, err := l.manifests.list(ctx, snap.ManifestList)
		if err != nil {
			yield(Entry{}, fmt.Errorf("list files: %w", err))
			return
		}
		for len(list) > 0 {
			part := list[:min(len(list), 4*readers)]
			list = list[len(part):]
			batches, err := l.read(ctx, part)
			if err != nil {
				yield(Entry{}, fmt.Errorf("list files: %w", err))
				return
			}
			for _, batch := range batches {
				for _, e := range batch {
					if !yield(e, nil) {
						return
					}
				}
			}
		}
	}
}
