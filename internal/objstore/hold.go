package objstore

import (
	"context"
	"sync"
)

// Hold is the write intent of one commit in this process: the objects that were
// put for it and that nothing refers to yet. A collector of unreachable objects
// spares them, however long the commit takes, by asking [Bucket.Held].
//
// A Hold lives in memory, for its objects are of no use to anyone once the
// process has ended: there is nobody left to commit them.
type Hold struct {
	bucket *Bucket

	mu   sync.Mutex
	keys []string
	over bool
}

// NewHold begins an intent without objects.
func (b *Bucket) NewHold() *Hold { return &Hold{bucket: b} }

type holdKey struct{}

// Context makes puts with the answered context part of the intent. An object is
// held from before its first byte is sent.
func (h *Hold) Context(ctx context.Context) context.Context {
	return context.WithValue(ctx, holdKey{}, h)
}

// Release ends the intent: its objects are referred to by now, or never will be.
// While that is not known (an outcome is), do not call it. It may be called
// again.
func (h *Hold) Release() {
	h.mu.Lock()
	keys := h.keys
	h.keys, h.over = nil, true
	h.mu.Unlock()
	h.bucket.holds.remove(keys)
}

// Held tells whether an intent of this process holds the object.
func (b *Bucket) Held(key string) bool { return b.holds.has(key) }

// hold notes the object in the context's intent, if it has one.
func (b *Bucket) hold(ctx context.Context, key string) {
	h, ok := ctx.Value(holdKey{}).(*Hold)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.over {
		h.keys = append(h.keys, key)
		h.bucket.holds.add(key)
	}
}

// holds counts the intents that hold an object.
type holds struct {
	mu    sync.Mutex
	count map[string]int
}

func (s *holds) add(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count == nil {
		s.count = map[string]int{}
	}
	s.count[key]++
}

func (s *holds) remove(keys []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		if s.count[key]--; s.count[key] <= 0 {
			delete(s.count, key)
		}
	}
}

func (s *holds) has(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count[key] > 0
}
