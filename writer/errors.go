package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/objstore"
	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer/intake"
)

var (
	errBusy       = errors.New("the server holds as many rows as it may; send again after the retry hint")
	errQuota      = errors.New("this contributor holds as many rows on the server as it may; send again after the retry hint")
	errAgain      = errors.New("another attempt at these rows, or at those before them, has failed and nothing of these was committed; send them again")
	errNotStored  = errors.New("the rows' files were not stored")
	errBrokenBody = errors.New("the request's body ended before it was complete; nothing of it was taken; send it again")
	errDraining   = errors.New("the server is shutting down; nothing of the request was taken; send it again with the same offset or idempotency key")
)

func (e *batchError) add(bad *parquet.RowError, before int64) {
	e.total += uint64(len(bad.Rows))
	for _, f := range bad.Faults {
		if len(e.faults) < parquet.MaxFaults {
			f.Row += before
			e.faults = append(e.faults, f)
		}
	}
}

// sizeError is a request that is larger than any may be.
type sizeError struct{ most int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("the request is larger than %d bytes, the most that one may have before and after decompression; nothing of it was taken: send smaller batches, or raise writer.max_request on the server", e.most)
}

// roomError is a request whose rows need more memory than will ever be free.
type roomError struct {
	need, most int64
	whose      string
}

func (e *roomError) Error() string {
	return fmt.Sprintf("the request needs %d bytes of memory until it is committed, and %s may hold %d; nothing of it was taken: send smaller batches, or raise writer.byte_budget on the server", e.need, e.whose, e.most)
}

// invalidError is a fault of the request that its sender must mend.
type invalidError struct{ error }

func invalid(format string, args ...any) error { return invalidError{fmt.Errorf(format, args...)} }

// batchError is faulty rows or columns of one batch.
type batchError struct {
	faults []parquet.RowFault
	total  uint64
}

func (e *batchError) Error() string {
	f := e.faults[0]
	where := ""
	if f.Column != "" {
		where = " column " + f.Column + ":"
	}
	rows := "1 row is faulty"
	if e.total != 1 {
		rows = fmt.Sprintf("%d rows are faulty", e.total)
	}
	return fmt.Sprintf("nothing was committed: %s; row %d (from 0):%s %s", rows, f.Row, where, f.Message)
}

// notOpenError is a channel that nobody has opened.
type notOpenError struct{ channel string }

func (e *notOpenError) Error() string {
	return fmt.Sprintf("channel %s is not open: call OpenChannel first and send its epoch and offset", e.channel)
}

// loggedError is an error that was logged already, for all who wait for it.
type loggedError struct{ error }

func (e loggedError) Unwrap() error { return e.error }

// rpcError translates everything this service fails with. What its log must
// know is logged, unless it was for others who waited for the same.
func (s *Service) rpcError(ctx context.Context, op string, err error) error {
	answer, reason := s.translate(err)
	if reason != "" && !errors.As(err, new(loggedError)) {
		s.logFailure(ctx, reason, err, slog.String("operation", op))
	}
	return answer
}

// logFailure logs an error in full that its client is told in general.
func (s *Service) logFailure(ctx context.Context, reason string, err error, about ...slog.Attr) {
	about = append(about, slog.String("reason", reason), slog.Any("error", err))
	s.cfg.Logger.LogAttrs(ctx, slog.LevelError, "ingest request failed", about...)
}

// translate answers what the client is told, and the reason to log the error in
// full, if there is one. What is not known here is an internal error.
func (s *Service) translate(err error) (answer *connect.Error, reason string) {
	told := func(code connect.Code, text string) *connect.Error { return connect.NewError(code, errors.New(text)) }
	if rpc, ok := errors.AsType[*connect.Error](err); ok {
		return rpc, ""
	}
	if e, ok := errors.AsType[*batchError](err); ok {
		detail := &firnv1.RowErrors{Total: e.total}
		for _, f := range e.faults {
			detail.Errors = append(detail.Errors, &firnv1.RowError{Row: uint64(f.Row), Column: f.Column, Message: f.Message})
		}
		return withDetail(connect.NewError(connect.CodeInvalidArgument, e), detail), ""
	}
	if e, ok := errors.AsType[*parquet.SchemaError](err); ok {
		detail := &firnv1.RowErrors{}
		for _, f := range e.Faults[:min(len(e.Faults), parquet.MaxFaults)] {
			detail.Errors = append(detail.Errors, &firnv1.RowError{Column: f.Column, Message: f.Message})
		}
		return withDetail(connect.NewError(connect.CodeInvalidArgument, e), detail), ""
	}
	if e, ok := errors.AsType[*catalog.ChannelError](err); ok {
		return channelError(e), ""
	}
	switch {
	case errors.Is(err, catalog.ErrUnknownOutcome): // whatever made it so; each attempt was logged
		return told(connect.CodeUnavailable, "the commit may or may not have happened; send the same rows again with the same channel offset or idempotency key, then nothing is written twice (without either, read the table first)"), ""
	case errors.Is(err, errBusy), errors.Is(err, errQuota):
		return s.busy(err), ""
	case errors.As(err, new(*sizeError)), errors.As(err, new(*roomError)), errors.Is(err, errRatio):
		// Without a hint: the same request will never be taken.
		return connect.NewError(connect.CodeResourceExhausted, err), ""
	case errors.Is(err, errBrokenBody):
		return connect.NewError(connect.CodeUnavailable, errBrokenBody), ""
	case errors.As(err, new(invalidError)), errors.Is(err, intake.ErrMalformed), errors.As(err, new(*parquet.LimitError)):
		return connect.NewError(connect.CodeInvalidArgument, err), ""
	case errors.As(err, new(*notOpenError)):
		return withDetail(connect.NewError(connect.CodeFailedPrecondition, err), &firnv1.ChannelState{}), ""
	case errors.Is(err, errAgain):
		return connect.NewError(connect.CodeAborted, err), ""
	case errors.Is(err, errDraining), errors.Is(err, catalog.ErrClosed):
		return connect.NewError(connect.CodeUnavailable, errDraining), ""
	case errors.Is(err, catalog.ErrNotFound):
		return connect.NewError(connect.CodeNotFound, fmt.Errorf("%w; firn table ls shows the tables, firn table create makes one", err)), ""
	case errors.Is(err, catalog.ErrIdempotencyMismatch), errors.Is(err, catalog.ErrInvalid):
		return connect.NewError(connect.CodeInvalidArgument, err), ""
	case errors.Is(err, catalog.ErrUnreadable):
		return told(connect.CodeDataLoss, "the table's metadata file is missing from the bucket or damaged and nothing was committed; put the object back (the server's log names it), then send the same rows again"), "a table cannot be read"
	case errors.Is(err, objstore.ErrNoSpace):
		return told(connect.CodeUnavailable, "the object store has no space left and nothing was committed; free some room there, then send the same rows again with the same offset or idempotency key"), "the object store is full"
	case errors.Is(err, catalog.ErrStoreReadOnly):
		return told(connect.CodeUnavailable, "the server's disk is full and nothing was committed; send the same rows again once there is room"), ""
	case errors.Is(err, catalog.ErrCommitConflict):
		return connect.NewError(connect.CodeAborted, fmt.Errorf("the table changed while the rows were written and nothing was committed; send them again: %w", err)), ""
	case errors.Is(err, catalog.ErrNotCommitted), errors.Is(err, errNotStored):
		return told(connect.CodeUnavailable, "the object store did not take the files and nothing was committed; send the same rows again with the same offset or idempotency key once it answers (firn doctor probes it, the server's log has the reason)"), "the files were not stored"
	case errors.Is(err, context.Canceled):
		return told(connect.CodeCanceled, "the client went away; the rows may still be committed"), ""
	case errors.Is(err, context.DeadlineExceeded):
		return told(connect.CodeDeadlineExceeded, "the deadline passed; the rows may still be committed: send them again with the same offset or idempotency key"), ""
	}
	return told(connect.CodeUnavailable, "the rows could not be stored; send them again with the same offset or idempotency key (the server's log has the reason)"), "not expected here"
}

func channelError(e *catalog.ChannelError) *connect.Error {
	state := &firnv1.ChannelState{Epoch: e.State.Epoch, NextOffset: e.State.NextOffset}
	switch e.Kind {
	case catalog.ChannelDuplicate:
		// The same acknowledgement as the first time, as far as the channel keeps it.
		return withDetail(connect.NewError(connect.CodeAlreadyExists,
			fmt.Errorf("these rows were committed before; the channel's next offset is %d", e.State.NextOffset)), &firnv1.AppendResponse{
			SnapshotId: e.State.SnapshotID, SequenceNumber: e.State.SequenceNumber, NextOffset: e.State.NextOffset, Duplicate: true,
		})
	case catalog.ChannelFenced:
		return withDetail(connect.NewError(connect.CodeFailedPrecondition,
			fmt.Errorf("channel %s was opened by another client (epoch %d); open it again to take it over", e.State.Name, e.State.Epoch)), state)
	}
	return withDetail(connect.NewError(connect.CodeOutOfRange,
		fmt.Errorf("rows are missing before this batch: channel %s expects offset %d; send from there", e.State.Name, e.State.NextOffset)), state)
}

// busy answers RESOURCE_EXHAUSTED with when to come again.
func (s *Service) busy(err error) *connect.Error {
	wait := s.budget.retryAfter()
	e := withDetail(connect.NewError(connect.CodeResourceExhausted, err), &firnv1.RetryHint{RetryAfterMs: uint32(wait.Milliseconds())})
	e.Meta().Set("Retry-After", strconv.Itoa(int((wait+time.Second-1)/time.Second)))
	return e
}

func withDetail(e *connect.Error, m proto.Message) *connect.Error {
	if d, err := connect.NewErrorDetail(m); err == nil {
		e.AddDetail(d)
	}
	return e
}
