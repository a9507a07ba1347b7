package objstore

import (
	"context"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Sync makes every put that returned before Sync was called durable against a
// power cut, those of other clients of the embedded gateway too. On a remote
// store puts are durable already and Sync does nothing. When it fails nothing
// may be said about durability: the caller must not acknowledge.
//
// Concurrent callers share one flush: a caller that arrives while one runs
// waits for the next, which serves all who wait.
func (b *Bucket) Sync(ctx context.Context) error {
	if b.cfg.LocalRoot == "" {
		return nil
	}
	if err := b.syncer.sync(ctx); err != nil {
		return fmt.Errorf("sync bucket %s: %w", b.cfg.Bucket, err)
	}
	return nil
}

// syncer runs flushes one after another.
type syncer struct {
	root  string
	flush func(root string) error // nil: syncfs

	mu      sync.Mutex
	running *flight // the flush that is running now
	next    *flight // the flush that waits for it
}

type flight struct {
	done chan struct{}
	err  error
}

func (s *syncer) sync(ctx context.Context) error {
	s.mu.Lock()
	f := s.next
	if f == nil {
		f = &flight{done: make(chan struct{})}
		prev := s.running
		if prev == nil {
			s.running = f
		} else {
			s.next = f
		}
		// The flight outlives a caller who gives up: others may share it.
		go s.fly(f, prev)
	}
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *syncer) fly(f, prev *flight) {
	if prev != nil {
		<-prev.done
		s.mu.Lock()
		s.running, s.next = f, nil
		s.mu.Unlock()
	}
	flush := s.flush
	if flush == nil {
		flush = syncfs
	}
	f.err = flush(s.root)
	s.mu.Lock()
	if s.running == f {
		s.running = nil
	}
	s.mu.Unlock()
	close(f.done)
}

// syncfs flushes the file system that holds root. Linux reports write-back
// errors here since 5.8.
func syncfs(root string) error {
	d, err := os.Open(root)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := unix.Syncfs(int(d.Fd())); err != nil {
		return os.NewSyscallError("syncfs", err)
	}
	return nil
}
