package rewrite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
)

// Compaction is a request to carry out groups of one table.
type Compaction struct {
	Table  *catalog.Table
	Scan   *lake.Scan // that the groups were planned from
	Groups []plan.Group
	Policy plan.Policy
	// JobID is part of the names of outputs, so that files in flight are known.
	JobID    string
	Progress Progress
}

// Result of a compaction.
type Result struct {
	FilesIn, FilesOut, BytesIn, BytesOut int64
	Rows, Deleted                        int64
	Fused, Rewritten                     int // groups
	SnapshotID                           int64
	// What was compared: pieces by checksum, columns by count and sum, groups
	// by multiset hash.
	Chunks, Columns, Hashed int
	// CPU time of the SQL workers, for rewriting and for proving.
	CopyCPU, ProofCPU time.Duration
	// Left says of groups that could be neither fused nor rewritten why.
	Left []string
}

// Add sums up the results of several commits.
func (r Result) Add(o Result) Result {
	r.FilesIn += o.FilesIn
	r.FilesOut += o.FilesOut
	r.BytesIn += o.BytesIn
	r.BytesOut += o.BytesOut
	r.Rows += o.Rows
	r.Deleted += o.Deleted
	r.Fused += o.Fused
	r.Rewritten += o.Rewritten
	r.Chunks += o.Chunks
	r.Columns += o.Columns
	r.Hashed += o.Hashed
	r.CopyCPU += o.CopyCPU
	r.ProofCPU += o.ProofCPU
	r.Left = append(r.Left, o.Left...)
	if o.SnapshotID != 0 {
		r.SnapshotID = o.SnapshotID
	}
	return r
}

// Proof is what was checked before the commits, in words.
func (r Result) Proof() map[string]string {
	out := map[string]string{}
	if r.FilesIn > 0 {
		out["rows"] = fmt.Sprintf("%d in = %d out + %d deleted", r.Rows+r.Deleted, r.Rows, r.Deleted)
	}
	if r.Chunks > 0 {
		out["chunks"] = fmt.Sprintf("%d copied chunks have the checksums of their inputs", r.Chunks)
	}
	if r.Columns > 0 {
		out["cpu"] = fmt.Sprintf("%d ms to rewrite, %d ms to prove", r.CopyCPU.Milliseconds(), r.ProofCPU.Milliseconds())
		out["columns"] = fmt.Sprintf("counts and sums of %d columns are equal", r.Columns)
	}
	if r.Hashed > 0 {
		out["row_hash"] = fmt.Sprintf("multiset hash of rows equal in %d of %d groups", r.Hashed, r.Rewritten)
	}
	return out
}

// Tier names what was done.
func (r Result) Tier() string {
	switch {
	case r.Fused > 0 && r.Rewritten > 0:
		return "fuse, rewrite"
	case r.Rewritten > 0:
		return string(plan.Rewrite)
	case r.Fused > 0:
		return string(plan.Fuse)
	}
	return ""
}

// output is what became of one group.
type output struct {
	tier    plan.Tier
	files   []iceberg.DataFile
	rows    int64 // in the outputs
	deleted int64 // rows that deletes removed
	chunks  int   // fuse: pieces whose checksum was compared
	columns int   // rewrite: columns whose sums were compared
	hashed  bool  // rewrite: the multiset hash was compared
	left    error // why the group stays as it is; nil when it was compacted

	copyCPU, proofCPU time.Duration // of the SQL workers
}

// groupsAtOnce bounds what one job works on in parallel.
const groupsAtOnce = 2

// Compact carries out the groups and commits them as one snapshot. A conflict
// (somebody removed or deleted from an input meanwhile) is
// [catalog.ErrCommitConflict]: plan again.
func (w *Worker) Compact(ctx context.Context, c Compaction) (Result, error) {
	var res Result
	if len(c.Groups) == 0 {
		return res, nil
	}
	dir, done, err := w.tempDir()
	if err != nil {
		return res, err
	}
	defer done()
	var total int64
	for _, g := range c.Groups {
		total += g.Bytes
	}
	c.Progress.Progress("write", 0, total)
	run := &compaction{Worker: w, Compaction: c, dir: dir, files: map[string]lake.File{}}
	for _, f := range c.Scan.Files {
		run.files[f.Data.FilePath()] = f
	}
	outputs := make([]output, len(c.Groups))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(groupsAtOnce)
	for i, group := range c.Groups {
		g.Go(func() (err error) {
			sub := filepath.Join(dir, strconv.Itoa(i))
			if err := os.Mkdir(sub, 0o700); err != nil {
				return fmt.Errorf("temporary folder: %w", err)
			}
			defer os.RemoveAll(sub)
			outputs[i], err = run.group(gctx, sub, i, group)
			if err != nil {
				return fmt.Errorf("compact %s of %s: %w", plan.PartitionText(group.Partition), c.Table.Ident, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return res, err
	}
	return run.commit(ctx, outputs)
}

// compaction is one run.
type compaction struct {
	*Worker
	Compaction
	dir   string
	files map[string]lake.File
}

func (c *compaction) group(ctx context.Context, dir string, index int, g plan.Group) (output, error) {
	var files []lake.File
	for _, f := range g.Files {
		file, ok := c.files[f.Path]
		if !ok {
			return output{}, fmt.Errorf("plan names %s, which the snapshot does not hold", f.Path)
		}
		files = append(files, file)
	}
	if g.Tier == plan.Fuse {
		out, err := c.fuse(ctx, dir, index, g, files)
		if !errors.Is(err, errFuseless) {
			return out, err
		}
		if types := Rewritable(c.Scan.Schema); types != nil {
			return output{left: fmt.Errorf("%w; %w", err, types)}, nil
		}
		c.cfg.Logger.InfoContext(ctx, "files are rewritten instead of fused", "table", c.Table.Ident.String(), "why", err)
	}
	return c.rewrite(ctx, dir, index, g, files)
}

// location of an output: below the table's data, with the job in its name.
func (c *compaction) location(index, part int) string {
	return fmt.Sprintf("%s/compact-%s-%d-%d-%s.parquet", c.cfg.Catalog.DataPath(c.Table), c.JobID, index, part, uuid.NewString())
}

// commit replaces the inputs by the outputs.
func (c *compaction) commit(ctx context.Context, outputs []output) (Result, error) {
	var res Result
	base := c.Scan.SnapshotID
	// Outputs carry the sequence number of the snapshot they were made from:
	// deletes up to it are in them, later ones still apply.
	sequence := c.Scan.Sequence
	change := &catalog.SnapshotChange{Operation: table.OpReplace, Base: &base}
	removed := map[string]bool{}
	var in int64
	for i, o := range outputs {
		if o.left != nil {
			res.Left = append(res.Left, fmt.Sprintf("%s stays: %v", plan.PartitionText(c.Groups[i].Partition), o.left))
			continue
		}
		in += c.Groups[i].Rows
		for _, f := range c.Groups[i].Files {
			removed[f.Path] = true
			change.Removed = append(change.Removed, f.Path)
			res.BytesIn += f.Bytes
			res.FilesIn++
		}
		for _, f := range o.files {
			change.Added = append(change.Added, catalog.FileEntry{File: f, DataSequence: &sequence})
			res.BytesOut += f.FileSizeBytes()
			res.FilesOut++
		}
		if o.tier == plan.Fuse {
			res.Fused++
		} else {
			res.Rewritten++
		}
		if o.hashed {
			res.Hashed++
		}
		res.Rows += o.rows
		res.Deleted += o.deleted
		res.Chunks += o.chunks
		res.Columns += o.columns
		res.CopyCPU += o.copyCPU
		res.ProofCPU += o.proofCPU
	}
	if len(removed) == 0 {
		return res, nil
	}
	change.Removed = append(change.Removed, dangling(c.Scan, removed)...)
	if in != res.Rows+res.Deleted {
		return res, fmt.Errorf("%w: %d rows went in, %d came out and %d were deleted", ErrProof, in, res.Rows, res.Deleted)
	}
	change.Summary = map[string]string{"firn.job": c.JobID, "firn.tier": res.Tier()}
	c.Progress.Progress("commit", res.BytesIn, res.BytesIn)
	if err := c.cfg.Bucket.Sync(ctx); err != nil {
		return res, fmt.Errorf("sync outputs: %w", err)
	}
	c.cfg.BeforeCommit(ctx)
	done, err := Commit(ctx, c.cfg.Catalog, catalog.Transaction{
		ID: uuid.NewString(), Actor: "compactor",
		Tables: []catalog.TableChange{{Table: c.Table.ID, Snapshot: change}},
	})
	if err != nil {
		return res, fmt.Errorf("commit compaction of %s: %w", c.Table.Ident, err)
	}
	for _, t := range done.Tables {
		res.SnapshotID = t.SnapshotID
	}
	return res, nil
}

// dangling answers the delete files that apply to no file any more once the
// inputs are gone, each vector of a Puffin file for itself: one that stays would
// keep the file that it names from being removed. Files that come later are
// younger than they are.
func dangling(scan *lake.Scan, removed map[string]bool) []string {
	gone, stays := map[string]bool{}, map[string]bool{}
	for _, f := range scan.Files {
		for _, d := range f.Deletes {
			key := d.Data.FilePath()
			if at := d.Data.ContentOffset(); at != nil {
				key = fmt.Sprintf("%s#%d", key, *at) // as the catalog tells them apart
			}
			if removed[f.Data.FilePath()] {
				gone[key] = true
			} else {
				stays[key] = true
			}
		}
	}
	maps.DeleteFunc(gone, func(p string, _ bool) bool { return stays[p] })
	out := make([]string, 0, len(gone))
	for p := range gone {
		out = append(out, p)
	}
	return out
}

// Commit commits and, where the outcome is unknown, asks again with the same
// id until it is known or ctx ends.
func Commit(ctx context.Context, c catalog.Committer, tx catalog.Transaction) (catalog.Committed, error) {
	wait := 50 * time.Millisecond
	for {
		done, err := c.Commit(ctx, tx)
		if err == nil || !errors.Is(err, catalog.ErrUnknownOutcome) {
			return done, err
		}
		if wait *= 2; wait > 10*time.Second {
			return done, err
		}
		select {
		case <-ctx.Done():
			return done, err
		case <-time.After(wait):
		}
	}
}
