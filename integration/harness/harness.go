// Package harness runs the built binary, MinIO and the Python environment for
// black-box tests. What is missing fails a test; nothing is skipped.
package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Root is the folder of the repository.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		// -trimpath: fall back on the working directory of the test.
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		for dir != "/" {
			if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
				return dir
			}
			dir = filepath.Dir(dir)
		}
		t.Fatal("no go.mod above the test's folder")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

// Binary is the path of bin/firn, or of the binary that FIRN_BINARY names.
func Binary(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("FIRN_BINARY"); path != "" {
		return must(t, path, "FIRN_BINARY names it")
	}
	return must(t, filepath.Join(Root(t), "bin", "firn"), "run `make build` first")
}

// Python is the interpreter of the environment with the wheels.
func Python(t testing.TB) string {
	t.Helper()
	return must(t, filepath.Join(Root(t), ".tools", "venv", "bin", "python"), "run `make tools-test` first")
}

// Source is the real input.
func Source(t testing.TB) string {
	t.Helper()
	return must(t, filepath.Join(Root(t), "docs", "examples", "retail", "data", "online_retail.parquet"), "it is part of the repository")
}

func must(t testing.TB, path, help string) string {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: %s", err, help)
	}
	return path
}

// Environ is this process's environment without Firn's variables: those that
// steer a test are none that the binary knows, and it refuses what it does not
// know.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "FIRN_") })
}

// Addresses is what `firn dev` writes to run.json.
type Addresses struct {
	PID  int    `json:"pid"`
	HTTP string `json:"http"`
	S3   string `json:"s3"`
}

// Firn is a running `firn dev`.
type Firn struct {
	Addresses
	Data string
	Log  string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

// Start runs `firn dev` on data with free ports and waits until it is ready. With
// S3=minio the lake's files are in a MinIO of its own, unless args name a store.
// It is stopped at the end of the test.
func Start(t testing.TB, data string, args ...string) *Firn {
	t.Helper()
	f, err := TryStart(t, data, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Stop(t) })
	return f
}

// TryStart is Start without the clean-up, and with an error for a process that
// does not become ready.
func TryStart(t testing.TB, data string, args ...string) (*Firn, error) {
	t.Helper()
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	f := &Firn{Data: data, Log: filepath.Join(data, "dev.log"), done: make(chan struct{})}
	run := filepath.Join(data, "run.json")
	log, err := os.OpenFile(f.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	if Store() == "minio" && !slices.Contains(args, "--s3.endpoint") {
		args = append(slices.Clone(args), keeper(t, data).Flags("lake")...)
	}
	f.cmd = exec.Command(Binary(t), append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0", "--s3-listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"}, args...)...)
	f.cmd.Env, f.cmd.Stdout, f.cmd.Stderr = Environ(), log, log
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		f.err = f.cmd.Wait()
		close(f.done)
	}()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-f.done:
			return nil, fmt.Errorf("firn dev ended: %w\n%s", f.err, f.Tail())
		case <-deadline:
			f.Kill()
			return nil, fmt.Errorf("firn dev is not ready after a minute\n%s", f.Tail())
		case <-tick.C:
		}
		text, err := os.ReadFile(run)
		var a Addresses
		// Only what this process wrote counts: the file may be left over.
		if err != nil || json.Unmarshal(text, &a) != nil || a.HTTP == "" || a.PID != f.cmd.Process.Pid {
			continue
		}
		f.Addresses = a
		if !strings.Contains(f.HTTP, "://") {
			f.HTTP = "http://" + f.HTTP
		}
		if Ready(f.HTTP) {
			return f, nil
		}
	}
}

// Ready asks /readyz once.
func Ready(base string) bool {
	client := http.Client{Timeout: 2 * time.Second}
	answer, err := client.Get(base + "/readyz")
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// Tail is the end of the log.
func (f *Firn) Tail() string {
	text, err := os.ReadFile(f.Log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

// Kill is kill -9 of the process and its workers, and waits for the end.
func (f *Firn) Kill() {
	_ = syscall.Kill(-f.cmd.Process.Pid, syscall.SIGKILL)
	<-f.done
}

// Stop is SIGTERM, and fails the test when the process does not drain and end
// with 0 within a minute.
func (f *Firn) Stop(t testing.TB) {
	t.Helper()
	select {
	case <-f.done:
		return
	default:
	}
	_ = f.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-f.done:
		if f.err != nil {
			t.Errorf("firn dev after SIGTERM: %v\n%s", f.err, f.Tail())
		}
	case <-time.After(time.Minute):
		f.Kill()
		t.Errorf("firn dev did not end within a minute of SIGTERM\n%s", f.Tail())
	}
}

// Ended is closed when the process has ended.
func (f *Firn) Ended() <-chan struct{} { return f.done }

// Firn runs the command line against the server and answers its stdout.
func (f *Firn) CLI(ctx context.Context, t testing.TB, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, Binary(t), append([]string{"--server", f.HTTP}, args...)...)
	var stdout, stderr strings.Builder
	cmd.Env = Environ()
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("firn %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// FreeAddress is a loopback address that was free a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
