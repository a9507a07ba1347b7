package writer_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer"
)

var errPlanted = errors.New("planted: secret-path")

// sender sends the same ten rows each time it is asked, in a way that makes
// that safe.
type sender struct {
	name string
	// open prepares and answers how to send.
	open func(k *kit) func() *firnv1.AppendRequest
}

var senders = []sender{
	{"offset", func(k *kit) func() *firnv1.AppendRequest {
		ch := k.open("c")
		return func() *firnv1.AppendRequest {
			m := arrowRows(rows(k.t, "c", 0, 10))
			m.Channel, m.Epoch = "c", ch.Epoch
			return m
		}
	}},
	{"key", func(k *kit) func() *firnv1.AppendRequest {
		return func() *firnv1.AppendRequest {
			m := arrowRows(rows(k.t, "c", 0, 10))
			m.IdempotencyKey = "k"
			return m
		}
	}},
}

// isDuplicate reports whether an answer says that the rows were there before,
// and where.
func isDuplicate(t *testing.T, ack *firnv1.AppendResponse, err error) bool {
	t.Helper()
	if code(err) == connect.CodeAlreadyExists {
		ack, err = detail[*firnv1.AppendResponse](t, err), nil
		if ack.NextOffset != 10 {
			t.Errorf("a duplicate with offset %d", ack.NextOffset)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if ack.SnapshotId == 0 {
		t.Errorf("no snapshot in %v", ack)
	}
	return ack.Duplicate
}

// tenOnce checks that the ten rows of a sender are there once, and that sending
// them again says so.
func (k *kit) tenOnce(t *testing.T, m *firnv1.AppendRequest) {
	t.Helper()
	ack, err := k.append(m)
	if !isDuplicate(t, ack, err) {
		t.Errorf("sent once more: %v, not a duplicate", ack)
	}
	got := k.numbers()
	exactly(t, got, "c", 10)
	if len(got) != 10 {
		t.Errorf("%d rows, want 10: %v", len(got), got)
	}
	if m.Channel != "" {
		if again := k.open("c"); again.NextOffset != 10 {
			t.Errorf("the channel is at %d", again.NextOffset)
		}
	}
	if n := k.service.HeldBytes(); n != 0 {
		t.Errorf("%d bytes are still held", n)
	}
}

// TestFailureRowsOfTheCommit: the Apply did not happen, or it happened and
// looked failed, and the store cannot be asked. The client is told that the
// outcome is not known; when the store is well again it sends the same rows,
// and each is there once.
func TestFailureRowsOfTheCommit(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"did not happen":             {Before: errPlanted},
		"happened but looked failed": {After: errPlanted},
	} {
		for _, sender := range senders {
			t.Run(name+", "+sender.name, func(t *testing.T) {
				t.Parallel()
				overStores(t, func(t *testing.T, k *kit) {
					send := sender.open(k)
					var failed bool // guarded by the store: one Apply at a time
					k.store.InjectApply(func(b catalog.Batch) memstore.Fault {
						if !touchesTable(b) {
							return memstore.Fault{}
						}
						if !failed {
							k.store.InjectRead(func(key string) error {
								if strings.HasPrefix(key, "commit/") {
									return errPlanted
								}
								return nil
							})
						}
						failed = true
						return fault
					})
					_, err := k.append(send())
					if code(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "may or may not have happened") || strings.Contains(err.Error(), "secret") {
						t.Fatalf("an unknown outcome: %v", err)
					}
					k.store.InjectApply(nil)
					k.store.InjectRead(nil)
					ack, err := k.append(send())
					if got, want := isDuplicate(t, ack, err), fault.After != nil; got != want {
						t.Errorf("sent again: duplicate %v, want %v", got, want)
					}
					k.tenOnce(t, send())
				})
			})
		}
	}
}

// TestUnknownStaysUnknown: what a later attempt at the same commit meets says
// nothing about the first.
func TestUnknownStaysUnknown(t *testing.T) {
	for _, later := range []error{catalog.ErrClosed, catalog.ErrNotCommitted, catalog.ErrCommitConflict, catalog.ErrNoSuchTable, errPlanted} {
		t.Run(later.Error(), func(t *testing.T) {
			t.Parallel()
			k := newKit(t, nil)
			attempts := 0
			s := k.answering(writer.Config{}, func(call int) error {
				if attempts = call; call == 1 {
					return catalog.ErrUnknownOutcome
				}
				return later
			})
			_, err := s.Append(t.Context(), connect.NewRequest(arrowRows(rows(t, "a", 0, 1))))
			if code(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "may or may not have happened") || attempts < 2 {
				t.Errorf("after %d attempts: %v", attempts, err)
			}
		})
	}
}

// answering is a service whose commits are answered by f, from call 1 on,
// instead of the catalog.
func (k *kit) answering(cfg writer.Config, f func(call int) error) *writer.Service {
	k.t.Helper()
	cfg.Catalog, cfg.Bucket = &answering{Catalog: k.catalog, commit: f}, k.bucket
	s, err := writer.New(cfg)
	if err != nil {
		k.t.Fatal(err)
	}
	return s
}

type answering struct {
	*catalog.Catalog
	calls  int // one at a time
	commit func(call int) error
}

func (a *answering) Commit(context.Context, catalog.Transaction) (catalog.Committed, error) {
	a.calls++
	return catalog.Committed{}, a.commit(a.calls)
}

// TestOneFailureForAll has three requests in a micro-batch whose commit fails;
// one of them repeats another. Each may be sent again, also the repeat, which
// its channel still expects, and the log says once what happened.
func TestOneFailureForAll(t *testing.T) {
	k := newKit(t, nil)
	ch := k.open("c")
	entered, hold := make(chan struct{}), make(chan struct{})
	var log logLines
	s := k.answering(writer.Config{GroupWait: time.Hour, Logger: slog.New(slog.NewJSONHandler(&log, nil))}, func(call int) error {
		if call == 1 {
			close(entered)
			<-hold
			return nil
		}
		return fmt.Errorf("%w: %w", catalog.ErrNotCommitted, errPlanted)
	})
	send := func(channel string) error {
		m := arrowRows(rows(t, "c", 0, 10))
		if channel != "" {
			m.Channel, m.Epoch = channel, ch.Epoch
		}
		_, err := s.Append(t.Context(), connect.NewRequest(m))
		return err
	}
	var all sync.WaitGroup
	all.Go(func() {
		if err := send(""); err != nil {
			t.Error(err)
		}
	})
	<-entered
	for _, channel := range []string{"c", "c", ""} {
		all.Go(func() {
			if err := send(channel); code(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "nothing was committed") || strings.Contains(err.Error(), "secret") {
				t.Errorf("channel %q: %v", channel, err)
			}
		})
	}
	for s.Waiting() < 3 {
		<-waited(1)
	}
	close(hold)
	all.Wait()
	if len(log.lines) != 1 {
		t.Fatalf("%d lines in the log:\n%s", len(log.lines), strings.Join(log.lines, ""))
	}
	for _, want := range []string{`"level":"ERROR"`, `"table":"bronze.events"`, `"commit_id":`, `"requests":2`, "planted: secret-path"} {
		if !strings.Contains(log.lines[0], want) {
			t.Errorf("the log lacks %s: %s", want, log.lines[0])
		}
	}
}

// logLines keeps a log, a line a Write.
type logLines struct {
	mu    sync.Mutex
	lines []string
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p))
	return len(p), nil
}

// TestCommitSettlesItself: a commit whose outcome can be read in the end is
// acknowledged, and nobody is bothered.
func TestCommitSettlesItself(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"did not happen":             {Before: errPlanted},
		"happened but looked failed": {After: errPlanted},
	} {
		t.Run(name, func(t *testing.T) {
			overStores(t, func(t *testing.T, k *kit) {
				send := senders[0].open(k)
				failures := 0
				k.store.InjectApply(func(b catalog.Batch) memstore.Fault {
					if !touchesTable(b) || failures == 3 {
						return memstore.Fault{}
					}
					failures++
					return fault
				})
				if ack, err := k.append(send()); err != nil || ack.Duplicate {
					t.Fatalf("%v, %v after %d failures", ack, err, failures)
				}
				if failures == 0 {
					t.Fatal("no Apply failed")
				}
				k.tenOnce(t, send())
			})
		})
	}
}

func touchesTable(b catalog.Batch) bool {
	return slices.ContainsFunc(b.Then, func(op catalog.Op) bool { return strings.HasPrefix(op.Key, "table/") })
}

// TestUnreadableStore: nothing is written while the table cannot be read, and
// the reason stays inside.
func TestUnreadableStore(t *testing.T) {
	overStores(t, func(t *testing.T, k *kit) {
		send := senders[0].open(k)
		k.store.InjectRead(func(key string) error {
			if strings.HasPrefix(key, "table/") {
				return errPlanted
			}
			return nil
		})
		_, err := k.append(send())
		if code(err) != connect.CodeUnavailable || strings.Contains(err.Error(), "secret") {
			t.Errorf("got %v", err)
		}
		k.store.InjectRead(nil)
		k.mustAppend(send())
		k.tenOnce(t, send())
	})
}

// wire is a transport to the object store that fails puts of data files.
type wire struct {
	next http.RoundTripper
	mu   sync.Mutex
	// fails decides over a put of a data file; nil passes all.
	fails func(put func() (*http.Response, error), req *http.Request) (*http.Response, error)
	puts  int
}

func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	put := func() (*http.Response, error) { return w.next.RoundTrip(req) }
	w.mu.Lock()
	fails := w.fails
	data := req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, ".parquet")
	if data {
		w.puts++
	}
	w.mu.Unlock()
	if !data || fails == nil {
		return put()
	}
	return fails(put, req)
}

func (w *wire) heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.fails = nil
}

// TestFailureRowsOfTheFiles: a data file's put did not happen, or it happened
// and looked failed. Nothing is committed, the client is told so, and the same
// rows sent again are there once.
func TestFailureRowsOfTheFiles(t *testing.T) {
	refused := func(_ func() (*http.Response, error), req *http.Request) (*http.Response, error) {
		return s3Error(req, http.StatusForbidden, "AccessDenied"), nil
	}
	landed := func(then func(*http.Request) (*http.Response, error)) func(func() (*http.Response, error), *http.Request) (*http.Response, error) {
		return func(put func() (*http.Response, error), req *http.Request) (*http.Response, error) {
			res, err := put()
			if err != nil {
				return nil, err
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			return then(req)
		}
	}
	for name, c := range map[string]struct {
		fails func(func() (*http.Response, error), *http.Request) (*http.Response, error)
		left  int // files in the bucket that no snapshot has
	}{
		"refused": {refused, 0},
		"landed, answered an error": {landed(func(req *http.Request) (*http.Response, error) {
			return s3Error(req, http.StatusInternalServerError, "InternalError"), nil
		}), 1},
		"landed, answer lost": {landed(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
		}), 1},
		"landed, answer late": {landed(func(*http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
		}), 1},
	} {
		for _, sender := range senders {
			t.Run(name+", "+sender.name, func(t *testing.T) {
				t.Parallel() // the object store's client waits between its attempts
				w := &wire{fails: c.fails}
				cfg := objstoretest.Config(t)
				cfg.WrapTransport = func(next http.RoundTripper) http.RoundTripper { w.next = next; return w }
				k := newKitOn(t, kitConfig{bucket: objstoretest.Open(t, cfg)})
				send := sender.open(k)
				_, err := k.append(send())
				if code(err) != connect.CodeUnavailable || !strings.Contains(err.Error(), "nothing was committed") {
					t.Fatalf("a failed put: %v", err)
				}
				if w.puts == 0 || k.load("events").CurrentSnapshot() != nil {
					t.Fatalf("%d puts, snapshot %v", w.puts, k.load("events").CurrentSnapshot())
				}
				w.heal()
				ack, err := k.append(send())
				if isDuplicate(t, ack, err) {
					t.Error("sent again: a duplicate of what was not committed")
				}
				// What may have landed is not deleted inline: the collector of
				// unreachable files has it.
				if files := k.dataFiles(t); len(files) != 1+c.left {
					t.Errorf("files in the bucket: %v, want %d", files, 1+c.left)
				}
				k.tenOnce(t, send())
			})
		}
	}
}

// dataFiles lists the Parquet files in the bucket.
func (k *kit) dataFiles(t *testing.T) (keys []string) {
	t.Helper()
	for info, err := range k.bucket.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(info.Key, ".parquet") {
			keys = append(keys, info.Key)
		}
	}
	return keys
}

func s3Error(req *http.Request, status int, code string) *http.Response {
	body := fmt.Sprintf(`<?xml version="1.0"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, code)
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)),
		ContentLength: int64(len(body)), Request: req,
	}
}
