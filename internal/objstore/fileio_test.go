package objstore_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"testing"
	"testing/iotest"

	iceio "github.com/apache/iceberg-go/io"

	"github.com/firnlake/firn/internal/objstore"
)

func TestFileIO(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		fio := b.FileIO()
		for _, size := range []int{0, 10, 3 << 20, 33 << 20} { // empty, small, streamed reads, spilled
			name := b.Location("meta/file.avro")
			data := make([]byte, size)
			rand.Read(data)
			w, err := fio.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write(data[:size/3]); err != nil {
				t.Fatal(err)
			}
			if n, err := w.ReadFrom(bytes.NewReader(data[size/3:])); err != nil || int(n) != size-size/3 {
				t.Fatal(n, err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte("late")); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("write after close: %v", err)
			}
			if err := w.Close(); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("second close: %v", err)
			}
			f, err := fio.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			if size < 1<<20 {
				if err := iotest.TestReader(f, data); err != nil { // Read, ReadAt and Seek
					t.Error(err)
				}
			} else if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if st, err := f.Stat(); err != nil || st.Size() != int64(size) || st.Name() != "file.avro" || st.IsDir() {
				t.Errorf("stat: %v, %v", st, err)
			}
			if size > 100 {
				part := make([]byte, 50)
				if _, err := f.ReadAt(part, int64(size)-50); err != nil && !errors.Is(err, io.EOF) || !bytes.Equal(part, data[size-50:]) {
					t.Errorf("read at the end: %v", err)
				}
				if n, err := f.ReadAt(part, int64(size)-20); n != 20 || !errors.Is(err, io.EOF) {
					t.Errorf("read over the end: %d, %v", n, err)
				}
				if _, err := f.Seek(-100, io.SeekEnd); err != nil {
					t.Error(err)
				}
				if tail, err := io.ReadAll(f); err != nil || !bytes.Equal(tail, data[size-100:]) {
					t.Errorf("tail: %d bytes, %v", len(tail), err)
				}
			}
			if err := f.Close(); err != nil {
				t.Error(err)
			}
			got, err := fio.(iceio.ReadFileIO).ReadFile(name)
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("ReadFile: %d bytes, %v", len(got), err)
			}
		}
	})
}

func TestFileIOMakesNothingVisibleBeforeClose(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		w, err := b.FileIO().Create(b.Location("k"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, 40<<20)); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Stat(t.Context(), "k"); !errors.Is(err, objstore.ErrNotFound) {
			t.Errorf("before Close: %v", err)
		}
		broken := errors.New("broken")
		if _, err := w.ReadFrom(iotest.ErrReader(broken)); !errors.Is(err, broken) {
			t.Error(err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if info, err := b.Stat(t.Context(), "k"); err != nil || info.Size != 40<<20 {
			t.Errorf("%+v, %v", info, err)
		}
	})
}

func TestFileIORemoves(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		fio := b.FileIO()
		names := []string{b.Location("a"), b.Location("b/c"), b.Location("never/was")}
		for _, name := range names[:2] {
			if err := fio.WriteFile(name, []byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		st, err := fio.(iceio.StatIO).Stat(names[1])
		if err != nil || st.Size() != 1 || st.Name() != "c" || st.ModTime().IsZero() || st.Mode().IsDir() {
			t.Fatalf("%v, %v", st, err)
		}
		if err := fio.Remove(names[0]); err != nil {
			t.Fatal(err)
		}
		if _, err := fio.(iceio.StatIO).Stat(names[0]); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		gone, err := fio.(iceio.BulkRemovableIO).DeleteFiles(t.Context(), names)
		if err != nil || len(gone) != 3 {
			t.Fatalf("%v, %v", gone, err)
		}
		if keys := list(t, b, ""); len(keys) != 0 {
			t.Fatal(keys)
		}
		if _, err := fio.(iceio.BulkRemovableIO).DeleteFiles(t.Context(), []string{"s3://other/k"}); !errors.Is(err, objstore.ErrInvalidKey) {
			t.Fatal(err)
		}
	})
}
