package lake

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Added answers the data files that appends added after snapshot from and up
// to snapshot to (0 means the head of main). Replaces are skipped, for they
// change no row: what they compacted is read as it was appended. It fails with
// ErrNotAncestor, ErrChainBroken or ErrNotAppendOnly rather than answer too
// little or too much.
//
// from 0 means that nothing was read yet: the answer is then all of snapshot
// to, with its deletes, whatever made it.
func (l *Lake) Added(ctx context.Context, meta table.Metadata, from, to int64) (*Scan, error) {
	if from == 0 {
		return l.Plan(ctx, meta, to, nil)
	}
	head, schema, err := snapshot(meta, to)
	if err != nil {
		return nil, fmt.Errorf("plan appended files: %w", err)
	}
	if head == nil {
		return nil, fmt.Errorf("plan appended files: %w: the table has no snapshot", ErrNotAncestor)
	}
	chain, err := between(meta, from, head)
	if err != nil {
		return nil, fmt.Errorf("plan appended files: %w", err)
	}
	scan := &Scan{Schema: schema, meta: meta, SnapshotID: head.SnapshotID, Sequence: head.SequenceNumber}
	appends := map[int64]bool{}
	for _, s := range chain {
		ok, err := appendsOnly(s)
		if err != nil {
			return nil, fmt.Errorf("plan appended files: %w", err)
		}
		if ok {
			appends[s.SnapshotID] = true
		}
	}
	if len(appends) == 0 {
		return scan, nil
	}
	// Entries keep the snapshot that added them. So the files of a run of
	// appends are all in the manifests of its last one; only a replace takes
	// some away, and then the state before it is read too.
	seen := map[string]bool{}
	for i := range slices.Backward(chain) { // oldest first
		last := i == 0 || !appends[chain[i-1].SnapshotID]
		if !appends[chain[i].SnapshotID] || !last {
			continue
		}
		if err := l.appended(ctx, scan, chain[i], appends, seen); err != nil {
			return nil, fmt.Errorf("plan appended files: %w", err)
		}
	}
	return scan, nil
}

// appended adds the files of one snapshot's state that the appends added.
func (l *Lake) appended(ctx context.Context, scan *Scan, s *table.Snapshot, appends map[int64]bool, seen map[string]bool) error {
	list, err := l.manifests.list(ctx, s.ManifestList)
	if err != nil {
		return err
	}
	var read []iceberg.ManifestFile
	for _, m := range list {
		// A manifest holds nothing younger than itself; merged ones keep old
		// entries but are themselves young.
		if m.ManifestContent() == iceberg.ManifestContentData {
			read = append(read, m)
		}
	}
	batches, err := l.read(ctx, read)
	if err != nil {
		return err
	}
	for _, batch := range batches {
		for _, e := range batch {
			if appends[e.SnapshotID] && !seen[e.Data.FilePath()] {
				seen[e.Data.FilePath()] = true
				scan.add(File{Data: e.Data, Sequence: e.Sequence})
			}
		}
	}
	return nil
}

// between answers the snapshots after from up to head, youngest first.
func between(meta table.Metadata, from int64, head *table.Snapshot) ([]*table.Snapshot, error) {
	var chain []*table.Snapshot
	old := meta.SnapshotByID(from)
	for s := head; s.SnapshotID != from; {
		if old != nil && s.SequenceNumber < old.SequenceNumber {
			return nil, fmt.Errorf("%w: snapshot %d is not in the history of snapshot %d", ErrNotAncestor, from, head.SnapshotID)
		}
		chain = append(chain, s)
		if s.ParentSnapshotID == nil {
			return nil, fmt.Errorf("%w: snapshot %d is not in the history of snapshot %d", ErrNotAncestor, from, head.SnapshotID)
		}
		parent := *s.ParentSnapshotID
		if parent == from {
			break
		}
		if s = meta.SnapshotByID(parent); s == nil {
			return nil, fmt.Errorf("%w: snapshot %d is gone, which lies between %d and %d", ErrChainBroken, parent, from, head.SnapshotID)
		}
	}
	return chain, nil
}

// appendsOnly says whether a snapshot adds rows; false without an error means
// that it changes none.
func appendsOnly(s *table.Snapshot) (bool, error) {
	if s.Summary == nil {
		return false, fmt.Errorf("%w: snapshot %d does not say what it did", ErrNotAppendOnly, s.SnapshotID)
	}
	switch s.Summary.Operation {
	case table.OpReplace:
		return false, nil
	case table.OpAppend:
		for _, key := range []string{"deleted-data-files", "added-delete-files", "removed-delete-files"} {
			if n := s.Summary.Properties[key]; n != "" && n != "0" {
				return false, fmt.Errorf("%w: snapshot %d calls itself an append and has %s=%s", ErrNotAppendOnly, s.SnapshotID, key, n)
			}
		}
		return true, nil
	}
	return false, fmt.Errorf("%w: snapshot %d is %q", ErrNotAppendOnly, s.SnapshotID, s.Summary.Operation)
}
