package lifecycle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockFile = "lock"
	runFile  = "run.json"

	lockPatience = 50 * time.Millisecond
)

// RunInfo says who runs over a data directory and where it answers; it stands
// in run.json there.
type RunInfo struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	Version string    `json:"version,omitempty"`
	HTTP    string    `json:"http,omitempty"`    // base URL of REST, Connect and page
	S3      string    `json:"s3,omitempty"`      // endpoint URL of the object store
	Metrics string    `json:"metrics,omitempty"` // base URL of the metrics listener
	// Ready is set when everything answers.
	Ready bool `json:"ready"`
}

// InUseError: another process holds the data directory.
type InUseError struct {
	Dir  string
	Info RunInfo // zero when the other has not written it yet
}

func (e *InUseError) Error() string {
	who := "another process"
	if e.Info.PID != 0 {
		who = fmt.Sprintf("process %d", e.Info.PID)
	}
	where := ""
	if e.Info.HTTP != "" {
		where = " at " + e.Info.HTTP
	}
	return fmt.Sprintf("data directory %s is in use by %s%s: two processes over one directory would corrupt it; use that one, stop it, or choose another with --data", e.Dir, who, where)
}

// DataDir is a locked data directory.
type DataDir struct {
	dir  string
	lock *os.File
}

// LockDataDir creates the directory when absent and locks it for this process.
// The lock goes with the process, however it ends. It returns *InUseError when
// another process (or another part of this one) holds it.
func LockDataDir(dir string) (*DataDir, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("lock data directory: %w; choose another with --data", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock data directory: %w; check its permissions, or choose another with --data", err)
	}
	if err := flock(f); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			info, _ := readRunInfo(dir)
			return nil, &InUseError{Dir: dir, Info: info}
		}
		return nil, fmt.Errorf("lock data directory %s: %w; is it on a file system with locks?", dir, err)
	}
	d := &DataDir{dir: dir, lock: f}
	// What stands there is of a process that has ended.
	if err := d.Publish(RunInfo{PID: os.Getpid(), Started: time.Now().UTC()}); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// flock takes the lock, or reports EWOULDBLOCK. It tries for a moment, because
// Running holds the lock for an instant to see whether anybody has it.
func flock(f *os.File) error {
	for deadline := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 10) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			return err
		}
	}
}

// Path joins names below the directory.
func (d *DataDir) Path(names ...string) string {
	return filepath.Join(append([]string{d.dir}, names...)...)
}

// Publish replaces run.json, atomically. PID and Started are filled in when
// zero.
func (d *DataDir) Publish(info RunInfo) error {
	if info.PID == 0 {
		info.PID = os.Getpid()
	}
	if info.Started.IsZero() {
		old, _ := readRunInfo(d.dir)
		info.Started = old.Started
	}
	text, err := json.MarshalIndent(info, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", runFile, err)
	}
	tmp := d.Path("." + runFile + ".new")
	if err := os.WriteFile(tmp, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", runFile, err)
	}
	if err := os.Rename(tmp, d.Path(runFile)); err != nil {
		return fmt.Errorf("write %s: %w", runFile, err)
	}
	return nil
}

// Close removes run.json and releases the lock.
func (d *DataDir) Close() error {
	err := os.Remove(d.Path(runFile))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, d.lock.Close())
}

// Running returns who runs over dir now; false when nobody does, whatever stands
// in run.json.
func Running(dir string) (RunInfo, bool) {
	f, err := os.Open(filepath.Join(dir, lockFile))
	if err != nil {
		return RunInfo{}, false
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB); err == nil {
		return RunInfo{}, false // closing f releases the shared lock
	}
	info, err := readRunInfo(dir)
	return info, err == nil
}

func readRunInfo(dir string) (RunInfo, error) {
	text, err := os.ReadFile(filepath.Join(dir, runFile))
	if err != nil {
		return RunInfo{}, err
	}
	var info RunInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return RunInfo{}, fmt.Errorf("read %s: %w", runFile, err)
	}
	return info, nil
}
