package fuse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
)

// Input is a file of this machine that [Join] opens when it is its turn.
type Input struct {
	Path string
	// What rows inherit: see [Source].
	FirstRowID *int64
	Sequence   int64
}

// Inputs are files whose rows inherit nothing.
func Inputs(paths ...string) []Input {
	inputs := make([]Input, len(paths))
	for i, path := range paths {
		inputs[i].Path = path
	}
	return inputs
}

// Files fuses files of this machine as [Join] does.
func Files(ctx context.Context, paths []string, output string, o Options) (*Result, error) {
	return Join(ctx, Inputs(paths...), output, o)
}

// Join fuses any number of files of this machine into a new one and verifies it.
// It takes them in batches, see [Options]: no row group of the output joins files
// of two of them. After an error the output does not exist.
func Join(ctx context.Context, inputs []Input, output string, o Options) (*Result, error) {
	if len(inputs) == 0 {
		return nil, errors.New("fuse: no input given")
	}
	o = o.withDefaults()
	return create(output, func(f *os.File) (*Result, error) {
		w := newOutput(newCopier(ctx, bufio.NewWriterSize(f, bufferSize), o.Progress), o)
		for len(inputs) > 0 {
			n, err := w.batch(ctx, inputs)
			if err != nil {
				return nil, err
			}
			inputs = inputs[n:]
		}
		return w.finish()
	})
}

// batch adds the first inputs, and answers how many.
func (w *output) batch(ctx context.Context, inputs []Input) (n int, err error) {
	p := newPlan(w.opts)
	var open []*os.File
	defer func() {
		for _, f := range open {
			f.Close()
		}
	}()
	for ; n < len(inputs) && !p.full(); n++ {
		s, f, err := openFile(inputs[n])
		if err != nil {
			return n, err
		}
		open = append(open, f)
		if err := p.open(ctx, s); err != nil {
			return n, err
		}
		if p.sources[n].held { // it was read whole
			open = open[:len(open)-1]
			f.Close()
		}
	}
	p.layout()
	return n, w.add(p)
}

func openFile(in Input) (Source, *os.File, error) {
	f, err := os.Open(in.Path)
	if err != nil {
		return Source{}, nil, fmt.Errorf("open input: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return Source{}, nil, fmt.Errorf("open input: %w", err)
	}
	return Source{Name: in.Path, R: f, Size: info.Size(), FirstRowID: in.FirstRowID, Sequence: in.Sequence}, f, nil
}

// OpenFiles opens files as sources; done closes them.
func OpenFiles(inputs []Input) (sources []Source, done func(), err error) {
	var open []*os.File
	done = func() {
		for _, f := range open {
			f.Close()
		}
	}
	for _, in := range inputs {
		s, f, err := openFile(in)
		if err != nil {
			done()
			return nil, nil, err
		}
		sources, open = append(sources, s), append(open, f)
	}
	return sources, done, nil
}

// WriteFile writes the output into a new file and verifies what arrived.
// After an error the file does not exist.
func (p *Plan) WriteFile(ctx context.Context, path string) (*Result, error) {
	return create(path, func(f *os.File) (*Result, error) { return p.Write(ctx, f) })
}

// create makes a file, writes it and reads it back; after an error there is none.
func create(path string, write func(*os.File) (*Result, error)) (res *Result, err error) {
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
	if res, err = write(f); err != nil {
		return nil, err
	}
	return res, Verify(f, res.Size, res)
}
