package objstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/minio/minio-go/v7"
)

// Get returns the whole object, or ErrNotFound.
func (b *Bucket) Get(ctx context.Context, key string) ([]byte, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if b.cfg.LocalRoot != "" {
		if err := ctx.Err(); err != nil {
			return nil, b.readError("get", key, err)
		}
		data, err := os.ReadFile(b.path(key))
		return data, b.readError("get", key, localError(err))
	}
	body, info, err := b.open(ctx, key, 0, -1)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data := make([]byte, info.Size)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, b.readError("get", key, err)
	}
	return data, nil
}

// GetRange returns up to n bytes from offset off: fewer when the object ends
// before, none when it ends at or before off. A negative off counts from the
// end (the last -off bytes; n is then a limit).
func (b *Bucket) GetRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if n <= 0 {
		return nil, nil
	}
	if b.cfg.LocalRoot != "" {
		return b.localRange(ctx, key, off, n)
	}
	body, info, err := b.open(ctx, key, off, n)
	if err != nil {
		if minio.ToErrorResponse(errors.Unwrap(err)).Code == "InvalidRange" {
			return nil, nil
		}
		return nil, err
	}
	defer body.Close()
	data := make([]byte, min(n, info.Size))
	got, err := io.ReadFull(body, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, b.readError("get range", key, err)
	}
	return data[:got], nil
}

func (b *Bucket) localRange(ctx context.Context, key string, off, n int64) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, b.readError("get range", key, err)
	}
	f, err := b.openLocal(key)
	if err != nil {
		return nil, b.readError("get range", key, err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, b.readError("get range", key, err)
	}
	if off < 0 {
		off = max(0, st.Size()+off)
	}
	if off >= st.Size() {
		return nil, nil
	}
	data := make([]byte, min(n, st.Size()-off))
	got, err := f.ReadAt(data, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, b.readError("get range", key, err)
	}
	return data[:got], nil
}

// Reader streams the object. The caller closes it. ErrNotFound comes from
// Reader itself, not from the first Read.
func (b *Bucket) Reader(ctx context.Context, key string) (io.ReadCloser, error) {
	if err := CheckKey(key); err != nil {
		return nil, err
	}
	if b.cfg.LocalRoot != "" {
		f, err := b.openLocal(key)
		if err != nil {
			return nil, b.readError("get", key, err)
		}
		return f, nil
	}
	body, _, err := b.open(ctx, key, 0, -1)
	return body, err
}

// GetFile copies the object to path, atomically: path is absent or complete.
func (b *Bucket) GetFile(ctx context.Context, key, path string) error {
	r, err := b.Reader(ctx, key)
	if err != nil {
		return err
	}
	defer r.Close()
	tmp, err := os.CreateTemp(filepath.Dir(path), ".get-*")
	if err != nil {
		return fmt.Errorf("get %s: %w", b.Location(key), err)
	}
	_, err = io.Copy(tmp, r)
	if err = errors.Join(err, tmp.Close()); err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("get %s to %s: %w", b.Location(key), path, errors.Join(err, os.Remove(tmp.Name())))
	}
	return nil
}

// open starts a GET of [off, off+n); n < 0 is the rest, off < 0 the suffix.
func (b *Bucket) open(ctx context.Context, key string, off, n int64) (io.ReadCloser, minio.ObjectInfo, error) {
	var opts minio.GetObjectOptions
	var err error
	switch {
	case off < 0:
		err = opts.SetRange(0, off)
	case n > 0:
		err = opts.SetRange(off, off+n-1)
	case off > 0:
		err = opts.SetRange(off, 0)
	}
	if err != nil {
		return nil, minio.ObjectInfo{}, b.readError("get", key, err)
	}
	core := minio.Core{Client: b.read}
	body, info, _, err := core.GetObject(ctx, b.cfg.Bucket, key, opts)
	if err != nil {
		return nil, info, b.readError("get", key, err)
	}
	return body, info, nil
}

// openLocal opens the file of a key; a folder is no object.
func (b *Bucket) openLocal(key string) (*os.File, error) {
	f, err := os.Open(b.path(key))
	if err != nil {
		return nil, localError(err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, err
	}
	if st.IsDir() {
		f.Close()
		return nil, fs.ErrNotExist
	}
	return f, nil
}
