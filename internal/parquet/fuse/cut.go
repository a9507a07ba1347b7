package fuse

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Cut divides the rows of files of this machine, in their order, at the row
// groups into files of about the given size, none of them a runt, and answers
// their paths. Row groups are copied whole, and each file is verified. One file
// that is not worth cutting is answered as it is, and of files without rows the
// first; otherwise the inputs are removed. name makes the path of a part. After an error no part exists.
func Cut(ctx context.Context, paths []string, target int64, name func(part int) string) (parts []string, err error) {
	defer func() {
		if err != nil {
			for _, p := range parts {
				err = errors.Join(err, os.Remove(p))
			}
			parts = nil
		}
	}()
	sources, done, err := OpenFiles(Inputs(paths...))
	if err != nil {
		return nil, err
	}
	defer done()
	p, err := NewPlan(ctx, sources, Options{RowGroupRows: 1}) // nothing is joined
	if err != nil {
		return nil, err
	}
	runs := p.runs(target)
	if len(runs) == 0 || len(paths) == 1 && len(runs) < 2 {
		return paths[:1], nil
	}
	for i, groups := range runs {
		part := *p
		part.groups, part.Rows, part.RowGroupsIn = groups, 0, len(groups)
		for _, g := range groups {
			part.Rows += g.rows
		}
		part.RowGroupsOut = len(groups)
		if _, err := part.WriteFile(ctx, name(i)); err != nil {
			return parts, fmt.Errorf("cut %s: %w", paths[0], err)
		}
		parts = append(parts, name(i))
	}
	for _, path := range paths {
		if err := os.Remove(path); err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// runs divides the row groups into runs of about equal size, as many as the
// target size goes into the whole.
func (p *Plan) runs(target int64) [][]group {
	n := max(1, min((p.ChunkBytes+target/2)/max(target, 1), int64(len(p.groups))))
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
