package duck

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sandbox says what the kernel of this machine holds back from a user's query,
// beside DuckDB's own locks. For `firn doctor`.
type Sandbox struct {
	// LandlockABI is the version of Landlock; 0 when there is none.
	LandlockABI int `json:"landlock_abi"`
	// Network: outgoing TCP is denied by the kernel (ABI 4 and later).
	Network bool `json:"network"`
}

func sandboxSupport() Sandbox {
	abi, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, unix.LANDLOCK_CREATE_RULESET_VERSION)
	if errno != 0 {
		return Sandbox{}
	}
	return Sandbox{LandlockABI: int(abi), Network: abi >= 4}
}

// Most files that get a rule of their own; more files are allowed by folder,
// and DuckDB's list of paths alone is exact.
const maxFileRules = 4096

const (
	landlockRead = unix.LANDLOCK_ACCESS_FS_READ_FILE
	landlockBase = 1<<13 - 1 // the rights of ABI 1
)

// restrict confines the calling thread, and threads it starts from now on, to
// reading the files and using the folders of the job. It is best effort: a
// kernel without Landlock answers nil.
func restrict(req *request) error {
	abi := sandboxSupport().LandlockABI
	if abi == 0 {
		return nil
	}
	handled := uint64(landlockBase)
	if abi >= 2 {
		handled |= unix.LANDLOCK_ACCESS_FS_REFER
	}
	if abi >= 3 {
		handled |= unix.LANDLOCK_ACCESS_FS_TRUNCATE
	}
	attr := unix.LandlockRulesetAttr{Access_fs: handled}
	size := unsafe.Sizeof(attr.Access_fs)
	if abi >= 4 {
		attr.Access_net = unix.LANDLOCK_ACCESS_NET_BIND_TCP | unix.LANDLOCK_ACCESS_NET_CONNECT_TCP
		size += unsafe.Sizeof(attr.Access_net)
	}
	fd, _, errno := unix.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, uintptr(unsafe.Pointer(&attr)), size, 0)
	if errno != 0 {
		return fmt.Errorf("create sandbox: %w", errno)
	}
	defer unix.Close(int(fd))

	readable := req.Read
	access := uint64(landlockRead)
	if len(readable) > maxFileRules {
		dirs := map[string]bool{}
		for _, path := range req.Read {
			dirs[filepath.Dir(path)] = true
		}
		readable = readable[:0:0]
		for dir := range dirs {
			readable = append(readable, dir)
		}
	}
	for _, path := range readable {
		if err := landlockAllow(int(fd), path, access); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("allow a file: %w", err)
		}
	}
	for _, dir := range []string{req.TempDir, req.WriteDir} {
		if dir == "" {
			continue
		}
		if err := landlockAllow(int(fd), dir, handled); err != nil {
			return fmt.Errorf("allow a folder: %w", err)
		}
	}
	for _, dev := range []string{"/dev/urandom", "/dev/null"} {
		_ = landlockAllow(int(fd), dev, landlockRead)
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("set no new privileges: %w", err)
	}
	if _, _, errno := unix.Syscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0); errno != 0 {
		return fmt.Errorf("enter sandbox: %w", errno)
	}
	return nil
}

func landlockAllow(ruleset int, path string, access uint64) error {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return &os.PathError{Op: "open", Path: path, Err: err}
	}
	defer unix.Close(fd)
	rule := unix.LandlockPathBeneathAttr{Allowed_access: access, Parent_fd: int32(fd)}
	if _, _, errno := unix.Syscall6(unix.SYS_LANDLOCK_ADD_RULE, uintptr(ruleset), unix.LANDLOCK_RULE_PATH_BENEATH,
		uintptr(unsafe.Pointer(&rule)), 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
