package objstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/minio/minio-go/v7"
)

// Stat describes the object, or returns ErrNotFound.
func (b *Bucket) Stat(ctx context.Context, key string) (Info, error) {
	if err := CheckKey(key); err != nil {
		return Info{}, err
	}
	o, err := b.read.StatObject(ctx, b.cfg.Bucket, key, minio.StatObjectOptions{})
	if err != nil {
		return Info{}, b.readError("stat", key, err)
	}
	return toInfo(o), nil
}

// List yields every object whose key begins with prefix, in key order, page by
// page. prefix "" is the whole bucket; "a/b" also matches "a/bc", so end a
// folder with a slash. After an error the sequence ends. Objects put or deleted
// meanwhile may or may not appear.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[Info, error] {
	return func(yield func(Info, error) bool) {
		if err := checkPrefix(prefix); err != nil {
			yield(Info{}, err)
			return
		}
		opts := minio.ListObjectsOptions{Prefix: prefix, Recursive: true}
		for o := range b.read.ListObjectsIter(ctx, b.cfg.Bucket, opts) {
			if o.Err != nil {
				yield(Info{}, fmt.Errorf("list %s: %w", b.Location(prefix), o.Err))
				return
			}
			if strings.HasSuffix(o.Key, "/") {
				continue // folder marks of other tools are no objects
			}
			if !yield(toInfo(o), nil) {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(Info{}, fmt.Errorf("list %s: %w", b.Location(prefix), err))
		}
	}
}

// Delete removes objects, in batches of 1,000. Absent keys are no error. It
// tries all keys and joins the errors; with an error some keys may be gone.
func (b *Bucket) Delete(ctx context.Context, keys ...string) error {
	for _, key := range keys {
		if err := CheckKey(key); err != nil {
			return err
		}
	}
	if len(keys) == 1 {
		err := b.read.RemoveObject(ctx, b.cfg.Bucket, keys[0], minio.RemoveObjectOptions{})
		if err = b.readError("delete", keys[0], err); errors.Is(err, ErrNotFound) {
			return nil
		}
		return err
	}
	if len(keys) == 0 {
		return nil
	}
	all := func(yield func(minio.ObjectInfo) bool) {
		for _, key := range keys {
			if !yield(minio.ObjectInfo{Key: key}) {
				return
			}
		}
	}
	results, err := b.read.RemoveObjectsWithIter(ctx, b.cfg.Bucket, all, minio.RemoveObjectsOptions{})
	if err != nil {
		return fmt.Errorf("delete %d objects: %w", len(keys), err)
	}
	var errs []error
	for res := range results {
		if res.Err == nil {
			continue
		}
		if err := b.readError("delete", res.ObjectName, res.Err); !errors.Is(err, ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func toInfo(o minio.ObjectInfo) Info {
	return Info{Key: o.Key, Size: o.Size, Modified: o.LastModified, ETag: strings.Trim(o.ETag, `"`)}
}

// checkPrefix: a prefix is the beginning of a valid key.
func checkPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	return CheckKey(strings.TrimSuffix(prefix, "/") + "/x")
}
