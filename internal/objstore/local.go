package objstore

import (
	"errors"
	"io/fs"
	"syscall"
)

// localError makes the errors of a path that is no object look like those of S3:
// a key below an object (ENOTDIR) or a folder (EISDIR) does not exist.
func localError(err error) error {
	if errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.EISDIR) {
		return fs.ErrNotExist
	}
	return err
}
