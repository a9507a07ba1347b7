package compactor

import (
	"context"
	"maps"
	"slices"
	"strings"

	"connectrpc.com/connect"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func partitionProto(values map[string]*string) (out []*firnv1.PartitionField) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		out = append(out, &firnv1.PartitionField{Name: name, Value: values[name]})
	}
	return out
}

func partitionValues(fields []*firnv1.PartitionField) map[string]*string {
	out := map[string]*string{}
	for _, f := range fields {
		out[f.GetName()] = f.Value
	}
	return out
}

// GetHotPartitions answers what there is to say of hot partitions.
func (h handler) GetHotPartitions(ctx context.Context, req *connect.Request[firnv1.GetHotPartitionsRequest]) (*connect.Response[firnv1.GetHotPartitionsResponse], error) {
	hot, err := h.s.HotPartitions(ctx, ident(req.Msg.GetTable()))
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.GetHotPartitionsResponse{
		Partitions: uint64(hot.Distribution.Partitions), Skew: hot.Skew, Gini: hot.Gini, Coarsen: rungProto(hot.Coarsen),
	}
	for _, p := range hot.Partitions {
		m := &firnv1.HotPartition{
			Partition: partitionProto(p.Values), Files: uint64(max(p.Files, 0)), Bytes: uint64(max(p.Bytes, 0)), Share: p.Share, Ratio: p.Ratio,
			CommitShare: p.CommitShare, ReadShare: p.ReadShare, ConflictShare: p.ConflictShare,
			AddedPerMinute: p.Added, JoinedPerMinute: p.Joined, Active: p.Active, Signals: signalsProto(p.Signals), Lookups: lookupsProto(p.Lookups),
		}
		for _, r := range p.Ladder {
			m.Ladder = append(m.Ladder, rungProto(r))
		}
		out.Hot = append(out.Hot, m)
	}
	for _, f := range hot.Fixes {
		fix := &firnv1.HotFix{
			Id: f.ID, At: stamp(f.At), JobId: f.JobID, Step: string(f.Step), Detail: f.Detail, Partition: partitionProto(f.Values),
			Signals: signalsProto(f.Signals), Before: measureProto(f.Before), Text: fixText(f),
		}
		if f.After != nil {
			fix.After = measureProto(*f.After)
		}
		out.Fixes = append(out.Fixes, fix)
	}
	return connect.NewResponse(out), nil
}

func rungProto(r plan.Rung) *firnv1.LadderRung {
	return &firnv1.LadderRung{Step: string(r.Step), State: string(r.State), Reason: r.Reason}
}

func signalsProto(signals []plan.Signal) (out []*firnv1.HotSignal) {
	for _, s := range signals {
		out = append(out, &firnv1.HotSignal{Code: s.Code, Message: s.Message})
	}
	return out
}

func lookupsProto(lookups []rewrite.Lookup) (out []*firnv1.LookupCost) {
	for _, l := range lookups {
		out = append(out, &firnv1.LookupCost{Column: l.Column, Lookups: uint64(l.Lookups), Files: l.Files, Bytes: l.Bytes})
	}
	return out
}

func measureProto(m Measure) *firnv1.HotMeasure {
	out := &firnv1.HotMeasure{
		At: stamp(m.At), SnapshotId: m.SnapshotID, Files: uint64(m.Files), Bytes: uint64(m.Bytes), Rows: uint64(m.Rows),
		Lookups: lookupsProto(m.Lookups), Skew: m.Skew, Gini: m.Gini, Commits: uint64(m.Commits),
	}
	if m.Commits > 0 {
		out.CommitP50, out.CommitP95 = durationpb.New(m.CommitP50), durationpb.New(m.CommitP95)
	}
	return out
}

// planRebalance says what a rebalance would do now.
func (s *Service) planRebalance(ctx context.Context, id uuid.UUID) (groups []*firnv1.PlannedGroup, whyNot string, err error) {
	v, err := s.viewHot(ctx, id)
	if err != nil {
		return nil, "", err
	}
	looked := map[string]bool{}
	var left []string
	for range cooled {
		r, why, err := v.choose("", "", looked)
		if err != nil {
			return nil, "", err
		}
		left = why
		if r == nil {
			break
		}
		looked[r.hot.Key] = true
		g := &firnv1.PlannedGroup{Tier: string(r.step), Partition: partitionProto(r.hot.Values), Files: uint64(max(r.hot.Files, 0)), Bytes: uint64(max(r.hot.Bytes, 0))}
		if r.step == plan.StepCoarsen {
			g.Reason = v.coarsen.Reason
			for _, f := range v.scan.Files {
				g.Files++
				g.Bytes += uint64(f.Data.FileSizeBytes())
			}
		}
		for _, h := range v.hot {
			if h.Key == r.hot.Key && r.step != plan.StepCoarsen {
				g.Reason = HotPartition{Ladder: h.rungs}.Rung(r.step).Reason
			}
		}
		groups = append(groups, g)
	}
	return groups, strings.Join(left, "; "), nil
}
