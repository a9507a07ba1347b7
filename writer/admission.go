package writer

import (
	"cmp"
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// budget bounds the bytes held in the process and by each contributor. It
// never waits: what does not fit is refused with a hint when to come again,
// so that queues build up at the clients.
type budget struct {
	mu           sync.Mutex
	limit, share int64
	used         int64
	contributors map[string]int64
	// pace is a running mean of how long micro-batches take; the hint.
	pace time.Duration
}

func newBudget(limit, share int64) *budget {
	return &budget{limit: limit, share: share, contributors: map[string]int64{}, pace: 100 * time.Millisecond}
}

// hold is a reservation. Its methods may be called by one goroutine at a time.
type hold struct {
	b   *budget
	who string
	n   int64
}

// reserve takes n bytes, or answers errBusy.
func (b *budget) reserve(n int64) (*hold, error) {
	h := &hold{b: b}
	return h, h.grow(n)
}

func (h *hold) grow(n int64) error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if n > 0 && h.b.used+n > h.b.limit {
		return errBusy
	}
	if h.who != "" {
		if n > 0 && h.b.contributors[h.who]+n > h.b.share {
			return errQuota
		}
		h.b.contributors[h.who] += n
		if h.b.contributors[h.who] <= 0 {
			delete(h.b.contributors, h.who)
		}
	}
	h.b.used += n
	h.n += n
	return nil
}

// charge makes the reservation count for a contributor.
func (h *hold) charge(who string) error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if h.b.contributors[who]+h.n > h.b.share {
		return errQuota
	}
	h.who = who
	h.b.contributors[who] += h.n
	return nil
}

// resize makes the reservation n bytes.
func (h *hold) resize(n int64) error { return h.grow(n - h.n) }

// release gives everything back. It may be called again.
func (h *hold) release() { _ = h.grow(-h.n) }

func (b *budget) took(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pace = (7*b.pace + d) / 8
}

func (b *budget) retryAfter() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return min(max(b.pace, 50*time.Millisecond), 5*time.Second)
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

type holdKey struct{}

// maxRatio is the compression that request bodies may have: it bounds what a
// body may grow to by what was sent.
const maxRatio = 64

// admitBodies reserves memory for a request before its body is read: Connect
// reads and decompresses a whole message before it calls the service.
func (s *Service) admitBodies(next http.Handler, opts []connect.HandlerOption) http.Handler {
	errors := connect.NewErrorWriter(opts...)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, firnv1connect.IngestServiceAppendProcedure) {
			next.ServeHTTP(w, r)
			return
		}
		expect := int64(64 << 10)
		if r.ContentLength > 0 {
			expect = r.ContentLength
		}
		encoding := cmp.Or(r.Header.Get("Content-Encoding"), r.Header.Get("Grpc-Encoding"))
		factor := int64(2) // the body, and the message decoded from it
		if encoding != "" && encoding != "identity" {
			factor = maxRatio
		}
		most := 2 * int64(s.cfg.RequestBytes)
		h, err := s.budget.reserve(min(expect*factor, most))
		if err != nil {
			s.metrics.refuse("memory")
			if writeErr := errors.Write(w, r, s.busy(err)); writeErr != nil {
				s.cfg.Logger.DebugContext(r.Context(), "answer to refused request lost", "error", writeErr)
			}
			return
		}
		defer h.release()
		if r.ContentLength <= 0 {
			r.Body = &meteredBody{ReadCloser: r.Body, s: s, h: h, factor: factor, covered: expect, most: most}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), holdKey{}, h)))
	})
}

// meteredBody grows the reservation while a body without a declared length is
// read.
type meteredBody struct {
	io.ReadCloser
	s             *Service
	h             *hold
	factor        int64
	read, covered int64
	most          int64
}

func (m *meteredBody) Read(p []byte) (int, error) {
	n, err := m.ReadCloser.Read(p)
	m.read += int64(n)
	if m.read > m.covered && m.h.n < m.most {
		step := max(m.read-m.covered, 256<<10)
		if growErr := m.h.grow(min(step*m.factor, m.most-m.h.n)); growErr != nil {
			m.s.metrics.refuse("memory")
			return n, m.s.busy(growErr)
		}
		m.covered += step
	}
	return n, err
}
