package fuse

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
)

// ErrHeavy: an image would hold too much in memory; the file can be written.
var ErrHeavy = errors.New("too much to hold in memory")

// Image is an output that lies nowhere yet: extents of the inputs, which must
// stay readable, and what is new in memory. So it can be sent, as often as need
// be, without being written to a file before. Its readers read the inputs anew;
// whether what arrived is what was read when the image was made, checksums say.
type Image struct {
	*Result
	CRC uint32 // CRC-32C of the whole

	extents []extent
	ends    []int64 // of each extent, in the output
	held    int64
	most    int64
}

type extent struct {
	r      io.ReaderAt
	offset int64
	length int64
}

// Assemble reads all that an output is made of, for its checksums.
func (p *Plan) Assemble(ctx context.Context) (*Image, error) {
	im := &Image{most: p.opts.ImageBytes}
	c := newCopier(ctx, (*whole)(im), p.opts.Progress)
	c.image = im
	res, err := p.write(c)
	if err != nil {
		return nil, err
	}
	im.Result = res
	return im, nil
}

// whole is the writer of an image: it takes the checksum.
type whole Image

func (w *whole) Write(b []byte) (int, error) {
	w.CRC = crc32.Update(w.CRC, castagnoli, b)
	return len(b), nil
}

func (w *whole) Flush() error { return nil }

func (im *Image) add(r io.ReaderAt, offset, length int64) {
	if im == nil || length == 0 {
		return
	}
	end := length
	if n := len(im.ends); n > 0 {
		end += im.ends[n-1]
	}
	im.extents, im.ends = append(im.extents, extent{r, offset, length}), append(im.ends, end)
}

// hold counts bytes that stay in memory.
func (im *Image) hold(n int64) error {
	if im == nil {
		return nil
	}
	if im.held += n; im.held > im.most {
		return fmt.Errorf("row lineage of more than %d bytes: %w", im.most, ErrHeavy)
	}
	return nil
}

// Reader reads the output from its beginning.
func (im *Image) Reader() io.ReadSeeker { return &imageReader{im: im} }

type imageReader struct {
	im *Image
	at int64
}

func (r *imageReader) Read(b []byte) (n int, err error) {
	i := sort.Search(len(r.im.ends), func(i int) bool { return r.im.ends[i] > r.at })
	for n < len(b) && i < len(r.im.extents) {
		e, left := r.im.extents[i], r.im.ends[i]-r.at
		some := b[n:]
		some = some[:min(int64(len(some)), left)]
		got, err := e.r.ReadAt(some, e.offset+e.length-left)
		n, r.at = n+got, r.at+int64(got)
		if got < len(some) {
			return n, fmt.Errorf("read what is fused: %w", errors.Join(err, io.ErrUnexpectedEOF))
		}
		if int64(got) == left {
			i++
		}
	}
	if n == 0 && len(b) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *imageReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.im.Size
	}
	if offset < 0 {
		return 0, errors.New("seek before the beginning of a fused file")
	}
	r.at = offset
	return offset, nil
}
