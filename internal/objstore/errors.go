package objstore

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"syscall"

	"github.com/minio/minio-go/v7"
)

var (
	// ErrNotFound: there is no such object. It also matches fs.ErrNotExist.
	ErrNotFound error = &sentinel{"object not found", fs.ErrNotExist}
	// ErrExists: a Put with IfAbsent lost, nothing of it was written. It also
	// matches fs.ErrExist.
	ErrExists error = &sentinel{"object already exists", fs.ErrExist}
	// ErrInvalidKey: a key or location was refused before any I/O.
	ErrInvalidKey = errors.New("invalid object key")
	// ErrNotApplied: the write certainly did not happen (the store refused it,
	// or no connection could be made).
	ErrNotApplied = errors.New("write was not applied")
	// ErrNoSpace: the store is full. It is not repeated, and like every 5xx it
	// leaves the outcome unknown.
	ErrNoSpace = errors.New("the store has no space left; free some, or expire snapshots and remove orphans")
)

type sentinel struct {
	text string
	also error
}

func (s *sentinel) Error() string        { return s.text }
func (s *sentinel) Is(target error) bool { return target == s.also }

// Outcome is what is known about a write after its error.
type Outcome int

const (
	// Unknown: it may have happened, or still happen. Read, then decide.
	Unknown Outcome = iota
	// Applied: it happened (the error was nil).
	Applied
	// NotApplied: it certainly did not happen and will not.
	NotApplied
)

func (o Outcome) String() string {
	return [...]string{"unknown", "applied", "not applied"}[o]
}

// OutcomeOf tells what the error of Put, PutBytes, PutFile or Delete means for
// the object. Everything that is not certain is Unknown.
func OutcomeOf(err error) Outcome {
	switch {
	case err == nil:
		return Applied
	case errors.Is(err, ErrExists), errors.Is(err, ErrInvalidKey), errors.Is(err, ErrNotApplied):
		return NotApplied
	}
	return Unknown
}

// readError classifies the error of a read of key.
func (b *Bucket) readError(op, key string, err error) error {
	if err == nil {
		return nil
	}
	resp := minio.ToErrorResponse(err)
	if resp.Code == "NoSuchKey" || errors.Is(err, fs.ErrNotExist) ||
		(resp.StatusCode == http.StatusNotFound && resp.Code != "NoSuchBucket") {
		return fmt.Errorf("%s %s: %w", op, b.Location(key), ErrNotFound)
	}
	return fmt.Errorf("%s %s: %w", op, b.Location(key), err)
}

// writeError classifies the error of one attempt to write key.
func (b *Bucket) writeError(op, key string, err error) error {
	if certain(err) {
		return fmt.Errorf("%s %s: %w: %w", op, b.Location(key), ErrNotApplied, err)
	}
	if full(err) {
		return fmt.Errorf("%s %s: %w: %w", op, b.Location(key), ErrNoSpace, err)
	}
	return fmt.Errorf("%s %s: %w", op, b.Location(key), err)
}

// certain reports whether err proves that the request had no effect: the store
// answered 4xx, or no connection was made.
func certain(err error) bool {
	if errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, errBody) {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	resp := minio.ToErrorResponse(err)
	switch {
	case resp.StatusCode == http.StatusRequestTimeout, resp.StatusCode == 499:
		return false // the store gave up waiting, or a proxy did
	case resp.StatusCode >= 400 && resp.StatusCode < 500:
		return true
	}
	return false
}

// refusesKey reports that the store does not accept our access key.
func refusesKey(err error) bool {
	resp := minio.ToErrorResponse(err)
	switch resp.Code {
	case "AccessDenied", "XAdminUserNotFound", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSecurity":
		return true
	}
	return resp.StatusCode == http.StatusForbidden
}

func full(err error) bool {
	resp := minio.ToErrorResponse(err)
	return resp.StatusCode == http.StatusInsufficientStorage || resp.Code == "XMinioStorageFull"
}

// transient reports whether another attempt may succeed.
func transient(ctx context.Context, err error) bool {
	if ctx.Err() != nil || errors.Is(err, errBody) || errors.Is(err, os.ErrDeadlineExceeded) || full(err) {
		return false
	}
	resp := minio.ToErrorResponse(err)
	switch {
	case resp.StatusCode == 0: // no answer
		return true
	case resp.StatusCode >= 500,
		resp.StatusCode == http.StatusRequestTimeout,
		resp.StatusCode == http.StatusTooManyRequests,
		resp.Code == "ConditionalRequestConflict",
		resp.Code == "OperationAborted",
		resp.Code == "RequestTimeTooSkewed":
		return true
	}
	return false
}
