package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
	firnparquet "github.com/firnlake/firn/internal/parquet"
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
	// Records are written by the commit.
	Records []catalog.Record
}

// Result of a compaction.
type Result struct {
	FilesIn, FilesOut, BytesIn, BytesOut int64
	Rows, Deleted                        int64
	Fused, Rewritten                     int // groups
	Reshaped                             int // of Rewritten: into another partition spec
	SnapshotID                           int64
	// What was compared: pieces by checksum, columns by count and sum, groups
	// by multiset hash.
	Chunks, Columns, Hashed int
	// CPU time of the SQL workers, for rewriting and for proving.
	CopyCPU, ProofCPU time.Duration
	// Left says of groups that could be neither fused nor rewritten why.
	Left []string
	// Carried is the rows that were deleted from inputs meanwhile and are deleted in
	// the outputs.
	Carried int64
	// Lost groups were finished and not committed, as somebody replaced their inputs
	// meanwhile. Wasted is the bytes of their outputs, and of delete files that a
	// later attempt wrote anew.
	Lost   int
	Wasted int64
	// Contested are the partitions, by their keys, of lost groups.
	Contested []string
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
	r.Reshaped += o.Reshaped
	r.Chunks += o.Chunks
	r.Columns += o.Columns
	r.Hashed += o.Hashed
	r.CopyCPU += o.CopyCPU
	r.ProofCPU += o.ProofCPU
	r.Left = append(r.Left, o.Left...)
	r.Carried += o.Carried
	r.Lost += o.Lost
	r.Contested = append(r.Contested, o.Contested...)
	r.Wasted += o.Wasted
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
	if r.Reshaped > 0 {
		out["partitions"] = fmt.Sprintf("every row of %d groups lies in the partition that the spec gives it", r.Reshaped)
	}
	if r.Carried > 0 {
		out["carried"] = fmt.Sprintf("%d rows that were deleted meanwhile are deleted in the outputs: counts, sums and row hashes of what was deleted are equal", r.Carried)
	}
	if r.Hashed > 0 {
		out["row_hash"] = fmt.Sprintf("multiset hash of rows equal in %d of %d groups", r.Hashed, r.Rewritten)
	}
	return out
}

// Tier names what was done.
func (r Result) Tier() string {
	var tiers []string
	if r.Fused > 0 {
		tiers = append(tiers, string(plan.Fuse))
	}
	if r.Rewritten > r.Reshaped {
		tiers = append(tiers, string(plan.Rewrite))
	}
	if r.Reshaped > 0 {
		tiers = append(tiers, string(plan.Reshape))
	}
	return strings.Join(tiers, ", ")
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
	lost    bool  // somebody changed its inputs meanwhile
	carry   carry // what was deleted from its inputs meanwhile

	copyCPU, proofCPU time.Duration // of the SQL workers
}

// groupsAtOnce bounds what one job works on in parallel.
const groupsAtOnce = 2

// Compact carries out the groups and commits them as one snapshot. Rows that were
// deleted from inputs meanwhile are deleted in the outputs too. Left out are groups
// whose inputs somebody replaced: Result counts these as lost, and they are to be
// planned again.
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
	run := &compaction{Worker: w, Compaction: c, dir: dir, files: map[string]lake.File{}, head: c.Scan, meta: c.Table.Metadata}
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

	// Of the commit: the snapshot that the outputs were made to follow, and its
	// table; delete files for them, to be written anew when dirty; and the bytes
	// of those that were written before.
	head      *lake.Scan
	meta      table.Metadata
	deletes   []iceberg.DataFile
	dirty     bool
	abandoned int64
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
	if g.Tier == plan.Reshape {
		return c.reshape(ctx, dir, index, g, files)
	}
	return c.rewrite(ctx, dir, index, g, files)
}

// location of an output: below the table's data, with the job in its name.
func (c *compaction) location(index, part int) string {
	name := fmt.Sprintf("compact-%s-%d-%d-%s.parquet", c.JobID, index, part, uuid.NewString())
	return firnparquet.Location(c.Table.Metadata.Properties(), c.cfg.Catalog.DataPath(c.Table), name)
}
