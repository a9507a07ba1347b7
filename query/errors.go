package query

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/objstore"
)

var (
	errShutdown = errors.New("the server is shutting down; send the statement again")
	errBusy     = errors.New("too many statements are running and waiting; send it again in a moment")
)

// requestError is a fault of the request that is not SQL.
type requestError struct {
	code connect.Code
	msg  string
}

func (e *requestError) Error() string { return e.msg }

func invalid(format string, args ...any) error {
	return &requestError{connect.CodeInvalidArgument, fmt.Sprintf(format, args...)}
}

// connectError translates every error that a statement may end with. What is
// not known here is internal, and its text stays in the log.
func (s *Service) connectError(ctx context.Context, sql string, err error) *connect.Error {
	if ce, ok := errors.AsType[*connect.Error](err); ok {
		return ce
	}
	if re, ok := errors.AsType[*requestError](err); ok {
		return connect.NewError(re.code, re)
	}
	if se, ok := errors.AsType[*duck.SQLError](err); ok {
		return connect.NewError(connect.CodeInvalidArgument, errors.New(describe(se, sql)))
	}
	switch {
	case errors.Is(err, errBusy):
		return connect.NewError(connect.CodeResourceExhausted, errBusy)
	case errors.Is(err, duck.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return connect.NewError(connect.CodeDeadlineExceeded, fmt.Errorf("%w; read less, or allow it more time (the server's limit is %s)", duck.ErrTimeout, s.cfg.Timeout))
	case errors.Is(err, errShutdown), errors.Is(err, duck.ErrClosed):
		return connect.NewError(connect.CodeUnavailable, errShutdown)
	case errors.Is(err, context.Canceled):
		return connect.NewError(connect.CodeCanceled, errors.New("cancelled"))
	case errors.Is(err, duck.ErrMemory):
		return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("%w; filter or aggregate earlier, or raise query.memory", duck.ErrMemory))
	case errors.Is(err, duck.ErrDiskFull):
		return connect.NewError(connect.CodeResourceExhausted, fmt.Errorf("%w; free space in the data folder, or sort and join less", duck.ErrDiskFull))
	case errors.Is(err, lake.ErrNoSnapshot), errors.Is(err, catalog.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, err)
	case errors.Is(err, lake.ErrUnsupported):
		return connect.NewError(connect.CodeUnimplemented, err)
	case errors.Is(err, catalog.ErrUnreadable):
		s.log.ErrorContext(ctx, "a table cannot be read", "error", err)
		return connect.NewError(connect.CodeDataLoss, fmt.Errorf("metadata of a table is missing from the bucket or damaged: %w; put the object back", err))
	case errors.Is(err, objstore.ErrNotFound):
		s.log.ErrorContext(ctx, "a file that a table needs is missing", "error", err)
		return connect.NewError(connect.CodeDataLoss, fmt.Errorf("a data file or manifest of the snapshot is missing from the bucket: %w; put the object back, or read an older snapshot (firn table snapshots TABLE, then firn sql --at TABLE=SNAPSHOT)", err))
	case errors.Is(err, catalog.ErrInvalid):
		return connect.NewError(connect.CodeInvalidArgument, err)
	case errors.Is(err, duck.ErrNotBuiltIn):
		return connect.NewError(connect.CodeUnimplemented, err)
	}
	s.log.ErrorContext(ctx, "query failed", "error", err, "sql", clip(sql))
	if errors.Is(err, duck.ErrKilled) {
		return connect.NewError(connect.CodeInternal, fmt.Errorf("%w; another one has taken its place, and the server's log has the reason", duck.ErrKilled))
	}
	return connect.NewError(connect.CodeInternal, errors.New("the statement failed in the server; its log has the reason"))
}

// excerpt is a line of a statement around a column.
func excerpt(line string, column int) string {
	const before, most = 60, 160
	text := []rune(line)
	if len(text) <= most {
		return strings.TrimSpace(line)
	}
	from := min(max(column-before, 0), len(text)-most)
	return strings.TrimSpace("..." + string(text[from:from+most]) + "...")
}

// describe is an SQL error with the place in the statement that it means.
func describe(e *duck.SQLError, sql string) string {
	msg := strings.TrimSpace(e.Error())
	if e.Position < 0 || e.Position > len(sql) {
		return msg
	}
	before := sql[:e.Position]
	line := strings.Count(before, "\n") + 1
	start := strings.LastIndexByte(before, '\n') + 1
	text, _, _ := strings.Cut(sql[start:], "\n")
	column := len([]rune(before[start:])) + 1
	return fmt.Sprintf("%s\nline %d, column %d: %s", msg, line, column, excerpt(text, column))
}
