package badinput

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// stream is a good Arrow stream of n rows for bronze.t.
func stream(t *testing.T, n int, fields ...arrow.Field) []byte {
	t.Helper()
	if fields == nil {
		fields = []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}}
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields, nil))
	for i := range n {
		for _, f := range b.Fields() {
			switch f := f.(type) {
			case *array.Int64Builder:
				f.Append(int64(i))
			case *array.StringBuilder:
				f.Append("x")
			default:
				f.AppendNull()
			}
		}
	}
	return encode(t, b.NewRecordBatch())
}

func encode(t *testing.T, b arrow.RecordBatch, options ...ipc.Option) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, append(options, ipc.WithSchema(b.Schema()))...)
	if err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func (s *server) appendArrow(t *testing.T, data []byte) answer {
	t.Helper()
	return s.call(t, "IngestService/Append", `{"table":{"namespace":["bronze"],"name":"t"},"arrowIpc":"`+base64.StdEncoding.EncodeToString(data)+`"}`)
}

// declaring replaces the length of the batch's body in a small stream.
func declaring(t *testing.T, size uint64) []byte {
	t.Helper()
	data := stream(t, 1, arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64})
	schema := 8 + int(binary.LittleEndian.Uint32(data[4:]))
	message := schema + 8 + int(binary.LittleEndian.Uint32(data[schema+4:]))
	body := uint64(len(data) - 8 - message)
	word := bytes.Index(data[schema:message], binary.LittleEndian.AppendUint64(nil, body))
	if word < 0 {
		t.Fatal("the stream does not hold the length of its body")
	}
	binary.LittleEndian.PutUint64(data[schema+word:], size)
	return data
}

// bomb is a batch whose one value of 256 MB of zeros is a few kilobytes of
// zstd.
func bomb(t *testing.T) []byte {
	t.Helper()
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.Append(string(make([]byte, 256<<20)))
	id := array.NewInt64Builder(memory.DefaultAllocator)
	id.Append(1)
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	data := encode(t, array.NewRecordBatch(schema, []arrow.Array{id.NewArray(), b.NewArray()}, 1), ipc.WithZstd())
	if len(data) > 100<<10 {
		t.Fatalf("the bomb has %d bytes", len(data))
	}
	return data
}

func TestMalformedArrow(t *testing.T) {
	s := start(t)
	good := stream(t, 3)
	null := array.NewInt64Builder(memory.DefaultAllocator)
	null.AppendNull()
	nulls := encode(t, array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil), []arrow.Array{null.NewArray()}, 1))
	for _, c := range []struct {
		name  string
		data  []byte
		words []string
	}{
		{"empty", nil, []string{"malformed Arrow stream", "empty", "complete Arrow IPC stream"}},
		{"text", []byte("hello, world"), []string{"malformed Arrow stream", "complete Arrow IPC stream"}},
		{"file format", append([]byte("ARROW1\x00\x00"), good...), []string{"malformed Arrow stream", "complete Arrow IPC stream"}},
		{"cut off", good[:len(good)-40], []string{"malformed Arrow stream", "48 bytes and 16 are there", "complete Arrow IPC stream"}},
		{"terabytes declared", declaring(t, 1<<42), []string{"malformed Arrow stream", "declares a body of 4398046511104 bytes", "complete Arrow IPC stream"}},
		{"2^63 declared", declaring(t, 1<<63), []string{"malformed Arrow stream"}},
		{"zstd bomb", bomb(t), []string{"malformed Arrow stream", "268435456 bytes allowed", "smaller batches"}},
		{"wrong type", stream(t, 1, arrow.Field{Name: "id", Type: arrow.BinaryTypes.String}), []string{"column id", "long"}},
		{"unknown column", stream(t, 1, arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "nosuch", Type: arrow.PrimitiveTypes.Int64}), []string{"column nosuch", "no such column", "id, name, at"}},
		{"required column missing", stream(t, 1, arrow.Field{Name: "name", Type: arrow.BinaryTypes.String}), []string{"column id", "required"}},
		{"null in a required column", nulls, []string{"column id", "required"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.holdsStill(t, 96<<20, func() { refused(t, s.appendArrow(t, c.data), http.StatusBadRequest, c.words...) })
		})
	}
}

// TestEveryFlippedWord changes each word of a small stream. What is refused
// changes nothing; what is accepted (a changed value is a value) is committed
// once.
func TestEveryFlippedWord(t *testing.T) {
	s := start(t)
	good := stream(t, 3)
	accepted, committed := 0, 0
	rose := s.peak(t, func() {
		for at := 0; at+4 <= len(good); at += 4 {
			for _, word := range []uint32{0x7fffffff, 0xffffffff} {
				evil := bytes.Clone(good)
				binary.LittleEndian.PutUint32(evil[at:], word)
				a := s.appendArrow(t, evil)
				switch a.status {
				case http.StatusOK:
					accepted++
					var rows int
					if _, rest, ok := strings.Cut(a.body, `"rows":"`); ok {
						_, _ = fmt.Sscanf(rest, "%d", &rows)
					}
					committed += rows
				case http.StatusBadRequest:
					if a.Message == "" {
						t.Fatalf("word %d: no message: %s", at, a)
					}
				default:
					t.Fatalf("word %d: %s\n%s", at, a, s.Tail())
				}
			}
		}
	})
	s.lives(t)
	if rose > 128<<20 {
		t.Errorf("memory rose by %d MiB", rose>>20)
	}
	if n := s.rows(t, ingest); n != committed {
		t.Errorf("%d rows in the table, the answers said %d", n, committed)
	}
	t.Logf("%d bytes, %d changed streams accepted with %d rows", len(good), accepted, committed)
	if accepted == 0 || committed == 0 {
		t.Error("no changed stream was accepted: the test does not reach the values")
	}
}

func TestBrokenLines(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		line  string
		words []string
	}{
		"cut off":                {`{"id":1`, []string{"row 1", "not valid JSON", "does not end"}},
		"no JSON":                {`id=1`, []string{"row 1", "not valid JSON"}},
		"null in a required":     {`{"id":null}`, []string{"row 1", "column id", "required", "must not be null"}},
		"required missing":       {`{"name":"x"}`, []string{"row 1", "column id", "required"}},
		"text for a number":      {`{"id":"x"}`, []string{"row 1", "column id", "is text", "long"}},
		"fraction":               {`{"id":1.5}`, []string{"row 1", "column id", "whole number"}},
		"too large":              {`{"id":99999999999999999999}`, []string{"row 1", "column id", "out of range"}},
		"unknown column":         {`{"id":1,"nosuch":2}`, []string{"row 1", "column nosuch", "no such column", "id, name, at"}},
		"column twice":           {`{"id":1,"id":2}`, []string{"row 1", "twice"}},
		"timestamp":              {`{"id":1,"at":"yesterday"}`, []string{"row 1", "column at", "yesterday", "write"}},
		"array":                  {`[1]`, []string{"row 1", "one JSON object a line"}},
		"deep":                   {`{"id":` + strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000) + `}`, []string{"row 1"}},
		"control in a key":       {`{"id":1,"a\u0000\u001b[31m":2}`, []string{"row 1", "no such column"}},
		"key of 100 KB":          {`{"id":1,"` + strings.Repeat("k", 100_000) + `":2}`, []string{"row 1", "no such column"}},
		"number of 100 K digits": {`{"id":` + strings.Repeat("9", 100_000) + `}`, []string{"row 1", "column id"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.holdsStill(t, 64<<20, func() {
				a := s.append(t, `{"id":1,"name":"kept together"}`+"\n"+c.line+"\n"+`{"id":3}`, "")
				refused(t, a, http.StatusBadRequest, append(c.words, "nothing was committed")...)
				if len(a.body) > 16<<10 {
					t.Errorf("the answer has %d bytes: it repeats what was sent", len(a.body))
				}
				if strings.ContainsAny(a.Message, "\x00\x1b") {
					t.Errorf("control characters in %q", a.Message)
				}
			})
		})
	}
}

// TestLinesThatGrow: what is read from JSON lines is bounded like the lines.
func TestLinesThatGrow(t *testing.T) {
	s := start(t)
	many := func(n int, item func(i int) string) string {
		var b strings.Builder
		for i := range n {
			b.WriteString(item(i))
		}
		return b.String()
	}
	key := func(i int) string { return fmt.Sprintf(`,"k%d":0`, i) }
	for _, c := range []struct {
		name, lines string
		words       []string
	}{
		{"a list of 2,000,000 values", `{"id":[0` + strings.Repeat(",0", 2_000_000-1) + `]}`, []string{"row 0", "more than 50000 values", "Arrow"}},
		{"2,000,000 lists", `{"id":[[]` + strings.Repeat(",[]", 1_300_000) + `]}`, []string{"row 0", "more than 50000 values"}},
		{"an object of 300,000 keys", `{"id":1` + many(300_000, key) + `}`, []string{"row 0", "more than 50000 values"}},
		{"rows of 40,000 keys", strings.Repeat(`{"id":1`+many(40_000, key)+"}\n", 16), []string{"16 rows are faulty", "no such column"}},
		{"4,000,000 faulty rows", strings.Repeat("x\n", 4_000_000), []string{"4000000 rows are faulty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s.holdsStill(t, 96<<20, func() { refused(t, s.append(t, c.lines, ""), http.StatusBadRequest, c.words...) })
		})
	}
	t.Run("4,000,000 faulty rows for the quarantine", func(t *testing.T) {
		s.holdsStill(t, 192<<20, func() {
			refused(t, s.append(t, strings.Repeat("x\n", 4_000_000), `,"badRows":"BAD_ROWS_QUARANTINE"`), http.StatusTooManyRequests, "one contributor may hold", "smaller batches")
		})
	})
}

// mostForABody is the cap of a request's body, 64 MiB, and room for what else
// the process does meanwhile.
const mostForABody = (64 + 32) << 20

var tooLarge = []string{"larger than 67108864 bytes", "send smaller batches", "writer.max_request"}

func TestBodies(t *testing.T) {
	s := start(t)
	const at = "/firn.v1.IngestService/Append"
	table := `{"table":{"namespace":["bronze"],"name":"t"}`
	t.Run("gzip bomb", func(t *testing.T) {
		body := gzipped(t, zeros)
		s.holdsStill(t, 256<<20, func() {
			refused(t, s.send(t, http.MethodPost, at, bytes.NewReader(body), map[string]string{"Content-Encoding": "gzip"}), http.StatusTooManyRequests, "more than 64 to 1", "smaller batches")
		})
	})
	t.Run("gzip that is none", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			refused(t, s.send(t, http.MethodPost, at, strings.NewReader("not gzip"), map[string]string{"Content-Encoding": "gzip"}), http.StatusBadRequest, "not compressed as its Content-Encoding says")
		})
	})
	t.Run("unknown encoding", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			refused(t, s.send(t, http.MethodPost, at, strings.NewReader("x"), map[string]string{"Content-Encoding": "br"}), http.StatusNotImplemented, "br", "gzip")
		})
	})
	// A body is held once, in pieces, up to the cap of 64 MiB, whatever it says
	// about its length and however small it is compressed.
	t.Run("oversized", func(t *testing.T) {
		s.holdsStill(t, mostForABody, func() {
			refused(t, s.send(t, http.MethodPost, at, io.LimitReader(endless{}, 200<<20), nil), http.StatusTooManyRequests, tooLarge...)
		})
	})
	t.Run("oversized and declared", func(t *testing.T) {
		body := bytes.Repeat([]byte{' '}, 65<<20)
		s.holdsStill(t, 64<<20, func() {
			refused(t, s.send(t, http.MethodPost, at, bytes.NewReader(body), nil), http.StatusTooManyRequests, tooLarge...)
		})
	})
	t.Run("oversized in gRPC", func(t *testing.T) {
		// The length is in the first five bytes.
		body := append([]byte{0}, binary.BigEndian.AppendUint32(nil, 100<<20)...)
		s.holdsStill(t, 64<<20, func() {
			a := s.send(t, http.MethodPost, at, io.MultiReader(bytes.NewReader(body), io.LimitReader(endless{}, 100<<20)), map[string]string{"Content-Type": "application/grpc-web+proto"})
			if said := fmt.Sprint(a.head); a.status != http.StatusOK || a.head.Get("Grpc-Status") != "8" || !strings.Contains(said, "larger than") || !strings.Contains(said, "writer.max_request") {
				t.Errorf("%d %v", a.status, a.head)
			}
		})
	})
	// Less than 64 to 1, so it is decompressed up to the cap.
	patient := gzipped(t, func(w io.Writer) error {
		noise := make([]byte, 16<<10)
		if _, err := rand.Read(noise); err != nil {
			return err
		}
		for range 200 << 20 / len(noise) / 32 {
			if _, err := w.Write(noise); err != nil {
				return err
			}
			if _, err := io.CopyN(w, endless{}, int64(31*len(noise))); err != nil {
				return err
			}
			noise[0]++
		}
		return nil
	})
	t.Run("patient gzip bomb", func(t *testing.T) {
		t.Logf("%d bytes", len(patient))
		s.holdsStill(t, mostForABody, func() {
			refused(t, s.send(t, http.MethodPost, at, bytes.NewReader(patient), map[string]string{"Content-Encoding": "gzip"}), http.StatusTooManyRequests, tooLarge...)
		})
	})
	t.Run("patient gzip bomb of unknown length", func(t *testing.T) {
		s.holdsStill(t, mostForABody, func() {
			refused(t, s.send(t, http.MethodPost, at, io.MultiReader(bytes.NewReader(patient)), map[string]string{"Content-Encoding": "gzip"}), http.StatusTooManyRequests, tooLarge...)
		})
	})
	t.Run("no JSON", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			for _, body := range []string{"", "{", table, "null", "[]", `"x"`, "\xff\xfe", table + `,"ndjson":7}`, table + `,"arrowIpc":"!!!"}`, table + `} {}`} {
				refused(t, s.send(t, http.MethodPost, at, strings.NewReader(body), nil), http.StatusBadRequest)
			}
		})
	})
	t.Run("misspelled field", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			refused(t, s.call(t, "IngestService/Append", table+`,"ndjson":"{\"id\":1}","idempotencykey":"a"}`), http.StatusBadRequest, `unknown field "idempotencykey"`, "idempotencyKey")
			refused(t, s.call(t, "IngestService/Append", table+`,"rows":"{\"id\":1}"}`), http.StatusBadRequest, `unknown field "rows"`, "ndjson")
		})
	})
	t.Run("wrong content type", func(t *testing.T) {
		s.holdsStill(t, 64<<20, func() {
			a := s.send(t, http.MethodPost, at, strings.NewReader("id\n1\n"), map[string]string{"Content-Type": "text/csv"})
			refused(t, a, http.StatusUnsupportedMediaType)
			if !strings.Contains(a.head.Get("Accept-Post"), "application/json") {
				t.Errorf("Accept-Post %q does not name what is taken", a.head.Get("Accept-Post"))
			}
		})
	})
	// The other services take small requests only, and never more memory.
	for _, method := range []string{"CatalogService/CreateTable", "CatalogService/ListTables", "QueryService/Explain", "MaintenanceService/SubmitJob", "ModelService/Plan", "IngestService/OpenChannel"} {
		t.Run("oversized for "+method, func(t *testing.T) {
			s.holdsStill(t, 64<<20, func() {
				refused(t, s.send(t, http.MethodPost, "/firn.v1."+method, io.LimitReader(endless{}, 100<<20), nil), http.StatusTooManyRequests, "larger than")
			})
			body := gzipped(t, zeros)
			s.holdsStill(t, 64<<20, func() {
				refused(t, s.send(t, http.MethodPost, "/firn.v1."+method, bytes.NewReader(body), map[string]string{"Content-Encoding": "gzip"}), http.StatusTooManyRequests, "than")
			})
		})
	}
}

// zeros writes half a gigabyte of JSON white space.
func zeros(w io.Writer) error {
	_, err := io.Copy(w, io.LimitReader(endless{}, 512<<20))
	return err
}

// endless is JSON white space.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestManyBombsAtOnce: the byte budget holds for all requests together, and
// good batches of others get through meanwhile or are told when to come again.
func TestManyBombsAtOnce(t *testing.T) {
	s := start(t, "--writer.byte-budget", "64MiB")
	body := gzipped(t, zeros)
	arrow := bomb(t)
	s.holdsStill(t, 512<<20, func() {
		var all sync.WaitGroup
		for i := range 24 {
			all.Go(func() {
				if i%2 == 0 {
					a := s.appendArrow(t, arrow)
					if a.status != http.StatusBadRequest && a.status != http.StatusTooManyRequests {
						t.Errorf("Arrow: %s", a)
					}
					return
				}
				path := "/firn.v1.IngestService/Append"
				if i%4 == 1 {
					path = "/firn.v1.CatalogService/CreateTable"
				}
				a := s.send(t, http.MethodPost, path, bytes.NewReader(body), map[string]string{"Content-Encoding": "gzip"})
				if a.status != http.StatusTooManyRequests {
					t.Errorf("gzip: %s", a)
				}
			})
		}
		all.Wait()
	})
}

func TestChannelsAndKeys(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct {
		extra  string
		status int
		words  []string
	}{
		"channel with a slash":     {`,"channel":"../x"`, http.StatusBadRequest, []string{"channel name", "A-Z"}},
		"channel of 10 KB":         {`,"channel":"` + strings.Repeat("c", 10<<10) + `"`, http.StatusBadRequest, []string{"1 to 128 characters"}},
		"channel that is not open": {`,"channel":"nobody"`, http.StatusBadRequest, []string{"nobody", "OpenChannel"}},
		"offset without channel":   {`,"offset":"7"`, http.StatusBadRequest, []string{"offset", "name the channel"}},
		"key of 10 KB":             {`,"idempotencyKey":"` + strings.Repeat("k", 10<<10) + `"`, http.StatusBadRequest, []string{"10240 bytes", "256"}},
		"token of 10 KB":           {`,"channel":"c","token":"` + strings.Repeat("k", 10<<10) + `"`, http.StatusBadRequest, []string{"10240 bytes", "1024"}},
	} {
		t.Run(name, func(t *testing.T) {
			s.holdsStill(t, 64<<20, func() { refused(t, s.append(t, `{"id":1}`, c.extra), c.status, c.words...) })
		})
	}
	t.Run("key used for other rows", func(t *testing.T) {
		if a := s.append(t, `{"id":10}`, `,"idempotencyKey":"one"`); a.status != http.StatusOK {
			t.Fatal(a)
		}
		s.holdsStill(t, 64<<20, func() {
			refused(t, s.append(t, `{"id":11}`, `,"idempotencyKey":"one"`), http.StatusBadRequest, "idempotency key was used for another request")
		})
	})
	t.Run("table that is not there", func(t *testing.T) {
		refused(t, s.call(t, "IngestService/Append", `{"table":{"namespace":["bronze"],"name":"nope"},"ndjson":"{}"}`), http.StatusNotFound, "bronze.nope", "firn table ls")
	})
}
