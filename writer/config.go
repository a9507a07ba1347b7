package writer

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
)

// Catalog is what the writer asks of the catalog; *catalog.Catalog is one. A
// transaction with an id that was applied before answers as before, which is
// what lets the writer repeat a commit whose outcome it does not know.
type Catalog interface {
	catalog.Committer
	LoadTable(ctx context.Context, id catalog.Ident) (*catalog.Table, error)
	LoadTableID(ctx context.Context, id uuid.UUID) (*catalog.Table, error)
	CreateTable(ctx context.Context, n catalog.NewTable) (*catalog.Table, error)
	OpenChannel(ctx context.Context, table uuid.UUID, name string) (catalog.Channel, error)
	Channel(ctx context.Context, table uuid.UUID, name string) (catalog.Channel, error)
	Channels(ctx context.Context, table *uuid.UUID) ([]catalog.Channel, error)
	DataPath(t *catalog.Table) string
}

// Config is what a Service needs.
type Config struct {
	Catalog Catalog          // required
	Bucket  *objstore.Bucket // required
	// MemoryBytes bounds all rows held by the process: received, waiting and
	// being written. Default 512 MiB.
	MemoryBytes int64
	// ContributorBytes bounds the share of one channel, or of all appends to
	// one table without a channel. Default a quarter of MemoryBytes, but what
	// the largest request needs.
	ContributorBytes int64
	// RequestBytes bounds one request, before and after decompression.
	// Default 64 MiB.
	RequestBytes int
	// BatchMemory bounds the rows of one request once decoded. Default 256 MiB.
	BatchMemory int64
	// GroupBytes is how much one micro-batch takes at the most. Default 64 MiB.
	GroupBytes int64
	// GroupWait is the longest that rows wait for the commit before theirs to
	// end before their files are begun. Default 500 ms.
	GroupWait time.Duration
	// CommitTimeout bounds one micro-batch, from its files to its commit; so it
	// bounds those that drain after Run's context has ended, too. Default 30 s.
	CommitTimeout time.Duration
	// Encoders work at a time. Default GOMAXPROCS.
	Encoders int
	// Now is the clock of `_ingested_at`. Default time.Now.
	Now func() time.Time
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

func (c Config) withDefaults() (Config, error) {
	if c.Catalog == nil || c.Bucket == nil {
		return c, errors.New("writer: a catalog and a bucket are required")
	}
	c.MemoryBytes = cmp.Or(c.MemoryBytes, 512<<20)
	c.RequestBytes = cmp.Or(c.RequestBytes, 64<<20)
	c.ContributorBytes = cmp.Or(c.ContributorBytes, min(max(c.MemoryBytes/4, perByte*int64(c.RequestBytes)), c.MemoryBytes))
	c.BatchMemory = min(cmp.Or(c.BatchMemory, 256<<20), c.MemoryBytes)
	c.GroupBytes = cmp.Or(c.GroupBytes, 64<<20)
	c.GroupWait = cmp.Or(c.GroupWait, 500*time.Millisecond)
	c.CommitTimeout = cmp.Or(c.CommitTimeout, 30*time.Second)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c, nil
}
