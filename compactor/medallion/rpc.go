package medallion

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Handler serves firn.v1.ModelService.
func (s *Service) Handler(opts ...connect.HandlerOption) (string, http.Handler) {
	return firnv1connect.NewModelServiceHandler(&handler{s}, opts...)
}

type handler struct{ s *Service }

func filesOf(in []*firnv1.ModelFile) []File {
	out := make([]File, len(in))
	for i, f := range in {
		out[i] = File{Path: f.Path, Text: f.Text}
	}
	return out
}

func (h *handler) Plan(ctx context.Context, req *connect.Request[firnv1.PlanRequest]) (*connect.Response[firnv1.PlanResponse], error) {
	plan, err := h.s.Plan(ctx, filesOf(req.Msg.Files))
	if err != nil {
		return nil, h.rpcError(err)
	}
	return connect.NewResponse(&firnv1.PlanResponse{Models: plansOf(plan), Diagnostics: diagnosticsOf(plan.Diagnostics)}), nil
}

func (h *handler) Apply(ctx context.Context, req *connect.Request[firnv1.ApplyRequest]) (*connect.Response[firnv1.ApplyResponse], error) {
	plan, err := h.s.Apply(ctx, filesOf(req.Msg.Files), req.Msg.Rebuild)
	if err != nil {
		return nil, h.rpcError(err)
	}
	return connect.NewResponse(&firnv1.ApplyResponse{Models: plansOf(plan)}), nil
}

func plansOf(plan *ProjectPlan) []*firnv1.ModelPlan {
	var out []*firnv1.ModelPlan
	for _, p := range plan.Models {
		out = append(out, &firnv1.ModelPlan{Name: p.Name, Mode: p.Mode, Inputs: p.Inputs, Change: p.Change, Proof: p.Proof, PendingRows: unsigned(p.PendingRows)})
	}
	return out
}

func diagnosticsOf(ds Diagnostics) []*firnv1.Diagnostic {
	var out []*firnv1.Diagnostic
	for _, d := range ds {
		out = append(out, &firnv1.Diagnostic{Path: d.Path, Line: uint32(max(d.Line, 0)), Column: uint32(max(d.Column, 0)), Message: d.Message, Help: d.Help})
	}
	return out
}

// Run streams each run as it starts, goes on and ends.
func (h *handler) Run(ctx context.Context, req *connect.Request[firnv1.RunRequest], stream *connect.ServerStream[firnv1.RunResponse]) error {
	var sendErr error
	send := func(r Run) {
		if sendErr == nil {
			sendErr = stream.Send(&firnv1.RunResponse{Run: runOf(r)})
		}
	}
	runs, err := h.s.RunOnce(ctx, send, req.Msg.Models...)
	if sendErr != nil {
		return sendErr
	}
	// A run that failed is in the stream, with its reason; what could not be
	// run at all is an error.
	if err != nil && !slices.ContainsFunc(runs, func(r Run) bool { return r.State == RunFailed }) {
		return h.rpcError(err)
	}
	return nil
}

func (h *handler) GetGraph(ctx context.Context, _ *connect.Request[firnv1.GetGraphRequest]) (*connect.Response[firnv1.GetGraphResponse], error) {
	definitions, err := h.s.definitions(ctx, false)
	if err != nil {
		return nil, h.rpcError(err)
	}
	recent, err := h.s.Runs(ctx, "", 500)
	if err != nil {
		return nil, h.rpcError(err)
	}
	out := &firnv1.GetGraphResponse{}
	for _, d := range definitions {
		node, edge, err := h.node(ctx, d, recent)
		if err != nil {
			return nil, h.rpcError(err)
		}
		out.Nodes = append(out.Nodes, node)
		if edge != nil {
			out.Edges = append(out.Edges, edge)
		}
	}
	return connect.NewResponse(out), nil
}

func (h *handler) node(ctx context.Context, d *definition, recent []Run) (*firnv1.GraphNode, *firnv1.GraphEdge, error) {
	n := &firnv1.GraphNode{Name: d.name(), Layer: d.Layer, Mode: ModeSource}
	if d.Source != nil {
		if t, err := h.s.load(ctx, d.name()); err == nil {
			n.Rows = unsigned(summaryCount(t.CurrentSnapshot(), "total-records"))
		}
		return n, nil, nil
	}
	m := d.Model
	w, _, err := h.s.watermark(ctx, m.Name)
	if err != nil {
		return nil, nil, err
	}
	// The whole file: its head has the rules, which the page shows beside the SQL.
	n.Mode, n.Sql, n.DefinitionHash = m.Mode, m.File.Text, m.Hashes.Definition
	n.Rows, n.Quarantined, n.PendingRows = unsigned(w.Totals.Live), unsigned(w.Totals.Quarantined), unsigned(h.s.pendingRows(ctx, m))
	if i := slices.IndexFunc(recent, func(r Run) bool { return r.Model == m.Name }); i >= 0 {
		n.State, n.LastRun = stateOf(recent[i].State), stamp(recent[i].StartedAt)
	} else if !w.At.IsZero() {
		n.State, n.LastRun = firnv1.RunState_RUN_STATE_SUCCEEDED, stamp(w.At)
	}
	t := w.Totals
	return n, &firnv1.GraphEdge{
		From: m.Source, To: m.Name, Read: unsigned(t.Read), Published: unsigned(t.Published),
		Superseded: unsigned(t.Superseded + t.Stale), Dropped: unsigned(t.Dropped + t.Filtered), Quarantined: unsigned(t.Quarantined),
	}, nil
}

func (h *handler) ListRuns(ctx context.Context, req *connect.Request[firnv1.ListRunsRequest]) (*connect.Response[firnv1.ListRunsResponse], error) {
	runs, err := h.s.Runs(ctx, req.Msg.Model, int(min(req.Msg.Limit, 100_000)))
	if err != nil {
		return nil, h.rpcError(err)
	}
	out := &firnv1.ListRunsResponse{}
	for _, r := range runs {
		out.Runs = append(out.Runs, runOf(r))
	}
	return connect.NewResponse(out), nil
}

func (h *handler) GetRun(ctx context.Context, req *connect.Request[firnv1.GetRunRequest]) (*connect.Response[firnv1.GetRunResponse], error) {
	r, err := h.s.RunByID(ctx, req.Msg.Id)
	if err != nil {
		return nil, h.rpcError(err)
	}
	return connect.NewResponse(&firnv1.GetRunResponse{Run: runOf(r)}), nil
}

func (h *handler) ListQuarantine(ctx context.Context, req *connect.Request[firnv1.ListQuarantineRequest]) (*connect.Response[firnv1.ListQuarantineResponse], error) {
	rows, counts, total, err := h.s.Quarantine(ctx, QuarantineQuery{Model: req.Msg.Model, Rule: req.Msg.Rule, Limit: int(min(req.Msg.Limit, 1000)), Offset: int(min(req.Msg.Offset, 1<<30))})
	if err != nil {
		return nil, h.rpcError(err)
	}
	out := &firnv1.ListQuarantineResponse{Total: unsigned(total)}
	for _, r := range rows {
		out.Rows = append(out.Rows, &firnv1.QuarantinedRow{
			Model: r.Model, Reasons: r.Reasons, RunId: r.RunID, SourceSnapshotId: r.SourceSnapshot, SourceTable: r.SourceTable,
			RowId: r.RowID, Status: r.Status, Payload: r.Payload, QuarantinedAt: stamp(r.At), Lane: r.Lane,
		})
	}
	for _, c := range counts {
		out.Counts = append(out.Counts, &firnv1.QuarantineCount{Model: c.Model, Rule: c.Rule, Rows: unsigned(c.Rows)})
	}
	return connect.NewResponse(out), nil
}

func unsigned(n int64) uint64 { return uint64(max(n, 0)) }

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func stateOf(s RunState) firnv1.RunState {
	switch s {
	case RunRunning:
		return firnv1.RunState_RUN_STATE_RUNNING
	case RunSucceeded:
		return firnv1.RunState_RUN_STATE_SUCCEEDED
	case RunUpToDate:
		return firnv1.RunState_RUN_STATE_UP_TO_DATE
	case RunFailed:
		return firnv1.RunState_RUN_STATE_FAILED
	}
	return firnv1.RunState_RUN_STATE_UNSPECIFIED
}

func runOf(r Run) *firnv1.Run {
	out := &firnv1.Run{
		Id: r.ID, Model: r.Model, State: stateOf(r.State), StartedAt: stamp(r.StartedAt), EndedAt: stamp(r.EndedAt),
		Read: unsigned(r.Read), LiveBefore: unsigned(r.LiveBefore), LiveAfter: unsigned(r.LiveAfter), Superseded: unsigned(r.Superseded),
		Stale: unsigned(r.Stale), Deleted: unsigned(r.Deleted), Quarantined: unsigned(r.Quarantined), Dropped: unsigned(r.Dropped),
		Filtered: unsigned(r.Filtered), Warned: unsigned(r.Warned), ByRule: map[string]uint64{}, Groups: unsigned(r.Groups),
		SnapshotId: r.SnapshotID, Error: r.Error, DefinitionHash: r.DefinitionHash, RowsWritten: unsigned(r.RowsWritten),
	}
	for k, v := range r.ByRule {
		out.ByRule[k] = unsigned(v)
	}
	for _, src := range r.Sources {
		out.Sources = append(out.Sources, &firnv1.SourceRange{Table: src.Table, FromSnapshotId: src.From, ToSnapshotId: src.To})
	}
	for _, st := range r.Steps {
		out.Steps = append(out.Steps, &firnv1.RunStep{Name: st.Name, ElapsedMs: uint32(st.Elapsed.Milliseconds())})
	}
	return out
}

// rpcError is the one place where errors become Connect codes.
func (h *handler) rpcError(err error) error {
	code := connect.CodeInternal
	var diagnostics Diagnostics
	var rebuild *RebuildError
	switch {
	case errors.As(err, &diagnostics):
		code = connect.CodeInvalidArgument
		out := connect.NewError(code, fmt.Errorf("the project has faults, nothing was applied:\n%w", err))
		for _, d := range diagnosticsOf(diagnostics) {
			if detail, derr := connect.NewErrorDetail(d); derr == nil {
				out.AddDetail(detail)
			}
		}
		return out
	case errors.As(err, &rebuild), errors.Is(err, lake.ErrNotAncestor), errors.Is(err, lake.ErrChainBroken), errors.Is(err, lake.ErrNotAppendOnly):
		code = connect.CodeFailedPrecondition
	case errors.Is(err, catalog.ErrNotFound):
		code = connect.CodeNotFound
	case errors.Is(err, catalog.ErrAlreadyExists):
		code = connect.CodeAlreadyExists
	case errors.Is(err, catalog.ErrInvalid):
		code = connect.CodeInvalidArgument
	case errors.Is(err, catalog.ErrCommitConflict):
		code = connect.CodeAborted
	case errors.Is(err, catalog.ErrUnknownOutcome), errors.Is(err, catalog.ErrClosed), errors.Is(err, duck.ErrClosed):
		code = connect.CodeUnavailable
	case errors.Is(err, duck.ErrMemory), errors.Is(err, duck.ErrDiskFull), errors.Is(err, catalog.ErrStoreReadOnly):
		code = connect.CodeResourceExhausted
	case errors.Is(err, context.Canceled):
		code = connect.CodeCanceled
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, duck.ErrTimeout):
		code = connect.CodeDeadlineExceeded
	default:
		h.s.cfg.Logger.Error("request failed", "error", err)
		return connect.NewError(code, errors.New("internal error; the service's log has the details"))
	}
	return connect.NewError(code, err)
}

func (h *handler) Test(ctx context.Context, req *connect.Request[firnv1.TestRequest]) (*connect.Response[firnv1.TestResponse], error) {
	results, faults, err := h.s.Test(ctx, filesOf(req.Msg.Files))
	if err != nil {
		return nil, h.rpcError(err)
	}
	out := &firnv1.TestResponse{Diagnostics: diagnosticsOf(faults)}
	for _, r := range results {
		out.Results = append(out.Results, &firnv1.TestResult{Model: r.Model, Test: r.Test, Passed: r.Passed, Detail: r.Detail})
	}
	return connect.NewResponse(out), nil
}
