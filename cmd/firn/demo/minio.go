package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// minio is a MinIO server for one demo, on loopback.
type minio struct {
	cmd      *exec.Cmd
	endpoint string
	ended    chan struct{}
}

const (
	minioUser   = "firn-demo"
	minioSecret = "firn-demo-secret"
)

// startMinIO runs the binary that `make minio` builds.
func startMinIO(ctx context.Context, folder string) (*minio, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this binary: %w", err)
	}
	binary := filepath.Join(filepath.Dir(self), "minio")
	if _, err := os.Stat(binary); err != nil {
		return nil, fmt.Errorf("MinIO is not built: %w: run `make bin/minio`", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port for MinIO: %w", err)
	}
	m := &minio{endpoint: l.Addr().String(), ended: make(chan struct{})}
	l.Close()
	log, err := os.Create(filepath.Join(folder, "minio.log"))
	if err != nil {
		return nil, fmt.Errorf("open the log of MinIO: %w", err)
	}
	defer log.Close()
	m.cmd = exec.Command(binary, "server", filepath.Join(folder, "minio"), "--address", m.endpoint, "--console-address", "127.0.0.1:0", "--quiet")
	m.cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+minioUser, "MINIO_ROOT_PASSWORD="+minioSecret, "MINIO_BROWSER=off", "MINIO_UPDATE=off")
	m.cmd.Stdout, m.cmd.Stderr = log, log
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := m.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start MinIO: %w", err)
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.ended)
	}()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-m.ended:
			return nil, errors.New("MinIO ended before it was ready; see minio.log in the lake's folder")
		case <-ctx.Done():
			m.stop()
			return nil, fmt.Errorf("MinIO is not ready: %w", ctx.Err())
		case <-tick.C:
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+m.endpoint+"/minio/health/ready", nil)
		if err != nil {
			return nil, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return m, nil
		}
	}
}

func (m *minio) flags() []string {
	return []string{"--s3.endpoint", "http://" + m.endpoint, "--s3.access-key", minioUser, "--s3.secret-key", minioSecret}
}

func (m *minio) stop() {
	_ = m.cmd.Process.Signal(syscall.SIGTERM)
	<-m.ended
}
