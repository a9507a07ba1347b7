package compactor

import (
	"context"
	"maps"
	"slices"

	"connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func target(r *firnv1.TableRef) Target {
	if r.GetName() == "" {
		return Target{Namespace: catalog.Namespace(r.GetNamespace())}
	}
	return Target{Table: ident(r)}
}

func settingsProto(e plan.Effective) []*firnv1.PolicySetting {
	var out []*firnv1.PolicySetting
	for _, x := range e.Settings {
		out = append(out, &firnv1.PolicySetting{Key: x.Key, Value: x.Value, Origin: x.Origin, Problem: x.Problem})
	}
	return out
}

// GetPolicy answers what holds for a target.
func (h handler) GetPolicy(ctx context.Context, req *connect.Request[firnv1.GetPolicyRequest]) (*connect.Response[firnv1.GetPolicyResponse], error) {
	e, err := h.s.EffectivePolicy(ctx, target(req.Msg.GetOf()))
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	out := &firnv1.GetPolicyResponse{Settings: settingsProto(e)}
	active, err := h.s.queue.Active(ctx)
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	accounts := map[string]plan.Account{}
	h.s.accounts(ctx, e.Bounds, activeByScope(active), accounts)
	for _, b := range e.Bounds {
		for _, l := range accounts[b.Scope].Lines(h.s.cfg.Now()) {
			out.Limits = append(out.Limits, &firnv1.PolicyLimit{Key: l.Key, Origin: b.Origin, Limit: uint64(l.Limit), Used: uint64(l.Used), Frees: stamp(l.Frees)})
		}
	}
	return connect.NewResponse(out), nil
}

// SetPolicy changes one level.
func (h handler) SetPolicy(ctx context.Context, req *connect.Request[firnv1.SetPolicyRequest]) (*connect.Response[firnv1.SetPolicyResponse], error) {
	of := target(req.Msg.GetOf())
	if err := h.s.SetPolicy(ctx, of, req.Msg.GetSet(), slices.Sorted(slices.Values(req.Msg.GetUnset()))); err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	e, err := h.s.EffectivePolicy(ctx, of)
	if err != nil {
		return nil, h.s.rpcError(ctx, err)
	}
	changed := maps.Clone(req.Msg.GetSet())
	if changed == nil {
		changed = map[string]string{}
	}
	for _, k := range req.Msg.GetUnset() {
		changed[k] = ""
	}
	e.Settings = slices.DeleteFunc(e.Settings, func(x plan.Setting) bool { _, ok := changed[x.Key]; return !ok })
	return connect.NewResponse(&firnv1.SetPolicyResponse{Settings: settingsProto(e)}), nil
}
