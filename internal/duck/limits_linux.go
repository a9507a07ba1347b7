package duck

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// limitMemory makes allocations fail beyond the job's memory. RLIMIT_AS cannot
// do it (a fresh process maps 1.6 GB); RLIMIT_DATA counts what may be written.
// It is set on top of what the process has already, and the stacks that
// DuckDB's threads will have.
func limitMemory(req *request) error {
	have, err := dataBytes()
	if err != nil {
		return fmt.Errorf("read own memory: %w", err)
	}
	limit := uint64(have + req.MemoryBytes + int64(req.Threads)*(8<<20) + workerOverhead)
	lim := unix.Rlimit{Cur: limit, Max: unix.RLIM_INFINITY}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &old); err == nil {
		lim.Max = old.Max
	}
	if req.Untrusted {
		lim.Max = min(lim.Max, limit)
	}
	lim.Cur = min(lim.Cur, lim.Max)
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &lim); err != nil {
		return fmt.Errorf("set memory limit: %w", err)
	}
	return nil
}

func dataBytes() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte("VmData:")); ok {
			kb, err := strconv.ParseInt(string(bytes.TrimSpace(bytes.TrimSuffix(bytes.TrimSpace(rest), []byte("kB")))), 10, 64)
			return kb << 10, err
		}
	}
	return 0, fmt.Errorf("no VmData")
}

// residentBytes answers what a process holds in memory beyond what it maps
// from files.
func residentBytes(pid string) (int64, error) {
	b, err := os.ReadFile("/proc/" + pid + "/statm")
	if err != nil {
		return 0, err
	}
	f := bytes.Fields(b)
	if len(f) < 3 {
		return 0, fmt.Errorf("statm: %q", b)
	}
	resident, err := strconv.ParseInt(string(f[1]), 10, 64)
	if err != nil {
		return 0, err
	}
	shared, err := strconv.ParseInt(string(f[2]), 10, 64)
	if err != nil {
		return 0, err
	}
	return (resident - shared) * int64(os.Getpagesize()), nil
}

// readBytes is how many bytes this process has read, from files and pipes; 0
// where the kernel does not say.
func readBytes() int64 {
	b, err := os.ReadFile("/proc/self/io")
	if err != nil {
		return 0
	}
	rest, _ := bytes.CutPrefix(b, []byte("rchar: "))
	number, _, _ := bytes.Cut(rest, []byte("\n"))
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// watchPeak samples resident memory until the answered function is called,
// which answers the greatest seen. It runs on threads that no sandbox
// restricts.
func watchPeak() func() int64 {
	done := make(chan struct{})
	var peak int64
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for {
			if n, err := residentBytes("self"); err == nil {
				peak = max(peak, n)
			}
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() int64 { close(done); wg.Wait(); return peak }
}
