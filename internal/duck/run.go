package duck

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sync"
	"time"
)

// run is a job on a worker, from hand-over to its end. As an io.Reader it
// gives the bytes of the job's answer.
type run struct {
	pool     *Pool
	worker   *worker
	began    time.Time
	limit    int64
	cancel   func()
	progress func(float64)
	returns  bool // the worker is idle again after a good end
	left     int  // bytes of the current data frame not read yet

	once sync.Once
	done chan struct{} // closed by end
	mu   sync.Mutex
	err  error // why the job ended; io.EOF after a good trailer
	peak int64
	t    trailer
	// trailed: the worker told the end itself.
	trailed bool
}

// watch kills the worker at the deadline, when the caller goes away and when
// it takes too much memory.
func (r *run) watch(ctx context.Context) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-ctx.Done():
			r.end(stopped(ctx))
			return
		case <-tick.C:
		}
		n, err := residentBytes(r.worker.pid)
		if err != nil {
			continue // it is ending; the pipe tells
		}
		r.mu.Lock()
		r.peak = max(r.peak, n)
		r.mu.Unlock()
		if n > r.limit+workerOverhead {
			r.end(fmt.Errorf("%w: it held %d MiB of %d MiB and was stopped", ErrMemory, n>>20, r.limit>>20))
			return
		}
	}
}

// end ends the job once: with io.EOF after a complete answer, else with the
// reason. The worker goes back to the pool, or is killed.
func (r *run) end(reason error) {
	r.once.Do(func() {
		r.mu.Lock()
		r.err = reason
		healthy := r.trailed && !r.t.Dirty // a wrong statement leaves its worker well
		r.mu.Unlock()
		close(r.done)
		r.cancel()
		r.pool.metrics.ended(reason, time.Since(r.began), time.Duration(r.t.CPU))
		r.pool.give(r.worker, r.returns, healthy)
	})
}

// reason is why the job ended.
func (r *run) reason() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// finish is end for a reader: it answers the reason that came first.
func (r *run) finish(reason error) error {
	r.end(reason)
	return r.reason()
}

// blame is finish for an answer that makes no sense, though the worker may have
// called it complete: it does not stay.
func (r *run) blame(err error) error {
	if reason := r.finish(err); reason != io.EOF { //nolint:errorlint // only the bare EOF means that the worker called its answer complete
		return reason
	}
	r.worker.kill()
	return err
}

// Read implements io.Reader. It ends with io.EOF only after the worker said
// that the job is done; with a typed error otherwise.
func (r *run) Read(p []byte) (int, error) {
	for r.left == 0 {
		select {
		case <-r.done:
			return 0, r.reason()
		default:
		}
		kind, n, err := readFrameHeader(r.worker.out)
		if err != nil {
			return 0, r.broken(err)
		}
		if kind == frameData {
			r.left = n
			continue
		}
		payload := make([]byte, n)
		if _, err := io.ReadFull(r.worker.out, payload); err != nil {
			return 0, r.broken(err)
		}
		switch kind {
		case frameProgress:
			if len(payload) == 8 && r.progress != nil {
				r.progress(math.Float64frombits(binary.BigEndian.Uint64(payload)))
			}
		case frameEnd:
			return 0, r.trail(payload)
		default:
			return 0, r.broken(errors.New("hello in the middle of a job"))
		}
	}
	n, err := r.worker.out.Read(p[:min(len(p), r.left)])
	r.left -= n
	if err != nil {
		return n, r.broken(err)
	}
	return n, nil
}

func (r *run) trail(payload []byte) error {
	var t trailer
	if err := json.Unmarshal(payload, &t); err != nil {
		return r.broken(fmt.Errorf("trailer: %w", err))
	}
	r.mu.Lock()
	r.t, r.trailed = t, true
	r.peak = max(r.peak, t.Peak)
	r.mu.Unlock()
	if t.Error == nil {
		return r.finish(io.EOF)
	}
	return r.finish(t.Error.typed())
}

// broken ends a job whose worker broke off or answered no frame. If it was
// killed for a reason, that reason stands.
func (r *run) broken(err error) error {
	select {
	case <-r.done:
		return r.reason()
	default:
	}
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		r.worker.kill() // it lives, and talks nonsense
	}
	return r.finish(r.worker.died(err))
}

// all reads the whole answer.
func (r *run) all() ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, 64<<20))
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (r *run) stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Rows: r.t.Rows, Batches: r.t.Batches, CPU: time.Duration(r.t.CPU),
		PeakRSS: r.peak, Read: r.t.Read, Elapsed: time.Since(r.began),
	}
}
