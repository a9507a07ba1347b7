package duck

import (
	"errors"
	"fmt"
)

var (
	// ErrMemory: the job needed more memory (or temporary space) than it was
	// given. Running it again with more may succeed.
	ErrMemory = errors.New("query needs more memory than it was given")
	// ErrTimeout: the deadline passed and the worker was killed.
	ErrTimeout = errors.New("query ran past its deadline and was stopped")
	// ErrKilled: the worker died or answered something that is no answer; the
	// job may have had effects in WriteDir only.
	ErrKilled = errors.New("query worker ended unexpectedly")
	// ErrDiskFull: the temporary directory or WriteDir has no room.
	ErrDiskFull = errors.New("no space left for temporary files of the query")
	// ErrClosed: the pool is closed.
	ErrClosed = errors.New("query workers are shut down")
	// ErrNotBuiltIn: this binary was built without the tag duckdb_arrow.
	ErrNotBuiltIn = errors.New("this binary has no SQL engine: build it with -tags duckdb_arrow")
)

// SQLError is the engine's refusal of a statement. Message names no local
// path.
type SQLError struct {
	// Kind is DuckDB's class: Parser, Binder, Catalog, Conversion, ...
	Kind string
	// Message says what is wrong, without DuckDB's excerpt of the statement.
	Message string
	// Position is the byte offset in the statement, from 0; -1 if unknown.
	Position int
}

func (e *SQLError) Error() string {
	if e.Kind == "" {
		return e.Message
	}
	return fmt.Sprintf("%s error: %s", e.Kind, e.Message)
}
