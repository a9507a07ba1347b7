package compactor

import (
	"context"
	"errors"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/schedule"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

var outsides = map[firnv1.OutsidePolicy]schedule.Outside{
	firnv1.OutsidePolicy_OUTSIDE_POLICY_WAIT: schedule.OutsideWait, firnv1.OutsidePolicy_OUTSIDE_POLICY_SKIP: schedule.OutsideSkip,
}

var overlaps = map[firnv1.OverlapPolicy]schedule.Overlap{
	firnv1.OverlapPolicy_OVERLAP_POLICY_SKIP: schedule.OverlapSkip, firnv1.OverlapPolicy_OVERLAP_POLICY_QUEUE: schedule.OverlapQueue,
	firnv1.OverlapPolicy_OVERLAP_POLICY_REPLACE: schedule.OverlapReplace,
}

var misses = map[firnv1.MissedPolicy]schedule.Missed{
	firnv1.MissedPolicy_MISSED_POLICY_ONCE: schedule.MissedOnce, firnv1.MissedPolicy_MISSED_POLICY_SKIP: schedule.MissedSkip,
	firnv1.MissedPolicy_MISSED_POLICY_ALL: schedule.MissedAll,
}

var firingOutcomes = map[firnv1.FiringOutcome]schedule.Outcome{
	firnv1.FiringOutcome_FIRING_OUTCOME_FIRED: schedule.Fired, firnv1.FiringOutcome_FIRING_OUTCOME_SKIPPED: schedule.Skipped,
}

// foretold is how many of the next firings are shown.
const foretold = 5

func (s *Service) scheduleProto(c schedule.Schedule) *firnv1.Schedule {
	// What an older record does not say is the default.
	_ = c.Check(c.Created)
	out := &firnv1.Schedule{
		Name: c.Name, Cron: c.Cron, TimeZone: c.TimeZone, Kind: flip(kinds, c.Kind), Model: c.Model,
		Table: ref(catalog.Ident{Namespace: c.Namespace, Name: c.Table}), LastFired: stamp(c.LastFired),
		Windows: c.Windows, Outside: flip(outsides, c.Outside), Overlap: flip(overlaps, c.Overlap), Missed: flip(misses, c.Missed),
		Paused: c.Paused,
	}
	if broken := c.Broken(); broken != nil {
		out.Broken = broken.Why()
	}
	for i, t := range c.Upcoming(s.cfg.Now(), foretold) {
		if i == 0 {
			out.NextFire = stamp(t)
		}
		out.Upcoming = append(out.Upcoming, stamp(t))
	}
	for i := range c.Firings {
		out.Firings = append(out.Firings, firingProto(c.Firings[len(c.Firings)-1-i]))
	}
	for _, w := range c.Waiting {
		out.Waiting = append(out.Waiting, &firnv1.WaitingFiring{Due: stamp(w.Due), WaitsFor: string(w.Cause), RequestId: w.Request})
	}
	return out
}

func firingProto(f schedule.Firing) *firnv1.Firing {
	return &firnv1.Firing{
		Due: stamp(f.Due), Until: stamp(f.Until), Count: uint64(max(f.Count, 0)), At: stamp(f.At), Outcome: flip(firingOutcomes, f.Outcome),
		Reason: f.Reason, Jobs: f.Jobs, JobsMade: uint32(max(f.Made, 0)), LeftOut: uint32(max(f.LeftOut, 0)),
		RequestId: f.Request,
	}
}

func (h handler) ListSchedules(ctx context.Context, _ *connect.Request[firnv1.ListSchedulesRequest]) (*connect.Response[firnv1.ListSchedulesResponse], error) {
	all, err := h.s.schedules.List(ctx)
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.ListSchedulesResponse{}
	for _, c := range all {
		out.Schedules = append(out.Schedules, h.s.scheduleProto(c))
	}
	return connect.NewResponse(out), nil
}

func (h handler) GetSchedule(ctx context.Context, req *connect.Request[firnv1.GetScheduleRequest]) (*connect.Response[firnv1.GetScheduleResponse], error) {
	c, err := h.s.schedules.Get(ctx, req.Msg.GetName())
	if _, broken := errors.AsType[*schedule.Broken](err); err != nil && !broken {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.GetScheduleResponse{Schedule: h.s.scheduleProto(c)}), nil
}

func (h handler) PutSchedule(ctx context.Context, req *connect.Request[firnv1.PutScheduleRequest]) (*connect.Response[firnv1.PutScheduleResponse], error) {
	m := req.Msg.GetSchedule()
	if m == nil {
		return nil, h.s.rpcError(ctx, &schedule.Invalid{What: "no schedule given", Why: "the request has no schedule in it", Help: "firn schedule put --help"})
	}
	d := schedule.Definition{
		Name: m.GetName(), Cron: m.GetCron(), TimeZone: m.GetTimeZone(), Kind: kinds[m.GetKind()],
		Namespace: m.GetTable().GetNamespace(), Table: m.GetTable().GetName(), Model: m.GetModel(), Windows: m.GetWindows(),
		Outside: chosen(outsides, m.GetOutside()), Overlap: chosen(overlaps, m.GetOverlap()), Missed: chosen(misses, m.GetMissed()),
	}
	c, err := h.s.PutSchedule(ctx, d, req.Msg.GetDryRun())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.PutScheduleResponse{Schedule: h.s.scheduleProto(c)}
	if jobs, err := h.s.scheduledJobs(ctx, d); err == nil && len(jobs) == 0 {
		out.Note = "it makes no job as long as there is no table of that name"
		if d.Table == "" {
			out.Note = "it makes no job as long as there is no table to make one for"
		}
	}
	return connect.NewResponse(out), nil
}

// chosen is the policy of a number: the default for none, and for a number that is
// not one a name that no check lets pass.
func chosen[E interface {
	comparable
	String() string
}, P ~string](m map[E]P, e E) P {
	var none E
	if p, ok := m[e]; ok || e == none {
		return p
	}
	return P(e.String())
}

func (h handler) DeleteSchedule(ctx context.Context, req *connect.Request[firnv1.DeleteScheduleRequest]) (*connect.Response[firnv1.DeleteScheduleResponse], error) {
	if err := h.s.schedules.Delete(ctx, req.Msg.GetName()); err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.DeleteScheduleResponse{}), nil
}

func (h handler) PauseSchedule(ctx context.Context, req *connect.Request[firnv1.PauseScheduleRequest]) (*connect.Response[firnv1.PauseScheduleResponse], error) {
	c, err := h.s.schedules.Pause(ctx, req.Msg.GetName())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.PauseScheduleResponse{Schedule: h.s.scheduleProto(c)}), nil
}

func (h handler) ResumeSchedule(ctx context.Context, req *connect.Request[firnv1.ResumeScheduleRequest]) (*connect.Response[firnv1.ResumeScheduleResponse], error) {
	c, err := h.s.schedules.Resume(ctx, req.Msg.GetName())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	return connect.NewResponse(&firnv1.ResumeScheduleResponse{Schedule: h.s.scheduleProto(c)}), nil
}

func (h handler) RunSchedule(ctx context.Context, req *connect.Request[firnv1.RunScheduleRequest]) (*connect.Response[firnv1.RunScheduleResponse], error) {
	if n := len(req.Msg.GetRequestId()); n > 100 {
		return nil, h.s.rpcError(ctx, &schedule.Invalid{What: "the request id is too long", Why: "it has more than 100 characters", Help: "a uuid will do"})
	}
	f, c, err := h.s.schedules.Ask(ctx, req.Msg.GetName(), req.Msg.GetRequestId())
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.RunScheduleResponse{Schedule: h.s.scheduleProto(c)}
	if f != nil {
		out.Firing = firingProto(*f)
	}
	return connect.NewResponse(out), nil
}
