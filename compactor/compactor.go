// Package compactor keeps tables healthy. It follows the commit log, knows the
// health of every table without reading its files, decides what is worth doing
// ([plan]), queues it durably ([jobs]) and carries it out ([rewrite]): small
// files are joined, deletes applied, snapshots expired, unreachable files
// removed. Schedules and outside callers put jobs into the same queue.
//
// It promises that no row is changed by any of it, that a writer is never kept
// waiting, that a job outlives the process that runs it, that a schedule fires
// exactly once for each due time it fires for, and that for every table there
// is an answer to why nothing is done.
package compactor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/compactor/schedule"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
)

// Config of a Service.
type Config struct {
	Catalog *catalog.Catalog // required
	Store   catalog.Store    // required: the catalog's
	Bucket  *objstore.Bucket // required
	Lake    *lake.Lake       // required
	Pool    *duck.Pool       // without it files can be fused but not rewritten
	// TempDir is for files in the making; default the system's. A folder that
	// is given belongs to this Service: New removes what an earlier process
	// left in it.
	TempDir string

	// Workers is the number of jobs that run at once here. Default 2; negative
	// only decides and queues.
	Workers int
	// Policy where no property says anything. Default plan.DefaultPolicy.
	Policy *plan.Policy
	// Properties are those of the warehouse by configuration; what `firn policy
	// set` says comes before them.
	Properties map[string]string
	// Manual switches off what the commit log triggers: only schedules and
	// callers make jobs.
	Manual bool
	// Grace is how long an unreachable file is kept. Default 1 h.
	Grace time.Duration
	// OrphanEvery is the least time between two removals of orphans on a table.
	// Default 15 min.
	OrphanEvery time.Duration
	// Promote runs a model, for jobs of kind promote; nil refuses them.
	Promote func(ctx context.Context, model string, progress func(step string, done, total int64)) (jobs.Outcome, error)

	// Alone: no other process can work on the Store while this one does. Jobs that
	// an earlier one left running are then taken over at the start of Run.
	Alone bool

	// BeforeCommit is told when a compaction has its outputs and is about to
	// commit them; nil for nobody. Tests make trouble there.
	BeforeCommit func(ctx context.Context)
	// BeforeApply is told at each attempt to commit a compaction, when it has
	// followed what came in between; nil for nobody.
	BeforeApply func(ctx context.Context)
	// Turn is how long writers of a table wait at first for a compaction that always
	// came too late; see rewrite.Config. Default 5 s.
	Turn time.Duration

	// Tick is how often time alone is looked at: quiet partitions, schedules.
	// Default 1 s.
	Tick time.Duration
	// Now is the clock. Default time.Now.
	Now        func() time.Time
	Logger     *slog.Logger          // default: none
	Registerer prometheus.Registerer // default: none
}

// The kinds of jobs.
const (
	KindCompact = jobs.Kind(plan.Compact)
	KindExpire  = jobs.Kind(plan.Expire)
	KindOrphans = jobs.Kind(plan.Orphans)
	KindPromote = jobs.Kind("promote")

	KindManifests = jobs.Kind(plan.Manifests)
	KindRebalance = jobs.Kind(plan.Rebalance)
)

// Service is the compactor. It is safe for concurrent use.
type Service struct {
	cfg     Config
	policy  plan.Policy
	queue   *jobs.Queue
	worker  *rewrite.Worker
	metrics *metrics

	schedules *schedule.Book

	mu     sync.Mutex
	tables map[uuid.UUID]*tracked
	// position in the commit log up to which all events were seen.
	position string
	wake     chan struct{} // capacity 1: there is something to decide
	// rates of this machine's jobs; newRates: the store has older ones.
	rates    plan.Rates
	newRates bool

	usage ledger

	scans chan Scan // that were made and not yet looked at

	locks keyed // one compaction, expiry or removal at a time on a table, here
}

// New makes a Service; Run starts it.
func New(cfg Config) (*Service, error) {
	if cfg.Catalog == nil || cfg.Store == nil || cfg.Bucket == nil || cfg.Lake == nil {
		return nil, errors.New("compactor: Catalog, Store, Bucket and Lake are required")
	}
	cfg.Workers = cmp.Or(cfg.Workers, 2)
	cfg.OrphanEvery = cmp.Or(cfg.OrphanEvery, 15*time.Minute)
	cfg.Tick = cmp.Or(cfg.Tick, time.Second)
	cfg.Logger = cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler))
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Service{cfg: cfg, policy: plan.DefaultPolicy(), metrics: newMetrics(cfg.Registerer), tables: map[uuid.UUID]*tracked{}, wake: make(chan struct{}, 1), scans: make(chan Scan, waitingScans)}
	if cfg.Policy != nil {
		s.policy = *cfg.Policy
	}
	for _, k := range slices.Sorted(maps.Keys(cfg.Properties)) {
		if err := plan.Check(k, cfg.Properties[k]); err != nil {
			return nil, fmt.Errorf("compactor: policy: %w", err)
		}
	}
	s.usage = ledger{owner: uuid.NewString(), own: map[uuid.UUID]*taken{}, unsaved: map[uuid.UUID]bool{}, stale: map[uuid.UUID][]string{}, sums: map[string]plan.Usage{}}
	var err error
	if s.queue, err = jobs.New(jobs.Config{Store: cfg.Store, Warehouse: cfg.Catalog.Warehouse(), Alone: cfg.Alone, Now: cfg.Now, Logger: cfg.Logger}); err != nil {
		return nil, err
	}
	if s.schedules, err = schedule.New(schedule.Config{
		Store: cfg.Store, Warehouse: cfg.Catalog.Warehouse(), Queue: s.queue, Jobs: s.scheduledJobs, Now: cfg.Now, Fired: s.metrics.firings.Inc,
		Broken: func(ctx context.Context, broken *schedule.Broken) {
			cfg.Logger.ErrorContext(ctx, "a schedule cannot be used and does not fire", "schedule", broken.Name, "why", broken.Why(), "help", broken.Help())
		},
	}); err != nil {
		return nil, err
	}
	temp := cfg.TempDir
	if temp != "" {
		temp = filepath.Join(temp, "compactor")
		// What a process that was killed left behind.
		if err := os.RemoveAll(temp); err != nil {
			return nil, fmt.Errorf("compactor: remove old temporary files: %w", err)
		}
	}
	s.worker, err = rewrite.New(rewrite.Config{
		Catalog: cfg.Catalog, Store: cfg.Store, Bucket: cfg.Bucket, Lake: cfg.Lake, Pool: cfg.Pool, TempDir: temp,
		Now: cfg.Now, Logger: cfg.Logger, Grace: cfg.Grace, Protected: s.inFlight, BeforeCommit: cfg.BeforeCommit, BeforeApply: cfg.BeforeApply, Turn: cfg.Turn,
	})
	return s, err
}

// Queue gives access to the jobs, for the command line in the same process and
// for tests.
func (s *Service) Queue() *jobs.Queue { return s.queue }

// Run follows the commit log, decides, fires schedules and runs jobs until ctx
// ends, and returns when all of that has stopped.
func (s *Service) Run(ctx context.Context) error {
	if err := s.restore(ctx); err != nil {
		return err
	}
	if s.cfg.Alone {
		if err := s.queue.Reclaim(ctx); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.follow(ctx) })
	g.Go(func() error { return s.decideLoop(ctx) })
	g.Go(func() error { return s.readLoop(ctx) })
	g.Go(func() error { return s.scheduleLoop(ctx) })
	if s.cfg.Workers > 0 {
		g.Go(func() error { return s.queue.Run(ctx, s.cfg.Workers, s.handlers()) })
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	return errors.Join(err, s.persist(context.WithoutCancel(ctx)))
}

// inFlight knows the outputs of running jobs by the job's id in their names.
func (s *Service) inFlight(ctx context.Context) (func(key string) bool, error) {
	active, err := s.queue.Active(ctx)
	if err != nil {
		return nil, err
	}
	return func(key string) bool {
		for _, j := range active {
			if j.State == jobs.Running && strings.Contains(key, "compact-"+j.ID+"-") {
				return true
			}
		}
		return false
	}, nil
}

// keyed is a set of locks by table.
type keyed struct {
	mu   sync.Mutex
	held map[uuid.UUID]chan struct{}
}

// lock waits for the table's lock; the answer releases it.
func (k *keyed) lock(ctx context.Context, id uuid.UUID) (func(), error) {
	for {
		k.mu.Lock()
		if k.held == nil {
			k.held = map[uuid.UUID]chan struct{}{}
		}
		busy, ok := k.held[id]
		if !ok {
			done := make(chan struct{})
			k.held[id] = done
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.held, id)
				k.mu.Unlock()
				close(done)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
