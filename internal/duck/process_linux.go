package duck

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// workerAttributes puts a worker into a process group of its own, so that
// Ctrl-C reaches the server only, and lets it die with the server.
func workerAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// lowerPriority lets the server's own threads go first.
func lowerPriority(pid int) { _ = unix.Setpriority(unix.PRIO_PROCESS, pid, 5) }
