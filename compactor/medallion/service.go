// Package medallion promotes rows from bronze to silver to gold by models:
// SQL files with a YAML head.
//
// What it promises:
//
//   - A model that is applied was proved to be incremental; one that cannot be
//     is refused with the reason and its place in the file. There is no silent
//     full refresh.
//   - A run changes the target, its side tables, the watermark and the run
//     record in one transaction, under compare-and-swap on the watermark and
//     on the target's head: every source row between two watermarks influences
//     the target once, whatever fails and whoever else runs.
//   - Every source row is accounted for: published, superseded, stale,
//     quarantined with its reasons, dropped by a named rule, or filtered. The
//     counts are checked against each other before the commit; when they do
//     not agree, nothing is published.
//   - The result does not depend on the order in which rows arrived, nor on
//     how they were cut into runs.
//   - Compaction and expiry of the source change nothing: the watermark's
//     snapshot is pinned by a tag. A rollback of the source is refused.
//
// Memory is bounded by Config.BatchRows and the workers of internal/duck; rows
// pass between steps as temporary files.
package medallion

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
)

// Config of a Service.
type Config struct {
	Catalog *catalog.Catalog // required
	Store   catalog.Store    // required; the catalog's own
	Bucket  *objstore.Bucket // required
	Lake    *lake.Lake       // required
	Pool    Engine           // required; a *duck.Pool
	// TempDir holds what passes between the steps of a run; one Service has it
	// for itself. Default: the system's, where nothing of others is touched.
	TempDir string
	// BatchRows bounds the source rows that one run takes, in whole snapshots;
	// what remains is taken by the next. Default 250,000.
	BatchRows int64
	// StepTimeout ends one statement of a run. Default 10 minutes.
	StepTimeout time.Duration
	// Now is the clock. Default time.Now.
	Now func() time.Time
	// Logger defaults to one that drops everything.
	Logger *slog.Logger
	// Registerer takes the metrics; nil for none.
	Registerer prometheus.Registerer
}

// Service keeps models and runs promotions. Its methods may be called
// concurrently; runs of one model wait for each other.
type Service struct {
	cfg       Config
	committer catalog.Committer
	functions functions
	metrics   *metrics
	commits   atomic.Int64 // runs committed by this process

	mu      sync.Mutex
	running map[string]*Run          // by run id
	single  map[string]chan struct{} // one run of a model at a time in this process
	deletes *deleteCache

	// tamper, in tests, damages the staged change of a run.
	tamper func(*staged)
}

// runFolder begins the names of the folders of runs, below Config.TempDir.
const runFolder = "promotion-"

// New checks the configuration, and removes what an earlier process left in
// TempDir.
func New(cfg Config) (*Service, error) {
	if cfg.Catalog == nil || cfg.Store == nil || cfg.Bucket == nil || cfg.Lake == nil || cfg.Pool == nil {
		return nil, fmt.Errorf("medallion: Catalog, Store, Bucket, Lake and Pool are required")
	}
	own := cfg.TempDir != ""
	cfg.TempDir = cmp.Or(cfg.TempDir, os.TempDir())
	cfg.BatchRows = cmp.Or(cfg.BatchRows, 250_000)
	cfg.StepTimeout = cmp.Or(cfg.StepTimeout, 10*time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	// What a process that was killed left behind.
	if leftovers, err := filepath.Glob(filepath.Join(cfg.TempDir, runFolder+"*")); err == nil && own {
		for _, dir := range leftovers {
			_ = os.RemoveAll(dir)
		}
	}
	return &Service{
		cfg: cfg, committer: cfg.Catalog, metrics: newMetrics(cfg.Registerer),
		running: map[string]*Run{}, single: map[string]chan struct{}{}, deletes: newDeleteCache(),
	}, nil
}

// enter waits until no other run of the model goes on in this process, and
// answers the function that ends this one. Other processes are kept apart by
// the compare-and-swap on the watermark.
func (s *Service) enter(ctx context.Context, model string) (leave func(), err error) {
	s.mu.Lock()
	slot, ok := s.single[model]
	if !ok {
		slot = make(chan struct{}, 1)
		s.single[model] = slot
	}
	s.mu.Unlock()
	select {
	case slot <- struct{}{}:
		return func() { <-slot }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}
