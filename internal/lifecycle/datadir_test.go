package lifecycle

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestADataDirHasOneOwner(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	d, err := LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Publish(RunInfo{HTTP: "http://127.0.0.1:8181", Ready: true}); err != nil {
		t.Fatal(err)
	}
	_, err = LockDataDir(dir)
	inUse, ok := errors.AsType[*InUseError](err)
	if !ok || inUse.Info.PID != os.Getpid() || inUse.Info.Started.IsZero() {
		t.Fatalf("second owner: %v", err)
	}
	for _, want := range []string{dir, "http://127.0.0.1:8181", "--data"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
	if info, ok := Running(dir); !ok || info.HTTP != "http://127.0.0.1:8181" || !info.Ready {
		t.Fatalf("running: %+v, %t", info, ok)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, ok := Running(dir); ok {
		t.Fatal("still running after Close")
	}
	if d, err = LockDataDir(dir); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	d.Close()
}

// TestTheLockDiesWithItsProcess: a killed owner leaves run.json, but no lock.
func TestTheLockDiesWithItsProcess(t *testing.T) {
	dir := t.TempDir()
	if os.Getenv("FIRN_TEST_LOCK_DIR") != "" {
		return // the child's work is in TestLockHolder
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestLockHolder$")
	cmd.Env = append(os.Environ(), "FIRN_TEST_LOCK_DIR="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	_, err = LockDataDir(dir)
	inUse, ok := errors.AsType[*InUseError](err)
	if !ok || inUse.Info.PID != cmd.Process.Pid {
		t.Fatalf("while the child runs: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed: its status is no news
	if _, err := os.Stat(filepath.Join(dir, runFile)); err != nil {
		t.Fatalf("the test expects a stale run.json: %v", err)
	}
	if _, ok := Running(dir); ok {
		t.Fatal("a killed process counts as running")
	}
	d, err := LockDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
}

// TestLockHolder is the child of TestTheLockDiesWithItsProcess.
func TestLockHolder(t *testing.T) {
	dir := os.Getenv("FIRN_TEST_LOCK_DIR")
	if dir == "" {
		t.Skip("only as a child process")
	}
	if _, err := LockDataDir(dir); err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("locked\n")
	os.Stdin.Read(make([]byte, 1))
	select {} // until killed
}
