package host

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the kernel's unit of CPU time in /proc (USER_HZ).
const tick = 10 * time.Millisecond

// CPU reads the CPU time of a process, user and system, and of its children
// that have ended; zero when it is gone.
func CPU(pid int) (own, ended time.Duration) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0
	}
	// The name, in parentheses, may contain anything.
	_, rest, ok := strings.Cut(string(data), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 15 {
		return 0, 0
	}
	at := func(i int) time.Duration {
		n, err := strconv.ParseInt(fields[i], 10, 64)
		if err != nil {
			return 0
		}
		return time.Duration(n) * tick
	}
	return at(11) + at(12), at(13) + at(14)
}

// TreeCPU is the CPU time of a process and of its children, ended ones included.
func TreeCPU(pid int) time.Duration {
	own, ended := CPU(pid)
	total := own + ended
	for _, child := range Children(pid) {
		own, ended := CPU(child)
		total += own + ended
	}
	return total
}

// Children are the processes that a process has started and that run.
func Children(pid int) []int {
	var out []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		return nil
	}
	for _, path := range tasks {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		for word := range strings.FieldsSeq(string(data)) {
			if child, err := strconv.Atoi(word); err == nil {
				out = append(out, child)
			}
		}
	}
	return out
}

// Peak is the greatest resident memory that a process has had, in bytes, since
// it began or since [ResetPeak]. That of wait4 is none of the process alone: it
// counts what was resident before exec.
func Peak(pid int) int64 { return memory(pid, "VmHWM") }

// Resident is the memory of a process that is resident now, in bytes.
func Resident(pid int) int64 { return memory(pid, "VmRSS") }

func memory(pid int, field string) int64 {
	kib, err := strconv.ParseInt(strings.TrimSuffix(Field(fmt.Sprintf("/proc/%d/status", pid), field), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kib << 10
}

// ResetPeak makes [Peak] count from now.
func ResetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset the peak memory of process %d: %w", pid, err)
	}
	return nil
}
