package writer

import (
	"sync"
	"time"
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

// hold is a reservation, of nothing at first. Its methods may be called by one goroutine at a time.
type hold struct {
	b   *budget
	who string
	n   int64
}

// grow takes n bytes more, or gives them back when n is negative. It answers
// errBusy or errQuota when others hold them now, and a *roomError when so many
// will never be free.
func (h *hold) grow(n int64) error {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	if n > 0 {
		if h.n+n > h.b.limit {
			return &roomError{need: h.n + n, most: h.b.limit, whose: "the server"}
		}
		if h.b.used+n > h.b.limit {
			return errBusy
		}
	}
	if h.who != "" {
		if err := h.b.fits(h.who, h.n+n, n); err != nil && n > 0 {
			return err
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
	if err := h.b.fits(who, h.n, h.n); err != nil {
		return err
	}
	h.who = who
	h.b.contributors[who] += h.n
	return nil
}

// fits says whether a contributor may hold so many bytes more, for a
// reservation that will be whole bytes then. Call with mu held.
func (b *budget) fits(who string, whole, more int64) error {
	switch {
	case whole > b.share:
		return &roomError{need: whole, most: b.share, whose: "one contributor"}
	case b.contributors[who]+more > b.share:
		return errQuota
	}
	return nil
}

// handOver moves the reservation to a new owner; nothing is left with the old.
func (h *hold) handOver() *hold {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	out := &hold{b: h.b, who: h.who, n: h.n}
	h.who, h.n = "", 0
	return out
}

// resize makes the reservation n bytes.
func (h *hold) resize(n int64) error { return h.grow(n - h.n) }

// atLeast makes the reservation n bytes, if it is smaller.
func (h *hold) atLeast(n int64) error { return h.grow(max(0, n-h.n)) }

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
