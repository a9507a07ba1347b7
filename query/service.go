// Package query answers SQL over the catalog's tables.
//
// A statement is parsed in a worker, its tables are found in the syntax tree
// and loaded once each, so that every table is read at one snapshot in the
// whole statement; files that its filters rule out are not opened. It then runs
// in a worker of its own that sees those tables as views and nothing else, and
// its result streams as Arrow. What the package promises:
//
//   - A statement reads, and cannot write: exactly one SELECT, in the sandbox of
//     package duck.
//   - It ends: by its deadline, by its memory, or because the caller went away.
//     The worker is killed then, not asked.
//   - Memory of this process is bounded by the number of running statements,
//     whatever their results; beyond a queue of bounded length callers get
//     RESOURCE_EXHAUSTED at once.
//   - Every statement leaves one access entry: who, what, which snapshots.
package query

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Tables is what the service needs of the catalog.
type Tables interface {
	LoadTable(ctx context.Context, id catalog.Ident) (*catalog.Table, error)
	ListTables(ctx context.Context, ns catalog.Namespace) ([]catalog.Ident, error)
	ListNamespaces(ctx context.Context, parent catalog.Namespace) ([]catalog.Namespace, error)
}

var _ Tables = (*catalog.Catalog)(nil)

// Config of a Service.
type Config struct {
	Catalog Tables       // required
	Lake    lake.Planner // required
	Pool    *duck.Pool   // required; shared with others
	// Running is how many statements run at once. Default: the pool's workers.
	Running int
	// Waiting is how many more may wait. Default 4 times Running.
	Waiting int
	// Timeout is the longest a statement may take, waiting included. Default
	// 5 minutes.
	Timeout time.Duration
	// MemoryBytes and TempBytes of a statement. Default: the pool's.
	MemoryBytes, TempBytes int64
	// MaxRows of a result; 0 means no limit.
	MaxRows uint64
	// Who names the caller of a request, for the access log. Default: nobody.
	Who func(ctx context.Context) string
	// Access is told of each statement, when it has ended. Default: a line in
	// the log.
	Access     func(ctx context.Context, e AccessEntry)
	Logger     *slog.Logger          // default: none
	Registerer prometheus.Registerer // nil for none
	Now        func() time.Time      // default time.Now
}

// AccessEntry is what is kept of a statement.
type AccessEntry struct {
	At      time.Time
	Who     string
	SQL     string
	Tables  []TableRead
	Rows    uint64
	Bytes   uint64
	Elapsed time.Duration
	CPU     time.Duration
	PeakRSS int64
	Error   string // code of the error, empty when all went well
}

// TableRead is a table and the snapshot it was read at.
type TableRead struct {
	Table    catalog.Ident
	Snapshot int64
	Files    int
	Pruned   int
}

// Service answers statements. It is safe for concurrent use.
type Service struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	slots   chan struct{} // statements that run
	queue   chan struct{} // statements that run or wait

	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
	stop    context.CancelCauseFunc
	stopped context.Context
}

// New makes a service. It starts nothing.
func New(cfg Config) (*Service, error) {
	if cfg.Catalog == nil || cfg.Lake == nil || cfg.Pool == nil {
		return nil, errors.New("query: Catalog, Lake and Pool are required")
	}
	cfg.Running = cmp.Or(cfg.Running, cfg.Pool.Workers())
	cfg.Waiting = cmp.Or(cfg.Waiting, 4*cfg.Running)
	cfg.Timeout = cmp.Or(cfg.Timeout, 5*time.Minute)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Who == nil {
		cfg.Who = func(context.Context) string { return "" }
	}
	s := &Service{
		cfg: cfg, log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), metrics: newMetrics(cfg.Registerer),
		slots: make(chan struct{}, cfg.Running), queue: make(chan struct{}, cfg.Running+cfg.Waiting),
	}
	if s.cfg.Access == nil {
		s.cfg.Access = s.logAccess
	}
	s.stopped, s.stop = context.WithCancelCause(context.Background())
	return s, nil
}

// Handler serves firn.v1.QueryService.
func (s *Service) Handler(opts ...connect.HandlerOption) (string, http.Handler) {
	return firnv1connect.NewQueryServiceHandler(&handler{s}, opts...)
}

// Run waits for ctx, then lets running statements end for a short while and
// kills what is left.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	s.Close()
	return nil
}

// How long statements may go on after Close.
const drain = 3 * time.Second

// Close refuses new statements, waits for the running ones a short while and
// kills what is left. It returns when none runs.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.running.Wait(); close(done) }()
	timer := time.NewTimer(drain)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	s.stop(errShutdown)
	<-done
}

// enter admits a statement: at once to the queue, then when a slot is free.
// The answered context ends with the statement's deadline, and with the
// service.
func (s *Service) enter(ctx context.Context, timeout time.Duration) (context.Context, func(), error) {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, nil, errShutdown
	}
	select {
	case s.queue <- struct{}{}:
	default:
		s.mu.Unlock()
		return nil, nil, errBusy
	}
	s.running.Add(1)
	s.mu.Unlock()

	ctx, cancel := context.WithTimeoutCause(ctx, timeout, duck.ErrTimeout)
	ctx, kill := context.WithCancelCause(ctx)
	detach := context.AfterFunc(s.stopped, func() { kill(errShutdown) })
	leave := func() {
		detach()
		kill(nil)
		cancel()
		<-s.queue
		s.running.Done()
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		err := context.Cause(ctx)
		leave()
		return nil, nil, err
	}
	return ctx, func() { <-s.slots; leave() }, nil
}

func (s *Service) timeout(ms uint32) time.Duration {
	if d := time.Duration(ms) * time.Millisecond; d > 0 && d < s.cfg.Timeout {
		return d
	}
	return s.cfg.Timeout
}

func (s *Service) logAccess(ctx context.Context, e AccessEntry) {
	tables := make([]string, len(e.Tables))
	for i, t := range e.Tables {
		tables[i] = t.Table.String()
	}
	s.log.LogAttrs(ctx, slog.LevelInfo, "query",
		slog.String("who", e.Who), slog.String("sql", clip(e.SQL)), slog.Any("tables", tables), slog.Uint64("rows", e.Rows),
		slog.Uint64("bytes", e.Bytes), slog.Duration("elapsed", e.Elapsed), slog.Duration("cpu", e.CPU), slog.Int64("peak_rss", e.PeakRSS), slog.String("error", e.Error))
}

// clip shortens a statement for the log.
func clip(sql string) string {
	const most = 2000
	if len(sql) <= most {
		return sql
	}
	return sql[:most] + "..."
}
