package catalog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Summary keys that the committer writes.
const (
	// SummaryCommitID is the transaction of a snapshot that holds one.
	SummaryCommitID = "firn.commit-id"
	// SummaryCommits is the number of transactions that share a snapshot.
	SummaryCommits = "firn.commits"
)

// Made says whether the committer made a snapshot with this summary. Another
// engine's is stored as it was sent.
func Made(s *table.Summary) bool {
	return s != nil && (s.Properties[SummaryCommitID] != "" || s.Properties[SummaryCommits] != "")
}

// appendAll packs the group's appends into one snapshot.
func (p *plan) appendAll(ctx context.Context, reqs []*request) error {
	all := &SnapshotChange{Operation: table.OpAppend, Summary: map[string]string{}}
	seen := map[string]bool{}
	for _, a := range p.appends {
		for _, e := range a.Added {
			if seen[e.File.FilePath()] {
				return fmt.Errorf("%w: file %q is added by two transactions", ErrInvalid, clip(e.File.FilePath()))
			}
			seen[e.File.FilePath()] = true
			all.Added = append(all.Added, e)
		}
		maps.Copy(all.Summary, a.Summary)
	}
	return p.addSnapshot(ctx, all, reqs)
}

// checkAdded validates the files of a change before anything is read or written.
func (p *plan) checkAdded(s *SnapshotChange) error {
	location := p.cur.Location()
	for _, e := range s.Added {
		f := e.File
		if err := p.c.checkInside("file", f.FilePath(), location); err != nil {
			return err
		}
		if p.cur.PartitionSpecByID(int(f.SpecID())) == nil {
			return fmt.Errorf("%w: file %q: table %s has no partition spec %d", ErrInvalid, clip(f.FilePath()), p.ident(), f.SpecID())
		}
		if f.Count() < 0 || f.FileSizeBytes() <= 0 {
			return fmt.Errorf("%w: file %q has %d rows in %d bytes", ErrInvalid, clip(f.FilePath()), f.Count(), f.FileSizeBytes())
		}
		if isData(f) {
			continue
		}
		switch v := p.cur.Version(); {
		case v == 1:
			return fmt.Errorf("%w: table %s has format version 1, which knows no delete files; upgrade it to 2", ErrInvalid, p.ident())
		case s.Operation == table.OpAppend:
			return fmt.Errorf("%w: an append adds no delete files; use overwrite or delete", ErrInvalid)
		case v >= 3 && f.ContentType() == iceberg.EntryContentPosDeletes && f.FileFormat() != iceberg.PuffinFile:
			return fmt.Errorf("%w: table %s has format version 3: deletes by position are deletion vectors there", ErrInvalid, p.ident())
		case v == 2 && f.FileFormat() == iceberg.PuffinFile:
			return fmt.Errorf("%w: table %s has format version 2, which knows no deletion vectors", ErrInvalid, p.ident())
		}
	}
	return nil
}

// addSnapshot makes one snapshot of a change on top of the branch's head.
func (p *plan) addSnapshot(ctx context.Context, s *SnapshotChange, reqs []*request) error {
	branch := s.branch()
	parent := p.cur.SnapshotByName(branch)
	if parent == nil && branch != table.MainBranch {
		return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("there is no branch %q", clip(branch))}
	}
	if err := p.checkPin(s, parent); err != nil {
		return err
	}
	snapshotID := p.freshSnapshotID()
	d := newDeltas(p.cur)

	old, err := p.parentList(ctx, parent)
	if err != nil {
		return err
	}
	if err := p.checkConcurrent(ctx, s, parent, old); err != nil {
		return err
	}
	carried, rewritten, err := p.removeFiles(ctx, s, old, snapshotID, d)
	if err != nil {
		return err
	}
	added, err := p.addFiles(s, snapshotID, d)
	if err != nil {
		return err
	}
	if s.Manifests != nil {
		carried, added, err = p.swap(s.Manifests, carried, snapshotID)
	} else {
		carried, err = p.merge(ctx, carried, snapshotID)
	}
	if err != nil {
		return err
	}
	manifests := append(append(added, rewritten...), carried...)

	snap := &table.Snapshot{
		SnapshotID:  snapshotID,
		TimestampMs: p.timestamp(parent),
		SchemaID:    new(p.cur.CurrentSchema().ID),
	}
	if parent != nil {
		snap.ParentSnapshotID = new(parent.SnapshotID)
	}
	if p.cur.Version() > 1 {
		snap.SequenceNumber = p.cur.LastSequenceNumber() + 1
	}
	list, err := p.writeList(snap, manifests)
	if err != nil {
		return err
	}
	if err := checkBalance(old, list, d); err != nil {
		return fmt.Errorf("table %s: %w", p.ident(), err)
	}
	extra := maps.Clone(s.Summary)
	if extra == nil {
		extra = map[string]string{}
	}
	if len(reqs) == 1 {
		extra[SummaryCommitID] = reqs[0].tx.ID
	} else {
		extra[SummaryCommits] = strconv.Itoa(len(reqs))
	}
	snap.Summary = d.summary(s.Operation, extra, parent, old, list)

	if err := p.update(func(b *table.MetadataBuilder) error { return p.publish(b, snap, branch) }); err != nil {
		return err
	}
	p.c.metrics.manifests.Observe(float64(len(list)))
	p.added(snap, d, reqs)
	return nil
}

// publish adds a snapshot, moves its branch and forgets what is beyond the table's bound: in one
// build, since each copies all snapshots.
func (p *plan) publish(b *table.MetadataBuilder, snap *table.Snapshot, branch string) error {
	if err := b.AddSnapshot(snap); err != nil {
		return fmt.Errorf("table %s: %w", p.ident(), err)
	}
	if err := b.NewRetainingSnapshotRefUpdate(branch, snap.SnapshotID, table.BranchRef).Apply(b); err != nil {
		return fmt.Errorf("table %s: %w", p.ident(), err)
	}
	p.line = append(slices.Clip(p.line), linkOf(snap))
	refs := maps.Collect(p.cur.Refs())
	refs[branch] = table.SnapshotRef{SnapshotID: snap.SnapshotID, SnapshotRefType: table.BranchRef}
	return p.forget(b, refs)
}

// added records a snapshot that this commit makes: its event, and the answer.
func (p *plan) added(snap *table.Snapshot, d *deltas, reqs []*request) {
	e := Event{
		At: p.now, Kind: EventCommit, Table: p.id, Ident: p.ident(),
		SnapshotID: snap.SnapshotID, Partitions: d.list(),
		Actor: reqs[0].tx.Actor, CommitID: reqs[0].tx.ID, Commits: len(reqs),
	}
	if snap.ParentSnapshotID != nil {
		e.ParentID = *snap.ParentSnapshotID
	}
	if snap.Summary != nil {
		e.Operation, e.Summary = string(snap.Summary.Operation), snap.Summary.Properties
	}
	p.events = append(p.events, e)
	p.snapshot, p.sequence = snap.SnapshotID, snap.SequenceNumber
}

// timestamp never falls along a lineage, whatever the clock does.
func (p *plan) timestamp(parent *table.Snapshot) int64 {
	ms := max(p.now.UnixMilli(), p.cur.LastUpdatedMillis())
	if parent != nil {
		ms = max(ms, parent.TimestampMs+1)
	}
	return ms
}

func (p *plan) freshSnapshotID() int64 {
	for {
		if id := rand.Int64(); id > 0 && p.cur.SnapshotByID(id) == nil {
			return id
		}
	}
}

// parentList is the manifest list of a snapshot, which may be one of this commit.
func (p *plan) parentList(ctx context.Context, parent *table.Snapshot) (manifestList, error) {
	if parent == nil {
		return nil, nil
	}
	if l, ok := p.lists[parent.ManifestList]; ok {
		return l, nil
	}
	return p.c.readList(ctx, parent)
}

// addFiles writes the manifests of the added files, one of each kind.
func (p *plan) addFiles(s *SnapshotChange, snapshotID int64, d *deltas) ([]iceberg.ManifestFile, error) {
	byKind := map[manifestKind][]FileEntry{}
	var order []manifestKind
	for _, e := range s.Added {
		k := kindOfFile(e.File)
		if byKind[k] == nil {
			order = append(order, k)
		}
		byKind[k] = append(byKind[k], e)
		d.add(e.File)
	}
	var out []iceberg.ManifestFile
	for _, kind := range order {
		m, err := p.addedManifest(kind, snapshotID, byKind[kind])
		if err != nil {
			return nil, err
		}
		out = append(out, m)
	}
	return out, nil
}

// writeList encodes the manifest list and, on v3, gives row ids to what has none.
func (p *plan) writeList(snap *table.Snapshot, manifests []iceberg.ManifestFile) (manifestList, error) {
	var buf bytes.Buffer
	var w *iceberg.ManifestListWriter
	var err error
	firstRowID := p.cur.NextRowID()
	switch p.cur.Version() {
	case 1:
		w, err = iceberg.NewManifestListWriterV1(&buf, snap.SnapshotID, snap.ParentSnapshotID)
	case 2:
		w, err = iceberg.NewManifestListWriterV2(&buf, snap.SnapshotID, snap.SequenceNumber, snap.ParentSnapshotID)
	default:
		w, err = iceberg.NewManifestListWriterV3(&buf, snap.SnapshotID, snap.SequenceNumber, firstRowID, snap.ParentSnapshotID)
	}
	if err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	if err := w.AddManifests(manifests); err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	if next := w.NextRowID(); next != nil && p.cur.Version() >= 3 {
		snap.FirstRowID, snap.AddedRows = new(firstRowID), new(*next-firstRowID)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write manifest list: %w", err)
	}
	snap.ManifestList = p.metadataPath(fmt.Sprintf("snap-%d-%s.avro", snap.SnapshotID, p.c.fileID()))
	if err := p.addObject(snap.ManifestList, buf.Bytes()); err != nil {
		return nil, err
	}
	// Read back what was written: it carries the sequence numbers and row ids that the writer gave out.
	list, err := decodeList(buf.Bytes())
	if err != nil {
		return nil, fmt.Errorf("read back manifest list: %w", err)
	}
	p.lists[snap.ManifestList] = list
	return list, nil
}
