package writer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// takeBody answers the request with a body whose message is not compressed, is
// within RequestBytes, and counts in h.
//
// One that declares its length and is not compressed is left where it is. Any
// other is gathered here, in pieces that are given back as Connect reads them.
func (s *Service) takeBody(r *http.Request, h *hold) (*http.Request, error) {
	enveloped := strings.HasPrefix(strings.ToLower(r.Header.Get("Content-Type")), "application/grpc")
	most := int64(s.cfg.RequestBytes)
	header, longest := "Content-Encoding", most
	if enveloped {
		header, longest = "Grpc-Encoding", most+envelopeBytes
	}
	if r.ContentLength > longest {
		return nil, &sizeError{most}
	}
	encoding := r.Header.Get(header)
	if encoding == "identity" {
		encoding = ""
	}
	g := gatherer{hold: h, most: most}
	switch decompressor, known := decompressors[encoding]; {
	case encoding == "" && !enveloped && r.ContentLength >= 0:
		return r, h.grow(perByte * r.ContentLength)
	case encoding != "" && !known:
		return r, nil // Connect names those it knows, and reads nothing
	case known:
		g.decompressor = decompressor
	}
	out := new(http.Request)
	*out = *r
	out.ContentLength = -1
	var err error
	if enveloped {
		out.Body, err = g.envelope(r.Body)
	} else {
		out.Body, err = g.message(r.Body)
		out.Header = r.Header.Clone()
		out.Header.Del(header)
	}
	return out, err
}

// An envelope is what gRPC and gRPC-Web put before a message: a byte of flags
// and the length.
const (
	envelopeBytes  = 5
	flagCompressed = 1
)

// gatherer collects one message in pieces, and reserves memory for each before
// it is there.
type gatherer struct {
	hold         *hold
	most         int64
	decompressor *decompressorPool // nil when the message is not compressed
}

// envelope gathers the message of an enveloped body. Where the body is not what
// it should be, Connect sees that too, and says so.
func (g *gatherer) envelope(body io.Reader) (io.ReadCloser, error) {
	var prefix [envelopeBytes]byte
	if n, err := io.ReadFull(body, prefix[:]); err != nil {
		return io.NopCloser(bytes.NewReader(prefix[:n])), nil
	}
	size := int64(binary.BigEndian.Uint32(prefix[1:]))
	if size > g.most {
		return nil, &sizeError{g.most}
	}
	if prefix[0]&flagCompressed == 0 || size == 0 {
		g.decompressor = nil
	}
	message, err := g.message(io.LimitReader(body, size))
	if err != nil {
		return nil, err
	}
	if g.decompressor != nil {
		prefix[0] &^= flagCompressed
		binary.BigEndian.PutUint32(prefix[1:], uint32(message.size))
	}
	// A second message is an error for which Connect needs its beginning only.
	return io.NopCloser(io.MultiReader(bytes.NewReader(prefix[:]), message, io.LimitReader(body, 2*envelopeBytes))), nil
}

// message gathers all of a body, decompressed.
func (g *gatherer) message(body io.Reader) (*pieces, error) {
	raw := &rawBody{countingReader: countingReader{r: body}, most: g.most}
	var from io.Reader = raw
	if g.decompressor != nil {
		z, err := g.decompressor.get(raw)
		if err != nil {
			return nil, raw.explain(err)
		}
		defer g.decompressor.put(z)
		from = z
	}
	out := &pieces{}
	next := int64(firstPiece)
	for {
		// One byte more than may be there shows that there are too many.
		next = min(next, g.most-out.size+1)
		if err := g.hold.grow(perByte * next); err != nil {
			return nil, err
		}
		piece := make([]byte, next)
		n, err := fill(from, piece)
		out.add(piece[:n])
		switch {
		case out.size > g.most:
			return nil, &sizeError{g.most}
		case errors.Is(err, io.EOF):
			return out, g.hold.grow(-perByte * (next - int64(n)))
		case err != nil:
			return nil, raw.explain(err)
		}
		next = min(2*next, largestPiece)
	}
}

// fill is io.ReadFull, but io.EOF is the end of r wherever it comes, and
// io.ErrUnexpectedEOF is always r's own: a body that broke off.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var more int
		more, err = r.Read(b[n:])
		n += more
	}
	return n, err
}

const (
	firstPiece   = 16 << 10
	largestPiece = 1 << 20
)

// pieces is a message to be read once; what was read is given up.
type pieces struct {
	list [][]byte
	size int64 // when it was complete
}

func (p *pieces) add(b []byte) {
	p.list = append(p.list, b)
	p.size += int64(len(b))
}

func (p *pieces) Read(b []byte) (int, error) {
	for len(p.list) > 0 && len(p.list[0]) == 0 {
		p.list[0] = nil
		p.list = p.list[1:]
	}
	if len(p.list) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.list[0])
	p.list[0] = p.list[0][n:]
	return n, nil
}

// Close implements io.Closer. net/http closes the body that the pieces are of.
func (p *pieces) Close() error {
	p.list = nil
	return nil
}

// rawBody is a body as it was sent. It refuses more than most bytes.
type rawBody struct {
	countingReader
	most int64
	err  error // of the connection
}

func (b *rawBody) Read(p []byte) (int, error) {
	n, err := b.countingReader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	if b.n > b.most {
		return n, &sizeError{b.most}
	}
	return n, err
}

// explain tells a body that is too large or broke off from one that is not
// what it says.
func (b *rawBody) explain(err error) error {
	switch {
	case b.n > b.most:
		return &sizeError{b.most}
	case b.err != nil:
		return fmt.Errorf("%w: %w", errBrokenBody, b.err)
	case errors.Is(err, errRatio):
		return err
	case errors.Is(err, errNotCompressed):
		return invalidError{err}
	}
	return invalid("%w: %w", errNotCompressed, err)
}
