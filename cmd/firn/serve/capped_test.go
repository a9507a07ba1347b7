package serve

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// explained takes every statement.
type explained struct {
	firnv1connect.UnimplementedQueryServiceHandler
}

func (explained) Explain(context.Context, *connect.Request[firnv1.ExplainRequest]) (*connect.Response[firnv1.ExplainResponse], error) {
	return connect.NewResponse(&firnv1.ExplainResponse{}), nil
}

// TestSmallRequests: what is larger than a request without rows may be is
// refused with the remedy, without reading or decompressing more than that.
func TestSmallRequests(t *testing.T) {
	path, handler := small(firnv1connect.NewQueryServiceHandler(explained{}, smallRequests()...))
	for name, c := range map[string]struct {
		size     int64 // before compression
		declared bool
		gzip     bool
		status   int
		read     int64
	}{
		"fits":              {maxRequest - 100, false, false, http.StatusOK, maxRequest},
		"fits, declared":    {maxRequest - 100, true, false, http.StatusOK, maxRequest},
		"fits, gzip":        {maxRequest - 100, true, true, http.StatusOK, maxRequest},
		"too large":         {1 << 30, false, false, http.StatusTooManyRequests, 2 * maxRequest},
		"one byte":          {maxRequest + 1, false, false, http.StatusTooManyRequests, maxRequest + 1},
		"declared":          {1 << 30, true, false, http.StatusTooManyRequests, 0},
		"gzip":              {64 << 20, true, true, http.StatusTooManyRequests, maxRequest},
		"gzip, no length":   {64 << 20, false, true, http.StatusTooManyRequests, maxRequest},
		"gzip, by one byte": {maxRequest + 1, true, true, http.StatusTooManyRequests, maxRequest},
	} {
		// A request, and white space up to its size.
		plain := io.MultiReader(strings.NewReader("{}"), io.LimitReader(spaces{}, c.size-2))
		body := &counted{Reader: plain}
		length := c.size
		if c.gzip {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			if _, err := io.Copy(z, plain); err != nil || z.Close() != nil {
				t.Fatal(err)
			}
			length, body.Reader = int64(packed.Len()), &packed
		}
		r := httptest.NewRequest(http.MethodPost, path+"Explain", body)
		r.ContentLength, r.ProtoMajor = -1, 2
		if c.declared {
			r.ContentLength = length
		}
		r.Header.Set("Content-Type", "application/json")
		if c.gzip {
			r.Header.Set("Content-Encoding", "gzip")
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != c.status || body.n > c.read {
			t.Errorf("%s: status %d, want %d; %d bytes read, want %d at the most; %.200s", name, w.Code, c.status, body.n, c.read, w.Body)
		}
		if c.status != http.StatusOK && !strings.Contains(w.Body.String(), "larger than 4194304 bytes") {
			t.Errorf("%s: %s", name, w.Body)
		}
	}
}

type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

type counted struct {
	io.Reader
	n int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}
