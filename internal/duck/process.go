package duck

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// worker is a process that runs jobs, seen from the pool.
type worker struct {
	hello   hello
	pid     string
	tempDir string
	in      *os.File      // requests
	out     *bufio.Reader // frames
	outFile *os.File
	stderr  *tail
	process *os.Process
	dead    chan struct{} // closed when the process has been reaped
	once    sync.Once
}

// How long a new process may take until it is ready.
const startTimeout = 30 * time.Second

// spawn starts a worker and waits until it is ready.
func (p *Pool) spawn(ctx context.Context) (*worker, error) { return p.spawnFrom(ctx, p.exe) }

func (p *Pool) spawnFrom(ctx context.Context, exe string) (*worker, error) {
	type answer struct {
		w   *worker
		err error
	}
	started := make(chan answer, 1)
	select {
	case p.spawns <- func() { w, err := p.launch(exe); started <- answer{w, err} }:
	case <-ctx.Done():
		return nil, stopped(ctx)
	case <-p.closed:
		return nil, ErrClosed
	}
	a := <-started
	if a.err != nil {
		return nil, fmt.Errorf("start query worker: %w", a.err)
	}
	w := a.w
	p.metrics.started()
	ready := make(chan error, 1)
	p.wg.Go(func() { ready <- w.greet() })
	timer := time.NewTimer(startTimeout)
	defer timer.Stop()
	var err error
	select {
	case err = <-ready:
	case <-ctx.Done():
		err = stopped(ctx)
	case <-p.closed:
		err = ErrClosed
	case <-timer.C:
		err = fmt.Errorf("%w: not ready after %s; the machine may be overloaded", ErrKilled, startTimeout)
	}
	if err != nil {
		w.kill()
		return nil, fmt.Errorf("start query worker: %w", err)
	}
	return w, nil
}

// launch starts the process. It runs on the pool's own thread.
func (p *Pool) launch(exe string) (*worker, error) {
	tempDir, err := os.MkdirTemp(p.cfg.TempDir, fmt.Sprintf("duck-%d-", os.Getpid()))
	if err != nil {
		return nil, err
	}
	if tempDir, err = filepath.Abs(tempDir); err != nil {
		return nil, err
	}
	inR, inW, err := os.Pipe()
	if err != nil {
		os.RemoveAll(tempDir)
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		inR.Close()
		inW.Close()
		os.RemoveAll(tempDir)
		return nil, err
	}
	w := &worker{tempDir: tempDir, in: inW, outFile: outR, out: bufio.NewReaderSize(outR, 64<<10), stderr: &tail{}, dead: make(chan struct{})}
	cmd := exec.Command(exe)
	// Nothing of this process's environment: it may hold keys.
	cmd.Env = []string{
		workerVariable + "=1", "TZ=UTC", "LC_ALL=C.UTF-8", "PATH=/nonexistent", "HOME=" + tempDir, "TMPDIR=" + tempDir,
		"MALLOC_ARENA_MAX=2", "GOMAXPROCS=2",
		// Nothing of a start is worth collecting. WorkerMain switches the
		// collector on.
		"GOGC=off",
	}
	if dir := os.Getenv("GOCOVERDIR"); dir != "" {
		cmd.Env = append(cmd.Env, "GOCOVERDIR="+dir)
	}
	cmd.Dir = tempDir
	cmd.Stderr = w.stderr
	cmd.ExtraFiles = []*os.File{inR, outW}
	cmd.SysProcAttr = workerAttributes()
	err = cmd.Start()
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		outR.Close()
		os.RemoveAll(tempDir)
		return nil, err
	}
	w.process = cmd.Process
	w.pid = strconv.Itoa(cmd.Process.Pid)
	lowerPriority(cmd.Process.Pid)
	p.wg.Go(func() {
		_ = cmd.Wait() // how it ended is told by what it said before
		close(w.dead)
		w.in.Close()
		os.RemoveAll(tempDir)
	})
	return w, nil
}

// sweep removes the folders that workers of processes which are gone left.
func sweep(dir string) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return // starting the first worker tells
	}
	for _, e := range entries {
		rest, ok := strings.CutPrefix(e.Name(), "duck-")
		if !ok {
			continue
		}
		pid, _, _ := strings.Cut(rest, "-")
		n, err := strconv.Atoi(pid)
		if err != nil || n <= 0 {
			continue
		}
		if p, err := os.FindProcess(n); err == nil && errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
			_ = os.RemoveAll(filepath.Join(dir, e.Name())) // the next start tries again
		}
	}
}

// greet reads a new worker's hello.
func (w *worker) greet() error {
	kind, n, err := readFrameHeader(w.out)
	if err != nil {
		return w.died(err)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(w.out, b); err != nil {
		return w.died(err)
	}
	if kind != frameHello {
		return fmt.Errorf("%w: it did not say hello", ErrKilled)
	}
	if err := json.Unmarshal(b, &w.hello); err != nil {
		return fmt.Errorf("%w: hello: %w", ErrKilled, err)
	}
	if w.hello.Error != "" {
		return fmt.Errorf("%w: %s", ErrKilled, w.hello.Error)
	}
	return nil
}

// kill ends the process, whatever it does. It does not wait.
func (w *worker) kill() {
	w.once.Do(func() {
		_ = w.process.Kill() // it may have ended by itself
	})
}

func (w *worker) alive() bool {
	select {
	case <-w.dead:
		return false
	default:
		return true
	}
}

// died is the error of a worker whose pipe broke: what it wrote on stderr last
// tells whether memory was the reason.
func (w *worker) died(err error) error {
	select {
	case <-w.dead:
	case <-time.After(2 * time.Second):
	}
	text := w.stderr.String()
	for _, sign := range []string{"out of memory", "cannot allocate memory", "bad_alloc", "Cannot allocate memory", "errno=12"} {
		if strings.Contains(text, sign) {
			return fmt.Errorf("%w: the worker could not allocate", ErrMemory)
		}
	}
	if line, _, _ := strings.Cut(text, "\n"); line != "" {
		return fmt.Errorf("%w: %s", ErrKilled, line)
	}
	return fmt.Errorf("%w: %w", ErrKilled, err)
}

// tail keeps the first and drops the rest of what a worker says on stderr: a
// Go crash names its reason first.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[:min(len(p), max(0, 4096-len(t.buf)))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
