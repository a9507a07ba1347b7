package rpc

import (
	"context"
	"errors"
	"strings"

	connectrpc "connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
)

// userError is an error in the three parts that a user gets to see.
type userError struct {
	code          connectrpc.Code
	what, why, do string
	err           error
}

func (e *userError) Error() string { return e.what + "\n" + e.why + "\n" + e.do }

func (e *userError) Unwrap() error { return e.err }

// rule gives an error of the catalog its code and its three parts. An empty
// what is the catalog's own text, which it wrote for the client.
type rule struct {
	err       error
	code      connectrpc.Code
	what, why string
	do        string
}

// rules is the whole translation, most specific first. What is in none of them
// is an internal error that says nothing of the inside.
var rules = []rule{
	{err: catalog.ErrNoSuchNamespace, code: connectrpc.CodeNotFound, why: "no namespace has that name", do: "firn ns ls shows the namespaces; firn ns create NAME makes one"},
	{err: catalog.ErrNoSuchTable, code: connectrpc.CodeNotFound, why: "no table has that name", do: "firn table ls shows the tables"},
	{err: catalog.ErrNoSuchView, code: connectrpc.CodeNotFound, why: "no view has that name", do: "check the spelling; views are listed and made through the REST catalog"},
	{err: catalog.ErrNotFound, code: connectrpc.CodeNotFound, why: "nothing has that name", do: "check the spelling"},
	{err: catalog.ErrAlreadyExists, code: connectrpc.CodeAlreadyExists, why: "names are given once", do: "choose another name, or drop what has this one"},
	{err: catalog.ErrNamespaceNotEmpty, code: connectrpc.CodeFailedPrecondition, why: "it still holds tables, views or namespaces", do: "drop what is in it first; firn table ls shows the tables"},
	{err: catalog.ErrIdempotencyMismatch, code: connectrpc.CodeFailedPrecondition, why: "one key stands for one request", do: "send a new key with a new request"},
	{err: catalog.ErrUnknownOutcome, code: connectrpc.CodeUnknown, what: "it is not known whether the change happened", why: "the catalog lost sight of it on the way", do: "look at the table, then decide whether to do it again"},
	{err: catalog.ErrCommitConflict, code: connectrpc.CodeAborted, why: "another commit was faster", do: "load the table again and retry"},
	{err: catalog.ErrCondition, code: connectrpc.CodeAborted, why: "somebody else has the work by now", do: "nothing: it was taken over"},
	{err: catalog.ErrInvalid, code: connectrpc.CodeInvalidArgument, why: "the request can not succeed as it is", do: "correct it and send it again"},
	{err: catalog.ErrStoreReadOnly, code: connectrpc.CodeResourceExhausted, what: "the catalog takes no changes", why: "its disk is full; nothing was changed", do: "free some room on the catalog's disk and retry"},
	{err: catalog.ErrNotCommitted, code: connectrpc.CodeUnavailable, what: "the catalog could not write what the change needs", why: "its object store did not take the files; nothing was changed", do: "retry in a moment; firn doctor checks the bucket"},
	{err: catalog.ErrStoreFailed, code: connectrpc.CodeUnavailable, what: "the catalog's store failed", why: "its disk or database answered with an error and the server stops; a change that was under way may have happened", do: "look at the server's log, start it again, then look at the table"},
	{err: catalog.ErrClosed, code: connectrpc.CodeUnavailable, what: "the catalog takes no requests", why: "it is shutting down; nothing was changed", do: "retry in a moment"},
	{err: catalog.ErrUnreadable, code: connectrpc.CodeDataLoss, what: "the table's metadata file is missing from the bucket or damaged", why: "somebody removed or changed it; the server's log names the file", do: "put the object back; other tables are not concerned"},
	{err: context.Canceled, code: connectrpc.CodeCanceled, what: "the request was given up", why: "the caller went away", do: "look at the table before a change is sent again"},
	{err: context.DeadlineExceeded, code: connectrpc.CodeDeadlineExceeded, what: "the request took too long", why: "its deadline passed", do: "look at the table before a change is sent again"},
}

// fail translates an error for the client and logs what the client is not told.
func (s *Service) fail(ctx context.Context, operation string, err error) error {
	if e, ok := errors.AsType[*userError](err); ok {
		return connectrpc.NewError(e.code, e)
	}
	for _, r := range rules {
		if !errors.Is(err, r.err) {
			continue
		}
		what := r.what
		if what == "" {
			what = visible(err.Error())
		} else {
			s.log.WarnContext(ctx, "request failed", "operation", operation, "error", err)
		}
		return connectrpc.NewError(r.code, &userError{what: what, why: r.why, do: r.do})
	}
	s.log.ErrorContext(ctx, "request failed", "operation", operation, "error", err)
	return connectrpc.NewError(connectrpc.CodeInternal, &userError{
		what: operation + " met an error of the server", why: "its log has the details", do: "firn doctor checks the usual causes",
	})
}

// visible escapes what a terminal would act on.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, text)
}
