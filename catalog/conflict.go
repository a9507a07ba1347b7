package catalog

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// checkPin is the compare-and-swap on a branch.
func (p *plan) checkPin(s *SnapshotChange, parent *table.Snapshot) error {
	if !s.Pin {
		return nil
	}
	switch {
	case s.Base == nil && parent != nil:
		return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("branch %s is at snapshot %d; the change expects it to be empty", s.branch(), parent.SnapshotID)}
	case s.Base != nil && parent == nil:
		return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("branch %s is empty; the change expects snapshot %d", s.branch(), *s.Base)}
	case s.Base != nil && *s.Base != parent.SnapshotID:
		return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("branch %s is at snapshot %d; the change expects %d", s.branch(), parent.SnapshotID, *s.Base)}
	}
	return nil
}

// checkConcurrent looks at what landed between Base and the head: a delete
// that may hit a removed file, or the loss of a file that an added delete refers to, is a
// conflict. Appends never are.
func (p *plan) checkConcurrent(ctx context.Context, s *SnapshotChange, parent *table.Snapshot, old manifestList) error {
	if parent == nil || s.Base != nil && *s.Base == parent.SnapshotID {
		return nil
	}
	if s.Base == nil {
		return p.checkReferenced(ctx, s, parent, old, nil)
	}
	base := p.cur.SnapshotByID(*s.Base)
	baseSequence := int64(0) // an expired base: every delete may be newer
	if base != nil {
		if !p.isAncestor(base.SnapshotID, parent) {
			return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("snapshot %d is no ancestor of the head any more", *s.Base)}
		}
		baseSequence = base.SequenceNumber
	}
	if len(s.Removed) > 0 && p.cur.Version() > 1 {
		if err := p.checkNewDeletes(ctx, s, old, baseSequence); err != nil {
			return err
		}
	}
	return p.checkReferenced(ctx, s, parent, old, base)
}

func (p *plan) isAncestor(id int64, of *table.Snapshot) bool {
	for s := of; s != nil; {
		if s.SnapshotID == id {
			return true
		}
		if s.ParentSnapshotID == nil {
			return false
		}
		s = p.cur.SnapshotByID(*s.ParentSnapshotID)
	}
	return false
}

// checkNewDeletes finds live deletes newer than base that may apply to a removed data file.
func (p *plan) checkNewDeletes(ctx context.Context, s *SnapshotChange, old manifestList, baseSequence int64) error {
	var newer []iceberg.ManifestFile
	for _, m := range old {
		if m.ManifestContent() == iceberg.ManifestContentDeletes && m.SequenceNum() > baseSequence {
			newer = append(newer, m)
		}
	}
	if len(newer) == 0 {
		return nil
	}
	entries, err := p.c.readAll(ctx, newer, false)
	if err != nil {
		return err
	}
	var deletes []iceberg.DataFile
	for _, of := range entries {
		for _, e := range of {
			if e.SequenceNum() > baseSequence && !removes(s.Removed, e.DataFile()) && !s.stillDeletes(e.DataFile(), e.SequenceNum()) {
				deletes = append(deletes, e.DataFile())
			}
		}
	}
	if len(deletes) == 0 {
		return nil
	}
	removed, err := p.find(ctx, old, s.Removed, iceberg.ManifestContentData)
	if err != nil {
		return err
	}
	for _, del := range deletes {
		for _, data := range removed {
			if mayApply(del, data) {
				return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("deletes were committed for file %s after snapshot %d", data.FilePath(), *s.Base)}
			}
		}
	}
	return nil
}

// stillDeletes says of an equality delete that it applies to the files of a
// rewrite as it did to those that leave: they are older, as they keep the sequence
// number of the snapshot that they were made from, and in the same partitions.
func (s *SnapshotChange) stillDeletes(del iceberg.DataFile, sequence int64) bool {
	if s.Operation != table.OpReplace || del.ContentType() != iceberg.EntryContentEqDeletes {
		return false
	}
	return !slices.ContainsFunc(s.Added, func(e FileEntry) bool {
		return isData(e.File) && (e.DataSequence == nil || *e.DataSequence >= sequence || len(del.Partition()) > 0 && e.File.SpecID() != del.SpecID())
	})
}

// pathField is the id of file_path in a position delete file.
const pathField = 2147483546

// referenced is the one data file that a delete file is for, when it says so: by
// name, or (v2 manifests keep no name) by equal bounds of its path column.
func referenced(del iceberg.DataFile) (string, bool) {
	if ref := del.ReferencedDataFile(); ref != nil {
		return *ref, true
	}
	if del.ContentType() != iceberg.EntryContentPosDeletes {
		return "", false
	}
	lower, ok := del.LowerBoundValues()[pathField]
	return string(lower), ok && len(lower) > 0 && bytes.Equal(lower, del.UpperBoundValues()[pathField])
}

// mayApply reports whether a delete file can hold deletes for a data file.
func mayApply(del, data iceberg.DataFile) bool {
	if ref, ok := referenced(del); ok {
		return ref == data.FilePath()
	}
	if del.ContentType() == iceberg.EntryContentPosDeletes {
		path := []byte(data.FilePath())
		lower, upper := del.LowerBoundValues()[pathField], del.UpperBoundValues()[pathField]
		// Bounds may be cut short; a prefix of the path is in range.
		if lower != nil && bytes.Compare(path, lower) < 0 || upper != nil && bytes.Compare(path, upper) > 0 && !bytes.HasPrefix(path, upper) {
			return false
		}
	}
	if del.ContentType() == iceberg.EntryContentEqDeletes && len(del.Partition()) == 0 {
		return true // an unpartitioned equality delete is global
	}
	return del.SpecID() == data.SpecID() && fmt.Sprint(sorted(del.Partition())) == fmt.Sprint(sorted(data.Partition()))
}

func sorted(m map[int]any) []string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, fmt.Sprintf("%d=%v", k, m[k]))
	}
	return out
}

// checkReferenced: the data files that added deletes refer to must still be there.
func (p *plan) checkReferenced(ctx context.Context, s *SnapshotChange, parent *table.Snapshot, old manifestList, base *table.Snapshot) error {
	paths := map[string]bool{}
	blind := false
	own := map[string]bool{}
	for _, e := range s.Added {
		if isData(e.File) {
			own[e.File.FilePath()] = true
		}
	}
	for _, e := range s.Added {
		if e.File.ContentType() != iceberg.EntryContentPosDeletes {
			continue
		}
		if ref, ok := referenced(e.File); !ok {
			blind = true
		} else if !own[ref] {
			paths[ref] = true
		}
	}
	if blind && s.Base != nil {
		// Which files the deletes mean is not known: no file may have left since.
		for at := parent; at != nil && (base == nil || at.SnapshotID != base.SnapshotID); {
			if at.Summary == nil || at.Summary.Properties["deleted-data-files"] != "" && at.Summary.Properties["deleted-data-files"] != "0" {
				return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("snapshot %d removed data files that the added deletes may refer to", at.SnapshotID)}
			}
			if at.ParentSnapshotID == nil {
				break
			}
			at = p.cur.SnapshotByID(*at.ParentSnapshotID)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	found, err := p.find(ctx, old, slices.Collect(maps.Keys(paths)), iceberg.ManifestContentData)
	if err != nil {
		return err
	}
	for path := range paths {
		if found[path] == nil {
			return &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("file %s, which the added deletes refer to, is gone", path)}
		}
	}
	return nil
}

// find returns the live files among paths, by path.
func (p *plan) find(ctx context.Context, l manifestList, paths []string, content iceberg.ManifestContent) (map[string]iceberg.DataFile, error) {
	want := make(map[string]bool, len(paths))
	for _, path := range paths {
		want[path] = true
	}
	out := make(map[string]iceberg.DataFile, len(paths))
	for _, m := range l {
		if m.ManifestContent() != content || entryCount(m) == 0 {
			continue
		}
		hits, err := p.c.scanManifest(ctx, m, func(f iceberg.DataFile) bool { return want[f.FilePath()] })
		if err != nil {
			return nil, err
		}
		for _, f := range hits {
			out[f.FilePath()] = f
		}
		if len(out) == len(want) {
			break
		}
	}
	return out, nil
}

func (c *Catalog) scanManifest(ctx context.Context, m iceberg.ManifestFile, keep func(iceberg.DataFile) bool) ([]iceberg.DataFile, error) {
	entries, err := c.entries(ctx, m, false)
	if err != nil {
		return nil, err
	}
	var out []iceberg.DataFile
	for _, e := range entries {
		if keep(e.DataFile()) {
			out = append(out, e.DataFile())
		}
	}
	return out, nil
}

func removes(removed []string, f iceberg.DataFile) bool {
	return slices.Contains(removed, f.FilePath()) || slices.Contains(removed, fileKey(f))
}

// removeFiles rewrites the manifests that hold removed files; all others are carried by reference.
// A file that is not live any more is a conflict.
func (p *plan) removeFiles(ctx context.Context, s *SnapshotChange, old manifestList, snapshotID int64, d *deltas) (carried, rewritten []iceberg.ManifestFile, err error) {
	for _, m := range old {
		// What an earlier snapshot emptied has no place in a new list.
		if entryCount(m) != 0 {
			carried = append(carried, m)
		}
	}
	if len(s.Removed) == 0 {
		return carried, nil, nil
	}
	gone := make(map[string]bool, len(s.Removed))
	for _, path := range s.Removed {
		gone[path] = false
	}
	hit := make([][]iceberg.ManifestEntry, len(carried))
	g, readCtx := errgroup.WithContext(ctx)
	g.SetLimit(readParallel)
	for i, m := range carried {
		g.Go(func() error {
			found, err := p.c.holdsAny(readCtx, m, gone)
			if err != nil || !found {
				return err
			}
			hit[i], err = p.c.entries(readCtx, m, false)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, nil, err
	}
	var kept []iceberg.ManifestFile
	for i, m := range carried {
		if hit[i] == nil {
			kept = append(kept, m)
			continue
		}
		next, err := p.writeManifest(kindOf(m), snapshotID, func(w *iceberg.ManifestWriter) error {
			for _, e := range hit[i] {
				f := e.DataFile()
				key := f.FilePath()
				if _, ok := gone[key]; !ok {
					key = fileKey(f)
				}
				if _, ok := gone[key]; !ok {
					if err := w.Existing(e); err != nil {
						return err
					}
					continue
				}
				gone[key] = true
				d.remove(f)
				if err := w.Delete(e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
		rewritten = append(rewritten, next)
	}
	for _, path := range s.Removed {
		if !gone[path] {
			return nil, nil, &RequirementError{Ident: p.ident(), Reason: fmt.Sprintf("file %s is no longer part of the table", path)}
		}
	}
	return kept, rewritten, nil
}

// holdsAny reads only what is needed to see whether a manifest has one of the files.
func (c *Catalog) holdsAny(ctx context.Context, m iceberg.ManifestFile, gone map[string]bool) (bool, error) {
	data, err := c.manifestBytes(ctx, m)
	if err != nil {
		return false, err
	}
	r, err := iceberg.NewManifestReaderWithProjection(m, bytes.NewReader(data), iceberg.ManifestEntryProjection{})
	if err != nil {
		return false, fmt.Errorf("read manifest %s: %w", m.FilePath(), err)
	}
	defer r.Close()
	for {
		e, err := r.ReadEntry()
		if err != nil {
			return false, ignoreEOF(err)
		}
		if e.Status() == iceberg.EntryStatusDELETED {
			continue
		}
		f := e.DataFile()
		if _, ok := gone[f.FilePath()]; ok {
			return true, nil
		}
		if _, ok := gone[fileKey(f)]; ok {
			return true, nil
		}
	}
}
