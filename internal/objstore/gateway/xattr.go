package gateway

import (
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"
)

// probeXattr writes and removes an attribute of the kind the gateway uses.
// Asking for an absent attribute is not enough: tmpfs answers that one.
func probeXattr(dir string) error {
	f, err := os.CreateTemp(dir, ".xattr-probe-*")
	if err != nil {
		return err
	}
	defer f.Close()
	err = os.NewSyscallError("fsetxattr", unix.Fsetxattr(int(f.Fd()), "user.firn-probe", []byte("1"), 0))
	return errors.Join(err, os.Remove(f.Name()))
}

// socketName is a Linux abstract socket: no file to clean up, no path limit.
func socketName() string {
	return fmt.Sprintf("@firn-s3-%d-%s", os.Getpid(), uuid.NewString())
}
