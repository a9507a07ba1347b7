// Package boltstore is catalog.Store on one bbolt file: the embedded default.
//
// It promises what catalog.Store promises, on one machine: an Apply that
// returned is on disk. Batches that arrive together share one bbolt
// transaction and so one fsync; each still gets its own revision and its own
// verdict. A full disk makes the store read-only until there is room. An I/O
// error after which the file's state is not known ends it: Failed closes.
package boltstore

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/firnlake/firn/catalog"
)

// formatVersion is stored in the file; Open refuses a newer one.
const formatVersion = 1

var (
	bucketKV   = []byte("kv")   // key -> 8 bytes version, big endian, then the value
	bucketMeta = []byte("meta") // "format", "revision": 8 bytes big endian
	keyFormat  = []byte("format")
	keyRev     = []byte("revision")
)

// Config says where the store lives.
type Config struct {
	// Path is the database file; its folder is created. Required.
	Path string
	// LockTimeout is how long Open waits for another process to let go of the file.
	// Default 1 s.
	LockTimeout time.Duration
	// MaxGroup bounds the batches that share one transaction. Default 512.
	MaxGroup int
	// OnGroup is told the size of each group and how long it took; for metrics. Optional.
	OnGroup func(batches int, took time.Duration)
}

// Store is a catalog.Store.
type Store struct {
	cfg Config
	db  *bolt.DB

	requests chan *request
	quit     chan struct{} // closed by Close
	done     chan struct{} // closed when the loop has ended
	close    sync.Once

	failed  chan struct{} // closed when the store has failed
	failure error         // set before failed is closed

	update func(func(*bolt.Tx) error) error // db.Update; tests put faults here
}

var _ catalog.Store = (*Store)(nil)

// Open opens or creates the file and locks it against other processes.
func Open(cfg Config) (*Store, error) {
	if cfg.Path == "" {
		return nil, errors.New("boltstore: Config.Path is required")
	}
	if cfg.LockTimeout <= 0 {
		cfg.LockTimeout = time.Second
	}
	if cfg.MaxGroup <= 0 {
		cfg.MaxGroup = 512
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Path), 0o700); err != nil {
		return nil, fmt.Errorf("boltstore: create folder: %w", err)
	}
	if err := whole(cfg); err != nil {
		return nil, err
	}
	db, err := open(cfg.Path, &bolt.Options{Timeout: cfg.LockTimeout, FreelistType: bolt.FreelistMapType})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil, fmt.Errorf("open catalog store %s: another process has it open; stop that one first: %w", cfg.Path, err)
	}
	if err != nil {
		return nil, err
	}
	if err := prepare(db); err != nil {
		return nil, errors.Join(fmt.Errorf("open catalog store %s: %w", cfg.Path, err), db.Close())
	}
	s := &Store{
		cfg: cfg, db: db,
		requests: make(chan *request, cfg.MaxGroup),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
		failed:   make(chan struct{}),
		update:   db.Update,
	}
	go s.loop()
	return s, nil
}

func prepare(db *bolt.DB) error {
	ready := false
	err := db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil || tx.Bucket(bucketKV) == nil {
			return nil
		}
		if v := meta.Get(keyFormat); len(v) != 8 || binary.BigEndian.Uint64(v) != formatVersion {
			return fmt.Errorf("file has format %x, this program reads format %d", v, formatVersion)
		}
		ready = true
		return nil
	})
	if err != nil || ready {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		if _, err := tx.CreateBucketIfNotExists(bucketKV); err != nil {
			return err
		}
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		return meta.Put(keyFormat, binary.BigEndian.AppendUint64(nil, formatVersion))
	})
}

// Failed is closed when the store has met an error after which it must be
// opened again; Err then says which.
func (s *Store) Failed() <-chan struct{} { return s.failed }

// Err is the failure, or nil.
func (s *Store) Err() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// Close waits for the group being written and closes the file. Batches that
// still wait did not happen.
func (s *Store) Close() error {
	var err error
	s.close.Do(func() {
		close(s.quit)
		<-s.done
		err = s.db.Close()
	})
	return err
}

// Get implements catalog.Store.
func (s *Store) Get(ctx context.Context, key string) (catalog.KV, error) {
	if err := ctx.Err(); err != nil {
		return catalog.KV{}, err
	}
	kv := catalog.KV{Key: key}
	err := s.view(func(tx *bolt.Tx) error {
		raw := tx.Bucket(bucketKV).Get([]byte(key))
		if raw == nil {
			return catalog.ErrNotFound
		}
		var err error
		kv.Version, kv.Value, err = decode(raw)
		return err
	})
	if err != nil {
		return catalog.KV{}, fmt.Errorf("get %q: %w", key, err)
	}
	return kv, nil
}

func (s *Store) view(f func(*bolt.Tx) error) error {
	if err := s.Err(); err != nil {
		return err
	}
	err := s.db.View(f)
	if errors.Is(err, bolterrors.ErrDatabaseNotOpen) {
		return catalog.ErrClosed
	}
	return err
}

func decode(raw []byte) (catalog.Version, []byte, error) {
	if len(raw) < 8 {
		return 0, nil, fmt.Errorf("%w: a value of %d bytes has no version", catalog.ErrStoreFailed, len(raw))
	}
	value := make([]byte, len(raw)-8)
	copy(value, raw[8:])
	return catalog.Version(binary.BigEndian.Uint64(raw)), value, nil
}

func revision(tx *bolt.Tx) catalog.Version {
	if v := tx.Bucket(bucketMeta).Get(keyRev); len(v) == 8 {
		return catalog.Version(binary.BigEndian.Uint64(v))
	}
	return 0
}
