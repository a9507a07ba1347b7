package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Version is the store revision at which a key last changed. Zero means that
// the key is absent.
type Version uint64

// String is the stamp form: 16 lower-case hex digits, so that versions sort as text.
func (v Version) String() string {
	const digits = 16
	s := strconv.FormatUint(uint64(v), 16)
	for len(s) < digits {
		s = "0" + s
	}
	return s
}

// ParseVersion reads the form that String writes.
func ParseVersion(s string) (Version, error) {
	if len(s) != 16 {
		return 0, fmt.Errorf("%w: version %q has not 16 hex digits", ErrInvalid, s)
	}
	n, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: version %q is not hexadecimal", ErrInvalid, s)
	}
	return Version(n), nil
}

// KV is one key as it stood at the revision of the read.
type KV struct {
	Key     string
	Value   []byte
	Version Version
}

// Cond holds when Key's version is Version; Version 0 demands that it is absent.
type Cond struct {
	Key     string
	Version Version
}

// Op puts or deletes one key. With Stamp the driver appends the batch's
// revision (Version.String) to Key, which makes an ordered log: a stamped key
// is greater than every one stamped before under the same prefix.
type Op struct {
	Key    string
	Value  []byte
	Delete bool
	Stamp  bool
}

// Batch is one change: all of Then happens when all of If holds, else nothing.
// It is a value and may be logged or replayed. When two operations name the same key the
// later one stands.
type Batch struct {
	If   []Cond
	Then []Op
}

// Range selects keys that begin with Prefix, in byte order, strictly after
// After (before it when Reverse), at most Limit of them (0 is all). After is a
// whole key.
type Range struct {
	Prefix  string
	After   string
	Limit   int
	Reverse bool
}

// Store is the strong half of Firn's storage: ordered keys, strictly
// serializable. Everything that must be decided is decided by its Apply.
//
// Consistency: Get and Scan see one consistent revision that includes every
// Apply that returned before they began. Applies are totally ordered; each
// successful one gets its own revision, greater than all before, also across
// restarts.
//
// Durability: when Apply returns without an error the batch survives a crash
// and a power cut.
//
// Values handed in are copied before the call returns or never changed by the
// store; values handed out belong to the caller. All methods may be called concurrently.
type Store interface {
	// Get returns a key, or ErrNotFound.
	Get(ctx context.Context, key string) (KV, error)
	// Scan returns the keys of a range and the one revision at which they all stood.
	Scan(ctx context.Context, r Range) (Version, []KV, error)
	// Apply does the batch and returns its revision. The outcomes:
	// nil, it happened; *ConflictError, it did not happen and names the first
	// condition that failed; ErrStoreReadOnly, it did not happen, the disk is
	// full, the store serves reads and will write again when there is room;
	// ErrInvalid, it did not happen, a key is empty or too long. Any other
	// error, also a cancelled context: unknown. Read before you act.
	Apply(ctx context.Context, b Batch) (Version, error)
	// Close ends the store. Calls in flight finish or fail.
	Close() error
}

// ErrStoreReadOnly: the batch did not happen because the disk is full. Free some
// space; the store needs no restart.
var ErrStoreReadOnly = errors.New("the catalog store is read-only: its disk is full; free some space and try again")

// ErrStoreFailed: the store met an I/O error after which its durable state is
// not known (a failed fsync). The process must stop and open the store again.
var ErrStoreFailed = errors.New("the catalog store failed and must be opened again")

// ConflictError says which condition of a batch did not hold. The batch did not happen.
type ConflictError struct {
	Cond Cond
	// Actual is the version that the key has.
	Actual Version
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("store: key %q is at version %d, not %d", e.Cond.Key, uint64(e.Actual), uint64(e.Cond.Version))
}
