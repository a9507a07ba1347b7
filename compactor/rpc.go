package compactor

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// Handler serves firn.v1.MaintenanceService.
func (s *Service) Handler(opts ...connect.HandlerOption) (string, http.Handler) {
	return firnv1connect.NewMaintenanceServiceHandler(handler{s}, opts...)
}

type handler struct{ s *Service }

var kinds = map[firnv1.JobKind]jobs.Kind{
	firnv1.JobKind_JOB_KIND_COMPACT: KindCompact, firnv1.JobKind_JOB_KIND_EXPIRE: KindExpire,
	firnv1.JobKind_JOB_KIND_ORPHANS: KindOrphans, firnv1.JobKind_JOB_KIND_PROMOTE: KindPromote,
	firnv1.JobKind_JOB_KIND_MANIFESTS: KindManifests, firnv1.JobKind_JOB_KIND_REBALANCE: KindRebalance,
}

var states = map[firnv1.JobState]jobs.State{
	firnv1.JobState_JOB_STATE_QUEUED: jobs.Queued, firnv1.JobState_JOB_STATE_RUNNING: jobs.Running,
	firnv1.JobState_JOB_STATE_SUCCEEDED: jobs.Succeeded, firnv1.JobState_JOB_STATE_FAILED: jobs.Failed,
	firnv1.JobState_JOB_STATE_CANCELLED: jobs.Cancelled,
}

// flip finds the key of a value; the zero key (unspecified) when there is none.
func flip[K, V comparable](m map[K]V, v V) (zero K) {
	for k, x := range m {
		if x == v {
			return k
		}
	}
	return zero
}

func ident(r *firnv1.TableRef) catalog.Ident {
	return catalog.Ident{Namespace: catalog.Namespace(r.GetNamespace()), Name: r.GetName()}
}

func ref(id catalog.Ident) *firnv1.TableRef {
	if id.Name == "" && len(id.Namespace) == 0 {
		return nil
	}
	return &firnv1.TableRef{Namespace: id.Namespace, Name: id.Name}
}

func stamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func jobProto(j jobs.Job) *firnv1.Job {
	n := func(v int64) uint64 { return uint64(max(v, 0)) }
	return &firnv1.Job{
		Id: j.ID, Kind: flip(kinds, j.Kind), State: flip(states, j.State), Table: ref(j.Ident), Model: j.Model,
		Trigger: j.Trigger, Reason: j.Reason, CreatedAt: stamp(j.CreatedAt), StartedAt: stamp(j.StartedAt), EndedAt: stamp(j.EndedAt),
		Attempt:  uint32(max(j.Attempt, 0)),
		Progress: progressProto(j.Progress),
		Tier:     j.Outcome.Tier, FilesIn: n(j.Outcome.FilesIn), FilesOut: n(j.Outcome.FilesOut), BytesIn: n(j.Outcome.BytesIn),
		BytesOut: n(j.Outcome.BytesOut), Rows: n(j.Outcome.Rows), SnapshotId: j.Outcome.SnapshotID, Error: j.Error, Proof: j.Outcome.Proof,
		Worker: j.Lease.Owner, FencingToken: uint64(j.Lease.Token), Schedule: j.Schedule,
	}
}

func progressProto(p jobs.Progress) *firnv1.Progress {
	out := &firnv1.Progress{Step: p.Step, DoneBytes: uint64(max(p.Done, 0)), TotalBytes: uint64(max(p.Total, 0)), BytesPerSecond: uint64(max(p.Rate, 0))}
	if p.Left > 0 {
		out.Remaining = durationpb.New(p.Left)
	}
	return out
}

// SubmitJob queues a job that does all there is to do.
func (h handler) SubmitJob(ctx context.Context, req *connect.Request[firnv1.SubmitJobRequest]) (*connect.Response[firnv1.SubmitJobResponse], error) {
	if kinds[req.Msg.GetKind()] == KindRebalance {
		j, err := h.s.Rebalance(ctx, ident(req.Msg.GetTable()), plan.Step(req.Msg.GetStep()), partitionValues(req.Msg.GetPartition()))
		if err != nil {
			return nil, h.s.rpcError(ctx, err)
		}
		return connect.NewResponse(&firnv1.SubmitJobResponse{Job: jobProto(j)}), nil
	}
	j, err := h.s.submit(ctx, kinds[req.Msg.GetKind()], ident(req.Msg.GetTable()), req.Msg.GetModel(), req.Msg.GetReshape())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.SubmitJobResponse{Job: jobProto(j)}), nil
}

// Submit queues a job that somebody asked for.
func (s *Service) Submit(ctx context.Context, kind jobs.Kind, table catalog.Ident, model string) (jobs.Job, error) {
	return s.submit(ctx, kind, table, model, false)
}

func (s *Service) submit(ctx context.Context, kind jobs.Kind, table catalog.Ident, model string, reshape bool) (jobs.Job, error) {
	spec := jobs.Spec{Kind: kind, Model: model, Trigger: "request", Reason: "asked for", Priority: 1e6, Full: true, Reshape: reshape}
	switch {
	case reshape && kind != KindCompact:
		return jobs.Job{}, fmt.Errorf("%w: only a compaction can reshape, not %s", catalog.ErrInvalid, kind)
	case kind == "":
		return jobs.Job{}, fmt.Errorf("%w: no kind of job given: use compact, rebalance, expire, orphans, manifests or promote", catalog.ErrInvalid)
	case kind == KindPromote:
		if model == "" {
			return jobs.Job{}, fmt.Errorf("%w: a promotion needs the name of a model", catalog.ErrInvalid)
		}
		if s.cfg.Promote == nil {
			return jobs.Job{}, fmt.Errorf("%w: this process runs no promotions", catalog.ErrInvalid)
		}
	case kind == KindOrphans && table.Name == "":
		// All that belongs to no table any more.
	default:
		t, err := s.cfg.Catalog.LoadTable(ctx, table)
		if err != nil {
			return jobs.Job{}, fmt.Errorf("%s %s: %w", kind, table, err)
		}
		spec.Table, spec.Ident = t.ID, t.Ident
		// Apart from the smaller jobs that the planner makes for the table.
		spec.Key = fullKey(kind, t.ID)
		if reshape {
			spec.Key += "/reshape"
		}
	}
	j, _, err := s.queue.Submit(ctx, spec)
	return j, err
}

// fullKey is the key of jobs that do all there is to do to a table.
func fullKey(kind jobs.Kind, table uuid.UUID) string { return fmt.Sprintf("%s/%s/full", kind, table) }

// PlanJobs answers what SubmitJob would do, without doing it.
func (h handler) PlanJobs(ctx context.Context, req *connect.Request[firnv1.PlanJobsRequest]) (*connect.Response[firnv1.PlanJobsResponse], error) {
	out, err := h.s.planJobs(ctx, req.Msg)
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(out), nil
}

func (s *Service) planJobs(ctx context.Context, req *firnv1.PlanJobsRequest) (*firnv1.PlanJobsResponse, error) {
	kind := kinds[req.GetKind()]
	if kind == "" {
		kind = KindCompact
	}
	out := &firnv1.PlanJobsResponse{}
	if kind == KindOrphans && req.GetTable().GetName() == "" {
		r, err := s.worker.Dropped(ctx, true, quiet{})
		out.Objects, out.WhyNot = r.Delete, r.WhyNot
		return out, err
	}
	t, err := s.cfg.Catalog.LoadTable(ctx, ident(req.GetTable()))
	if err != nil {
		return nil, fmt.Errorf("plan for %s: %w", ident(req.GetTable()), err)
	}
	switch kind {
	case KindCompact:
		if err := s.planOne(ctx, t, req, out); err != nil {
			return nil, err
		}
	case KindRebalance:
		if out.Groups, out.WhyNot, err = s.planRebalance(ctx, t.ID); err != nil {
			return nil, err
		}
	case KindManifests:
		tidied, err := s.worker.PlanTidy(ctx, t, true)
		if err != nil {
			return nil, err
		}
		if m := tidied.Manifests.Swap; m != nil {
			out.Objects = append(out.Objects, fmt.Sprintf("%d manifests, for %d", len(m.Replaced), len(m.By)))
		}
		for _, d := range tidied.Dangling {
			out.Objects = append(out.Objects, "dangling deletes "+d)
		}
		if len(out.Objects) == 0 {
			out.WhyNot = tidied.Manifests.WhyNot
		}
	case KindExpire:
		policy, err := s.policyOf(ctx, t, plan.Expire)
		if err != nil {
			return nil, err
		}
		e := rewrite.PlanExpiry(t.Metadata, policy, s.cfg.Now())
		out.WhyNot = e.WhyNot
		for _, id := range e.Remove {
			out.Objects = append(out.Objects, "snapshot "+strconv.FormatInt(id, 10))
		}
	case KindOrphans:
		r, err := s.PlanOrphans(ctx, t.Ident)
		if err != nil {
			return nil, err
		}
		out.Objects, out.WhyNot = r.Delete, r.WhyNot
	default:
		return nil, fmt.Errorf("%w: a plan of kind %s is made by the model service", catalog.ErrInvalid, kind)
	}
	return out, nil
}

// quiet is for dry runs, whose progress nobody sees.
type quiet struct{}

func (quiet) Progress(string, int64, int64) {}
func (quiet) Advance(int64)                 {}

var (
	_ rewrite.Progress = quiet{}
	_ rewrite.Progress = (*jobs.Task)(nil)
)

func (h handler) ListJobs(ctx context.Context, req *connect.Request[firnv1.ListJobsRequest]) (*connect.Response[firnv1.ListJobsResponse], error) {
	f := jobs.Filter{Limit: int(min(req.Msg.GetLimit(), 10_000)), Schedule: req.Msg.GetSchedule(), Request: req.Msg.GetRequestId()}
	for _, st := range req.Msg.GetStates() {
		f.States = append(f.States, states[st])
	}
	if req.Msg.GetTable() != nil {
		f.Ident = new(ident(req.Msg.GetTable()))
	}
	list, counts, err := h.s.queue.List(ctx, f)
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.ListJobsResponse{Counts: map[string]uint64{}}
	for _, j := range list {
		out.Jobs = append(out.Jobs, jobProto(j))
	}
	for _, st := range states {
		out.Counts[string(st)] = uint64(counts[st])
	}
	return connect.NewResponse(out), nil
}

func (h handler) GetJob(ctx context.Context, req *connect.Request[firnv1.GetJobRequest]) (*connect.Response[firnv1.GetJobResponse], error) {
	j, err := h.s.queue.Get(ctx, req.Msg.GetId())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.GetJobResponse{Job: jobProto(j)}), nil
}

func (h handler) WatchJob(ctx context.Context, req *connect.Request[firnv1.WatchJobRequest], stream *connect.ServerStream[firnv1.WatchJobResponse]) error {
	for j, err := range h.s.queue.Watch(ctx, req.Msg.GetId()) {
		if err != nil {
			return h.s.rpcError(ctx, err)
		}
		if err := stream.Send(&firnv1.WatchJobResponse{Job: jobProto(j)}); err != nil {
			return err
		}
	}
	return nil
}

func (h handler) CancelJob(ctx context.Context, req *connect.Request[firnv1.CancelJobRequest]) (*connect.Response[firnv1.CancelJobResponse], error) {
	j, err := h.s.queue.Cancel(ctx, req.Msg.GetId())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.CancelJobResponse{Job: jobProto(j)}), nil
}

func (h handler) RetryJob(ctx context.Context, req *connect.Request[firnv1.RetryJobRequest]) (*connect.Response[firnv1.RetryJobResponse], error) {
	j, err := h.s.queue.Retry(ctx, req.Msg.GetId())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.RetryJobResponse{Job: jobProto(j)}), nil
}
