package objstore

import "time"

// Unconnected is a bucket for tests of names, without a client.
func Unconnected(cfg Config) *Bucket { return &Bucket{cfg: cfg} }

// NewSyncer exposes the barrier with a flush of the test's own.
func NewSyncer(flush func(root string) error) *syncer { return &syncer{flush: flush} }

// Sync is the barrier itself.
var SyncerSync = (*syncer).sync

// SetBackoff shortens the wait between attempts.
func (b *Bucket) SetBackoff(d time.Duration) { b.backoff = d }
