package catalog_test

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/boltstore"
	"github.com/firnlake/firn/catalog/memstore"
)

func benchKit(b *testing.B) *kit {
	s, err := boltstore.Open(boltstore.Config{Path: filepath.Join(b.TempDir(), "store.db")})
	require.NoError(b, err)
	b.Cleanup(func() { s.Close() })
	return newKit(b, s, nil)
}

// cpu reports the processor time of one operation, client, object store and garbage
// collection included: unlike the time of a clock it is the same on a busy machine.
func cpu(b *testing.B) (stop func()) {
	used := func() time.Duration {
		var r syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	begin := used()
	return func() { b.ReportMetric(float64(used()-begin)/float64(b.N)/1e6, "cpu-ms/op") }
}

// BenchmarkIndependentTables: commits to tables of their own, durable. Bar: 500 a second.
func BenchmarkIndependentTables(b *testing.B) {
	k := benchKit(b)
	const tables = 64
	all := make([]*catalog.Table, tables)
	for i := range all {
		all[i] = k.table(fmt.Sprintf("db.t%d", i), iceberg.Properties{catalog.PropertyMaxSnapshots: "200"})
	}
	var n atomic.Int64
	b.SetParallelism(tables / runtime.GOMAXPROCS(0))
	stop := cpu(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		tbl := all[int(n.Add(1))%tables]
		for pb.Next() {
			k.append(tbl, k.file(tbl, strconv.FormatInt(n.Add(1), 10), "c", 1))
		}
	})
	stop()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
}

// BenchmarkOneTable: many appenders of one table, durable; reports how many shared a snapshot.
func BenchmarkOneTable(b *testing.B) {
	k := benchKit(b)
	tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: "200"})
	var n atomic.Int64
	b.SetParallelism(256 / runtime.GOMAXPROCS(0))
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k.append(tbl, k.file(tbl, strconv.FormatInt(n.Add(1), 10), "c", 1))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
	b.ReportMetric(float64(b.N)/float64(k.load(tbl).CurrentSnapshot().SequenceNumber), "appends/snapshot")
}

// BenchmarkCommitCost compares a commit to a young table with one to a table
// that has had 10,000. Bar: 1.5 times.
func BenchmarkCommitCost(b *testing.B) {
	for _, c := range []struct{ after, keep int }{{10, 200}, {1000, 200}, {1000, 1000}, {10_000, 200}} {
		after := c.after
		b.Run(fmt.Sprintf("after=%d/keep=%d", c.after, c.keep), func(b *testing.B) {
			k := newKit(b, memstore.New(), nil)
			tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: strconv.Itoa(c.keep)})
			n := 0
			commit := func() { n++; k.append(tbl, k.file(tbl, strconv.Itoa(n), "c", 1)) }
			for range after {
				commit()
			}
			stop := cpu(b)
			b.ResetTimer()
			for range b.N {
				commit()
			}
			b.StopTimer()
			stop()
			list, err := k.load(tbl).CurrentSnapshot().Manifests(k.bucket.FileIO())
			require.NoError(b, err)
			b.ReportMetric(float64(len(list)), "manifests")
			b.ReportMetric(float64(len(k.load(tbl).JSON)), "metadata-bytes")
		})
	}
}

// BenchmarkLoadTable: the name, the record, the cached metadata.
func BenchmarkLoadTable(b *testing.B) {
	k := benchKit(b)
	tbl := k.table("db.t", nil)
	for i := range 50 {
		k.append(tbl, k.file(tbl, strconv.Itoa(i), "c", 1))
	}
	begin := time.Now()
	for b.Loop() {
		_, err := k.LoadTable(k.ctx(), tbl.Ident)
		require.NoError(b, err)
	}
	b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "loads/s")
}
