// Package writer takes rows from clients into tables.
//
// It promises that an answer to Append comes only when the rows are in a
// committed Iceberg snapshot, that rows sent through a channel are committed
// exactly once however often they are sent, that one contributor's faulty or
// fenced batch does not fail another's, and that memory stays within the
// configured budget whatever clients send. It keeps nothing between restarts:
// offsets live in the catalog, under the table's head.
//
// Many small batches become few files: what arrives for a table while its
// previous micro-batch commits is encoded together, one file a partition, and
// committed in one transaction with all its channel advances.
package writer

import (
	"context"
	"net/http"
	"sync"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"

	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Service implements firn.v1.IngestService.
type Service struct {
	cfg     Config
	budget  *budget
	metrics *metrics
	// solo bounds the appends with an idempotency key that are being written.
	solo chan struct{}

	// mu guards what follows.
	mu         sync.Mutex
	collectors map[uuid.UUID]*collector
	draining   bool
	// working counts collectors and solo appends; it only grows while
	// draining is false.
	working sync.WaitGroup

	// conformers and duplicates have their own locks.
	conformers conformerCache
	duplicates duplicateCounter
}

// idleAfter is how long a table's collector waits for more before it ends.
const idleAfter = 10 * time.Second

// New checks the configuration. The service accepts rows at once; Run drains it.
func New(cfg Config) (*Service, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(cfg.Registerer)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg:        cfg,
		budget:     newBudget(cfg.MemoryBytes, cfg.ContributorBytes),
		metrics:    m,
		solo:       make(chan struct{}, 16),
		collectors: map[uuid.UUID]*collector{},
	}, nil
}

// Run blocks until ctx ends, then refuses new rows, commits all it has
// accepted, and returns. The catalog must outlive it.
func (s *Service) Run(ctx context.Context) error {
	<-ctx.Done()
	s.mu.Lock()
	s.draining = true
	for _, c := range s.collectors {
		c.stop()
	}
	s.mu.Unlock()
	s.working.Wait()
	return nil
}

// smallRequest is the most that requests without rows may have.
const smallRequest = 1 << 20

// Handler answers the Connect handler (Connect, gRPC, gRPC-Web, and plain JSON
// over HTTP) and the path to mount it at.
//
// Only Append takes large requests; those are counted in the byte budget.
func (s *Service) Handler(opts ...connect.HandlerOption) (string, http.Handler) {
	opts = append([]connect.HandlerOption{
		connect.WithConditionalHandlerOptions(func(spec connect.Spec) []connect.HandlerOption {
			if spec.Procedure == firnv1connect.IngestServiceAppendProcedure {
				return []connect.HandlerOption{connect.WithReadMaxBytes(s.cfg.RequestBytes)}
			}
			return []connect.HandlerOption{connect.WithReadMaxBytes(smallRequest)}
		}),
		connect.WithCompression("gzip", newGzipReader, newGzipWriter),
		connect.WithCompression("zstd", newZstdReader, newZstdWriter),
	}, opts...)
	path, h := firnv1connect.NewIngestServiceHandler(s, opts...)
	return path, s.admitBodies(h, opts)
}

// begin registers a piece of work that Run waits for, or answers false when the
// service is draining.
func (s *Service) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return false
	}
	s.working.Add(1)
	return true
}

// enqueue hands a request to its table's collector.
func (s *Service) enqueue(r *request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return errDraining
	}
	c := s.collectors[r.table.ID]
	if c == nil {
		c = newCollector(s, r.table.ID)
		s.collectors[r.table.ID] = c
		s.working.Add(1)
		go c.run()
	}
	c.add(r)
	return nil
}

// mark asks the table's collector for a micro-batch at once; the answer's done
// channel tells when everything that waits now is committed. It answers nil
// when nothing waits.
func (s *Service) mark(table uuid.UUID) (*request, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return nil, errDraining
	}
	c := s.collectors[table]
	if c == nil {
		return nil, nil
	}
	return c.mark(), nil
}

// commitContext bounds one micro-batch. Clients that go away do not stop a
// commit that others wait for.
func (s *Service) commitContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.cfg.CommitTimeout)
}

// retire removes an idle collector, unless work came in the meantime.
func (s *Service) retire(c *collector) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !c.empty() {
		return false
	}
	delete(s.collectors, c.table)
	return true
}
