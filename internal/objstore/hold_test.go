package objstore_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/firnlake/firn/internal/objstore"
)

func TestHold(t *testing.T) {
	each(t, func(t *testing.T, b *objstore.Bucket) {
		hold, other := b.NewHold(), b.NewHold()
		ctx := hold.Context(t.Context())
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, make([]byte, 20<<20), 0o600); err != nil { // in parts
			t.Fatal(err)
		}
		for key, put := range map[string]func(key string) error{
			"bytes": func(key string) error { return b.PutBytes(ctx, key, []byte("x"), objstore.PutOptions{}) },
			"file":  func(key string) error { return b.PutFile(ctx, key, file) },
			"both":  func(key string) error { return b.PutBytes(other.Context(ctx), key, []byte("x"), objstore.PutOptions{}) },
		} {
			if b.Held(key) {
				t.Errorf("%s is held before it is put", key)
			}
			if err := put(key); err != nil || !b.Held(key) {
				t.Errorf("%s: held %t, %v", key, b.Held(key), err)
			}
		}
		put(t, b, "free", []byte("x"))
		// The same object, held twice; a release counts once.
		if err := b.PutBytes(ctx, "both", []byte("x"), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		other.Release()
		other.Release()
		if b.Held("free") || !b.Held("both") {
			t.Errorf("free %t, both %t", b.Held("free"), b.Held("both"))
		}
		hold.Release()
		if err := b.PutBytes(ctx, "late", []byte("x"), objstore.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		for _, key := range []string{"bytes", "file", "both", "late"} {
			if b.Held(key) {
				t.Errorf("%s is held after the release", key)
			}
		}
	})
}
