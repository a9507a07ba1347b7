package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"connectrpc.com/connect"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// Exit codes, as `firn --help` lists them.
const (
	ExitOK          = 0
	ExitFailure     = 1
	ExitUsage       = 2
	ExitNotFound    = 3
	ExitAuth        = 4
	ExitConflict    = 5
	ExitUnavailable = 6
	ExitCheckFailed = 7
	ExitInterrupted = 130
)

// Fault is an error for a person: what went wrong, why, and what helps. Why
// and Help may be empty.
type Fault struct {
	What string
	Why  string
	Help string
	Exit int
	Err  error
}

func (f *Fault) Error() string {
	if f.Why == "" {
		return f.What
	}
	return f.What + ": " + f.Why
}

func (f *Fault) Unwrap() error { return f.Err }

// usage is a fault of the command line itself.
func usage(what, help string) error {
	return &Fault{What: what, Help: help, Exit: ExitUsage}
}

// remote turns an error of a service call into a Fault that names the
// operation.
func (a *app) remote(operation string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return &Fault{What: operation, Why: "interrupted", Exit: ExitInterrupted, Err: err}
	}
	fault := &Fault{What: operation, Exit: ExitFailure, Err: err}
	connectErr, ok := errors.AsType[*connect.Error](err)
	if !ok {
		fault.Why = err.Error()
		return fault
	}
	fault.Why, fault.Help = explained(operation, connectErr.Message())
	switch connectErr.Code() {
	case connect.CodeNotFound:
		fault.Exit = ExitNotFound
		fault.Help = cmp.Or(fault.Help, listing(operation))
	case connect.CodeInvalidArgument, connect.CodeOutOfRange:
		fault.Exit = ExitUsage
	case connect.CodeDataLoss:
		fault.Help = "firn table snapshots TABLE   (older ones may be whole)"
	case connect.CodeUnauthenticated, connect.CodePermissionDenied:
		fault.Exit = ExitAuth
	case connect.CodeAlreadyExists, connect.CodeAborted, connect.CodeFailedPrecondition:
		fault.Exit = ExitConflict
	case connect.CodeUnavailable, connect.CodeDeadlineExceeded, connect.CodeResourceExhausted, connect.CodeUnimplemented:
		fault.Exit = ExitUnavailable
		if strings.Contains(fault.Why, "connection refused") {
			fault.Why = "no Firn answers at " + a.server
			fault.Help = "firn dev   (or name another with --server URL)"
		}
	}
	for _, detail := range connectErr.Details() {
		value, err := detail.Value()
		if err != nil {
			continue
		}
		if rows, ok := value.(*firnv1.RowErrors); ok {
			fault.Why = faultyRows(rows, fault.Why)
			fault.Help = cmp.Or(fault.Help, "mend the rows, or send them aside with --quarantine (NDJSON); firn table show TABLE lists the columns")
		}
	}
	return fault
}

// faultyRows lists what is wrong, a row a line; rows count from 1, as lines of
// a file do. Faults of the schema have no row and are told in the message.
func faultyRows(rows *firnv1.RowErrors, message string) string {
	if rows.GetTotal() == 0 {
		return message
	}
	var out strings.Builder
	fmt.Fprintf(&out, "nothing of this batch was committed: %s", Counted(int64(rows.GetTotal()), "faulty row"))
	for _, row := range rows.GetErrors() {
		fmt.Fprintf(&out, "\nrow %d", row.GetRow()+1)
		if row.GetColumn() != "" {
			out.WriteString(", column " + row.GetColumn())
		}
		out.WriteString(": " + row.GetMessage())
	}
	if more := rows.GetTotal() - uint64(len(rows.GetErrors())); more > 0 && more < rows.GetTotal() {
		fmt.Fprintf(&out, "\nand %s more", Count(int64(more)))
	}
	return out.String()
}

// explained takes a service's message apart: some come as what, why and what
// helps, each on a line; some repeat the operation that stands above already.
func explained(operation, message string) (why, help string) {
	message = strings.TrimPrefix(strings.TrimPrefix(message, operation+": "), "invalid: ")
	if lines := strings.Split(message, "\n"); len(lines) == 3 {
		return lines[0] + "; " + lines[1], lines[2]
	}
	return message, ""
}

// listing is the command that lists what an operation did not find.
func listing(operation string) string {
	for _, l := range []struct{ word, command string }{
		{"schedule", "firn schedule ls"},
		{"job ", "firn job ls"},
		{"namespace", "firn ns ls"},
		{"quarantine", "firn quarantine ls"},
		{"run", "firn runs"},
	} {
		if strings.Contains(operation, l.word) {
			return l.command
		}
	}
	return "firn table ls"
}

// Report writes an error in three lines: what, why, and what helps. It answers
// the exit code.
func Report(w io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	fault, ok := errors.AsType[*Fault](err)
	if !ok {
		fault = &Fault{What: err.Error(), Exit: ExitUsage, Help: "firn --help"}
	}
	fmt.Fprintln(w, "error: "+fault.What)
	if fault.Why != "" {
		fmt.Fprintln(w, "  why: "+strings.ReplaceAll(fault.Why, "\n", "\n       "))
	}
	if fault.Help != "" {
		fmt.Fprintln(w, "  try: "+fault.Help)
	}
	if fault.Exit == 0 {
		return ExitFailure
	}
	return fault.Exit
}
