package duck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// PoolConfig says how many workers there are and what each may use.
type PoolConfig struct {
	// Workers that may run at once. Default 2.
	Workers int
	// MemoryBytes a worker may use, if its job does not say. Default 512 MiB.
	MemoryBytes int64
	// Threads of a job that does not say. Default 2.
	Threads int
	// TempDir is where workers spill, each in a folder of its own that is
	// removed after the job. Default: the system's.
	TempDir string
	Logger  *slog.Logger // default: none
	// Registerer for metrics; nil for none.
	Registerer prometheus.Registerer
}

// Pool hands jobs to workers. It is safe for concurrent use; a job waits for a
// free worker until its context ends.
type Pool struct {
	cfg     PoolConfig
	log     *slog.Logger
	metrics *poolMetrics
	sandbox Sandbox
	exe     string

	slots  chan struct{} // one a job that may run
	spawns chan func()   // work for the thread that starts processes
	closed chan struct{}
	wg     sync.WaitGroup // starters, watchers, reapers

	mu        sync.Mutex
	closing   bool
	idle      []*worker
	starting  int                     // workers on their way to idle
	returning int                     // busy workers that will be idle again
	busy      map[*worker]func(error) // how to end its job
}

// NewPool starts the workers. They end with Close, and with this process.
func NewPool(cfg PoolConfig) (*Pool, error) {
	if !builtIn {
		return nil, ErrNotBuiltIn
	}
	cfg.Workers = cmp.Or(cfg.Workers, 2)
	cfg.MemoryBytes = cmp.Or(cfg.MemoryBytes, 512<<20)
	cfg.Threads = cmp.Or(cfg.Threads, 2)
	cfg.TempDir = cmp.Or(cfg.TempDir, os.TempDir())
	if cfg.Workers < 0 || cfg.MemoryBytes < 64<<20 || cfg.Threads < 0 {
		return nil, fmt.Errorf("query workers: %d workers, %d threads, %d bytes of memory: a worker needs 64 MiB", cfg.Workers, cfg.Threads, cfg.MemoryBytes)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find own binary for query workers: %w", err)
	}
	if err := os.MkdirAll(cfg.TempDir, 0o700); err != nil {
		return nil, fmt.Errorf("query workers: %w", err)
	}
	sweep(cfg.TempDir)
	p := &Pool{
		cfg: cfg, exe: exe, log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)),
		slots: make(chan struct{}, cfg.Workers), spawns: make(chan func()),
		closed: make(chan struct{}), busy: map[*worker]func(error){},
	}
	p.metrics = newPoolMetrics(cfg.Registerer)
	// Workers are told to die with the thread that started them, and threads
	// of Go come and go: this one stays.
	p.wg.Go(func() {
		runtime.LockOSThread()
		for {
			select {
			case start := <-p.spawns:
				start()
			case <-p.closed:
				return
			}
		}
	})
	// The first worker shows that workers can be started at all; the others
	// come while it already works.
	first, err := p.spawn(context.Background())
	if err != nil {
		p.Close()
		return nil, err
	}
	p.sandbox = first.hello.Sandbox
	p.mu.Lock()
	p.idle = append(p.idle, first)
	p.replenish()
	p.mu.Unlock()
	return p, nil
}

// Sandbox says what the kernel enforces on workers.
func (p *Pool) Sandbox() Sandbox { return p.sandbox }

// Workers is how many jobs may run at once.
func (p *Pool) Workers() int { return p.cfg.Workers }

// Close kills all workers and waits for them. Jobs that run answer ErrClosed.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		p.wg.Wait()
		return
	}
	p.closing = true
	idle := p.idle
	p.idle = nil
	var ends []func(error)
	for _, end := range p.busy {
		ends = append(ends, end)
	}
	p.mu.Unlock()
	close(p.closed)
	for _, w := range idle {
		w.kill()
	}
	for _, end := range ends {
		end(ErrClosed)
	}
	p.wg.Wait()
}

// Query runs the job and streams its result. The caller must Release the
// result; cancelling ctx kills the worker.
func (p *Pool) Query(ctx context.Context, job Job) (*Result, error) {
	req, err := p.request(opQuery, job)
	if err != nil {
		return nil, err
	}
	run, err := p.start(ctx, req, job)
	if err != nil {
		return nil, err
	}
	return newResult(run)
}

// Parse answers DuckDB's syntax tree of a statement as JSON, as
// json_serialize_sql gives it. Only SELECT statements have one; anything else
// is a *SQLError.
func (p *Pool) Parse(ctx context.Context, sql string) ([]byte, error) {
	job := Job{SQL: sql, Timeout: 10 * time.Second, MemoryBytes: min(p.cfg.MemoryBytes, 256<<20), Threads: 1}
	req, err := p.request(opParse, job)
	if err != nil {
		return nil, err
	}
	run, err := p.start(ctx, req, job)
	if err != nil {
		return nil, err
	}
	tree, err := run.all()
	if err != nil {
		return nil, err
	}
	if err := oneSelect(tree); err != nil {
		if we, ok := errors.AsType[*wireError](err); ok {
			return nil, we.typed()
		}
		return nil, err
	}
	return tree, nil
}

func (p *Pool) request(op string, job Job) (*request, error) {
	req := &request{
		Op: op, Setup: job.Setup, SQL: job.SQL, Untrusted: job.Untrusted, Explain: job.Explain,
		Read: job.Read, WriteDir: job.WriteDir,
		MemoryBytes: cmp.Or(job.MemoryBytes, p.cfg.MemoryBytes), TempBytes: job.TempBytes,
		Threads: cmp.Or(job.Threads, p.cfg.Threads), PreserveOrder: job.PreserveOrder, SpillEarly: job.SpillEarly, Progress: job.OnProgress != nil,
	}
	req.TempBytes = cmp.Or(req.TempBytes, 4*req.MemoryBytes)
	switch job.Explain {
	case "", "EXPLAIN", "EXPLAIN ANALYZE":
	default:
		return nil, fmt.Errorf("%q is no way to explain", job.Explain)
	}
	if job.Untrusted && job.WriteDir != "" {
		return nil, errors.New("an untrusted job has no folder to write to")
	}
	if req.MemoryBytes < 64<<20 {
		return nil, fmt.Errorf("%w: a job needs at least 64 MiB, was given %d bytes", ErrMemory, req.MemoryBytes)
	}
	return req, nil
}

// start waits for a worker and hands it the request.
func (p *Pool) start(ctx context.Context, req *request, job Job) (*run, error) {
	if job.Timeout > 0 {
		// Waiting for a worker counts.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, job.Timeout, ErrTimeout)
		r, err := p.startWithin(ctx, cancel, req, job)
		if err != nil {
			cancel()
		}
		return r, err
	}
	return p.startWithin(ctx, func() {}, req, job)
}

func (p *Pool) startWithin(ctx context.Context, cancel func(), req *request, job Job) (*run, error) {
	began := time.Now()
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, stopped(ctx)
	case <-p.closed:
		return nil, ErrClosed
	}
	w, err := p.take(ctx)
	if err != nil {
		<-p.slots
		return nil, err
	}
	p.metrics.waited(time.Since(began))
	return p.begin(ctx, cancel, w, req, job)
}

// begin hands a request to a worker. The caller holds a slot, which goes back
// when the job ends.
func (p *Pool) begin(ctx context.Context, cancel func(), w *worker, req *request, job Job) (*run, error) {
	r := &run{pool: p, worker: w, returns: !req.Untrusted, began: time.Now(), limit: req.MemoryBytes, cancel: cancel, progress: job.OnProgress, done: make(chan struct{})}
	p.mu.Lock()
	if p.closing {
		p.mu.Unlock()
		w.kill()
		<-p.slots
		return nil, ErrClosed
	}
	p.busy[w] = r.end
	if r.returns {
		p.returning++
	}
	p.replenish() // the next job should not wait for a start
	p.mu.Unlock()
	p.wg.Go(func() { r.watch(ctx) })
	req.TempDir = w.tempDir
	if err := writeRequest(w.in, req); err != nil {
		r.end(fmt.Errorf("%w: hand over job: %w", ErrKilled, err))
		return nil, r.reason()
	}
	return r, nil
}

// take answers an idle worker, or a new one.
func (p *Pool) take(ctx context.Context) (*worker, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if w.alive() {
			p.mu.Unlock()
			return w, nil
		}
	}
	p.mu.Unlock()
	return p.spawn(ctx)
}

// give takes a worker back after its job.
func (p *Pool) give(w *worker, returns, healthy bool) {
	p.mu.Lock()
	delete(p.busy, w)
	if returns {
		p.returning--
	}
	keep := healthy && !p.closing && w.alive()
	if keep {
		p.idle = append(p.idle, w)
	}
	p.replenish()
	p.mu.Unlock()
	if !keep {
		w.kill()
	}
	<-p.slots
}

// replenish starts workers ahead of need: as many as jobs may run are idle, on
// their way, or busy with a job after which they are idle again; while jobs run
// one, for a start takes CPU time from them. The caller holds mu.
func (p *Pool) replenish() {
	if p.closing {
		return
	}
	p.idle = slices.DeleteFunc(p.idle, func(w *worker) bool { return !w.alive() })
	want := p.cfg.Workers
	if len(p.busy) > 0 {
		want = 1
	}
	for len(p.idle)+p.starting+p.returning < want {
		p.starting++
		p.wg.Go(func() {
			w, err := p.spawn(context.Background())
			p.mu.Lock()
			defer p.mu.Unlock()
			p.starting--
			switch {
			case errors.Is(err, ErrClosed):
			case err != nil:
				// The next job tries again, and answers the error.
				p.log.Error("query worker does not start", "error", err)
			case p.closing:
				w.kill()
			default:
				p.idle = append(p.idle, w)
			}
		})
	}
}

// stopped is why a context ended, in this package's words.
func stopped(ctx context.Context) error {
	cause := context.Cause(ctx)
	if errors.Is(cause, context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, cause)
	}
	return cause
}
