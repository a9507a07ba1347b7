package compactor

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/compactor/schedule"
	"github.com/firnlake/firn/internal/duck"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// rpcError gives an error its Connect code. What the caller cannot know about
// stays in the log.
func (s *Service) rpcError(ctx context.Context, err error) error {
	code := connect.CodeInternal
	switch {
	case errors.Is(err, jobs.ErrNotFound), errors.Is(err, catalog.ErrNotFound):
		code = connect.CodeNotFound
	case errors.Is(err, catalog.ErrInvalid):
		code = connect.CodeInvalidArgument
	case errors.Is(err, jobs.ErrActive), errors.Is(err, jobs.ErrNotActive), errors.Is(err, rewrite.ErrBreaker):
		code = connect.CodeFailedPrecondition
	case errors.Is(err, catalog.ErrCommitConflict):
		code = connect.CodeAborted
	case errors.Is(err, catalog.ErrStoreReadOnly), errors.Is(err, duck.ErrNotBuiltIn):
		code = connect.CodeUnavailable
	case errors.Is(err, context.Canceled):
		code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded):
		code = connect.CodeDeadlineExceeded
	}
	if code == connect.CodeInternal {
		s.cfg.Logger.ErrorContext(ctx, "job service", "error", err)
		return connect.NewError(code, errors.New("internal error of the compactor; its log says more"))
	}
	out := connect.NewError(code, err)
	if faults, ok := errors.AsType[schedule.Invalids](err); ok {
		for _, f := range faults {
			if detail, err := connect.NewErrorDetail(&firnv1.ScheduleFault{Field: f.Field, What: f.What, Why: f.Why, Help: f.Help}); err == nil {
				out.AddDetail(detail)
			}
		}
	}
	return out
}
