package rpc

import (
	"context"
	"fmt"
	"iter"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/manifest"
)

// Manifests is a FileSource that reads manifests each time it is asked, for
// processes that hold no cache of them.
func Manifests(files iceio.IO) FileSource { return manifests{files} }

type manifests struct{ io iceio.IO }

func (m manifests) Entries(ctx context.Context, meta table.Metadata, snapshotID int64) iter.Seq2[lake.Entry, error] {
	return func(yield func(lake.Entry, error) bool) {
		snap := meta.CurrentSnapshot()
		if snapshotID != 0 {
			if snap = meta.SnapshotByID(snapshotID); snap == nil {
				yield(lake.Entry{}, fmt.Errorf("snapshot %d: %w", snapshotID, lake.ErrNoSnapshot))
				return
			}
		}
		if snap == nil {
			return
		}
		list, err := snap.Manifests(m.io)
		if err != nil {
			yield(lake.Entry{}, fmt.Errorf("manifest list of snapshot %d: %w", snap.SnapshotID, err))
			return
		}
		for _, each := range list {
			if err := ctx.Err(); err != nil {
				yield(lake.Entry{}, err)
				return
			}
			for entry, err := range each.Entries(manifest.IO(m.io), true) {
				if err != nil {
					yield(lake.Entry{}, fmt.Errorf("manifest %s: %w", each.FilePath(), err))
					return
				}
				if !yield(liveEntry(entry), nil) {
					return
				}
			}
		}
	}
}

func liveEntry(e iceberg.ManifestEntry) lake.Entry {
	out := lake.Entry{Data: e.DataFile(), Sequence: e.SequenceNum(), SnapshotID: e.SnapshotID()}
	if n := e.FileSequenceNum(); n != nil {
		out.FileSequence = *n
	}
	return out
}
