package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// source is the rows of a group, as SQL.
type source struct {
	rel     *lake.Relation
	columns columns
	lineage bool
	order   ordering
	temp    int64 // bytes that may be spilled
}

// source makes the relation of a group; the caller releases it.
func (c *compaction) source(ctx context.Context, g plan.Group, files []lake.File) (*source, error) {
	src := &source{lineage: c.Table.Metadata.Version() >= 3}
	var err error
	if src.columns, err = columnsOf(c.Scan.Schema, src.lineage); err != nil {
		return nil, err
	}
	sort, err := plan.ParseOrder(c.Policy.Sort)
	if err != nil {
		return nil, err
	}
	scan := *c.Scan
	scan.Files = files
	if src.rel, err = c.cfg.Lake.Relation(ctx, &scan, lake.RelationOptions{WithRowID: src.lineage}); err != nil {
		return nil, err
	}
	if src.order, err = c.ordering(ctx, sort, src.rel); err != nil {
		src.rel.Release()
		return nil, err
	}
	if src.order.by != "" {
		src.temp = spillFactor*g.Bytes + 2<<30
	}
	return src, nil
}

// spillFactor is how much larger rows can be in a sort than in their files.
const spillFactor = 16

func (s *source) job(sql string, w way) duck.Job {
	return duck.Job{
		Setup: slices.Concat(s.rel.Setup, s.order.setup), SQL: sql, Read: s.rel.Paths, TempBytes: s.temp, Threads: w.threads,
		SpillEarly: s.order.by != "" && w.threads == 0,
	}
}

// sql selects the rows, in order, or those of a range.
func (s *source) sql(where string) string {
	if where != "" {
		where = " WHERE " + where
	}
	return "SELECT " + s.columns.list() + " FROM " + s.rel.SQL + " AS r" + s.order.join + where + s.order.by
}

// way is how a group is written: the later ones need less memory.
type way struct {
	ranges  int // that are sorted one after the other
	narrow  int // part of a row group's rows
	threads int // 0: the pool's
}

// DuckDB's sort cannot spill everything: wide rows make it fail, where ranges of
// them, read and sorted by themselves, do not. Each range costs a reading of all
// rows, so that one thread, with half of the buffers, is tried before.
var ways = []way{{1, 1, 0}, {1, 1, 1}, {8, 8, 1}, {64, 32, 1}}

// write puts the rows into files of the target size.
func (c *compaction) write(ctx context.Context, dir string, src *source, g plan.Group, out *output) ([]string, error) {
	paths, err := c.copies(ctx, dir, src, g, out)
	if err != nil {
		return nil, err
	}
	return c.cut(ctx, dir, paths)
}

// cut divides what was written into files of the target size.
func (c *compaction) cut(ctx context.Context, dir string, paths []string) ([]string, error) {
	paths, err := fuse.Cut(ctx, paths, c.Policy.Target, func(part int) string { return filepath.Join(dir, fmt.Sprintf("part-%d.parquet", part)) })
	if err != nil {
		return nil, fmt.Errorf("rewrite: %w", err)
	}
	return paths, nil
}

// copies puts the rows into a file, or one for each range of them. If there is not enough memory
// it tries again with smaller pieces, and in the end without order.
func (c *compaction) copies(ctx context.Context, dir string, src *source, g plan.Group, out *output) ([]string, error) {
	var paths []string
	var err error
	for i, w := range ways {
		if g.Outputs > 1 && src.order.by == "" {
			if i == 1 {
				continue // the same again
			}
			w.threads = 1 // one reader keeps the rows of a large file together
		}
		if paths, err = c.copy(ctx, filepath.Join(dir, fmt.Sprintf("try-%d", i)), src, g, w, out); !errors.Is(err, duck.ErrMemory) {
			break
		}
		c.cfg.Logger.InfoContext(ctx, "rewrite needs too much memory at once", "table", c.Table.Ident.String(), "ranges", w.ranges, "error", err)
	}
	if errors.Is(err, duck.ErrMemory) && src.order.by != "" {
		c.unordered(ctx, src)
		paths, err = c.copy(ctx, filepath.Join(dir, "plain"), src, g, ways[len(ways)-1], out)
	}
	if err != nil {
		return nil, fmt.Errorf("rewrite: %w", err)
	}
	return paths, nil
}

// unordered gives up the order of rows that there is not enough memory for.
func (c *compaction) unordered(ctx context.Context, src *source) {
	c.cfg.Logger.WarnContext(ctx, "rows are rewritten without order: sorting needs more memory than a worker has", "table", c.Table.Ident.String(), "sort", strings.Join(c.Policy.Sort, ", "))
	src.order = ordering{}
}

// copy writes the rows of each range into a file of its own.
func (c *compaction) copy(ctx context.Context, prefix string, src *source, g plan.Group, w way, out *output) ([]string, error) {
	codec, err := codecOf(c.Table.Metadata.Properties())
	if err != nil {
		return nil, err
	}
	var paths []string
	for i, where := range src.order.ranges(w.ranges) {
		path := fmt.Sprintf("%s-%d.parquet", prefix, i)
		rows := max(c.rowGroup(g)/int64(w.narrow), leastGroupRow)
		job := src.job(fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, %s, ROW_GROUP_SIZE %d, ROW_GROUP_SIZE_BYTES '%dB', FIELD_IDS %s)",
			src.sql(where), duck.Quote(path), codec, rows, rowGroupBytes, src.columns.fieldIDs()), w)
		job.WriteDir = filepath.Dir(path)
		paths = append(paths, path)
		_, cost, err := c.cfg.Pool.ExecStats(ctx, job)
		if err != nil {
			for _, p := range paths { // the next way needs the room
				_ = os.Remove(p)
			}
			return nil, err
		}
		out.copyCPU += cost.CPU
	}
	return paths, nil
}

const (
	// A quarter of a million rows: groups of a million cost DuckDB's COPY a
	// seventh more CPU time and a fifth more memory.
	rowGroupRows  = 262_144
	leastGroupRow = 2048
	// rowGroupBytes bounds a row group in memory; each thread has one, and 128 MB
	// of wide rows were too much for a worker of 512 MB.
	rowGroupBytes = 32 << 20
	// groupsAFile is how finely a file of several can be cut.
	groupsAFile = 8
)

// rowGroup is the rows of a row group: fewer where the file will be cut.
func (c *compaction) rowGroup(g plan.Group) int64 {
	if g.Outputs < 2 || g.Rows == 0 {
		return rowGroupRows
	}
	rows := c.Policy.Target * g.Rows / max(g.Bytes, 1) / groupsAFile
	return min(max(rows, leastGroupRow), rowGroupRows)
}
