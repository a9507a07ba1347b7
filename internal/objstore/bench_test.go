package objstore_test

import (
	"crypto/rand"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
)

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{4 << 10, 256 << 10, 8 << 20} {
		data := make([]byte, size)
		rand.Read(data)
		for _, via := range []string{"socket", "tcp"} {
			for _, absent := range []bool{false, true} {
				b.Run(fmt.Sprintf("size=%dKiB/via=%s/absent=%t", size>>10, via, absent), func(b *testing.B) {
					bucket := benchBucket(b, via)
					b.SetBytes(int64(size))
					n := 0
					for b.Loop() {
						n++
						if err := bucket.PutBytes(b.Context(), fmt.Sprintf("b/%d", n), data, objstore.PutOptions{IfAbsent: absent}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

func BenchmarkPutParallel(b *testing.B) {
	for _, via := range []string{"socket", "tcp"} {
		b.Run("size=4KiB/via="+via, func(b *testing.B) {
			bucket := benchBucket(b, via)
			data := make([]byte, 4<<10)
			var n atomic.Int64
			b.SetParallelism(8)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := bucket.PutBytes(b.Context(), fmt.Sprintf("b/%d", n.Add(1)), data, objstore.PutOptions{}); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{4 << 10, 8 << 20} {
		for _, via := range []string{"path", "socket", "tcp"} {
			b.Run(fmt.Sprintf("size=%dKiB/via=%s", size>>10, via), func(b *testing.B) {
				bucket := benchBucket(b, via)
				put(b, bucket, "k", make([]byte, size))
				b.SetBytes(int64(size))
				for b.Loop() {
					if _, err := bucket.Get(b.Context(), "k"); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkSync: the cost of the barrier after one small put, alone and with
// many commits at once that share it.
func BenchmarkSync(b *testing.B) {
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			bucket := objstoretest.New(b)
			data := make([]byte, 4<<10)
			var n atomic.Int64
			b.SetParallelism((callers + 1) / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := bucket.PutBytes(b.Context(), fmt.Sprintf("b/%d", n.Add(1)), data, objstore.PutOptions{}); err != nil {
						b.Fatal(err)
					}
					if err := bucket.Sync(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

func benchBucket(b *testing.B, via string) *objstore.Bucket {
	cfg := objstoretest.Config(b)
	if via != "path" {
		cfg.LocalRoot = ""
	}
	if via == "tcp" {
		cfg.Socket = ""
	}
	return objstoretest.Open(b, cfg)
}
