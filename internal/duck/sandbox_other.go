//go:build !linux

package duck

import (
	"errors"
	"syscall"
	"time"
)

// Sandbox says what the kernel of this machine holds back from a user's query,
// beside DuckDB's own locks: nothing, except on Linux.
type Sandbox struct {
	LandlockABI int  `json:"landlock_abi"`
	Network     bool `json:"network"`
}

func sandboxSupport() Sandbox                { return Sandbox{} }
func restrict(*request) error                { return nil }
func limitMemory(*request) error             { return nil }
func cpuTime() time.Duration                 { return 0 }
func readBytes() int64                       { return 0 }
func watchPeak() func() int64                { return func() int64 { return 0 } }
func workerAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }
func lowerPriority(int)                      {}

func residentBytes(string) (int64, error) { return 0, errors.ErrUnsupported }
