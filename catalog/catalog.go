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
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/internal/objstore"
)

var errPending = errors.New("catalog: not built yet")

// Config is what a Catalog needs.
type Config struct {
	Store  Store            // required
	Bucket *objstore.Bucket // required
	// Warehouse is the name of the one warehouse; files lie under it. Default "default".
	Warehouse string
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
	// MaxSnapshots bounds the snapshots kept by tables whose properties say
	// nothing. Default 0: unbounded.
	MaxSnapshots int
	// IdempotencyTTL is how long commit ids and idempotency keys are kept. Default 24 h.
	IdempotencyTTL time.Duration
	// CommitterIdle is how long a table's committer waits before it ends. Default 30 s.
	CommitterIdle time.Duration
	// CacheBytes is the budget for table metadata in memory. Default 256 MiB.
	CacheBytes int64
}

// Catalog is the service. Its methods may be called concurrently, and before Run.
type Catalog struct {
	cfg Config
}

// New checks the configuration.
func New(cfg Config) (*Catalog, error) { return &Catalog{cfg: cfg}, nil }

// Run owns the catalog's goroutines. It blocks until ctx ends and all of them
// have ended, or until the store has failed.
func (c *Catalog) Run(ctx context.Context) error { return errPending }

// Warehouse is the name of the warehouse.
func (c *Catalog) Warehouse() string { return c.cfg.Warehouse }

// Commit implements Committer.
func (c *Catalog) Commit(ctx context.Context, tx Transaction) (Committed, error) {
	return Committed{}, errPending
}

// WithActor names who acts in ctx, for events and the audit log.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

type actorKey struct{}

// WithIdempotencyKey makes the mutations called with this ctx (all but Commit, which
// has its own field) safe to repeat: a repeated one answers as before.
func WithIdempotencyKey(ctx context.Context, key IdempotencyKey) context.Context {
	return context.WithValue(ctx, idempotencyKey{}, key)
}

type idempotencyKey struct{}
