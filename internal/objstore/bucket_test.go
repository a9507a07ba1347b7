package objstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

// each runs a test on the bucket as the process uses it (reads by path where
// possible) and as a remote client sees it (everything over S3).
func each(t *testing.T, test func(t *testing.T, b *objstore.Bucket)) {
	t.Run("local", func(t *testing.T) { test(t, objstoretest.New(t)) })
	t.Run("remote", func(t *testing.T) { test(t, remote(t)) })
}

func remote(t testing.TB) *objstore.Bucket {
	cfg := objstoretest.Config(t)
	cfg.LocalRoot, cfg.Socket = "", ""
	return objstoretest.Open(t, cfg)
}

func put(t testing.TB, b *objstore.Bucket, key string, data []byte) {
	t.Helper()
	if err := b.PutBytes(t.Context(), key, data, objstore.PutOptions{}); err != nil {
		t.Fatalf("put %s: %v", key, err)
	}
}

func TestPutThenRead(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		ctx := t.Context()
		for _, size := range []int{0, 1, 4096, 1<<20 + 3} {
			key := fmt.Sprintf("wh/a b+c=ü/%d.bin", size)
			want := make([]byte, size)
			rand.Read(want)
			put(t, b, key, want)
			got, err := b.Get(ctx, key)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("get %s: %d bytes, %v", key, len(got), err)
			}
			info, err := b.Stat(ctx, key)
			if err != nil || info.Size != int64(size) || info.Key != key || info.ETag == "" || info.Modified.IsZero() {
				t.Fatalf("stat %s: %+v, %v", key, info, err)
			}
			r, err := b.Reader(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			got, err = io.ReadAll(r)
			if r.Close(); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("reader %s: %d bytes, %v", key, len(got), err)
			}
			path := filepath.Join(t.TempDir(), "copy")
			if err := b.GetFile(ctx, key, path); err != nil {
				t.Fatal(err)
			}
			if got, err = os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("get file %s: %d bytes, %v", key, len(got), err)
			}
		}
	})
}

func TestPutReplacesAndPutIfAbsentDoesNot(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		ctx := t.Context()
		put(t, b, "k", []byte("one"))
		put(t, b, "k", []byte("two"))
		err := b.PutBytes(ctx, "k", []byte("three"), objstore.PutOptions{IfAbsent: true})
		if !errors.Is(err, objstore.ErrExists) || !errors.Is(err, fs.ErrExist) || objstore.OutcomeOf(err) != objstore.NotApplied {
			t.Fatalf("second put if absent: %v", err)
		}
		if got, _ := b.Get(ctx, "k"); string(got) != "two" {
			t.Fatalf("content after a refused put: %q", got)
		}
		if err := b.PutBytes(ctx, "new", []byte("x"), objstore.PutOptions{IfAbsent: true}); err != nil {
			t.Fatalf("first put if absent: %v", err)
		}
	})
}

// TestPutIfAbsentOfALargeBodyLoses: the store answers before it has read the
// body, and that answer must arrive.
func TestPutIfAbsentOfALargeBodyLoses(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		put(t, b, "k", []byte("first"))
		data := make([]byte, 24<<20)
		for range 10 {
			err := b.PutBytes(t.Context(), "k", data, objstore.PutOptions{IfAbsent: true})
			if !errors.Is(err, objstore.ErrExists) {
				t.Fatal(err)
			}
		}
	})
}

// TestLargeRacers: with bodies that are not read to the end by the store.
func TestLargeRacers(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		for round := range 5 {
			key := fmt.Sprintf("race/%d", round)
			var won atomic.Int32
			var wg sync.WaitGroup
			for i := range 6 {
				wg.Go(func() {
					body := bytes.Repeat([]byte{byte(i)}, 2<<20)
					err := b.PutBytes(t.Context(), key, body, objstore.PutOptions{IfAbsent: true})
					if err == nil {
						won.Add(1)
						if got, err := b.Get(t.Context(), key); err != nil || !bytes.Equal(got, body) {
							t.Errorf("the winner %d finds other bytes, %v", i, err)
						}
					} else if !errors.Is(err, objstore.ErrExists) {
						t.Errorf("racer %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			if won.Load() != 1 {
				t.Fatalf("round %d: %d winners", round, won.Load())
			}
		}
	})
}

func TestPutFromAReaderThatCannotSeek(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		ctx := t.Context()
		for _, size := range []int64{10, 9 << 20} { // buffered, streamed
			data := make([]byte, size)
			rand.Read(data)
			err := b.Put(ctx, "stream", io.MultiReader(bytes.NewReader(data)), size, objstore.PutOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := b.Get(ctx, "stream"); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
	})
}

func TestPutIfAbsentHasOneWinner(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		const racers = 16
		for round := range 20 {
			key := fmt.Sprintf("race/%d", round)
			var won atomic.Int32
			var winner atomic.Value
			var wg sync.WaitGroup
			start := make(chan struct{})
			for i := range racers {
				wg.Go(func() {
					<-start
					me := fmt.Sprintf("racer %2d", i)
					err := b.PutBytes(t.Context(), key, []byte(me), objstore.PutOptions{IfAbsent: true})
					switch {
					case err == nil:
						won.Add(1)
						winner.Store(me)
					case !errors.Is(err, objstore.ErrExists):
						t.Errorf("racer %d: %v", i, err)
					}
				})
			}
			close(start)
			wg.Wait()
			got, err := b.Get(t.Context(), key)
			if err != nil || won.Load() != 1 || string(got) != winner.Load() {
				t.Fatalf("round %d: %d winners, content %q, winner %v, %v", round, won.Load(), got, winner.Load(), err)
			}
		}
	})
}

func TestAbsentObjects(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		ctx := t.Context()
		put(t, b, "dir/file", []byte("x"))
		for _, key := range []string{"none", "dir", "dir/none", "dir/file/below"} {
			_, errGet := b.Get(ctx, key)
			_, errRange := b.GetRange(ctx, key, 0, 1)
			_, errReader := b.Reader(ctx, key)
			_, errStat := b.Stat(ctx, key)
			errFile := b.GetFile(ctx, key, filepath.Join(t.TempDir(), "f"))
			_, errOpen := b.FileIO().Open(b.Location(key))
			for i, err := range []error{errGet, errRange, errReader, errStat, errFile, errOpen} {
				if !errors.Is(err, objstore.ErrNotFound) && !(i == 5 && errors.Is(err, fs.ErrNotExist)) {
					t.Errorf("call %d of %s: %v, want not found", i, key, err)
				}
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("call %d of %s: %v, want fs.ErrNotExist too", i, key, err)
				}
			}
		}
	})
}

func TestGetRange(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		put(t, b, "r", []byte("0123456789"))
		put(t, b, "empty", nil)
		for _, c := range []struct {
			key    string
			off, n int64
			want   string
		}{
			{"r", 0, 4, "0123"},
			{"r", 3, 4, "3456"},
			{"r", 8, 100, "89"},
			{"r", 9, 1, "9"},
			{"r", 10, 1, ""},
			{"r", 50, 5, ""},
			{"r", 2, 0, ""},
			{"r", -3, 100, "789"},
			{"r", -3, 2, "78"},
			{"r", -100, 5, "01234"},
			{"empty", 0, 5, ""},
		} {
			got, err := b.GetRange(t.Context(), c.key, c.off, c.n)
			if err != nil || string(got) != c.want {
				t.Errorf("range of %s at %d for %d: %q, %v, want %q", c.key, c.off, c.n, got, err, c.want)
			}
		}
	})
}

func TestListPagesPrefixesAndDeleteBatches(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		ctx := t.Context()
		const n = 1100 // more than one page, and more than one delete batch
		var want []string
		var wg sync.WaitGroup
		todo := make(chan string)
		for range 8 {
			wg.Go(func() {
				for key := range todo {
					if err := b.PutBytes(ctx, key, []byte("x"), objstore.PutOptions{}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		for i := range n {
			key := fmt.Sprintf("t/%d/f%04d", i%7, i)
			want = append(want, key)
			todo <- key
		}
		close(todo)
		wg.Wait()
		slices.Sort(want)
		put(t, b, "t2/other", []byte("y"))

		if got := list(t, b, "t/"); !slices.Equal(got, want) {
			t.Fatalf("list t/: %d keys, want %d in order", len(got), len(want))
		}
		if got := list(t, b, "t/3/f00"); len(got) == 0 || slices.ContainsFunc(got, func(k string) bool { return k[:7] != "t/3/f00" }) {
			t.Fatalf("list of a partial name: %v", got)
		}
		if got := list(t, b, "t"); len(got) != n+1 {
			t.Fatalf("list t: %d keys, want %d", len(got), n+1)
		}
		if got := list(t, b, "absent/"); len(got) != 0 {
			t.Fatalf("list of nothing: %v", got)
		}
		for range b.List(ctx, "t/") {
			break // a caller may stop early
		}
		if err := b.Delete(ctx, append(slices.Clone(want), "never/was")...); err != nil {
			t.Fatal(err)
		}
		if got := list(t, b, ""); !slices.Equal(got, []string{"t2/other"}) {
			t.Fatalf("after the delete: %d keys", len(got))
		}
		if err := errors.Join(b.Delete(ctx, "t2/other"), b.Delete(ctx, "t2/other"), b.Delete(ctx)); err != nil {
			t.Fatalf("delete twice: %v", err)
		}
	})
}

func list(t testing.TB, b *objstore.Bucket, prefix string) []string {
	t.Helper()
	var keys []string
	for info, err := range b.List(t.Context(), prefix) {
		if err != nil {
			t.Fatalf("list %q: %v", prefix, err)
		}
		keys = append(keys, info.Key)
	}
	return keys
}

func TestPutFileInParts(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		for _, size := range []int64{1 << 10, 64<<20 + 12345} { // one request, five parts
			data := make([]byte, size)
			rand.Read(data)
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := b.PutFile(t.Context(), "big/file", path); err != nil {
				t.Fatal(err)
			}
			if got, err := b.Get(t.Context(), "big/file"); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
		err := b.PutFile(t.Context(), "big/none", filepath.Join(t.TempDir(), "absent"))
		if objstore.OutcomeOf(err) != objstore.NotApplied {
			t.Fatalf("put of an absent file: %v", err)
		}
	})
}

// With a checksum the store takes these bytes and no others.
func TestPutWithChecksum(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		data := bytes.Repeat([]byte("rows "), 1<<16)
		sum := crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
		for name, o := range map[string]objstore.PutOptions{"plain": {CRC32C: &sum}, "if absent": {CRC32C: &sum, IfAbsent: true}} {
			if err := b.PutBytes(t.Context(), name, data, o); err != nil {
				t.Fatal(err)
			}
			if got, err := b.Get(t.Context(), name); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("%d bytes, %v", len(got), err)
			}
		}
		bad := bytes.Clone(data)
		bad[len(bad)/2] ^= 1
		for name, o := range map[string]objstore.PutOptions{"other": {CRC32C: &sum}, "other if absent": {CRC32C: &sum, IfAbsent: true}} {
			err := b.PutBytes(t.Context(), name, bad, o)
			if err == nil || objstore.OutcomeOf(err) != objstore.NotApplied {
				t.Fatalf("other bytes: %v is %s", err, objstore.OutcomeOf(err))
			}
			if _, err := b.Stat(t.Context(), name); !errors.Is(err, objstore.ErrNotFound) {
				t.Fatalf("other bytes were stored: %v", err)
			}
		}
	})
}

// Close leaves no connection behind, used before or not: the gateway waits for
// fresh ones when it ends.
func TestCloseGivesUpConnections(t *testing.T) {
	var open atomic.Int64
	cfg := objstoretest.Config(t)
	cfg.WrapTransport = func(way http.RoundTripper) http.RoundTripper {
		transport := way.(*http.Transport)
		dial := transport.DialContext
		transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			open.Add(1)
			return &counted{Conn: conn, open: &open}, nil
		}
		return transport
	}
	b := objstoretest.Open(t, cfg)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() { put(t, b, fmt.Sprint("close/", i), []byte("x")) })
	}
	group.Wait()
	if open.Load() == 0 {
		t.Fatal("no connection is kept")
	}
	b.Close()
	for range 1000 { // a dial may be under way for nobody
		if open.Load() == 0 {
			break
		}
		time.Sleep(time.Millisecond)
		b.Close()
	}
	if n := open.Load(); n != 0 {
		t.Fatalf("%d connections are left", n)
	}
	put(t, b, "close/again", []byte("x"))
}

type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
