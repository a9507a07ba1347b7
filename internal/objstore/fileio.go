package objstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"sync"
	"time"

	iceio "github.com/apache/iceberg-go/io"
)

// FileIO is iceberg-go's file system over this bucket. Names are locations
// (s3://bucket/key), checked by [Bucket.Key]. Files are immutable: what Create
// and WriteFile make becomes visible when Close or WriteFile returns nil, whole
// or not at all. Errors are *fs.PathError and match fs.ErrNotExist where the
// object is absent. It also implements ReadFileIO, StatIO and
// BulkRemovableIO.
//
// iceberg-go's interface has no context: calls run until the store answers or
// the client's own time limits end them.
func (b *Bucket) FileIO() iceio.WriteFileIO { return fileIO{b} }

var (
	_ iceio.WriteFileIO     = fileIO{}
	_ iceio.ReadFileIO      = fileIO{}
	_ iceio.StatIO          = fileIO{}
	_ iceio.BulkRemovableIO = fileIO{}
)

type fileIO struct{ b *Bucket }

func (f fileIO) key(op, name string) (string, error) {
	key, err := f.b.Key(name)
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: err}
	}
	return key, nil
}

func (f fileIO) Open(name string) (iceio.File, error) {
	key, err := f.key("open", name)
	if err != nil {
		return nil, err
	}
	if f.b.cfg.LocalRoot != "" {
		file, err := f.b.openLocal(key)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &fs.PathError{Op: "open", Path: name, Err: ErrNotFound}
		}
		if err != nil {
			return nil, &fs.PathError{Op: "open", Path: name, Err: err}
		}
		return file, nil
	}
	info, err := f.b.Stat(context.Background(), key)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &remoteFile{b: f.b, info: info}, nil
}

func (f fileIO) ReadFile(name string) ([]byte, error) {
	key, err := f.key("read", name)
	if err != nil {
		return nil, err
	}
	data, err := f.b.Get(context.Background(), key)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return data, nil
}

func (f fileIO) Stat(name string) (fs.FileInfo, error) {
	key, err := f.key("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := f.b.Stat(context.Background(), key)
	if err != nil {
		return nil, &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	return fileInfo{info}, nil
}

func (f fileIO) WriteFile(name string, p []byte) error {
	key, err := f.key("write", name)
	if err != nil {
		return err
	}
	if err := f.b.PutBytes(context.Background(), key, p, PutOptions{}); err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: err}
	}
	return nil
}

func (f fileIO) Create(name string) (iceio.FileWriter, error) {
	key, err := f.key("create", name)
	if err != nil {
		return nil, err
	}
	return &fileWriter{b: f.b, key: key, name: name}, nil
}

// Remove deletes an object. An absent one is no error, as S3 has it.
func (f fileIO) Remove(name string) error {
	key, err := f.key("remove", name)
	if err != nil {
		return err
	}
	if err := f.b.Delete(context.Background(), key); err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// DeleteFiles deletes in batches; on an error it reports none of them as
// deleted, because S3 tells only which failed.
func (f fileIO) DeleteFiles(ctx context.Context, names []string) ([]string, error) {
	keys := make([]string, 0, len(names))
	for _, name := range names {
		key, err := f.key("remove", name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if err := f.b.Delete(ctx, keys...); err != nil {
		return nil, err
	}
	return names, nil
}

type fileInfo struct{ i Info }

func (f fileInfo) Name() string       { return path.Base(f.i.Key) }
func (f fileInfo) Size() int64        { return f.i.Size }
func (f fileInfo) Mode() fs.FileMode  { return 0o444 }
func (f fileInfo) ModTime() time.Time { return f.i.Modified }
func (f fileInfo) IsDir() bool        { return false }
func (f fileInfo) Sys() any           { return nil }

// remoteFile reads an object of a remote store. ReadAt may be called from many
// goroutines, the other methods from one.
type remoteFile struct {
	b    *Bucket
	info Info

	mu   sync.Mutex // guards what follows
	pos  int64
	body io.ReadCloser // open stream at pos, or nil
}

func (f *remoteFile) Stat() (fs.FileInfo, error) { return fileInfo{f.info}, nil }

func (f *remoteFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &fs.PathError{Op: "read", Path: f.info.Key, Err: fs.ErrInvalid}
	}
	data, err := f.b.GetRange(context.Background(), f.info.Key, off, int64(len(p)))
	n := copy(p, data)
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

func (f *remoteFile) Read(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.pos >= f.info.Size {
		return 0, io.EOF
	}
	if f.body == nil {
		body, _, err := f.b.open(context.Background(), f.info.Key, f.pos, -1)
		if err != nil {
			return 0, err
		}
		f.body = body
	}
	n, err := f.body.Read(p)
	f.pos += int64(n)
	if err == io.EOF && f.pos < f.info.Size {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

func (f *remoteFile) Seek(offset int64, whence int) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += f.pos
	case io.SeekEnd:
		offset += f.info.Size
	}
	if offset < 0 {
		return 0, &fs.PathError{Op: "seek", Path: f.info.Key, Err: fs.ErrInvalid}
	}
	if offset != f.pos {
		f.closeBody()
		f.pos = offset
	}
	return offset, nil
}

func (f *remoteFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closeBody()
	return nil
}

func (f *remoteFile) closeBody() {
	if f.body != nil {
		f.body.Close()
		f.body = nil
	}
}

// spillAbove is how much of a file under construction stays in memory.
const spillAbove = 32 << 20

// fileWriter collects a file in memory, then in a temporary file, and puts it
// on Close. It is used by one goroutine.
type fileWriter struct {
	b         *Bucket
	key, name string
	buf       bytes.Buffer
	spill     *os.File
	err       error
	closed    bool
}

func (w *fileWriter) Write(p []byte) (int, error) {
	if w.closed {
		return 0, &fs.PathError{Op: "write", Path: w.name, Err: fs.ErrClosed}
	}
	if w.err != nil {
		return 0, w.err
	}
	if w.spill == nil && w.buf.Len()+len(p) > spillAbove {
		if w.err = w.toDisk(); w.err != nil {
			return 0, w.err
		}
	}
	if w.spill == nil {
		return w.buf.Write(p)
	}
	n, err := w.spill.Write(p)
	w.err = err
	return n, err
}

func (w *fileWriter) toDisk() error {
	f, err := os.CreateTemp("", "firn-write-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", w.name, err)
	}
	// The name goes at once: a killed process leaves nothing behind.
	w.spill = f
	if err := os.Remove(f.Name()); err != nil {
		return err
	}
	_, err = w.buf.WriteTo(f)
	w.buf = bytes.Buffer{}
	return err
}

func (w *fileWriter) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{w}, r)
}

// Close puts the object. After a failed Write nothing is put.
func (w *fileWriter) Close() error {
	if w.closed {
		return &fs.PathError{Op: "close", Path: w.name, Err: fs.ErrClosed}
	}
	w.closed = true
	if w.spill != nil {
		defer w.spill.Close()
	}
	if w.err != nil {
		return w.err
	}
	ctx := context.Background()
	if w.spill == nil {
		return w.wrap(w.b.PutBytes(ctx, w.key, w.buf.Bytes(), PutOptions{}))
	}
	st, err := w.spill.Stat()
	if err != nil {
		return w.wrap(err)
	}
	return w.wrap(w.b.putLarge(ctx, w.key, w.spill, st.Size()))
}

func (w *fileWriter) wrap(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fs.PathError](err); ok {
		return err
	}
	return &fs.PathError{Op: "create", Path: w.name, Err: err}
}
