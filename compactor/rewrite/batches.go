package rewrite

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
)

// atMost is how many files are read at once.
func (c *compaction) atMost() int {
	return cmp.Or(c.Policy.MaxFilesAtOnce, plan.FilesAtOnce)
}

// inBatches writes and proves the files of a group some at a time, and joins what
// was written into files of the target size, whose chunks are compared with what
// was proved. Nothing is sorted: each batch would be a range of all values.
func (c *compaction) inBatches(ctx context.Context, dir string, g plan.Group, files []lake.File, out *output) ([]string, ordering, error) {
	var paths []string
	n := 0
	for some := range slices.Chunk(files, c.atMost()) {
		sub := filepath.Join(dir, strconv.Itoa(n))
		if err := os.Mkdir(sub, 0o700); err != nil {
			return nil, ordering{}, fmt.Errorf("temporary folder: %w", err)
		}
		written, err := c.batch(ctx, sub, g, some, out)
		if err != nil {
			return nil, ordering{}, err
		}
		paths = append(paths, written...)
		n++
	}
	paths, err := c.cut(ctx, dir, paths)
	return paths, ordering{}, err
}

// batch writes and proves some files of a group.
func (c *compaction) batch(ctx context.Context, dir string, g plan.Group, files []lake.File, out *output) ([]string, error) {
	g.Bytes, g.Rows = 0, 0
	for _, f := range files {
		g.Bytes, g.Rows = g.Bytes+f.Data.FileSizeBytes(), g.Rows+f.Data.Count()
	}
	src, err := c.source(ctx, g, files)
	if err != nil {
		return nil, err
	}
	defer src.rel.Release()
	src.order, src.temp = ordering{}, 0
	paths, err := c.copies(ctx, dir, src, g, out)
	if err != nil {
		return nil, err
	}
	c.Progress.Advance(g.Bytes / 2)
	return paths, c.prove(ctx, src, g, files, paths, out)
}
