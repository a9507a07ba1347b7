package serve

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/config"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lifecycle"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/gateway"
)

// process is what one run of Firn holds. All of it is set up by one goroutine
// before anything runs.
type process struct {
	cfg       config.Config
	mode      Mode
	log       *slog.Logger
	dir       *lifecycle.DataDir
	registry  *prometheus.Registry
	readiness *lifecycle.Readiness

	address    string // base URL of the one listener
	s3Endpoint string // URL of the object store, as clients reach it
	bucket     *objstore.Bucket
	store      catalog.Store
	lake       *lake.Lake

	parts   []lifecycle.Part
	closers []func() error
}

// close releases in the reverse order of construction.
func (p *process) close() error {
	var errs []error
	for _, closer := range slices.Backward(p.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// openBucket starts the embedded gateway unless an object store is configured,
// and opens the bucket.
func (p *process) openBucket(ctx context.Context) error {
	s3 := p.cfg.S3
	open := objstore.Config{Endpoint: s3.Endpoint, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Region: s3.Region, Bucket: s3.Bucket, UseTLS: s3.TLS}
	if p.cfg.EmbeddedS3() {
		// It outlives ctx: what drains after a signal still commits. close ends it.
		g, err := gateway.Start(context.WithoutCancel(ctx), gateway.Config{Dir: p.dir.Path("s3"), Listen: p.cfg.Gateway.Listen, AccessKey: s3.AccessKey, SecretKey: s3.SecretKey, Region: s3.Region, Registerer: p.registry})
		if errors.Is(err, gateway.ErrListen) {
			return cannotListen("gateway.listen", p.cfg.Gateway.Listen, err)
		}
		if err != nil {
			return fmt.Errorf("start the embedded object store: %w", err)
		}
		p.closers = append(p.closers, g.Close)
		open.Endpoint, open.Socket, open.LocalRoot = g.Endpoint(), g.Socket(), g.LocalRoot(s3.Bucket)
		p.s3Endpoint = g.EndpointURL()
	}
	bucket, err := objstore.Open(ctx, open)
	if err != nil {
		return &config.Problem{
			Key: "s3.endpoint", What: "the object store cannot be used", Why: err.Error(),
			Do: "check s3.endpoint, s3.bucket, s3.access_key and s3.secret_key, and that the store runs; `firn doctor` probes each",
		}
	}
	p.bucket = bucket
	p.closers = append(p.closers, func() error { bucket.Close(); return nil }) // before the gateway's
	p.s3Endpoint = cmp.Or(p.s3Endpoint, bucket.EndpointURL())
	return nil
}

// pool starts DuckDB workers. Statements of users have a pool of their own:
// rewrites and promotions hold workers for long.
func (p *process) pool(name string, workers int, memory config.ByteSize) (*duck.Pool, error) {
	pool, err := duck.NewPool(duck.PoolConfig{
		Workers: workers, MemoryBytes: int64(memory), TempDir: p.dir.Path("tmp"), Logger: p.log,
		Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"pool": name}, p.registry),
	})
	if err != nil {
		return nil, fmt.Errorf("start the DuckDB workers for %s: %w", name, err)
	}
	p.closers = append(p.closers, func() error { pool.Close(); return nil })
	return pool, nil
}
