package fuse

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Cut divides a file of this machine at its row groups into files of about the
// given size, none of them a runt, and answers their paths in the order of the
// rows. Row groups are copied whole, and each file is verified. A file that is
// not worth cutting, or has one row group, is answered as it is; otherwise it is
// removed. name makes the path of a part. After an error no part exists.
func Cut(ctx context.Context, path string, target int64, name func(part int) string) (parts []string, err error) {
	defer func() {
		if err != nil {
			for _, p := range parts {
				err = errors.Join(err, os.Remove(p))
			}
			parts = nil
		}
	}()
	sources, done, err := OpenFiles([]string{path})
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := NewPlan(ctx, sources, Options{RowGroupRows: 1}) // nothing is joined
	if err != nil {
		return nil, err
	}
	runs := p.runs(target)
	if len(runs) < 2 {
		return []string{path}, nil
	}
	for i, groups := range runs {
		part := *p
		part.groups, part.Rows, part.RowGroupsIn = groups, 0, len(groups)
		for _, g := range groups {
			part.Rows += g.rows
		}
		part.RowGroupsOut = len(groups)
		if _, err := part.WriteFile(ctx, name(i)); err != nil {
			return parts, fmt.Errorf("cut %s: %w", path, err)
		}
		parts = append(parts, name(i))
	}
	return parts, os.Remove(path)
}

// runs divides the row groups into runs of about equal size, as many as the
// target size goes into the whole.
func (p *Plan) runs(target int64) [][]group {
	n := min((p.ChunkBytes+target/2)/max(target, 1), int64(len(p.groups)))
	if n < 2 {
		return nil
	}
	var out [][]group
	var done int64
	start := 0
	for i, g := range p.groups {
		done += g.bytes
		next := int64(0)
		if i+1 < len(p.groups) {
			next = p.groups[i+1].bytes
		}
		mark := p.ChunkBytes * int64(len(out)+1) / n
		if i == len(p.groups)-1 || int64(len(out)) < n-1 && done+next/2 >= mark {
			out = append(out, p.groups[start:i+1])
			start = i + 1
		}
	}
	return out
}
