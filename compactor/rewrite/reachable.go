package rewrite

import (
	"context"
	"fmt"
	"strconv"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/manifest"
	"github.com/firnlake/firn/internal/objstore"
)

// reach collects the keys of all files that a table's metadata reaches: every
// retained snapshot of every ref with its manifest list, manifests, data and
// delete files, statistics, and the metadata files of its log. Manifests are
// immutable, so what was read once stays right when the table moves on.
type reach struct {
	bucket *objstore.Bucket

	mu   sync.Mutex
	keys map[string]bool
	done map[string]bool // lists and manifests that were read
}

func newReach(bucket *objstore.Bucket) *reach {
	return &reach{bucket: bucket, keys: map[string]bool{}, done: map[string]bool{}}
}

// add marks a location. One outside of the bucket cannot be listed by us and
// so is never deleted.
func (r *reach) add(location string) {
	if key, err := r.bucket.Key(location); err == nil {
		r.mu.Lock()
		r.keys[key] = true
		r.mu.Unlock()
	}
}

// first marks a location and says whether it was new.
func (r *reach) first(location string) bool {
	r.add(location)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done[location] {
		return false
	}
	r.done[location] = true
	return true
}

// table adds all that one version of a table's metadata reaches. Any manifest
// that cannot be read is an error: what it names would look unreachable.
func (r *reach) table(ctx context.Context, metadataLocation string, meta table.Metadata) error {
	r.add(metadataLocation)
	for m := range meta.PreviousFiles() {
		r.add(m.MetadataFile)
	}
	for s := range meta.Statistics() {
		r.add(s.StatisticsPath)
	}
	for s := range meta.PartitionStatistics() {
		r.add(s.StatisticsPath)
	}
	io := r.bucket.FileIO()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, s := range meta.Snapshots() {
		if s.ManifestList != "" && !r.first(s.ManifestList) {
			continue
		}
		g.Go(func() error {
			manifests, err := s.Manifests(io)
			if err != nil {
				return fmt.Errorf("manifest list of snapshot %d: %w", s.SnapshotID, err)
			}
			if err := listed(s, manifests); err != nil {
				return err
			}
			for _, m := range manifests {
				if err := ctx.Err(); err != nil {
					return err
				}
				if !r.first(m.FilePath()) {
					continue
				}
				// Entries that say "deleted" are not read by this snapshot; those
				// that an older snapshot still reads are live in its manifests.
				found := 0
				for e, err := range m.Entries(manifest.IO(io), true) {
					if err != nil {
						return fmt.Errorf("manifest %s: %w", m.FilePath(), err)
					}
					r.entry(e)
					found++
				}
				if want, known := live(m); known && found != want {
					return fmt.Errorf("%w: manifest %s has %d live files, its list says %d", ErrBreaker, m.FilePath(), found, want)
				}
			}
			return nil
		})
	}
	return g.Wait()
}

func (r *reach) entry(e iceberg.ManifestEntry) {
	f := e.DataFile()
	r.add(f.FilePath())
	if ref := f.ReferencedDataFile(); ref != nil {
		r.add(*ref)
	}
}

// live is the number of files that a manifest list says are live in a manifest;
// lists of format v1 need not say.
func live(m iceberg.ManifestFile) (int, bool) {
	added, existing := m.AddedDataFiles(), m.ExistingDataFiles()
	return int(added) + int(existing), m.Version() > 1 && added >= 0 && existing >= 0
}

// listed compares the files that a snapshot's manifests hold with the totals of
// its summary. Fewer would mean that live files look unreachable. Of delete files
// only Firn's own totals count: other engines carry theirs on, and DuckDB 1.5
// never lowers its.
func listed(s table.Snapshot, manifests []iceberg.ManifestFile) error {
	if s.Summary == nil {
		return nil
	}
	for _, kind := range []struct {
		total   string
		content iceberg.ManifestContent
	}{{"total-data-files", iceberg.ManifestContentData}, {"total-delete-files", iceberg.ManifestContentDeletes}} {
		want, err := strconv.Atoi(s.Summary.Properties[kind.total])
		if err != nil || kind.content == iceberg.ManifestContentDeletes && !catalog.Made(s.Summary) {
			continue // the writer did not say, or not reliably
		}
		found := 0
		for _, m := range manifests {
			if m.ManifestContent() != kind.content {
				continue
			}
			n, known := live(m)
			if !known {
				found = want
				break
			}
			found += n
		}
		if found < want {
			return fmt.Errorf("%w: the manifests of snapshot %d hold %d files, its summary says %s = %d", ErrBreaker, s.SnapshotID, found, kind.total, want)
		}
	}
	return nil
}
