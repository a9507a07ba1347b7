package writer_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/klauspost/compress/zstd"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer"
)

const appendPath = "/firn.v1.IngestService/Append"

// protocols are the ways in which a client may speak.
var protocols = map[string][]connect.ClientOption{
	"connect":      nil,
	"connect json": {connect.WithProtoJSON()},
	"grpc":         {connect.WithGRPC()},
	"grpc-web":     {connect.WithGRPCWeb()},
}

var compressions = map[string][]connect.ClientOption{
	"plain": nil,
	"gzip":  {connect.WithSendGzip()},
	"zstd": {
		connect.WithAcceptCompression("zstd", func() connect.Decompressor {
			z, _ := zstd.NewReader(nil)
			return zstdReader{z}
		}, func() connect.Compressor {
			z, _ := zstd.NewWriter(nil)
			return z
		}),
		connect.WithSendCompression("zstd"),
	},
}

// zstdReader makes zstd's decoder a connect.Decompressor.
type zstdReader struct{ *zstd.Decoder }

func (zstdReader) Close() error { return nil }

// clients calls f with a client of each protocol and compression. gRPC needs
// HTTP/2.
func (k *kit) clients(f func(t *testing.T, c firnv1connect.IngestServiceClient)) {
	over2 := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
	over2.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	for protocol, options := range protocols {
		for compression, more := range compressions {
			over := httpClient()
			if protocol == "grpc" {
				over = over2
			}
			k.t.(*testing.T).Run(protocol+" "+compression, func(t *testing.T) {
				f(t, firnv1connect.NewIngestServiceClient(over, k.url, append(slices.Clip(options), more...)...))
			})
		}
	}
}

func TestProtocolsAndCompressions(t *testing.T) {
	k := newKit(t, nil)
	first := 0
	k.clients(func(t *testing.T, c firnv1connect.IngestServiceClient) {
		// More than one piece, and none.
		for _, n := range []int{20_000, 1} {
			if _, err := c.Append(t.Context(), connect.NewRequest(arrowRows(rows(t, "a", first, n)))); err != nil {
				t.Error(err)
			}
			first += n
		}
		if _, err := c.Append(t.Context(), connect.NewRequest(&firnv1.AppendRequest{})); code(err) != connect.CodeInvalidArgument {
			t.Errorf("an empty message: %v", err)
		}
		if n := k.service.HeldBytes(); n != 0 {
			t.Errorf("%d bytes are still held", n)
		}
	})
	got := k.numbers()
	exactly(t, got, "a", first)
	if len(got) != first {
		t.Errorf("%d rows, want %d", len(got), first)
	}
}

// TestTooLargeInEachProtocol: what is larger than a request may be, as it is
// sent or once it is decompressed, is refused by its size, with the remedy and
// without a hint to come again.
func TestTooLargeInEachProtocol(t *testing.T) {
	const most = 1 << 20
	k := newKit(t, func(c *writer.Config) { c.RequestBytes = most })
	// 20 times smaller when compressed: the ratio is no reason to refuse it.
	var lines strings.Builder
	for lines.Len() < most+1 {
		fmt.Fprintf(&lines, "{\"who\":\"%08x\",\"n\":1}\n%s", rand.Uint32(), strings.Repeat(" ", 200))
	}
	k.clients(func(t *testing.T, c firnv1connect.IngestServiceClient) {
		_, err := c.Append(t.Context(), connect.NewRequest(jsonRows(lines.String())))
		tooLarge(t, err, "larger than 1048576 bytes")
		if n := k.service.HeldBytes(); n != 0 {
			t.Errorf("%d bytes are still held", n)
		}
		if _, err := c.Append(t.Context(), connect.NewRequest(arrowRows(rows(t, "a", 0, 10)))); err != nil {
			t.Errorf("a good batch afterwards: %v", err)
		}
	})
}

func tooLarge(t *testing.T, err error, words ...string) {
	t.Helper()
	if code(err) != connect.CodeResourceExhausted {
		t.Fatalf("got %v", err)
	}
	for _, w := range append(words, "nothing of it was taken", "send smaller batches", "raise writer.") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q does not say %q", err, w)
		}
	}
	if len(asConnect(err).Details()) > 0 {
		t.Errorf("a hint to come again: %v", asConnect(err).Details())
	}
}

// endlessBody counts what is read of it.
type endlessBody struct {
	head []byte
	read int
}

func (b *endlessBody) Read(p []byte) (int, error) {
	n := copy(p, b.head)
	b.head = b.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = ' '
	}
	b.read += len(p)
	return len(p), nil
}

// TestRefusedUnread: what a request says about its size is enough to refuse
// it, and what says nothing is read up to the cap and one piece more.
func TestRefusedUnread(t *testing.T) {
	const most, piece = 2 << 20, 1 << 20
	k := newKit(t, func(c *writer.Config) { c.RequestBytes = most })
	_, handler := k.service.Handler()
	envelope := binary.BigEndian.AppendUint32([]byte{0}, most+1)
	for name, c := range map[string]struct {
		contentType string
		declared    int64
		head        []byte
		read        int
		status      int
	}{
		"declared":           {"application/json", most + 1, nil, 0, http.StatusTooManyRequests},
		"declared, grpc":     {"application/grpc", most + 6, nil, 0, http.StatusOK},
		"in the envelope":    {"application/grpc", -1, envelope, 5, http.StatusOK},
		"grpc-web":           {"application/grpc-web+proto", -1, envelope, 5, http.StatusOK},
		"unknown":            {"application/proto", -1, nil, most + piece, http.StatusTooManyRequests},
		"no type of ours":    {"text/csv", -1, nil, 0, http.StatusUnsupportedMediaType},
		"a protocol we lack": {"application/connect+json", -1, nil, 0, http.StatusUnsupportedMediaType},
	} {
		body := &endlessBody{head: c.head}
		r := httptest.NewRequest(http.MethodPost, appendPath, body)
		r.ContentLength, r.ProtoMajor = c.declared, 2
		r.Header.Set("Content-Type", c.contentType)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if body.read > c.read || w.Code != c.status {
			t.Errorf("%s: status %d, want %d; %d bytes read, want %d at the most", name, w.Code, c.status, body.read, c.read)
		}
		answer := fmt.Sprint(w.Header(), w.Body)
		if c.status != http.StatusUnsupportedMediaType && (!strings.Contains(answer, "send smaller batches") || !strings.Contains(answer, "writer.max_request")) {
			t.Errorf("%s: %s", name, answer)
		}
	}
}

// TestExpectingClient: a client that asks first is answered before it sends.
func TestExpectingClient(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.RequestBytes = 1 << 20 })
	body := &endlessBody{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, k.url+appendPath, body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = 1 << 40
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Expect", "100-continue")
	c := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusTooManyRequests || body.read > 0 {
		t.Errorf("status %d, %d bytes sent", res.StatusCode, body.read)
	}
}

// TestClientThatSendsAllFirst: over HTTP/1 the answer comes to a client that
// does not read before it has sent everything.
func TestClientThatSendsAllFirst(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.RequestBytes = 1 << 20 })
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(k.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	const size = 16 << 20
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: firn\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", appendPath, size)
	if n, err := conn.Write(make([]byte, size)); err != nil {
		t.Fatalf("sent %d bytes: %v", n, err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !bytes.Contains(answer, []byte("writer.max_request")) {
		t.Errorf("%v: %s", err, answer)
	}
}

// TestBodiesCountWhileTheyAreRead: two bodies of unknown length that do not
// fit together are not held together.
func TestBodiesCountWhileTheyAreRead(t *testing.T) {
	k := newKit(t, func(c *writer.Config) { c.MemoryBytes, c.ContributorBytes = 4<<20, 4<<20 })
	post := func(body io.Reader) (int, string) {
		res, err := http.Post(k.url+appendPath, "application/json", body)
		if err != nil {
			t.Error(err)
			return 0, ""
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(text)
	}
	body, write := io.Pipe()
	first := make(chan int, 1)
	go func() { status, _ := post(body); first <- status }()
	if _, err := write.Write(bytes.Repeat([]byte{' '}, 1<<20)); err != nil {
		t.Fatal(err)
	}
	for k.service.HeldBytes() < 2<<20 {
		<-waited(1)
	}
	if status, text := post(io.MultiReader(strings.NewReader(strings.Repeat(" ", 1<<20)))); status != http.StatusTooManyRequests || !strings.Contains(text, "retry hint") {
		t.Errorf("the second: %d %s", status, text)
	}
	write.CloseWithError(nil)
	if status := <-first; status != http.StatusBadRequest { // white space is no request
		t.Errorf("the first: %d", status)
	}
	if n := k.service.HeldBytes(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// TestBrokenBodies: what is not a message as its protocol says is refused, and
// nothing of it is kept.
func TestBrokenBodies(t *testing.T) {
	k := newKit(t, nil)
	_, handler := k.service.Handler()
	for name, c := range map[string]struct {
		contentType, encoding string
		body                  io.Reader
		want                  string
	}{
		"broke off":                 {"application/json", "", io.MultiReader(strings.NewReader("{"), brokenReader{}), "ended before it was complete"},
		"broke off, gzip":           {"application/json", "gzip", brokenReader{}, "ended before it was complete"},
		"no gzip":                   {"application/json", "gzip", strings.NewReader("hello"), "not compressed as its Content-Encoding says"},
		"no zstd":                   {"application/grpc", "zstd", strings.NewReader("\x01\x00\x00\x00\x05hello"), "not compressed as its Content-Encoding says"},
		"unknown":                   {"application/json", "br", &endlessBody{}, "unknown compression"},
		"unknown, grpc":             {"application/grpc", "br", &endlessBody{}, "unknown compression"},
		"half an envelope":          {"application/grpc", "", strings.NewReader("\x00\x00"), "incomplete envelope"},
		"half a message":            {"application/grpc", "", strings.NewReader("\x00\x00\x00\x00\x05he"), "promised 5 bytes"},
		"two messages":              {"application/grpc", "", strings.NewReader("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "multiple messages"},
		"compressed without saying": {"application/grpc", "", strings.NewReader("\x01\x00\x00\x00\x05hello"), "without compression support"},
	} {
		r := httptest.NewRequest(http.MethodPost, appendPath, c.body)
		r.ContentLength, r.ProtoMajor = -1, 2
		r.Header.Set("Content-Type", c.contentType)
		r.Header.Set("Content-Encoding", c.encoding)
		r.Header.Set("Grpc-Encoding", c.encoding)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if answer := strings.ReplaceAll(fmt.Sprint(w.Header(), w.Body), "%20", " "); !strings.Contains(answer, c.want) {
			t.Errorf("%s: %d %s", name, w.Code, answer)
		}
		if n := k.service.HeldBytes(); n != 0 {
			t.Errorf("%s: %d bytes are still held", name, n)
		}
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestTooLargeForItsShare: rows that will never fit are refused without a hint
// to come again; a client that follows hints would come for ever.
func TestTooLargeForItsShare(t *testing.T) {
	m := func() *firnv1.AppendRequest { return arrowRows(rows(t, "a", 0, 100_000)) }
	for name, change := range map[string]func(*writer.Config){
		"contributor": func(c *writer.Config) { c.ContributorBytes = 256 << 10 },
		"server":      func(c *writer.Config) { c.MemoryBytes, c.ContributorBytes = 1<<20, 1<<20 },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(t, change)
			_, err := k.append(m())
			tooLarge(t, err, name+" may hold", "writer.byte_budget")
			// The same without HTTP.
			_, err = k.service.Append(context.Background(), connect.NewRequest(m()))
			tooLarge(t, err, name+" may hold")
		})
	}
	t.Run("once decoded", func(t *testing.T) {
		// A kilobyte of rows that are 8 MiB: refused before they are held.
		k := newKit(t, func(c *writer.Config) { c.ContributorBytes = 4 << 20 })
		b := array.NewStringBuilder(memory.DefaultAllocator)
		b.Append(string(make([]byte, 8<<20)))
		n := array.NewInt32Builder(memory.DefaultAllocator)
		n.Append(1)
		batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{
			{Name: "who", Type: arrow.BinaryTypes.String}, {Name: "n", Type: arrow.PrimitiveTypes.Int32},
		}, nil), []arrow.Array{b.NewArray(), n.NewArray()}, 1)
		_, err := k.append(arrowRows(zstdStream(t, batch)))
		tooLarge(t, err, "contributor may hold 4194304")
	})
	t.Run("a quarter of the budget is less than a request may need", func(t *testing.T) {
		k := newKit(t, func(c *writer.Config) { c.MemoryBytes, c.RequestBytes = 8<<20, 2<<20 })
		k.mustAppend(arrowRows(rows(t, "a", 0, 40_000)))
	})
}

func zstdStream(t *testing.T, b arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(b.Schema()), ipc.WithZstd())
	if err := errors.Join(w.Write(b), w.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
