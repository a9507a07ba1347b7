package engines

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/firnlake/firn/integration/harness"
)

// driver is a long-lived Python process that holds an engine; see
// drivers/protocol.py. Its methods are those of the engines on Python.
type driver struct {
	cmd      *exec.Cmd
	requests *os.File
	answers  *bufio.Reader
	folder   string
	log      string
	ended    chan struct{}
	number   string
	one      sync.Mutex // one request at a time
	results  atomic.Int64
}

// startDriver runs a file of drivers/ and waits until it answers its version.
func startDriver(t testing.TB, python, script string, env []string, args ...string) (*driver, error) {
	t.Helper()
	folder, err := scratch("driver")
	if err != nil {
		return nil, err
	}
	d := &driver{folder: folder, log: filepath.Join(folder, "log"), ended: make(chan struct{})}
	requests, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	read, answers, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	log, err := os.Create(d.log)
	if err != nil {
		return nil, err
	}
	path := filepath.Join(harness.Root(t), "integration", "engines", "drivers", script)
	d.cmd = exec.Command(python, append([]string{path}, args...)...)
	d.cmd.Dir = folder
	// Nothing of the person who runs the tests: no settings, no keys.
	d.cmd.Env = append([]string{
		"HOME=" + folder, "PYICEBERG_HOME=" + folder, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "TMPDIR=" + folder,
		"AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost", "PYTHONWARNINGS=ignore", "PYTHONUNBUFFERED=1", "PYTHONDONTWRITEBYTECODE=1",
	}, env...)
	d.cmd.Stdout, d.cmd.Stderr, d.cmd.ExtraFiles = log, log, []*os.File{requests, answers}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	err = d.cmd.Start()
	requests.Close()
	answers.Close()
	log.Close()
	if err != nil {
		write.Close()
		read.Close()
		os.RemoveAll(folder)
		return nil, fmt.Errorf("%w: run `make tools-engines`", err)
	}
	d.requests, d.answers = write, bufio.NewReader(read)
	go func() {
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	version, err := d.ask(ctx, "version", nil)
	if err != nil {
		d.stop()
		return nil, err
	}
	return d, json.Unmarshal(version, &d.number)
}

// ask sends one request. A deadline that passes ends the driver, for it answers
// nothing else meanwhile.
func (d *driver) ask(ctx context.Context, op string, arguments map[string]any) (json.RawMessage, error) {
	request := map[string]any{"op": op}
	maps.Copy(request, arguments)
	line, err := json.Marshal(request)
	if err != nil {
		return nil, err
	}
	d.one.Lock()
	defer d.one.Unlock()
	if _, err := d.requests.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("ask the driver: %w\n%s", err, d.tail())
	}
	type reply struct {
		text []byte
		err  error
	}
	replies := make(chan reply, 1)
	go func() {
		text, err := d.answers.ReadBytes('\n')
		replies <- reply{text, err}
	}()
	var r reply
	select {
	case r = <-replies:
	case <-ctx.Done():
		_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
		<-replies
		return nil, fmt.Errorf("%s: %w", op, ctx.Err())
	}
	if r.err != nil {
		return nil, fmt.Errorf("the driver ended: %w\n%s", r.err, d.tail())
	}
	var answer struct {
		Value json.RawMessage `json:"value"`
		Error string          `json:"error"`
	}
	if err := json.Unmarshal(r.text, &answer); err != nil {
		return nil, fmt.Errorf("read the driver's answer: %w", err)
	}
	if answer.Error != "" {
		return nil, errors.New(answer.Error)
	}
	return answer.Value, nil
}

// rows sends a request that is answered with an Arrow table.
func (d *driver) rows(ctx context.Context, op string, arguments map[string]any) (Rows, error) {
	into := filepath.Join(d.folder, "result-"+strconv.FormatInt(d.results.Add(1), 10))
	defer os.Remove(into)
	arguments["into"] = into
	if _, err := d.ask(ctx, op, arguments); err != nil {
		return Rows{}, err
	}
	return readArrow(into)
}

func (d *driver) tail() string {
	text, err := os.ReadFile(d.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines[max(0, len(lines)-25):], "\n")
}

func (d *driver) version() string { return d.number }

func (d *driver) alive() bool { return !ended(d.ended) }

func ended(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (d *driver) exec(ctx context.Context, statement string) error {
	_, err := d.ask(ctx, "execute", map[string]any{"statement": statement})
	return err
}

func (d *driver) query(ctx context.Context, statement string) (Rows, error) {
	return d.rows(ctx, "query", map[string]any{"statement": statement})
}

// python runs Python in the driver; its last expression is the answer.
func (d *driver) python(ctx context.Context, code string) (Rows, error) {
	return d.rows(ctx, "python", map[string]any{"code": code})
}

// stop closes the requests, which ends the driver, and ends by force what does
// not end by itself.
func (d *driver) stop() {
	d.requests.Close()
	select {
	case <-d.ended:
	case <-time.After(20 * time.Second):
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL)
	<-d.ended
	os.RemoveAll(d.folder)
}

// script runs a program beside the driver, with the driver's environment.
func (d *driver) script(ctx context.Context, program string) (string, error) {
	file := filepath.Join(d.folder, "program-"+strconv.FormatInt(d.results.Add(1), 10)+".py")
	if err := os.WriteFile(file, []byte(program), 0o600); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, d.cmd.Path, file)
	// Java takes the home from the system's list of people, not from HOME.
	cmd.Dir, cmd.Env = d.folder, append(slices.Clone(d.cmd.Env), "JDK_JAVA_OPTIONS=-Duser.home="+d.folder)
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w\n%s%s", err, stdout.String(), stderr.String())
	}
	return stdout.String(), nil
}
