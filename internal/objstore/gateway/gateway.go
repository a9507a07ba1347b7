// Package gateway serves a folder of this machine as S3: versitygw, embedded,
// so that a laptop needs no object store and Spark on it still finds one.
//
// Objects are plain files at Dir/bucket/key: a process on the machine may read
// them by path. Only the gateway may write there, since ETag, checksums and
// user metadata lie in extended attributes (or in a sidecar folder on file
// systems without them). It does not fsync: objstore.Bucket.Sync is the
// durability barrier. The process's working directory stays what it was.
package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"
)

// Config says what to serve and where.
type Config struct {
	// Dir is required: buckets are folders in it, objects files at bucket/key.
	// It is created when absent.
	Dir string
	// Listen is host:port, default 127.0.0.1:7070. Port 0 takes a free one.
	Listen string
	// AccessKey and SecretKey are required: the one account.
	AccessKey, SecretKey string
	Region               string // default us-east-1
	// Registerer for metrics; nil for none.
	Registerer prometheus.Registerer

	// metadata picks where object metadata goes; nil looks at the file system.
	metadata func(dir string) (meta.MetadataStorer, error)
}

// Gateway is a running gateway.
type Gateway struct {
	dir      string
	endpoint string
	socket   string
	stop     context.CancelFunc
	done     chan struct{}
	err      error // read after done
}

const (
	defaultListen  = "127.0.0.1:7070"
	maxConnections = 4096
	maxRequests    = 1024
	maxParts       = 10000
	startLimit     = 10 * time.Second
)

// running guards versitygw's globals: one gateway a process.
var running atomic.Bool

// starting serialises the moment in which posix.New has moved the working
// directory of the process.
var starting sync.Mutex

// Start serves until ctx ends or Close, and returns when requests are answered.
// A second gateway in the process is refused while the first runs.
func Start(ctx context.Context, cfg Config) (_ *Gateway, err error) {
	if cfg.Dir == "" || cfg.AccessKey == "" || cfg.SecretKey == "" {
		return nil, errors.New("start S3 gateway: Dir, AccessKey and SecretKey are required")
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start S3 gateway: %w", err)
	}
	if !running.CompareAndSwap(false, true) {
		return nil, errors.New("start S3 gateway: one runs in this process already; close it first, or share it")
	}
	defer func() {
		if err != nil {
			running.Store(false)
		}
	}()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("start S3 gateway: %w", err)
	}
	if _, err := sweepUploads(dir, time.Now().Add(-uploadAge)); err != nil {
		return nil, fmt.Errorf("start S3 gateway: %w", err)
	}
	endpoint, err := claim(cmp.Or(cfg.Listen, defaultListen))
	if err != nil {
		return nil, err
	}
	if cfg.metadata == nil {
		cfg.metadata = func(dir string) (meta.MetadataStorer, error) { return metadataStore(dir, probeXattr) }
	}
	store, err := cfg.metadata(dir)
	if err != nil {
		return nil, err
	}
	be, err := newBackend(dir, store)
	if err != nil {
		return nil, err
	}
	g := &Gateway{dir: dir, endpoint: endpoint, socket: socketName(), done: make(chan struct{})}
	runCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	g.stop = stop
	context.AfterFunc(ctx, stop)
	ready := make(chan struct{})
	go func() {
		defer close(g.done)
		defer running.Store(false)
		err := embedgw.RunVersityGW(runCtx, be, &embedgw.Config{
			RootUserAccess: cfg.AccessKey,
			RootUserSecret: cfg.SecretKey,
			Region:         cfg.Region,
			// Given explicitly, since the default announces itself on stdout.
			IAMService:        auth.NewIAMServiceSingle(auth.Account{Access: cfg.AccessKey, Secret: cfg.SecretKey, Role: auth.RoleAdmin}),
			Ports:             []string{endpoint, g.socket},
			MaxConnections:    maxConnections,
			MaxRequests:       maxRequests,
			MultipartMaxParts: maxParts,
			Quiet:             true,
			KeepAlive:         true,
			S3Options: []s3api.Option{
				s3api.WithOnListen(sync.OnceFunc(func() { close(ready) })),
				s3api.WithMiddleware("/", closeAfterChunkedBody),
				s3api.WithMiddleware("/", newMetrics(cfg.Registerer).count),
			},
		})
		if err != nil && runCtx.Err() == nil {
			g.err = fmt.Errorf("S3 gateway on %s: %w", endpoint, err)
		}
	}()
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-ready:
		if err := g.answers(ctx); err != nil {
			return nil, errors.Join(err, g.Close())
		}
		return g, nil
	case <-g.done:
		return nil, cmp.Or(g.err, errors.New("start S3 gateway: stopped before it answered"))
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), g.Close())
	case <-limit.C:
		return nil, errors.Join(fmt.Errorf("start S3 gateway on %s: no answer after %s", endpoint, startLimit), g.Close())
	}
}

// answers waits for the first answer. The listener is open before versitygw
// serves it, and a stop in between would be forgotten.
func (g *Gateway) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", g.socket)
	if err != nil {
		return fmt.Errorf("start S3 gateway on %s: %w", g.endpoint, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if _, err := io.WriteString(conn, "HEAD / HTTP/1.1\r\nHost: firn\r\nConnection: close\r\n\r\n"); err != nil {
		return fmt.Errorf("start S3 gateway on %s: %w", g.endpoint, err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil {
		return fmt.Errorf("start S3 gateway on %s: no answer: %w", g.endpoint, err)
	}
	return nil
}

// newBackend makes the file backend without leaving the working directory
// changed.
func newBackend(dir string, store meta.MetadataStorer) (*rooted, error) {
	starting.Lock()
	defer starting.Unlock()
	wd, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("start S3 gateway: %w", err)
	}
	p, err := posix.New(dir, store, posix.PosixOpts{
		// The lock file is for several gateways over one folder; here the data
		// directory's own lock keeps the folder to one process.
		ForceNoObjLockFile: true,
		// An ETag from the CRC64 that is computed anyway instead of an MD5: a
		// third of the CPU for an 8 MiB put (5 ms instead of 15).
		DataIntegrityEtag: true,
		// The default of 1 MiB makes the kernel look for folios of that size: on
		// Linux 6.18 such writes cost ten times the CPU of these.
		IOBufferSize: 256 << 10,
	})
	err = errors.Join(err, os.Chdir(wd))
	if err != nil {
		return nil, fmt.Errorf("start S3 gateway over %s: %w", dir, err)
	}
	return &rooted{posix: p, dir: dir}, nil
}

// metadataStore picks where ETags go: extended attributes, or a folder beside
// Dir when its file system has none.
func metadataStore(dir string, probe func(dir string) error) (meta.MetadataStorer, error) {
	if err := probe(dir); err == nil {
		return meta.XattrMeta{}, nil
	}
	side := dir + ".meta"
	if err := os.MkdirAll(side, 0o755); err != nil {
		return nil, fmt.Errorf("start S3 gateway: the file system of %s has no extended attributes, and no sidecar could be made: %w; choose a data directory on ext4, xfs, btrfs or a recent tmpfs", dir, err)
	}
	s, err := meta.NewSideCar(side)
	if err != nil {
		return nil, fmt.Errorf("start S3 gateway: sidecar %s: %w", side, err)
	}
	return s, nil
}

// ErrListen: the address of Config.Listen cannot be used.
var ErrListen = errors.New("start S3 gateway: cannot listen")

// claim resolves port 0 to a free port and reports a taken one before versitygw
// does, in words that help.
func claim(listen string) (string, error) {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("%w on %s: %w; choose another address with gateway.listen", ErrListen, listen, err)
	}
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("start S3 gateway: %w", err)
	}
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return "", fmt.Errorf("start S3 gateway: address %q: %w", listen, err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", fmt.Errorf("start S3 gateway: %w", err)
	}
	return net.JoinHostPort(cmp.Or(host, "127.0.0.1"), port), nil
}

// Endpoint is the host:port that S3 clients connect to.
func (g *Gateway) Endpoint() string { return g.endpoint }

// EndpointURL is http://host:port.
func (g *Gateway) EndpointURL() string { return "http://" + g.endpoint }

// Socket is the unix socket for clients in this process (objstore.Config.Socket).
func (g *Gateway) Socket() string { return g.socket }

// LocalRoot is the folder of a bucket (objstore.Config.LocalRoot).
func (g *Gateway) LocalRoot(bucket string) string { return filepath.Join(g.dir, bucket) }

// Wait blocks until the gateway has ended and returns why; nil after Close.
func (g *Gateway) Wait() error {
	<-g.done
	return g.err
}

// Close stops the gateway, lets running requests finish (at most 10 s), and
// waits for it.
func (g *Gateway) Close() error {
	g.stop()
	return g.Wait()
}
