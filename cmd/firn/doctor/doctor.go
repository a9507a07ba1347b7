// Package doctor probes what Firn's promises rest on, with the configuration
// that a start would use: each probe does the real thing on a small scale and
// says what it measured, or what is wrong and what to do.
package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/internal/config"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lifecycle"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/gateway"
)

type doctor struct {
	cfg    config.Config
	out    io.Writer
	failed bool
}

// Run probes and prints a line each; false when one failed.
func Run(ctx context.Context, cfg config.Config, out io.Writer) bool {
	d := &doctor{cfg: cfg, out: out}
	info, running := lifecycle.Running(cfg.Data)
	if running {
		d.ok("process", fmt.Sprintf("firn runs as %d and serves %s; its ports are not probed", info.PID, info.HTTP))
	} else {
		d.ports()
	}
	d.disk()
	d.duckDB(ctx)
	d.objectStore(ctx)
	return !d.failed
}

func (d *doctor) ok(probe, found string) { fmt.Fprintf(d.out, "ok      %-14s %s\n", probe, found) }

func (d *doctor) fail(probe string, err error, help string) {
	d.failed = true
	fmt.Fprintf(d.out, "FAILED  %-14s %v\n        try: %s\n", probe, err, help)
}

func (d *doctor) ports() {
	for _, port := range []struct{ name, address, flag string }{
		{"http port", d.cfg.HTTP.Listen, "--listen"},
		{"metrics port", d.cfg.Metrics.Listen, "--metrics-listen"},
		{"s3 port", d.cfg.Gateway.Listen, "--s3-listen"},
	} {
		if port.address == "" || (port.flag == "--s3-listen" && !d.cfg.EmbeddedS3()) {
			continue
		}
		l, err := net.Listen("tcp", port.address)
		if err != nil {
			d.fail(port.name, err, "end the process that has it, or choose another with "+port.flag)
			continue
		}
		l.Close()
		d.ok(port.name, port.address+" is free")
	}
}

// disk asks for room and for a barrier that works where the data will lie.
func (d *doctor) disk() {
	dir := d.cfg.Data
	for {
		if _, err := os.Stat(dir); err == nil || filepath.Dir(dir) == dir {
			break
		}
		dir = filepath.Dir(dir)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		d.fail("disk", err, "name a folder that exists with --data")
		return
	}
	free := int64(fs.Bavail) * fs.Bsize
	if free < 1<<30 {
		d.fail("disk", fmt.Errorf("%s free at %s", cli.Bytes(free), dir), "make room: a store without room is read-only")
		return
	}
	f, err := os.CreateTemp(dir, ".firn-doctor-*")
	if err != nil {
		d.fail("disk", err, "name a folder that can be written with --data")
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	begin := time.Now()
	_, err = f.Write(make([]byte, 4096))
	if err = errors.Join(err, f.Sync()); err != nil {
		d.fail("disk", err, "check the disk")
		return
	}
	d.ok("disk", fmt.Sprintf("%s free at %s, fsync of 4 KiB in %s", cli.Bytes(free), dir, time.Since(begin).Round(10*time.Microsecond)))
}

func (d *doctor) duckDB(ctx context.Context) {
	pool, err := duck.NewPool(duck.PoolConfig{Workers: 1, MemoryBytes: int64(d.cfg.Query.Memory)})
	if err != nil {
		d.fail("duckdb", err, "build with -tags duckdb_arrow, as `make build` does")
		return
	}
	defer pool.Close()
	begin := time.Now()
	rows, err := pool.Exec(ctx, duck.Job{SQL: "SELECT version() AS version", Timeout: time.Minute})
	if err != nil || len(rows) != 1 {
		d.fail("duckdb", fmt.Errorf("no answer from a worker: %w", err), "build with -tags duckdb_arrow, as `make build` does")
		return
	}
	sandbox := pool.Sandbox()
	d.ok("duckdb", fmt.Sprintf("%v in a worker process, first answer in %s; Landlock ABI %d", rows[0]["version"], time.Since(begin).Round(time.Millisecond), sandbox.LandlockABI))
}

func (d *doctor) objectStore(ctx context.Context) {
	s3 := d.cfg.S3
	open := objstore.Config{Endpoint: s3.Endpoint, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Region: s3.Region, Bucket: s3.Bucket, UseTLS: s3.TLS}
	if d.cfg.EmbeddedS3() {
		dir, err := os.MkdirTemp("", "firn-doctor-")
		if err != nil {
			d.fail("object store", err, "make room in the folder for temporary files")
			return
		}
		defer os.RemoveAll(dir)
		g, err := gateway.Start(ctx, gateway.Config{Dir: dir, Listen: "127.0.0.1:0", AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Region: s3.Region})
		if err != nil {
			d.fail("object store", err, "the embedded gateway needs a file system with extended attributes")
			return
		}
		defer g.Close()
		open.Endpoint, open.Socket, open.LocalRoot = g.Endpoint(), g.Socket(), g.LocalRoot(s3.Bucket)
	}
	bucket, err := objstore.Open(ctx, open)
	if err != nil {
		d.fail("object store", err, "check s3.endpoint, s3.bucket, s3.access_key and s3.secret_key")
		return
	}
	d.ok("object store", "bucket "+s3.Bucket+" at "+bucket.EndpointURL())
	prefix := "_firn/doctor/" + uuid.NewString() + "/"
	d.conditional(ctx, bucket, prefix+"once")
	d.multipart(ctx, bucket, prefix+"large")
	if err := bucket.Delete(ctx, prefix+"once", prefix+"large"); err != nil {
		d.fail("delete", err, "allow s3:DeleteObject: unreachable files could never be removed")
		return
	}
	d.ok("delete", "probe objects removed")
}

// conditional is what keeps two commits from writing one name.
func (d *doctor) conditional(ctx context.Context, bucket *objstore.Bucket, key string) {
	begin := time.Now()
	if err := bucket.PutBytes(ctx, key, []byte("first"), objstore.PutOptions{IfAbsent: true}); err != nil {
		d.fail("put", err, "allow s3:PutObject on the bucket")
		return
	}
	took := time.Since(begin)
	switch err := bucket.PutBytes(ctx, key, []byte("second"), objstore.PutOptions{IfAbsent: true}); {
	case errors.Is(err, objstore.ErrExists):
		d.ok("if-none-match", fmt.Sprintf("honoured; a put takes %s", took.Round(10*time.Microsecond)))
	case err == nil:
		d.fail("if-none-match", errors.New("the store overwrote an object although told not to"), "use a store that honours If-None-Match: S3, MinIO, or the embedded one")
	default:
		d.fail("if-none-match", err, "use a store that honours If-None-Match: S3, MinIO, or the embedded one")
	}
	if info, err := bucket.Stat(ctx, key); err != nil {
		d.fail("stat", err, "allow s3:GetObject on the bucket")
	} else if skew := time.Since(info.Modified).Abs(); skew > 30*time.Second {
		d.fail("clock", fmt.Errorf("this machine and the store differ by %s", skew.Round(time.Second)), "set both clocks by NTP")
	} else {
		d.ok("clock", "agrees with the store's")
	}
}

func (d *doctor) multipart(ctx context.Context, bucket *objstore.Bucket, key string) {
	f, err := os.CreateTemp("", "firn-doctor-")
	if err != nil {
		d.fail("multipart", err, "make room in the folder for temporary files")
		return
	}
	defer os.Remove(f.Name())
	defer f.Close()
	want := bytes.Repeat([]byte("firn"), 24<<20/4)
	if _, err := f.Write(want); err != nil {
		d.fail("multipart", err, "make room in the folder for temporary files")
		return
	}
	begin := time.Now()
	if err := bucket.PutFile(ctx, key, f.Name()); err != nil {
		d.fail("multipart", err, "allow multipart uploads on the bucket")
		return
	}
	took := time.Since(begin)
	got, err := bucket.GetRange(ctx, key, 12<<20, 8)
	if err != nil || !bytes.Equal(got, want[:8]) {
		d.fail("range", fmt.Errorf("a range of the upload reads %q: %w", got, err), "use a store that honours Range")
		return
	}
	d.ok("multipart", fmt.Sprintf("24 MiB in %s; ranges read", took.Round(time.Millisecond)))
}
