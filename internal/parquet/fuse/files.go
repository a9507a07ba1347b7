package fuse

import (
	"context"
	"errors"
	"fmt"
	"os"
)

// Files fuses files of this machine into a new one and verifies it.
// After an error the output does not exist.
func Files(ctx context.Context, inputs []string, output string, o Options) (_ *Result, err error) {
	sources, done, err := OpenFiles(inputs)
	if err != nil {
		return nil, err
	}
	defer done()
	plan, err := NewPlan(ctx, sources, o)
	if err != nil {
		return nil, err
	}
	return plan.WriteFile(ctx, output)
}

// OpenFiles opens files as sources; done closes them.
func OpenFiles(paths []string) (sources []Source, done func(), err error) {
	var open []*os.File
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	for _, path := range paths {
		f, err := os.Open(path)
		if err == nil {
			open = append(open, f)
			var info os.FileInfo
			if info, err = f.Stat(); err == nil {
				sources = append(sources, Source{Name: path, R: f, Size: info.Size()})
			}
		}
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("open input: %w", err)
		}
	}
	return sources, done, nil
}

// WriteFile writes the output into a new file and verifies what arrived.
// After an error the file does not exist.
func (p *Plan) WriteFile(ctx context.Context, path string) (res *Result, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create output: %w", err)
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if err != nil {
			res = nil
			err = errors.Join(err, os.Remove(path))
		}
	}()
	if res, err = p.Write(ctx, f); err != nil {
		return nil, err
	}
	return res, Verify(f, res.Size, res)
}
