package catalog

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// PropertyManifestBytes is the size that manifests should have. Default 8 MiB.
const PropertyManifestBytes = "commit.manifest.target-size-bytes"

const (
	defaultManifestBytes = 8 << 20
	// maxReclustered bounds the entries that one reclustering holds in memory.
	maxReclustered = 100_000
	// worthManifests is how many manifests a reclustering must save, or how many
	// fewer a scan of each partition must open in all, to be worth its commit.
	worthManifests = 8
)

// targetManifestBytes is the size that a table's manifests should have.
func targetManifestBytes(meta table.Metadata) int64 {
	if n, err := strconv.ParseInt(meta.Properties()[PropertyManifestBytes], 10, 64); err == nil && n > 0 {
		return n
	}
	return defaultManifestBytes
}

// EntriesError: rewritten manifests do not hold the entries of those that they
// replace. Nothing was committed, and no client is ever answered it.
type EntriesError struct {
	Difference string
}

func (e *EntriesError) Error() string {
	return "rewritten manifests would have changed entries: " + e.Difference
}

// ManifestSwap has manifests of a branch replaced by others with the same live
// entries: sorted by partition, few and of the right size.
type ManifestSwap struct {
	// Replaced are the locations of manifests that leave. One that has left already
	// is a conflict.
	Replaced []string
	// By are their successors. They lie in the bucket.
	By []iceberg.ManifestFile
}

// Reclustered says what a reclustering is good for.
type Reclustered struct {
	Swap *ManifestSwap // nil: it is not worth it
	Base int64         // the snapshot that it was made from
	// Entries are the live ones in the replaced manifests.
	Entries int64
	// Before and After count the manifests that a scan of one partition opens, summed
	// over all partitions.
	Before, After int
	WhyNot        string
}

// ReclusterOptions steer [Catalog.Recluster].
type ReclusterOptions struct {
	// All: any saving is worth it.
	All bool
	// DryRun puts nothing into the bucket: the answer says what would be.
	DryRun bool
}

// Recluster sorts the entries of the head's manifests by partition into new
// manifests, of each kind (spec, data or deletes) for itself, and puts these into
// the bucket. Entries keep their snapshot, sequence numbers and row ids: they are
// read back and compared. To swap them in is the caller's commit; if it is not
// made, the collector finds them.
func (c *Catalog) Recluster(ctx context.Context, id uuid.UUID, o ReclusterOptions) (Reclustered, error) {
	rec, _, err := c.recordByID(ctx, id)
	if err != nil {
		return Reclustered{}, err
	}
	h, err := c.loadHead(ctx, rec.Metadata)
	if err != nil {
		return Reclustered{}, fmt.Errorf("table %s: %w", rec.ident(), err)
	}
	head := h.meta.CurrentSnapshot()
	if head == nil {
		return Reclustered{WhyNot: "the table is empty"}, nil
	}
	list, err := c.readList(ctx, head)
	if err != nil {
		return Reclustered{}, err
	}
	p := &plan{c: c, id: id, rec: rec, cur: h.meta, raw: map[string][]byte{}}
	out := Reclustered{Base: head.SnapshotID, Swap: &ManifestSwap{}}
	for _, some := range kinds(list) {
		err := c.guard(func() error { return p.recluster(ctx, some, head.SnapshotID, o.All, &out) })
		if err != nil {
			return Reclustered{}, fmt.Errorf("rewrite manifests of %s: %w", rec.ident(), err)
		}
	}
	if len(out.Swap.Replaced) == 0 {
		out.Swap = nil
		out.WhyNot = fmt.Sprintf("%d manifests are few enough, and each partition is in few of them", len(list))
		return out, nil
	}
	if o.DryRun {
		return out, nil
	}
	g, putCtx := errgroup.WithContext(ctx)
	g.SetLimit(stageParallel)
	for _, o := range p.objects {
		g.Go(func() error { return c.put(putCtx, o) })
	}
	if err := g.Wait(); err != nil {
		return Reclustered{}, err
	}
	return out, nil
}

// kinds divides a list by what one manifest can hold together, in the order of
// first appearance.
func kinds(list manifestList) [][]iceberg.ManifestFile {
	at := map[manifestKind]int{}
	var out [][]iceberg.ManifestFile
	for _, m := range list {
		if entryCount(m) == 0 {
			continue
		}
		k := kindOf(m)
		i, ok := at[k]
		if !ok {
			i = len(out)
			at[k], out = i, append(out, nil)
		}
		out[i] = append(out[i], m)
	}
	return out
}

// recluster adds the successors of manifests of one kind, if these are better.
func (p *plan) recluster(ctx context.Context, from []iceberg.ManifestFile, snapshotID int64, all bool, out *Reclustered) error {
	// The smallest ones first, as far as memory allows.
	from = slices.Clone(from)
	slices.SortStableFunc(from, func(a, b iceberg.ManifestFile) int { return cmp.Compare(a.Length(), b.Length()) })
	var total int64
	for i, m := range from {
		if n := entryCount(m); n > 0 {
			total += n
		}
		if total > maxReclustered && i > 0 {
			from = from[:i]
			break
		}
	}
	if len(from) < 2 {
		return nil
	}
	read, err := p.c.readAll(ctx, from, false)
	if err != nil {
		return err
	}
	entries := slices.Concat(read...)
	fields := p.cur.PartitionSpecByID(int(kindOf(from[0]).spec))
	if fields == nil {
		return fmt.Errorf("%w: there is no partition spec %d", ErrInvalid, kindOf(from[0]).spec)
	}
	slices.SortStableFunc(entries, func(a, b iceberg.ManifestEntry) int {
		return cmp.Or(comparePartitions(*fields, a.DataFile().Partition(), b.DataFile().Partition()), cmp.Compare(a.SequenceNum(), b.SequenceNum()), cmp.Compare(fileKey(a.DataFile()), fileKey(b.DataFile())))
	})
	runs, err := p.manifestRuns(*fields, kindOf(from[0]), snapshotID, entries)
	if err != nil {
		return err
	}
	before, after := opened(read), opened(runs)
	saved := max(len(from)-len(runs), before-after)
	if len(runs) > len(from) || after > before || saved <= 0 || !all && (saved < worthManifests || 2*len(runs) > len(from) && 2*after > before) {
		return nil
	}
	var back []iceberg.ManifestEntry
	for _, run := range runs {
		m, err := p.existing(kindOf(from[0]), snapshotID, run)
		if err != nil {
			return err
		}
		got, err := iceberg.ReadManifest(p.successor(m, snapshotID), bytes.NewReader(p.raw[m.FilePath()]), false)
		if err != nil {
			return fmt.Errorf("read back manifest: %w", err)
		}
		back = append(back, got...)
		out.Swap.By = append(out.Swap.By, m)
	}
	if err := sameEntries(slices.Concat(read...), back); err != nil {
		return err
	}
	for _, m := range from {
		out.Swap.Replaced = append(out.Swap.Replaced, m.FilePath())
	}
	out.Entries += int64(len(entries))
	out.Before += before
	out.After += after
	return nil
}

// existing writes entries as they are into a manifest.
func (p *plan) existing(kind manifestKind, snapshotID int64, entries []iceberg.ManifestEntry) (iceberg.ManifestFile, error) {
	return p.writeManifest(kind, snapshotID, func(w *iceberg.ManifestWriter) error {
		for _, e := range entries {
			if err := w.Existing(e); err != nil {
				return err
			}
		}
		return nil
	})
}

// manifestRuns divides sorted entries into runs of about the target size. A run
// ends with a partition, if that is not far.
func (p *plan) manifestRuns(spec iceberg.PartitionSpec, kind manifestKind, snapshotID int64, entries []iceberg.ManifestEntry) ([][]iceberg.ManifestEntry, error) {
	// What an entry takes is measured: in small manifests the head is most.
	const measured = 512
	var some []iceberg.ManifestEntry
	for i := 0; i < len(entries); i += max(1, len(entries)/measured) {
		some = append(some, entries[i])
	}
	probe := &plan{c: p.c, id: p.id, rec: p.rec, cur: p.cur, raw: map[string][]byte{}}
	m, err := probe.existing(kind, snapshotID, some)
	if err != nil {
		return nil, err
	}
	size := m.Length() * int64(len(entries)) / int64(len(some))
	target := targetManifestBytes(p.cur)
	n := max(1, int((size+target/2)/target))
	each := (len(entries) + n - 1) / n
	var out [][]iceberg.ManifestEntry
	for start := 0; start < len(entries); {
		end := min(start+each, len(entries))
		for limit := min(end+each/4, len(entries)); end < limit && comparePartitions(spec, entries[end-1].DataFile().Partition(), entries[end].DataFile().Partition()) == 0; {
			end++
		}
		if len(entries)-end < each/4 {
			end = len(entries) // no runt
		}
		out = append(out, entries[start:end])
		start = end
	}
	return out, nil
}

// opened counts, over all partitions, the manifests that hold one.
func opened(manifests [][]iceberg.ManifestEntry) (n int) {
	for _, entries := range manifests {
		seen := map[string]bool{}
		for _, e := range entries {
			seen[fmt.Sprint(sorted(e.DataFile().Partition()))] = true
		}
		n += len(seen)
	}
	return n
}

// sameEntries compares live entries, in any order, by all that a reader relies on.
func sameEntries(want, got []iceberg.ManifestEntry) error {
	text := func(e iceberg.ManifestEntry) string {
		f := e.DataFile()
		number := func(n *int64) string {
			if n == nil {
				return "none"
			}
			return strconv.FormatInt(*n, 10)
		}
		return fmt.Sprintf("%s %s snapshot %d sequence %d/%s row id %s rows %d bytes %d partition %v", fileKey(f), f.ContentType(),
			e.SnapshotID(), e.SequenceNum(), number(e.FileSequenceNum()), number(f.FirstRowID()), f.Count(), f.FileSizeBytes(), sorted(f.Partition()))
	}
	left := make(map[string]int, len(want))
	for _, e := range want {
		left[text(e)]++
	}
	for _, e := range got {
		t := text(e)
		if e.Status() != iceberg.EntryStatusEXISTING || left[t] == 0 {
			return &EntriesError{"there was no " + t}
		}
		if left[t]--; left[t] == 0 {
			delete(left, t)
		}
	}
	for t := range left {
		return &EntriesError{t + " is missing"}
	}
	return nil
}

// swap takes the replaced manifests out of those that a snapshot carries on.
func (p *plan) swap(s *ManifestSwap, carried []iceberg.ManifestFile, snapshotID int64) (kept, added []iceberg.ManifestFile, err error) {
	gone := make(map[string]bool, len(s.Replaced))
	for _, location := range s.Replaced {
		gone[location] = true
	}
	for _, m := range carried {
		if gone[m.FilePath()] {
			delete(gone, m.FilePath())
		} else {
			kept = append(kept, m)
		}
	}
	for location := range gone {
		return nil, nil, &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("manifest %s is no longer part of the table", location)}
	}
	for _, m := range s.By {
		if err := p.c.checkInside("manifest", m.FilePath(), p.cur.Location()); err != nil {
			return nil, nil, err
		}
		added = append(added, p.successor(m, snapshotID))
	}
	return kept, added, nil
}

// successor is a manifest of existing entries as a snapshot adds it: the same file,
// that takes its sequence number from the snapshot.
func (p *plan) successor(m iceberg.ManifestFile, snapshotID int64) iceberg.ManifestFile {
	sequence, minimum := int64(-1), m.MinSequenceNum()
	if p.cur.Version() == 1 {
		sequence, minimum = 0, 0
	}
	return iceberg.NewManifestFile(p.cur.Version(), m.FilePath(), m.Length(), m.PartitionSpecID(), snapshotID).
		Content(m.ManifestContent()).SequenceNum(sequence, minimum).Partitions(m.Partitions()).
		ExistingFiles(m.ExistingDataFiles()).ExistingRows(m.ExistingRows()).Build()
}
