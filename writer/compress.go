package writer

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"connectrpc.com/connect"
	"github.com/klauspost/compress/zstd"
)

var (
	errRatio         = errors.New("the request is compressed more than 64 to 1; send it with less compression or in smaller batches")
	errNotCompressed = errors.New("the body is not compressed as its Content-Encoding says")
)

// maxRatio is the compression that request bodies may have: it bounds what a
// body may grow to by what was sent.
const maxRatio = 64

// limitedReader decompresses at most maxRatio times what it read, above a
// floor: a few kilobytes of bomb must not cost what the largest request may.
type limitedReader struct {
	in   countingReader
	out  int64
	from interface {
		io.Reader
		Reset(io.Reader) error
	}
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
		return fmt.Errorf("%w: %w", errNotCompressed, err)
	}
	return nil
}

// Close implements connect.Decompressor. Nothing needs closing: neither reader
// has a goroutine, and both are used again.
func (l *limitedReader) Close() error { return nil }

func newGzipReader() connect.Decompressor { return &limitedReader{from: &gzip.Reader{}} }

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

// decompressors are those of appends by Content-Encoding; Connect has its own
// for the other methods.
var decompressors = map[string]*decompressorPool{
	"gzip": {sync.Pool{New: func() any { return newGzipReader() }}},
	"zstd": {sync.Pool{New: func() any { return newZstdReader() }}},
}

type decompressorPool struct{ free sync.Pool }

func (p *decompressorPool) get(from io.Reader) (connect.Decompressor, error) {
	z := p.free.Get().(connect.Decompressor)
	return z, z.Reset(from)
}

// put gives a decompressor back, without a reference to what it has read.
func (p *decompressorPool) put(z connect.Decompressor) {
	_ = z.Reset(http.NoBody) // an empty body is no stream; the next get begins anew
	p.free.Put(z)
}

func newZstdWriter() connect.Compressor {
	z, err := zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		panic(err)
	}
	return z
}
