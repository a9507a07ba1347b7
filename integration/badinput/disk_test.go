package badinput

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// inNamespace is set in the copy of this test that runs in a mount namespace of
// its own.
const inNamespace = "FIRN_BADINPUT_NAMESPACE"

// TestFullDisk puts the data folder, and then the catalog store alone, on a
// file system of 48 MiB. A machine that lets nobody mount one fails the test: it
// is never skipped.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		if os.Getenv(inNamespace) != "" {
			t.Fatalf("mount a tmpfs in an own namespace: %v", err)
		}
		again(t)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	t.Run("data folder", func(t *testing.T) { fullDisk(t, filepath.Join(dir, "data"), filepath.Join(dir, "ballast")) })
	t.Run("catalog store", func(t *testing.T) {
		fullDisk(t, t.TempDir(), filepath.Join(dir, "ballast"), "--store.path", filepath.Join(dir, "store.db"))
	})
}

// again runs the test as root of a user namespace, where mounting is allowed
// without being root of the machine.
func again(t *testing.T) {
	t.Helper()
	cmd := exec.Command("unshare", "-rm", os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"=1")
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatalf("the test needs a small file system: neither this process nor one in a user namespace (unshare -rm) may mount one; run it as root, or allow user namespaces: %v", err)
	}
}

func fullDisk(t *testing.T, data, ballast string, flags ...string) {
	t.Helper()
	s := prepare(t, &server{harness.Start(t, data, flags...)})
	f := openFeeder(t, s)
	for range 3 {
		if a, ok := f.send(t); !ok {
			t.Fatal(a)
		}
	}
	fill(t, ballast)
	full := 0
	for range 400 {
		a, ok := f.send(t)
		if ok {
			fill(t, ballast) // what was left took this one
			continue
		}
		full++
		refused(t, a, http.StatusServiceUnavailable, "again", "room")
		if !strings.Contains(a.text(), "full") && !strings.Contains(a.text(), "no space") {
			t.Errorf("the answer does not say that the disk is full: %s", a.text())
		}
		if full == 3 {
			break
		}
	}
	if full < 3 {
		t.Fatal("the disk was never full")
	}
	select {
	case <-s.Ended():
		t.Fatalf("the process ended\n%s", s.Tail())
	default:
	}
	f.check(t)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		for tries := 0; ; tries++ {
			a, ok := f.send(t)
			if ok {
				break
			}
			if tries == 20 {
				t.Fatalf("there is room again, appends still fail: %s\n%s", a, s.Tail())
			}
		}
	}
	s.lives(t)
	f.check(t)
	// The same after a restart: what was acknowledged is on the disk.
	s.Kill()
	f.s = &server{harness.Start(t, s.Data, flags...)}
	f.check(t)
}

// fill writes until there is no room for one more byte.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for size := 1 << 20; size > 0; {
		if _, err := file.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
	if _, err := fmt.Fprint(file, "x"); err == nil {
		t.Fatal("the disk still has room")
	}
}
