package duck

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// lacks ends a test for which this machine has not what it takes: in CI that is
// a failure, elsewhere the test is skipped.
func lacks(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("this test needs %s", what)
}

func newTestPool(t *testing.T, workers int) *Pool {
	t.Helper()
	p, err := NewPool(PoolConfig{Workers: workers, TempDir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(p.Close)
	return p
}

func (p *Pool) works(t *testing.T) {
	t.Helper()
	rows, err := p.Exec(t.Context(), Job{SQL: "SELECT 1 AS x"})
	require.NoError(t, err)
	require.Equal(t, []map[string]any{{"x": int64(1)}}, rows)
}

func TestWorkerKilledInTheMiddle(t *testing.T) {
	p := newTestPool(t, 1)
	for range 3 {
		res, err := p.Query(t.Context(), Job{SQL: "SELECT range, repeat('x', 100) FROM range(100000000)"})
		require.NoError(t, err)
		require.True(t, res.Next())
		require.NoError(t, res.run.worker.process.Kill())
		for res.Next() {
		}
		require.ErrorIs(t, res.Err(), ErrKilled)
		res.Release()
		p.works(t)
	}
}

func TestIdleWorkerKilled(t *testing.T) {
	p := newTestPool(t, 2)
	p.mu.Lock()
	w := p.idle[0]
	p.mu.Unlock()
	require.NoError(t, w.process.Kill())
	<-w.dead
	p.works(t)
	p.works(t)
}

// A worker that answers anything but its protocol costs its job only.
func TestGarbageFromWorker(t *testing.T) {
	p := newTestPool(t, 1)
	frame := func(kind byte, payload string) string {
		n := len(payload)
		return string([]byte{kind, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}) + payload
	}
	hello := frame('H', `{}`)
	for name, says := range map[string]string{
		"nothing":            hello,
		"no frame":           hello + "xxxxxxxxxxxxxxxx",
		"huge frame":         hello + "D\177\377\377\377",
		"half a frame":       hello + "D\000\000\000\100abc",
		"no arrow":           hello + frame('D', "this is no arrow stream at all") + frame('E', "{}"),
		"arrow of gigabytes": hello + frame('D', "\377\377\377\377\377\377\377\177") + frame('E', "{}"),
		"no json":            hello + frame('E', "{{{"),
		"hello again":        hello + hello,
		"an end and no data": hello + frame('E', "{}"),
	} {
		t.Run(name, func(t *testing.T) {
			script := filepath.Join(t.TempDir(), "worker.sh")
			octal := ""
			for _, b := range []byte(says) {
				octal += fmt.Sprintf(`\%03o`, b)
			}
			require.NoError(t, os.WriteFile(script, []byte("#!/bin/sh\nprintf '"+octal+"' >&4\nread x <&3\n"), 0o700))
			w, err := p.spawnFrom(t.Context(), script)
			require.NoError(t, err)
			p.slots <- struct{}{}
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, ErrTimeout)
			r, err := p.begin(ctx, cancel, w, &request{MemoryBytes: 64 << 20}, Job{})
			require.NoError(t, err)
			_, err = newResult(r)
			require.True(t, errors.Is(err, ErrKilled) || errors.Is(err, ErrTimeout), "%v", err)
			<-w.dead
			p.works(t)
		})
	}
	_, err := p.spawnFrom(t.Context(), "/nonexistent")
	require.Error(t, err)
}

func TestCloseEndsJobs(t *testing.T) {
	p := newTestPool(t, 2)
	var wg sync.WaitGroup
	started := make(chan struct{}, 2)
	for range 4 { // two run, two wait
		wg.Go(func() {
			var once sync.Once
			_, err := p.Exec(t.Context(), Job{
				SQL:        "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * 3 = b.range + 1.5",
				OnProgress: func(float64) { once.Do(func() { started <- struct{}{} }) },
			})
			if !errors.Is(err, ErrClosed) {
				t.Errorf("a job of a closed pool answered %v", err)
			}
		})
	}
	<-started
	<-started
	p.Close()
	wg.Wait()
	_, err := p.Exec(t.Context(), Job{SQL: "SELECT 1"})
	require.ErrorIs(t, err, ErrClosed)
	left, err := os.ReadDir(p.cfg.TempDir)
	require.NoError(t, err)
	require.Empty(t, left, "temporary folders go with their workers")
}

func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	dead := filepath.Join(dir, "duck-999999999-abc")
	alive := filepath.Join(dir, fmt.Sprintf("duck-%d-abc", os.Getpid()))
	other := filepath.Join(dir, "something")
	for _, d := range []string{dead, alive, other} {
		require.NoError(t, os.MkdirAll(filepath.Join(d, "x"), 0o700))
	}
	sweep(dir)
	require.NoDirExists(t, dead)
	require.DirExists(t, alive)
	require.DirExists(t, other)
}

// A full disk under the spill files is an error of the job, and no more.
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("firn-test", dir, "tmpfs", 0, "size=2m"); err != nil {
		lacks(t, fmt.Sprintf("a small disk, which root can make: %v", err))
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	p, err := NewPool(PoolConfig{Workers: 1, TempDir: dir})
	require.NoError(t, err)
	defer p.Close()
	_, err = p.Exec(t.Context(), Job{SQL: "SELECT a.range, hash(a.range) h FROM range(20000000) a ORDER BY h LIMIT 1 OFFSET 15000000", MemoryBytes: 64 << 20, TempBytes: 1 << 30, Threads: 1})
	require.True(t, errors.Is(err, ErrDiskFull), "%v", err)
	out := filepath.Join(dir, "out")
	require.NoError(t, os.Mkdir(out, 0o700))
	_, err = p.Exec(t.Context(), Job{SQL: "COPY (SELECT hash(range) AS h, repeat(hash(range)::VARCHAR, 50) AS s FROM range(1000000)) TO " + Quote(filepath.Join(out, "x.parquet")), WriteDir: out})
	require.ErrorIs(t, err, ErrDiskFull)
	p.works(t)
}

func TestFrames(t *testing.T) {
	var buf bytes.Buffer
	w := &frameWriter{w: &buf}
	n, err := w.Write(make([]byte, 3*maxFrame+5))
	require.NoError(t, err)
	require.Equal(t, 3*maxFrame+5, n)
	total := 0
	for buf.Len() > 0 {
		kind, n, err := readFrameHeader(&buf)
		require.NoError(t, err)
		require.Equal(t, byte(frameData), kind)
		buf.Next(n)
		total += n
	}
	require.Equal(t, 3*maxFrame+5, total)
}

func TestDeadlineWhileWaiting(t *testing.T) {
	p := newTestPool(t, 1)
	res, err := p.Query(t.Context(), Job{SQL: "SELECT range FROM range(100000000)"})
	require.NoError(t, err)
	defer res.Release()
	_, err = p.Exec(t.Context(), Job{SQL: "SELECT 1", Timeout: 20 * time.Millisecond})
	require.ErrorIs(t, err, ErrTimeout)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = p.Exec(ctx, Job{SQL: "SELECT 1"})
	require.ErrorIs(t, err, context.Canceled)
}

// The kernel refuses what DuckDB's own locks, which come after the set-up,
// would not yet.
func TestLandlock(t *testing.T) {
	p := newTestPool(t, 1)
	if p.Sandbox().LandlockABI == 0 {
		lacks(t, "a kernel with Landlock")
	}
	dir := t.TempDir()
	mine, other := filepath.Join(dir, "mine"), filepath.Join(dir, "other")
	for _, f := range []string{mine, other} {
		require.NoError(t, os.WriteFile(f, []byte("x"), 0o600))
	}
	read := func(path string) error {
		_, err := p.Exec(t.Context(), Job{Setup: []string{"CREATE TABLE x AS FROM read_text(" + Quote(path) + ")"}, SQL: "FROM x", Read: []string{mine}})
		return err
	}
	require.NoError(t, read(mine))
	require.Error(t, read(other))
	require.NoError(t, read(mine), "the next job on the same worker has rights of its own")
	_, err := p.Exec(t.Context(), Job{Setup: []string{"COPY (SELECT 1) TO " + Quote(filepath.Join(dir, "out.csv"))}, SQL: "SELECT 1"})
	require.Error(t, err)
	require.NoFileExists(t, filepath.Join(dir, "out.csv"))
}
