package compactor_test

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
)

// BenchmarkFiveSmallFiles is the time from asking to committed, of the smallest
// compaction there is, by tier.
func BenchmarkFiveSmallFiles(b *testing.B) {
	for tier, props := range map[string]iceberg.Properties{"fuse": nil, "rewrite": {"firn.compact.fuse": "false"}} {
		b.Run(tier, func(b *testing.B) {
			h := newHouse(b)
			h.Run(h.service.Run)
			var sum time.Duration
			n := 0
			for b.Loop() {
				b.StopTimer()
				tbl := h.create(fmt.Sprint("bronze.", tier, n), props)
				for i := range 5 {
					h.append(tbl, "France", i*1000, 500)
				}
				b.StartTimer()
				j := h.job(compactor.KindCompact, tbl)
				if j.State != jobs.Succeeded || j.Outcome.Tier != tier {
					b.Fatal(j.Error, j.Outcome.Tier)
				}
				sum += j.EndedAt.Sub(j.CreatedAt)
				n++
			}
			b.ReportMetric(float64(sum.Milliseconds())/float64(n), "ms/job")
		})
	}
}

// BenchmarkFuseJob prints MB of input per CPU-second of a whole job: plan, copy,
// proof, put over S3 into this process's gateway, and commit.
func BenchmarkFuseJob(b *testing.B) {
	for _, version := range []string{"2", "3"} {
		b.Run("v"+version, func(b *testing.B) {
			h := newHouse(b)
			h.Run(h.service.Run)
			var bytes, spent float64
			n := 0
			for b.Loop() {
				b.StopTimer()
				tbl := h.create(fmt.Sprint("bronze.f", n), iceberg.Properties{"format-version": version, "write.target-file-size-bytes": "1073741824", "firn.compact.max-job-bytes": "8589934592"})
				for i := range 30 {
					h.Commit(tbl, "append", h.Write(tbl, randomRows(i*100_000, 100_000))...)
				}
				start := cpu()
				b.StartTimer()
				j := h.job(compactor.KindCompact, tbl)
				if j.State != jobs.Succeeded || j.Outcome.Tier != "fuse" {
					b.Fatal(j.Error, j.Outcome.Tier)
				}
				spent += (cpu() - start).Seconds()
				bytes += float64(j.Outcome.BytesIn)
				n++
			}
			b.ReportMetric(bytes/1e6/spent, "MB/CPU-s")
			b.ReportMetric(bytes/1e6/float64(n), "MB/job")
		})
	}
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRewrite prints MB of input per CPU-second of the SQL workers, with
// and without the multiset hash; unproven is the COPY alone.
func BenchmarkRewrite(b *testing.B) {
	for _, hash := range []string{"false", "true"} {
		b.Run("hash="+hash, func(b *testing.B) {
			h := newHouse(b)
			h.Run(h.service.Run)
			var bytes, copying, proving float64
			n := 0
			for b.Loop() {
				b.StopTimer()
				tbl := h.create(fmt.Sprint("bronze.h", hash, n), iceberg.Properties{"firn.compact.fuse": "false", "firn.compact.row-hash": hash})
				for i := range 20 {
					h.Commit(tbl, "append", h.Write(tbl, randomRows(i*40_000, 40_000))...)
				}
				b.StartTimer()
				j := h.job(compactor.KindCompact, tbl)
				if j.State != jobs.Succeeded {
					b.Fatal(j.Error)
				}
				var c, p float64
				if _, err := fmt.Sscanf(j.Outcome.Proof["cpu"], "%f ms to rewrite, %f ms to prove", &c, &p); err != nil {
					b.Fatal(err)
				}
				bytes, copying, proving = bytes+float64(j.Outcome.BytesIn), copying+c, proving+p
				n++
			}
			b.ReportMetric(bytes/1e3/(copying+proving), "MB/CPU-s")
			b.ReportMetric(bytes/1e3/copying, "MB/CPU-s-unproven")
		})
	}
}

// randomRows do not compress, as real payloads do not.
func randomRows(from, n int) string {
	return fmt.Sprintf(`SELECT 'France' AS country, (hash(i) >> 1)::BIGINT AS id, ((hash(i, 1) >> 20) / 1e4)::DECIMAL(18,3) AS amount,
		TIMESTAMP '2026-01-01' + INTERVAL (hash(i, 2) %% 100000000) SECOND AS "at", (hash(i, 3) / 7.0)::DOUBLE AS score,
		list_value(md5(i::VARCHAR), md5((i + 1)::VARCHAR)) AS tags FROM range(%d, %d) t(i)`, from, from+n)
}
