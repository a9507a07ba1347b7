package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// server is the `firn dev` that the demo drives from outside, as any client
// would.
type server struct {
	cmd    *exec.Cmd
	log    string
	http   string
	ended  chan struct{}
	err    error
	peak   atomic.Int64
	watch  chan struct{}
	uptime time.Duration
}

// start executes this binary as `firn dev` and waits until it is ready.
func start(ctx context.Context, data, listen string, args []string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	begin := time.Now()
	s := &server{log: filepath.Join(data, "dev.log"), ended: make(chan struct{}), watch: make(chan struct{})}
	log, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open the log of firn dev: %w", err)
	}
	defer log.Close()
	run := filepath.Join(data, "run.json")
	s.cmd = exec.Command(self, append([]string{"dev", "--data", data, "--listen", listen}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	// Its own group: Ctrl-C reaches the demo only, which then ends the server.
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start firn dev: %w", err)
	}
	go func() {
		s.err = s.cmd.Wait()
		close(s.ended)
	}()
	go s.sample()
	if err := s.ready(ctx, run); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w; see %s:\n%s", err, s.log, s.tail())
	}
	s.uptime = time.Since(begin)
	return s, nil
}

func (s *server) ready(ctx context.Context, run string) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("firn dev is not ready: %w", ctx.Err())
		case <-s.ended:
			return fmt.Errorf("firn dev ended before it was ready: %w", s.err)
		case <-tick.C:
		}
		data, err := os.ReadFile(run)
		if err != nil {
			continue
		}
		// The file may be left over, or be that of a server that has the folder
		// already; it stays untouched, and only this server's own counts.
		var addresses struct {
			PID  int    `json:"pid"`
			HTTP string `json:"http"`
		}
		if json.Unmarshal(data, &addresses) != nil || addresses.HTTP == "" || addresses.PID != s.cmd.Process.Pid {
			continue
		}
		s.http = addresses.HTTP
		if !strings.Contains(s.http, "://") {
			s.http = "http://" + s.http
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.http+"/readyz", nil)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
}

// stop ends the server as an operator would: SIGTERM, and SIGKILL only when it
// has not drained within a minute.
func (s *server) stop() {
	select {
	case <-s.ended:
	default:
		_ = s.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-s.ended:
		case <-time.After(time.Minute):
			_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
			<-s.ended
		}
	}
	<-s.watch
}

func (s *server) tail() string {
	data, err := os.ReadFile(s.log)
	if err != nil {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// sample keeps the largest resident memory of the server and its worker
// processes together, until the server ends.
func (s *server) sample() {
	defer close(s.watch)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return
		case <-tick.C:
			s.peak.Store(max(s.peak.Load(), treeRSS(s.cmd.Process.Pid)))
		}
	}
}

// treeRSS sums the resident bytes of a process and its children.
func treeRSS(pid int) int64 {
	total := rss(pid)
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return total
	}
	for _, path := range tasks {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for child := range strings.FieldsSeq(string(data)) {
			if id, err := strconv.Atoi(child); err == nil {
				total += rss(id)
			}
		}
	}
	return total
}

func rss(pid int) int64 {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
