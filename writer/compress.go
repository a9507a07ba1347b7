package writer

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
)

var errRatio = errors.New("the request is compressed more than 64 to 1; send it with less compression or in smaller batches")

// limitedReader decompresses at most maxRatio times what it read, above a
// floor: a few kilobytes of bomb must not cost what the largest request may.
type limitedReader struct {
	in   countingReader
	out  int64
	from interface {
		io.Reader
		Reset(io.Reader) error
	}
	close func() error
}

const ratioFloor = 64 << 10

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.out += int64(n)
	if l.out > ratioFloor && l.out > maxRatio*l.in.n {
		return n, connect.NewError(connect.CodeResourceExhausted, errRatio)
	}
	return n, err
}

// Reset implements connect.Decompressor.
func (l *limitedReader) Reset(r io.Reader) error {
	l.in, l.out = countingReader{r: r}, 0
	if err := l.from.Reset(&l.in); err != nil {
		return fmt.Errorf("the body is not compressed as its Content-Encoding says: %w", err)
	}
	return nil
}

// Close implements connect.Decompressor.
func (l *limitedReader) Close() error {
	if l.close == nil {
		return nil
	}
	return l.close()
}

func newGzipReader() connect.Decompressor {
	z := &gzip.Reader{}
	return &limitedReader{from: z, close: func() error { return nil }}
}

func newGzipWriter() connect.Compressor { return gzip.NewWriter(io.Discard) }

func newZstdReader() connect.Decompressor {
	// Options that exist cannot fail: they are constants.
	z, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(64<<20))
	if err != nil {
		panic(err)
	}
	return &limitedReader{from: z}
}

func newZstdWriter() connect.Compressor {
	z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return z
}
