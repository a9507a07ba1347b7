package rewrite

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
)

const (
	// meetings bounds how often a commit follows what came in between.
	meetings = 100
	// turnAfter conflicts the commit takes a turn, in which nobody else of this process
	// commits to the table.
	turnAfter = 4
)

// commit replaces the inputs by the outputs, with the deletes that came meanwhile.
// A group that lost against a writer costs the others nothing: they are committed
// without it. Deletes that come faster than they are carried over do not keep it
// from ending: see turn.
func (c *compaction) commit(ctx context.Context, outputs []output) (Result, error) {
	if err := c.cfg.Bucket.Sync(ctx); err != nil {
		return Result{}, fmt.Errorf("sync outputs: %w", err)
	}
	c.cfg.BeforeCommit(ctx)
	var conflict error
	length := c.cfg.Turn
	for try := 0; ; try++ {
		moved, err := c.meet(ctx, outputs)
		if err != nil {
			return Result{}, err
		}
		var a attempt
		if try < turnAfter {
			a, err = c.attempt(ctx, c.cfg.Catalog, outputs, conflict != nil && !moved)
		} else {
			a, err = c.turn(ctx, length, outputs, conflict != nil && !moved)
		}
		switch {
		case err == nil:
			return a.res, nil
		case a.hopeless || try >= meetings && conflict != nil:
			return Result{Wasted: a.res.Wasted + a.res.BytesOut}, conflict
		case errors.Is(err, catalog.ErrCommitConflict):
			conflict = err
		case errors.Is(err, errTurn):
			length *= 2
		default:
			return a.res, err
		}
	}
}

// attempt is one to commit.
type attempt struct {
	res Result
	tx  catalog.Transaction
	// hopeless: nothing has changed since the last one, which was a conflict.
	hopeless bool
}

// attempt commits what there is, after another look at what came since the last one.
// still: there was nothing then.
func (c *compaction) attempt(ctx context.Context, by catalog.Committer, outputs []output, still bool) (a attempt, err error) {
	moved := false
	if by != catalog.Committer(c.cfg.Catalog) {
		if moved, err = c.meet(ctx, outputs); err != nil {
			return a, err
		}
	}
	if err := c.writeDeletes(ctx, outputs); err != nil {
		return a, err
	}
	res, change, err := c.change(outputs)
	a.res = res
	if err != nil || len(change.Removed) == 0 {
		return a, err
	}
	if a.hopeless = still && !moved; a.hopeless {
		return a, errHopeless
	}
	c.cfg.BeforeApply(ctx)
	c.Progress.Progress("commit", res.BytesIn, res.BytesIn)
	a.tx = catalog.Transaction{
		ID: uuid.NewString(), Actor: catalog.ActorCompactor,
		Tables: []catalog.TableChange{{Table: c.Table.ID, Snapshot: change}}, Records: c.Records,
	}
	return a, c.apply(ctx, by, &a)
}

func (c *compaction) apply(ctx context.Context, by catalog.Committer, a *attempt) error {
	done, err := Commit(ctx, by, a.tx)
	if err != nil {
		return fmt.Errorf("commit compaction of %s: %w", c.Table.Ident, err)
	}
	for _, t := range done.Tables {
		a.res.SnapshotID = t.SnapshotID
	}
	return nil
}

var (
	errHopeless = errors.New("the commit is a conflict, and nothing has changed")
	// errTurn: a turn was too short.
	errTurn = errors.New("the turn was too short")
)

// turn is an attempt while the table stands still for this process: what came since
// the last look is carried over, which is what came during that look, and nothing
// comes any more. So it ends, unless another process on the same Store commits.
// Writers wait meanwhile as for any other commit.
func (c *compaction) turn(ctx context.Context, length time.Duration, outputs []output, still bool) (a attempt, err error) {
	err = c.cfg.Catalog.Turn(ctx, c.Table.ID, func(t *catalog.Turn) error {
		within, end := context.WithTimeout(ctx, length)
		defer end()
		var err error
		if a, err = c.attempt(within, t, outputs, still); err != nil && within.Err() != nil {
			err = fmt.Errorf("%w: %w", errTurn, err)
		}
		return err
	})
	switch {
	case err == nil || ctx.Err() != nil || !errors.Is(err, errTurn):
		return a, err
	case errors.Is(err, catalog.ErrUnknownOutcome):
		return a, c.apply(ctx, c.cfg.Catalog, &a) // it is asked on, by its id
	}
	return a, err
}

// change is the snapshot of all groups that were compacted and not lost.
func (c *compaction) change(outputs []output) (Result, *catalog.SnapshotChange, error) {
	var res Result
	base := c.head.SnapshotID
	// Outputs carry the sequence number of the snapshot they were made from:
	// deletes up to it are in them, later ones still apply.
	sequence := c.Scan.Sequence
	change := &catalog.SnapshotChange{Operation: table.OpReplace, Base: &base}
	removed := map[string]bool{}
	var in int64
	for i, o := range outputs {
		switch {
		case o.left != nil:
			res.Left = append(res.Left, fmt.Sprintf("%s stays: %v", plan.PartitionText(c.Groups[i].Partition), o.left))
			continue
		case o.lost:
			res.Lost++
			res.Contested = append(res.Contested, plan.Key(c.Groups[i].SpecID, c.Groups[i].Partition))
			for _, f := range o.files {
				res.Wasted += f.FileSizeBytes()
			}
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
		if o.tier == plan.Reshape {
			res.Reshaped++
		}
		if o.hashed {
			res.Hashed++
		}
		res.Carried += o.carry.out.count()
		res.Rows += o.rows
		res.Deleted += o.deleted
		res.Chunks += o.chunks
		res.Columns += o.columns
		res.CopyCPU += o.copyCPU
		res.ProofCPU += o.proofCPU
	}
	res.Wasted += c.abandoned
	if len(removed) == 0 {
		return res, change, nil
	}
	for _, f := range c.deletes {
		change.Added = append(change.Added, catalog.FileEntry{File: f})
	}
	change.Removed = append(change.Removed, dangling(c.head, removed, c.Scan.Sequence)...)
	if in != res.Rows+res.Deleted {
		return res, nil, fmt.Errorf("%w: %d rows went in, %d came out and %d were deleted", ErrProof, in, res.Rows, res.Deleted)
	}
	change.Summary = map[string]string{"firn.job": c.JobID, "firn.tier": res.Tier()}
	return res, change, nil
}

// vectorKey names a delete file, and a vector of a Puffin file for itself, as the
// catalog tells them apart.
func vectorKey(d lake.DeleteFile) string {
	if at := d.Data.ContentOffset(); at != nil {
		return fmt.Sprintf("%s#%d", d.Data.FilePath(), *at)
	}
	return d.Data.FilePath()
}

// dangling answers the delete files that apply to no file any more once the
// inputs are gone, each vector of a Puffin file for itself: one that stays would
// keep the file that it names from being removed. Files that come later are
// younger than they are; but outputs are of the sequence number since, and
// equality deletes after it apply to them.
func dangling(scan *lake.Scan, removed map[string]bool, since int64) []string {
	gone, stays := map[string]bool{}, map[string]bool{}
	for _, f := range scan.Files {
		for _, d := range f.Deletes {
			key := vectorKey(d)
			later := d.Data.ContentType() == iceberg.EntryContentEqDeletes && d.Sequence > since
			if removed[f.Data.FilePath()] && !later {
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
// id until it is known or ctx ends. Under a job's claim it happens only while that
// lasts: a worker whose job was taken over gets [catalog.ErrCondition].
func Commit(ctx context.Context, c catalog.Committer, tx catalog.Transaction) (catalog.Committed, error) {
	tx.If = append(tx.If, jobs.Fence(ctx)...)
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
