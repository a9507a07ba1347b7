package objstore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// faults is a transport that can lose requests and answers.
type faults struct {
	next http.RoundTripper

	mu sync.Mutex
	// rule decides what happens to the n-th matching request (from 1).
	rule func(n int, req *http.Request) fault
	n    int
}

type fault int

const (
	pass    fault = iota
	ignore        // pass, and do not count
	refused       // no connection: it did not happen, and that is certain
	lost          // the request was lost on the way: it did not happen, the client cannot know
	deaf          // the answer was lost: it happened, the client cannot know
	busy          // 503 without an effect
	denied        // 403
	stuffed       // 507
	gone          // 404, as S3 answers a second completion of one upload
)

func (f *faults) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	what := pass
	if f.rule != nil {
		f.n++
		if what = f.rule(f.n, req); what == ignore {
			f.n--
		}
	}
	f.mu.Unlock()
	reset := &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	drop := func() {
		if req.Body != nil {
			req.Body.Close()
		}
	}
	switch what {
	case refused:
		drop()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	case lost:
		drop()
		return nil, reset
	case deaf:
		resp, err := f.next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		return nil, reset
	case busy:
		drop()
		return answer(req, http.StatusServiceUnavailable, "SlowDown"), nil
	case stuffed:
		drop()
		return answer(req, http.StatusInsufficientStorage, "InsufficientStorage"), nil
	case gone:
		drop()
		return answer(req, http.StatusNotFound, "NoSuchUpload"), nil
	case denied:
		drop()
		return answer(req, http.StatusForbidden, "AccessDenied"), nil
	}
	return f.next.RoundTrip(req)
}

func answer(req *http.Request, status int, code string) *http.Response {
	body := fmt.Sprintf(`<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
}

// puts applies a fault to PUT requests by their number, and passes the rest.
func puts(what ...fault) func(int, *http.Request) fault {
	return func(n int, req *http.Request) fault {
		if req.Method != http.MethodPut {
			return ignore
		}
		if n <= len(what) {
			return what[n-1]
		}
		return what[len(what)-1]
	}
}

// faulty opens a bucket twice: with faults, and without for looking.
func faulty(t *testing.T) (*objstore.Bucket, *objstore.Bucket, *faults) {
	t.Helper()
	return faultyAs(t, objstoretest.Config(t))
}

// faultyParts is faulty for a store that is not the gateway of this process: large
// files are put in parts.
func faultyParts(t *testing.T) (*objstore.Bucket, *objstore.Bucket, *faults) {
	t.Helper()
	cfg := objstoretest.Config(t)
	cfg.LocalRoot = ""
	return faultyAs(t, cfg)
}

func faultyAs(t *testing.T, cfg objstore.Config) (*objstore.Bucket, *objstore.Bucket, *faults) {
	t.Helper()
	f := &faults{}
	plain := objstoretest.Open(t, cfg)
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { f.next = next; return f }
	b := objstoretest.Open(t, cfg)
	b.SetBackoff(time.Millisecond)
	return b, plain, f
}

// TestPutFailureRows: what a put answers, and what is there, when requests and
// answers get lost.
func TestPutFailureRows(t *testing.T) {
	is := func(target error) func(error) bool { return func(err error) bool { return errors.Is(err, target) } }
	ok := func(err error) bool { return err == nil }
	any := func(err error) bool { return err != nil }
	for name, c := range map[string]struct {
		rule    func(int, *http.Request) fault
		absent  bool // IfAbsent
		want    func(error) bool
		outcome objstore.Outcome
		there   bool
	}{
		"did not happen: no connection":                {puts(refused), false, is(objstore.ErrNotApplied), objstore.NotApplied, false},
		"did not happen: no connection, if absent":     {puts(refused), true, is(objstore.ErrNotApplied), objstore.NotApplied, false},
		"did not happen: refused by the store":         {puts(denied), true, is(objstore.ErrNotApplied), objstore.NotApplied, false},
		"did not happen, but nobody can know":          {puts(lost), false, any, objstore.Unknown, false},
		"did not happen, nobody can know, if absent":   {puts(lost), true, any, objstore.Unknown, false},
		"did not happen: overload is no certainty":     {puts(busy), true, any, objstore.Unknown, false},
		"happened, but looked failed":                  {puts(deaf), false, any, objstore.Unknown, true},
		"happened at last, but looked failed":          {puts(lost, lost, lost, lost, deaf), true, any, objstore.Unknown, true},
		"happened, looked failed, refused afterwards":  {puts(deaf, denied), true, any, objstore.Unknown, true},
		"a full disk is said, and not tried again":     {puts(stuffed, pass), true, is(objstore.ErrNoSpace), objstore.Unknown, false},
		"repeated after a lost request":                {puts(lost, pass), false, ok, objstore.Applied, true},
		"repeated after a lost answer":                 {puts(deaf, pass), false, ok, objstore.Applied, true},
		"if absent, repeated after a lost request":     {puts(lost, pass), true, ok, objstore.Applied, true},
		"if absent, its own success found again":       {puts(deaf, pass), true, ok, objstore.Applied, true},
		"if absent, its own success, two answers lost": {puts(deaf, lost, deaf, pass), true, ok, objstore.Applied, true},
		"if absent, repeated after overload":           {puts(busy, busy, pass), true, ok, objstore.Applied, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, plain, f := faulty(t)
			f.rule = c.rule
			err := b.PutBytes(t.Context(), "k", []byte("mine"), objstore.PutOptions{IfAbsent: c.absent})
			if !c.want(err) || objstore.OutcomeOf(err) != c.outcome {
				t.Errorf("%v is %s, want %s", err, objstore.OutcomeOf(err), c.outcome)
			}
			got, err := plain.Get(t.Context(), "k")
			if there := err == nil && string(got) == "mine"; there != c.there {
				t.Errorf("the object is there: %t (%v), want %t", there, err, c.there)
			}
		})
	}
}

// TestPutIfAbsentLosesToEqualBytes: the first attempt is lost, another client
// wins with the same bytes, and the second attempt must not take its object for
// ours: who won decides who owns a name.
func TestPutIfAbsentLosesToEqualBytes(t *testing.T) {
	b, plain, f := faulty(t)
	f.rule = func(n int, req *http.Request) fault {
		if req.Method != http.MethodPut {
			return ignore
		}
		if n == 1 {
			if err := plain.PutBytes(context.WithoutCancel(req.Context()), "k", []byte("same"), objstore.PutOptions{IfAbsent: true}); err != nil {
				t.Errorf("the other client: %v", err)
			}
			return lost
		}
		return pass
	}
	err := b.PutBytes(t.Context(), "k", []byte("same"), objstore.PutOptions{IfAbsent: true})
	if !errors.Is(err, objstore.ErrExists) {
		t.Fatalf("%v, want ErrExists", err)
	}
}

// TestPutIfAbsentUndecided: the answer is lost and then the object cannot be
// read either.
func TestPutIfAbsentUndecided(t *testing.T) {
	b, plain, f := faulty(t)
	f.rule = func(n int, req *http.Request) fault {
		switch {
		case req.Method == http.MethodHead:
			return lost
		case n == 1:
			return deaf
		}
		return pass
	}
	err := b.PutBytes(t.Context(), "k", []byte("mine"), objstore.PutOptions{IfAbsent: true})
	if objstore.OutcomeOf(err) != objstore.Unknown || errors.Is(err, objstore.ErrExists) {
		t.Fatalf("%v is %s", err, objstore.OutcomeOf(err))
	}
	if _, err := plain.Get(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
}

func TestPutOfABrokenBody(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		broken := errors.New("disk on fire")
		for _, size := range []int64{100, 16 << 20} {
			body := io.MultiReader(strings.NewReader("half"), failing{broken})
			err := b.Put(t.Context(), "k", body, size, objstore.PutOptions{})
			if !errors.Is(err, broken) {
				t.Errorf("size %d: %v", size, err)
			}
			if _, err := b.Get(t.Context(), "k"); !errors.Is(err, objstore.ErrNotFound) {
				t.Errorf("size %d: half an object is there: %v", size, err)
			}
		}
		if err := b.Put(t.Context(), "k", strings.NewReader(""), -1, objstore.PutOptions{}); objstore.OutcomeOf(err) != objstore.NotApplied {
			t.Errorf("negative size: %v", err)
		}
	})
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestACancelledPutIsUnknown(t *testing.T) {
	b, _, f := faulty(t)
	ctx, cancel := context.WithCancel(t.Context())
	f.rule = func(_ int, req *http.Request) fault {
		if req.Method != http.MethodPut {
			return ignore
		}
		cancel()
		return deaf
	}
	err := b.PutBytes(ctx, "k", []byte("x"), objstore.PutOptions{IfAbsent: true})
	if objstore.OutcomeOf(err) != objstore.Unknown {
		t.Fatalf("%v is %s", err, objstore.OutcomeOf(err))
	}
}

func TestMultipartFailureRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	data := bytes.Repeat([]byte("0123456789abcdef"), (64<<20)/16+1)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	isPart := func(r *http.Request) bool { return r.Method == http.MethodPut && r.URL.Query().Has("partNumber") }
	isComplete := func(r *http.Request) bool { return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") }
	t.Run("a part is lost and sent again", func(t *testing.T) {
		b, plain, f := faultyParts(t)
		f.rule = func(n int, r *http.Request) fault {
			if !isPart(r) {
				return ignore
			}
			if n == 2 {
				return lost
			}
			return pass
		}
		if err := b.PutFile(t.Context(), "big", path); err != nil {
			t.Fatal(err)
		}
		if got, err := plain.Get(t.Context(), "big"); err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
	t.Run("did not happen: parts are refused", func(t *testing.T) {
		b, plain, f := faultyParts(t)
		f.rule = func(_ int, r *http.Request) fault {
			if isPart(r) {
				return denied
			}
			return ignore
		}
		if err := b.PutFile(t.Context(), "big", path); err == nil {
			t.Fatal("no error")
		}
		if _, err := plain.Stat(t.Context(), "big"); !errors.Is(err, objstore.ErrNotFound) {
			t.Fatalf("half an object is there: %v", err)
		}
	})
	t.Run("happened, but looked failed", func(t *testing.T) {
		b, plain, f := faultyParts(t)
		f.rule = func(n int, r *http.Request) fault {
			switch {
			case isComplete(r) && n == 1:
				return deaf
			case r.Method == http.MethodHead:
				return lost
			case isComplete(r):
				return gone
			}
			return ignore
		}
		err := b.PutFile(t.Context(), "big", path)
		if err == nil || objstore.OutcomeOf(err) != objstore.Unknown {
			t.Fatalf("%v is %s", err, objstore.OutcomeOf(err))
		}
		if info, err := plain.Stat(t.Context(), "big"); err != nil || info.Size != int64(len(data)) {
			t.Fatalf("%+v, %v", info, err)
		}
	})
}

func TestMultipartFindsItsOwnSuccess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, make([]byte, 64<<20+1), 0o600); err != nil {
		t.Fatal(err)
	}
	b, plain, f := faultyParts(t)
	f.rule = func(n int, r *http.Request) fault {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") {
			return ignore
		}
		if n == 1 {
			return deaf
		}
		return gone
	}
	if err := b.PutFile(t.Context(), "big", path); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Stat(t.Context(), "big"); err != nil {
		t.Fatal(err)
	}
}

func TestReadsAreRepeated(t *testing.T) {
	f := &faults{}
	cfg := objstoretest.Config(t)
	cfg.LocalRoot = ""
	cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { f.next = next; return f }
	b := objstoretest.Open(t, cfg)
	put(t, b, "k", []byte("content"))
	f.rule = func(n int, _ *http.Request) fault {
		return []fault{lost, busy, pass}[min(n-1, 2)]
	}
	if got, err := b.Get(t.Context(), "k"); err != nil || string(got) != "content" {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestOpenErrorsNameTheRemedy(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	l.Close()
	good := objstoretest.Config(t)
	for name, c := range map[string]struct {
		change func(*objstore.Config)
		want   []string
	}{
		"unreachable":  {func(c *objstore.Config) { c.Endpoint, c.Socket = dead, "" }, []string{dead, "does not answer", "s3.endpoint"}},
		"wrong key":    {func(c *objstore.Config) { c.AccessKey = "nobody" }, []string{"refuses the access key", "nobody", "s3.secret_key"}},
		"wrong secret": {func(c *objstore.Config) { c.SecretKey = "wrong-secret" }, []string{"refuses the access key"}},
		"no endpoint":  {func(c *objstore.Config) { c.Endpoint = "" }, []string{"s3.endpoint"}},
		"no bucket":    {func(c *objstore.Config) { c.Bucket = "" }, []string{"s3.bucket"}},
		"bad endpoint": {func(c *objstore.Config) { c.Endpoint = "ftp://x/y z" }, []string{"not usable"}},
		"relative":     {func(c *objstore.Config) { c.LocalRoot = "x" }, []string{"absolute"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			_, err := objstore.Open(t.Context(), cfg)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), cfg.SecretKey) {
				t.Errorf("the error shows the secret: %v", err)
			}
		})
	}
}
