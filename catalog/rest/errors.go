package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/firnlake/firn/catalog"
)

// Errors of the surface itself.
var (
	errNoRoute     = errors.New("this server does not serve that path; GET /v1/config lists what it serves")
	errNoWarehouse = errors.New("warehouse does not exist; GET /v1/config without a warehouse answers the one that is served")
)

// requestError is a request that can never succeed as it was sent.
type requestError struct{ message string }

func (e *requestError) Error() string { return e.message }

func badRequest(format string, args ...any) error {
	return &requestError{fmt.Sprintf(format, args...)}
}

// tooLargeError is a body beyond its cap.
type tooLargeError struct{ limit int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the request body is larger than %d bytes; split the request", e.limit)
}

// methodError is a method that a served path does not have.
type methodError struct{ allow []string }

func (e *methodError) Error() string {
	return "this path is served with " + strings.Join(e.allow, ", ") + " only"
}

// rule says how one error is answered.
type rule struct {
	err    error
	status int
	kind   string
	// hidden: the text is for the log and the client gets message instead.
	hidden  bool
	message string
}

// rules is the whole translation of errors into answers, most specific first.
// What is in no rule is a 500 that says nothing of the inside: after one of
// those a client must take the outcome as unknown and keep its files.
var rules = []rule{
	{err: errNoRoute, status: http.StatusNotFound, kind: "NotFoundException"},
	{err: errNoWarehouse, status: http.StatusNotFound, kind: "NoSuchWarehouseException"},
	{err: catalog.ErrNoSuchNamespace, status: http.StatusNotFound, kind: "NoSuchNamespaceException"},
	{err: catalog.ErrNoSuchTable, status: http.StatusNotFound, kind: "NoSuchTableException"},
	{err: catalog.ErrNoSuchView, status: http.StatusNotFound, kind: "NoSuchViewException"},
	{err: catalog.ErrNotFound, status: http.StatusNotFound, kind: "NotFoundException"},
	{err: catalog.ErrAlreadyExists, status: http.StatusConflict, kind: "AlreadyExistsException"},
	{err: catalog.ErrNamespaceNotEmpty, status: http.StatusConflict, kind: "NamespaceNotEmptyException"},
	{err: catalog.ErrIdempotencyMismatch, status: http.StatusUnprocessableEntity, kind: "UnprocessableEntityException"},
	{err: errBothWays, status: http.StatusUnprocessableEntity, kind: "UnprocessableEntityException"},
	{
		err: catalog.ErrUnknownOutcome, status: http.StatusInternalServerError, kind: "CommitStateUnknownException", hidden: true,
		message: "the outcome of the commit is not known; load the table again before anything is retried or removed",
	},
	{err: catalog.ErrCommitConflict, status: http.StatusConflict, kind: "CommitFailedException"},
	{err: catalog.ErrCondition, status: http.StatusConflict, kind: "CommitFailedException"},
	{err: catalog.ErrInvalid, status: http.StatusBadRequest, kind: "BadRequestException"},
	// Neither happened, so a client may try again and may clean up: 429, never 503.
	{
		err: catalog.ErrStoreReadOnly, status: http.StatusTooManyRequests, kind: "SlowDownException", hidden: true,
		message: "the catalog takes no changes because its disk is full; nothing was changed, free some room and try again",
	},
	{
		err: catalog.ErrNotCommitted, status: http.StatusTooManyRequests, kind: "SlowDownException", hidden: true,
		message: "the catalog could not write what the commit needs; nothing was changed, try again in a moment",
	},
	{
		err: catalog.ErrStoreFailed, status: http.StatusInternalServerError, kind: "CommitStateUnknownException", hidden: true,
		message: "the catalog's store failed and the server stops; load the table again once it is back, before anything is retried or removed",
	},
	{
		err: catalog.ErrClosed, status: http.StatusTooManyRequests, kind: "SlowDownException", hidden: true,
		message: "the catalog is shutting down; nothing was changed, try again in a moment",
	},
	{
		err: catalog.ErrUnreadable, status: http.StatusInternalServerError, kind: "InternalServerError", hidden: true,
		message: "the table's metadata file is missing from the bucket or damaged; put the object back (the server's log names it), other tables are not concerned",
	},
	// Whether the work of a request that was given up still happens is open.
	{
		err: context.Canceled, status: http.StatusInternalServerError, kind: "CommitStateUnknownException", hidden: true,
		message: "the request was given up; load the table again before anything is retried or removed",
	},
	{
		err: context.DeadlineExceeded, status: http.StatusGatewayTimeout, kind: "CommitStateUnknownException", hidden: true,
		message: "the request took too long; load the table again before anything is retried or removed",
	},
}

// errorBody is the error model of the specification.
type errorBody struct {
	Error errorModel `json:"error"`
}

type errorModel struct {
	Message string `json:"message"`
	Type    string `json:"type"`
	Code    int    `json:"code"`
}

// answer translates an error. internal reports that the text did not go out and
// belongs into the log.
func answer(err error) (model errorModel, internal bool) {
	if e, ok := errors.AsType[*requestError](err); ok {
		return errorModel{e.message, "BadRequestException", http.StatusBadRequest}, false
	}
	if e, ok := errors.AsType[*tooLargeError](err); ok {
		return errorModel{e.Error(), "RequestTooLargeException", http.StatusRequestEntityTooLarge}, false
	}
	if e, ok := errors.AsType[*methodError](err); ok {
		return errorModel{e.Error(), "UnsupportedOperationException", http.StatusMethodNotAllowed}, false
	}
	for _, r := range rules {
		if !errors.Is(err, r.err) {
			continue
		}
		if r.hidden {
			return errorModel{r.message, r.kind, r.status}, true
		}
		return errorModel{visible(err.Error()), r.kind, r.status}, false
	}
	return errorModel{"the server met an error of its own; its log has the details", "InternalServerError", http.StatusInternalServerError}, true
}

// visible escapes what a terminal or a log would act on.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, s)
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	model, internal := answer(err)
	if internal {
		s.log.ErrorContext(r.Context(), "request failed", "method", r.Method, "path", r.URL.EscapedPath(), "status", model.Code, "error", err)
	}
	if e, ok := errors.AsType[*methodError](err); ok {
		w.Header().Set("Allow", strings.Join(e.allow, ", "))
	}
	if model.Code == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "1")
	}
	data, err := json.Marshal(errorBody{model})
	if err != nil {
		data = nil // three plain fields always encode
	}
	writeBytes(w, r, model.Code, data)
}
