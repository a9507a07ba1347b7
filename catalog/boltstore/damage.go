package boltstore

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrDamaged: the file is no database, or was cut off. It was not changed.
var ErrDamaged = errors.New("the file is damaged")

// whole checks, without writing, that the file has all pages that its meta page
// counts: bbolt maps it into memory, and a page behind the end of the file ends
// the process with SIGBUS.
func whole(cfg Config) error {
	info, err := os.Stat(cfg.Path)
	if errors.Is(err, os.ErrNotExist) || err == nil && info.Size() == 0 {
		return nil // Open makes it
	}
	if err != nil {
		return fmt.Errorf("open catalog store: %w", err)
	}
	db, err := open(cfg.Path, &bolt.Options{Timeout: cfg.LockTimeout, ReadOnly: true})
	if errors.Is(err, bolterrors.ErrTimeout) {
		return nil // Open says it
	}
	if err != nil {
		return err
	}
	var pages int64
	err = db.View(func(tx *bolt.Tx) error {
		pages = tx.Size()
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("open catalog store %s: %w", cfg.Path, err)
	}
	if info.Size() < pages {
		return fmt.Errorf("open catalog store %s: %w: it has %d bytes of %d", cfg.Path, ErrDamaged, info.Size(), pages)
	}
	return nil
}

// open is bolt.Open with ErrDamaged for what is no database; bbolt panics about
// some of that.
func open(path string, options *bolt.Options) (db *bolt.DB, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			db, err = nil, fmt.Errorf("open catalog store %s: %w: %v", path, ErrDamaged, fault)
		}
	}()
	db, err = bolt.Open(path, 0o600, options)
	switch {
	case err == nil, errors.Is(err, bolterrors.ErrTimeout), errors.Is(err, os.ErrPermission):
		return db, err
	case errors.Is(err, bolterrors.ErrInvalid), errors.Is(err, bolterrors.ErrChecksum), errors.Is(err, bolterrors.ErrVersionMismatch):
		return nil, fmt.Errorf("open catalog store %s: %w: %w", path, ErrDamaged, err)
	}
	// A file below the size of its meta pages has no error of its own.
	if info, statErr := os.Stat(path); statErr == nil && info.Size() > 0 && info.Size() < 4*int64(os.Getpagesize()) {
		return nil, fmt.Errorf("open catalog store %s: %w: %w", path, ErrDamaged, err)
	}
	return nil, fmt.Errorf("open catalog store %s: %w", path, err)
}
