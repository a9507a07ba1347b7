package kills

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// process is `firn dev` over one data folder and one address, started and
// killed any number of times. It is used by one goroutine.
type process struct {
	binary, data      string
	http, s3, metrics string        // host:port
	store             harness.MinIO // where the lake's files are: the embedded store, or MinIO
	flags             []string      // that say so

	cmd  *exec.Cmd
	done chan struct{}
	err  error // of Wait, read after done
}

// newProcess chooses the addresses, which stay: clients find the restarted
// process where the killed one was.
func newProcess(binary, data string) (*process, error) {
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	p := &process{binary: binary, data: data}
	for _, address := range []*string{&p.http, &p.s3, &p.metrics} {
		var err error
		if *address, err = freeAddress(); err != nil {
			return nil, err
		}
	}
	p.store = harness.MinIO{Endpoint: p.s3, AccessKey: "firn", SecretKey: "firn-dev-secret"}
	return p, nil
}

// keepIn puts the lake's files into an object store that is not the process's.
func (p *process) keepIn(store harness.MinIO) {
	p.store, p.flags = store, store.Flags("lake")
}

// freeAddress is a loopback address below the ports that the kernel gives to
// outgoing connections: one of those could take it while the process is down.
func freeAddress() (string, error) {
	var last error
	for range 100 {
		address := "127.0.0.1:" + strconv.Itoa(20_000+rand.N(12_000))
		l, err := net.Listen("tcp", address)
		if err == nil {
			return address, l.Close()
		}
		last = err
	}
	return "", last
}

func (p *process) base() string { return "http://" + p.http }

// launch starts the process and does not wait until it is ready.
func (p *process) launch() error {
	log, err := os.OpenFile(filepath.Join(p.data, "dev.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	p.cmd = exec.Command(p.binary, append([]string{"dev", "--data", p.data, "--listen", p.http, "--s3-listen", p.s3, "--metrics-listen", p.metrics}, p.flags...)...)
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = harness.Environ(), log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	p.done = done
	go func() {
		p.err = p.cmd.Wait()
		close(done)
	}()
	return nil
}

// start launches the process, waits until it is ready, and answers how long
// that took.
func (p *process) start(ctx context.Context) (time.Duration, error) {
	begin := time.Now()
	if err := p.launch(); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.done:
			return 0, fmt.Errorf("firn dev ended before it was ready: %w\n%s", p.err, p.tail())
		case <-ctx.Done():
			return 0, fmt.Errorf("firn dev is not ready: %w\n%s", ctx.Err(), p.tail())
		case <-tick.C:
			if harness.Ready(p.base()) {
				return time.Since(begin), nil
			}
		}
	}
}

// kill is kill -9 of the process group. DuckDB workers have groups of their
// own: tree kills them too, in the same moment; without it they must notice
// that their server is gone. It is an error when one lives on.
func (p *process) kill(tree bool) error {
	workers := children(p.cmd.Process.Pid)
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	if tree {
		for _, pid := range workers {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	<-p.done
	deadline := time.After(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		alive := 0
		for _, pid := range workers {
			if running(pid, p.binary) {
				alive++
			}
		}
		if alive == 0 {
			return nil
		}
		select {
		case <-deadline:
			return fmt.Errorf("%d of %d workers live on after their server was killed", alive, len(workers))
		case <-tick.C:
		}
	}
}

// terminate is SIGTERM. It answers how long the drain took, and an error for
// an exit code other than 0.
func (p *process) terminate() (time.Duration, error) {
	begin := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		return 0, errors.Join(errors.New("firn dev did not end within a minute of SIGTERM"), p.kill(true))
	}
	if p.err != nil {
		return 0, fmt.Errorf("firn dev after SIGTERM: %w\n%s", p.err, p.tail())
	}
	return time.Since(begin), nil
}

// stop ends what still runs, at the end of a test.
func (p *process) stop() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	select {
	case <-p.done:
	default:
		_ = p.kill(true)
	}
}

// tail is the end of the log.
func (p *process) tail() string {
	text, err := os.ReadFile(filepath.Join(p.data, "dev.log"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// children lists the processes that pid has started.
func children(pid int) (out []int) {
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, path := range tasks {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(text)) {
			if child, err := strconv.Atoi(field); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// running tells whether pid is still a process of the binary.
func running(pid int, binary string) bool {
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err == nil && strings.HasPrefix(exe, binary)
}
