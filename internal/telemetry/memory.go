package telemetry

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what a process has resident, in bytes.
type Memory struct {
	Resident int64 // now
	Peak     int64 // the most so far
}

// ReadMemory reads the memory of this process from /proc/self/status. It fails
// where there is no /proc.
func ReadMemory() (Memory, error) { return readMemory("/proc/self/status") }

// ReadMemoryOf is ReadMemory for another process.
func ReadMemoryOf(pid int) (Memory, error) {
	return readMemory("/proc/" + strconv.Itoa(pid) + "/status")
}

func readMemory(path string) (Memory, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Memory{}, fmt.Errorf("read memory use: %w", err)
	}
	return parseStatus(text)
}

func parseStatus(text []byte) (Memory, error) {
	var m Memory
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), ":")
		var into *int64
		switch name {
		case "VmHWM":
			into = &m.Peak
		case "VmRSS":
			into = &m.Resident
		default:
			continue
		}
		kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("read memory use: %s: %w", name, err)
		}
		*into = kb << 10
	}
	if m.Peak == 0 {
		return Memory{}, errors.New("read memory use: the kernel gives no VmHWM")
	}
	return m, nil
}
