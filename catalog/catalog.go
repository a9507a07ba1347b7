// Package catalog keeps Iceberg tables: namespaces, tables, views and the
// commits that change them.
//
// It promises that a commit happens whole or not at all, at most once for its
// id; that one that was answered is durable and in every later snapshot; that
// appends never conflict; that the catalog is linearizable per table and
// serializable across the tables of one transaction; and that it never
// deletes a file. DESIGN.md in this directory describes the protocol, the
// keys and the formats.
package catalog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/internal/objstore"
)

// Config is what a Catalog needs.
type Config struct {
	Store  Store            // required
	Bucket *objstore.Bucket // required
	// Warehouse is the name of the one warehouse; files lie under it. Letters,
	// digits, "-" and "_". Default "default".
	Warehouse string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
	// MaxSnapshots bounds the snapshots kept by tables whose properties say
	// nothing (PropertyMaxSnapshots). Default 0: unbounded.
	MaxSnapshots int
	// IdempotencyTTL is how long commit ids and idempotency keys are kept. Default 24 h.
	IdempotencyTTL time.Duration
	// ForeignPatience is how long a table's next group commit waits for an engine whose
	// append lost against ours, so that no engine starves. Default 2 s; negative: no wait.
	ForeignPatience time.Duration
	// CacheBytes is the budget for table metadata in memory. Default 256 MiB.
	CacheBytes int64
}

// Catalog is the service. Its methods may be called concurrently, and before Run.
type Catalog struct {
	cfg   Config
	keys  keys
	files files
	log   *slog.Logger
	cache *cache

	metrics *metrics
	latency latencies
	session uuid.UUID // names this run in file names and in the intent ledger

	work      sync.WaitGroup // committers and multi-table commits
	closeOnce sync.Once

	mu      sync.Mutex // guards the rest
	closing bool
	tables  map[uuid.UUID]*tableQueue
	wake    chan struct{} // closed and replaced when the log grows
}

// files is the part of the bucket that the catalog uses; tests put faults here.
type files interface {
	PutBytes(ctx context.Context, key string, data []byte, o objstore.PutOptions) error
	Get(ctx context.Context, key string) ([]byte, error)
	Sync(ctx context.Context) error
}

var warehouseName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$`)

// New checks the configuration. Close or Run ends what it starts.
func New(cfg Config) (*Catalog, error) {
	if cfg.Store == nil || cfg.Bucket == nil {
		return nil, errors.New("catalog: Config.Store and Config.Bucket are required")
	}
	cfg.Warehouse = cmp.Or(cfg.Warehouse, "default")
	if !warehouseName.MatchString(cfg.Warehouse) {
		return nil, fmt.Errorf("catalog: warehouse %q: use 1 to 63 letters, digits, - and _", cfg.Warehouse)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.IdempotencyTTL = cmp.Or(cfg.IdempotencyTTL, 24*time.Hour)
	cfg.ForeignPatience = cmp.Or(cfg.ForeignPatience, 2*time.Second)
	cfg.CacheBytes = cmp.Or(cfg.CacheBytes, 256<<20)
	store, err := newCache(cfg.CacheBytes)
	if err != nil {
		return nil, err
	}
	return &Catalog{
		cfg:     cfg,
		keys:    keys{wh: cfg.Warehouse},
		files:   cfg.Bucket,
		log:     cfg.Logger,
		cache:   store,
		metrics: newMetrics(cfg.Registerer),
		session: uuid.New(),
		tables:  map[uuid.UUID]*tableQueue{},
		wake:    make(chan struct{}),
	}, nil
}

// Run keeps the catalog: it renews its write intent, forgets expired
// idempotency records, and stops when the store has failed. When ctx ends it
// refuses new commits, waits for those under way and returns.
func (c *Catalog) Run(ctx context.Context) error {
	defer c.Close()
	var failed <-chan struct{}
	failing, _ := c.cfg.Store.(interface {
		Failed() <-chan struct{}
		Err() error
	})
	if failing != nil {
		failed = failing.Failed()
	}
	// A tick that fails (a full disk) is tried again at the next one.
	tick := time.NewTicker(intentRenewal)
	defer tick.Stop()
	for {
		if err := c.tickOnce(ctx); err != nil && ctx.Err() == nil {
			c.log.WarnContext(ctx, "catalog upkeep", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-failed:
			return fmt.Errorf("catalog: %w", failing.Err())
		case <-tick.C:
		}
	}
}

// Close refuses new commits, waits for those under way and frees the cache. It
// closes neither the store nor the bucket.
func (c *Catalog) Close() {
	c.closeOnce.Do(func() {
		c.mu.Lock()
		c.closing = true
		close(c.wake)
		c.mu.Unlock()
		c.work.Wait()
		c.cache.close()
	})
}

// Warehouse is the name of the warehouse.
func (c *Catalog) Warehouse() string { return c.cfg.Warehouse }

// Store is the catalog's store, for rooms that keep records of their own in it.
func (c *Catalog) Store() Store { return c.cfg.Store }

// WithActor names who acts in ctx, for events and the audit log.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

type actorKey struct{}

func actorOf(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return cmp.Or(actor, "unknown")
}

// WithIdempotencyKey makes the mutations called with this ctx (all but Commit, which
// has its own field) safe to repeat: a repeated one answers as before.
func WithIdempotencyKey(ctx context.Context, key IdempotencyKey) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

type idempotencyKey struct{}

func idempotencyOf(ctx context.Context) *IdempotencyKey {
	if key, ok := ctx.Value(idempotencyKey{}).(IdempotencyKey); ok {
		return &key
	}
	return nil
}
