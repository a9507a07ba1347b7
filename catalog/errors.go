package catalog

import (
	"errors"
	"fmt"
)

// What callers test for. ErrNotFound is the parent of the three ErrNoSuch errors.
var (
	ErrNotFound        = errors.New("not found")
	ErrNoSuchNamespace = fmt.Errorf("namespace %w", ErrNotFound)
	ErrNoSuchTable     = fmt.Errorf("table %w", ErrNotFound)
	ErrNoSuchView      = fmt.Errorf("view %w", ErrNotFound)

	ErrAlreadyExists     = errors.New("already exists")
	ErrNamespaceNotEmpty = errors.New("namespace is not empty")
	// ErrInvalid: the request can never succeed. The wrapped message is for the client.
	ErrInvalid = errors.New("invalid")
	// ErrCommitConflict: the commit certainly did not happen, because the table
	// moved. Load it again, redo the work if it still applies, commit again.
	ErrCommitConflict = errors.New("commit conflict")
	// ErrCondition: the commit certainly did not happen, because a condition of
	// Transaction.If did not hold. To commit again is no use.
	ErrCondition = errors.New("a condition of the commit does not hold")
	// ErrUnknownOutcome: the commit may have happened. Ask again with the same
	// transaction id or idempotency key; delete nothing.
	ErrUnknownOutcome = errors.New("outcome unknown")
	// ErrNotCommitted: the commit certainly did not happen, and not because of a
	// conflict: files could not be written, or the store is read-only. Try again later.
	ErrNotCommitted = errors.New("the commit did not happen")
	// ErrUnreadable: the table's metadata file is missing from the bucket, or is
	// no metadata. Other tables are not concerned.
	ErrUnreadable = errors.New("the table's metadata file is missing from the bucket or damaged")
	// ErrIdempotencyMismatch: the key was used for another request.
	ErrIdempotencyMismatch = errors.New("idempotency key was used for another request")
	// ErrClosed: the catalog is shutting down. The commit did not happen.
	ErrClosed = errors.New("the catalog is shutting down")
)

// RequirementError is a requirement of a commit that no longer holds. It is an ErrCommitConflict.
type RequirementError struct {
	Ident  Ident
	Reason string
}

func (e *RequirementError) Error() string {
	return fmt.Sprintf("commit conflict: table %s: %s", e.Ident, e.Reason)
}

// Is makes errors.Is(err, ErrCommitConflict) hold.
func (e *RequirementError) Is(target error) bool { return target == ErrCommitConflict }

// ChannelErrorKind says why a channel did not advance.
type ChannelErrorKind int

// The kinds of ChannelError.
const (
	// ChannelDuplicate: the rows up to State.NextOffset are committed; clients take it as success.
	ChannelDuplicate ChannelErrorKind = iota + 1
	// ChannelGap: rows between State.NextOffset and the advance are missing.
	ChannelGap
	// ChannelFenced: a later owner opened the channel.
	ChannelFenced
)

func (k ChannelErrorKind) String() string {
	switch k {
	case ChannelDuplicate:
		return "duplicate"
	case ChannelGap:
		return "gap"
	case ChannelFenced:
		return "fenced"
	}
	return fmt.Sprintf("ChannelErrorKind(%d)", int(k))
}

// ChannelError carries the state of the channel that refused an advance. Nothing was committed.
type ChannelError struct {
	Kind  ChannelErrorKind
	State Channel
}

func (e *ChannelError) Error() string {
	return fmt.Sprintf("channel %q: %s: the next offset is %d in epoch %d", e.State.Name, e.Kind, e.State.NextOffset, e.State.Epoch)
}
