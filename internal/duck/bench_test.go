package duck_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
)

// One round trip on a worker that stays.
func BenchmarkTrusted(b *testing.B) {
	benchmark(b, duck.Job{SQL: "SELECT 42"})
}

// One round trip and a fresh process for the next job.
func BenchmarkUntrusted(b *testing.B) {
	benchmark(b, duck.Job{SQL: "SELECT 42", Untrusted: true})
}

func benchmark(b *testing.B, job duck.Job) {
	p, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: b.TempDir()})
	require.NoError(b, err)
	defer p.Close()
	for b.Loop() {
		_, err := p.Exec(b.Context(), job)
		require.NoError(b, err)
	}
}

func BenchmarkParse(b *testing.B) {
	p, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: b.TempDir()})
	require.NoError(b, err)
	defer p.Close()
	for b.Loop() {
		_, err := p.Parse(b.Context(), "SELECT a, sum(b) FROM c.d WHERE e > 5 GROUP BY ALL")
		require.NoError(b, err)
	}
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: b.TempDir()})
		require.NoError(b, err)
		p.Close()
	}
}

// Bytes of Arrow a second through the pipe.
func BenchmarkStream(b *testing.B) {
	p, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: b.TempDir()})
	require.NoError(b, err)
	defer p.Close()
	const rows = 1_000_000
	b.SetBytes(rows * 24)
	for b.Loop() {
		res, err := p.Query(b.Context(), duck.Job{SQL: "SELECT range AS a, range * 2 AS b, range::DOUBLE AS c FROM range(1000000)"})
		require.NoError(b, err)
		for res.Next() {
		}
		require.NoError(b, res.Err())
		res.Release()
	}
}
