package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/firnlake/firn/integration/bench/host"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// server is a running `firn dev` on a folder of its own, with the clients of
// its services.
type server struct {
	dir    string
	http   string
	log    string
	took   time.Duration // from exec to ready
	cmd    *exec.Cmd
	ended  chan struct{}
	client *http.Client

	ingest firnv1connect.IngestServiceClient
	models firnv1connect.ModelServiceClient
	jobs   firnv1connect.MaintenanceServiceClient
	query  firnv1connect.QueryServiceClient
}

// start runs `bin/firn dev` and waits until it is ready.
func (b *bench) start(ctx context.Context) (*server, error) {
	dir, err := os.MkdirTemp(b.temp, "lake-")
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, log: filepath.Join(dir, "dev.log"), ended: make(chan struct{})}
	log, err := os.Create(s.log)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.Command(b.binary, "dev", "--data", dir, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0")
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w; run `make build` first", b.binary, err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	if err := s.ready(ctx); err != nil {
		s.stop()
		return nil, err
	}
	s.took = time.Since(begin)
	s.client = newHTTPClient(1024)
	s.ingest = firnv1connect.NewIngestServiceClient(s.client, s.http)
	s.models = firnv1connect.NewModelServiceClient(s.client, s.http)
	s.jobs = firnv1connect.NewMaintenanceServiceClient(s.client, s.http)
	s.query = firnv1connect.NewQueryServiceClient(s.client, s.http)
	return s, nil
}

func newHTTPClient(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConns: connections, MaxIdleConnsPerHost: connections,
		DisableCompression: true,
	}}
}

func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return fmt.Errorf("firn dev is not ready: %w\n%s", ctx.Err(), s.tail())
		case <-s.ended:
			return fmt.Errorf("firn dev ended before it was ready\n%s", s.tail())
		case <-tick.C:
		}
		var info struct {
			HTTP string `json:"http"`
		}
		data, err := os.ReadFile(filepath.Join(s.dir, "run.json"))
		if err != nil || json.Unmarshal(data, &info) != nil || info.HTTP == "" {
			continue
		}
		s.http = info.HTTP
		answer, err := http.Get(s.http + "/readyz")
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
	}
}

// stop drains the server as an operator would, and removes its folder.
func (s *server) stop() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.ended:
	case <-time.After(time.Minute):
		_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
		<-s.ended
	}
	_ = os.RemoveAll(s.dir)
}

func (s *server) tail() string {
	data, err := os.ReadFile(s.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}

// files are the data files that a table has on disk, under the embedded
// object store's folder; all of them are live while nothing was compacted.
func (s *server) files(table string) ([]string, error) {
	pattern := filepath.Join(s.dir, "s3", "*", "*", table, "data")
	dirs, err := filepath.Glob(pattern)
	if err != nil || len(dirs) != 1 {
		return nil, errors.Join(err, fmt.Errorf("%d folders are %s", len(dirs), pattern))
	}
	var out []string
	err = filepath.WalkDir(dirs[0], func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && filepath.Ext(path) == ".parquet" {
			out = append(out, path)
		}
		return err
	})
	return out, err
}

// cpu is the CPU time of the server, of its workers, and of workers that have
// ended.
func (s *server) cpu() time.Duration { return host.TreeCPU(s.cmd.Process.Pid) }

// ownCPU is the CPU time of this process so far.
func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
