// Package objstoretest gives tests a real bucket: on the embedded gateway, which
// all tests of a process share, or with S3=minio on the server that
// FIRN_TEST_S3_ENDPOINT, FIRN_TEST_S3_KEY and FIRN_TEST_S3_SECRET name.
package objstoretest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/gateway"
)

// Account of the shared gateway.
const (
	AccessKey = "firn"
	SecretKey = "firn-test-secret"
)

// New returns an empty bucket of its own for the test. It and its objects are
// gone when the test ends.
func New(t testing.TB) *objstore.Bucket {
	t.Helper()
	return Open(t, Config(t))
}

// Open is New with a changed [Config] (another transport, no LocalRoot).
func Open(t testing.TB, cfg objstore.Config) *objstore.Bucket {
	t.Helper()
	b, err := objstore.Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open the test bucket: %v", err)
	}
	return b
}

// Config describes a bucket that does not exist yet, under a name of its own.
func Config(t testing.TB) objstore.Config {
	t.Helper()
	bucket := "firn-test-" + strings.ToLower(rand.Text()[:16])
	if os.Getenv("S3") == "minio" {
		return minioConfig(t, bucket)
	}
	g, err := shared()
	if err != nil {
		t.Fatalf("start the shared S3 gateway: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(g.LocalRoot(bucket)); err != nil {
			t.Logf("bucket %s is left behind: %v", bucket, err)
		}
	})
	return objstore.Config{
		Endpoint:  g.Endpoint(),
		Socket:    g.Socket(),
		AccessKey: AccessKey,
		SecretKey: SecretKey,
		Bucket:    bucket,
		LocalRoot: g.LocalRoot(bucket),
	}
}

// shared starts the gateway of the process. It lives until the process ends, as
// no test knows that it is the last; [Main] ends it in order.
var shared = sync.OnceValues(func() (*gateway.Gateway, error) {
	sweep()
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-*", prefix, os.Getpid()))
	if err != nil {
		return nil, err
	}
	g, err := gateway.Start(context.Background(), gateway.Config{
		Dir: dir, Listen: "127.0.0.1:0", AccessKey: AccessKey, SecretKey: SecretKey,
	})
	started.Store(g)
	return g, err
})

var started atomic.Pointer[gateway.Gateway]

const prefix = "firn-s3-test-"

// sweep removes the folders of test processes that have ended.
func sweep() {
	folders, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*"))
	if err != nil {
		return // the pattern is constant; a leftover folder is no failure either way
	}
	for _, folder := range folders {
		pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(folder), prefix), "-")
		n, err := strconv.Atoi(pid)
		if err == nil && errors.Is(syscall.Kill(n, 0), syscall.ESRCH) {
			_ = os.RemoveAll(folder) // the next process tries again
		}
	}
}

// Main runs the tests of a package and then ends the shared gateway, for
// packages that look for leaked goroutines:
//
//	func TestMain(m *testing.M) { os.Exit(objstoretest.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	if g := started.Load(); g != nil {
		if err := errors.Join(g.Close(), os.RemoveAll(filepath.Dir(g.LocalRoot("x")))); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	return code
}

func minioConfig(t testing.TB, bucket string) objstore.Config {
	t.Helper()
	cfg := objstore.Config{
		Endpoint:  os.Getenv("FIRN_TEST_S3_ENDPOINT"),
		AccessKey: os.Getenv("FIRN_TEST_S3_KEY"),
		SecretKey: os.Getenv("FIRN_TEST_S3_SECRET"),
		Bucket:    bucket,
	}
	if cfg.Endpoint == "" || cfg.AccessKey == "" || cfg.SecretKey == "" {
		t.Fatal("S3=minio is set, but not FIRN_TEST_S3_ENDPOINT, FIRN_TEST_S3_KEY and FIRN_TEST_S3_SECRET: run `make test S3=minio`, or `.ci/with-minio go test ...`")
	}
	t.Cleanup(func() {
		if err := empty(cfg); err != nil {
			t.Logf("bucket %s is left behind: %v", bucket, err)
		}
	})
	return cfg
}

func empty(cfg objstore.Config) error {
	ctx := context.Background()
	b, err := objstore.Open(ctx, cfg)
	if err != nil {
		return err
	}
	var keys []string
	for info, err := range b.List(ctx, "") {
		if err != nil {
			return err
		}
		keys = append(keys, info.Key)
	}
	if err := b.Delete(ctx, keys...); err != nil {
		return fmt.Errorf("empty %s: %w", cfg.Bucket, err)
	}
	return nil
}
