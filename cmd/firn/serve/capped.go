package serve

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"connectrpc.com/connect"
)

// maxRequest bounds a request without rows, before and after decompression: the
// largest are statements and the model files of a project. Without a bound half
// a megabyte of gzip costs gigabytes.
const maxRequest = 4 << 20

func tooLarge() error {
	return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf(
		"the request is larger than %d bytes, the most that one without rows may have before and after decompression; nothing was done: send less at a time", maxRequest))
}

// small bounds the requests of a service by maxRequest. Connect has a bound
// too; it reads and decompresses all the rest to tell its length, and names no
// remedy.
func small(path string, next http.Handler) (string, http.Handler) {
	refusal := connect.NewErrorWriter()
	return path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := &cappedReader{ReadCloser: r.Body, left: maxRequest, control: http.NewResponseController(w), drain: r.ProtoMajor == 1}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			body.left += 5 // flags and length
		}
		if r.ContentLength > body.left && refusal.IsSupported(r) {
			if r.Header.Get("Expect") == "" { // otherwise nothing was sent yet
				body.discard()
			}
			_ = refusal.Write(w, r, tooLarge()) // a client that is gone needs no answer
			return
		}
		r.Body = body
		next.ServeHTTP(w, r)
	})
}

// cappedReader is a body that ends in tooLarge, which Connect hands on.
type cappedReader struct {
	io.ReadCloser
	left    int64
	control *http.ResponseController
	drain   bool
}

func (c *cappedReader) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 {
		c.discard()
		return n, tooLarge()
	}
	return n, err
}

// draining is how long the rest of a refused body is read.
const draining = 5 * time.Second

// discard reads the rest and keeps nothing: a client of HTTP/1 that sends all
// before it reads would otherwise find its connection reset, and no answer.
func (c *cappedReader) discard() {
	if c.drain && c.control.SetReadDeadline(time.Now().Add(draining)) == nil {
		_, _ = io.Copy(io.Discard, c.ReadCloser) // the refusal stands, however this ends
	}
}

// cappedGzip decompresses maxRequest bytes at the most.
type cappedGzip struct {
	gzip.Reader
	left int64
}

// Read implements connect.Decompressor.
func (c *cappedGzip) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if c.left -= int64(n); c.left < 0 {
		return n, tooLarge()
	}
	return n, err
}

// Reset implements connect.Decompressor.
func (c *cappedGzip) Reset(r io.Reader) error {
	c.left = maxRequest
	if err := c.Reader.Reset(r); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("the request is not compressed as its Content-Encoding says: %w", err)
	}
	return nil
}

func newCappedGzip() connect.Decompressor { return &cappedGzip{} }

func newGzip() connect.Compressor { return gzip.NewWriter(io.Discard) }
