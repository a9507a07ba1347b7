package rpc

import (
	"context"

	connectrpc "connectrpc.com/connect"

	"github.com/firnlake/firn/catalog"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// ListNamespaces lists below a parent, one level or all of them.
func (s *Service) ListNamespaces(ctx context.Context, req *connectrpc.Request[firnv1.ListNamespacesRequest]) (*connectrpc.Response[firnv1.ListNamespacesResponse], error) {
	parent := catalog.Namespace(req.Msg.GetParent())
	if len(parent) > 0 {
		if _, err := s.cat.LoadNamespace(ctx, parent); err != nil {
			return nil, s.fail(ctx, "list namespaces", err)
		}
	} else {
		parent = nil
	}
	var out []*firnv1.Namespace
	for level := []catalog.Namespace{parent}; len(level) > 0; {
		var below []catalog.Namespace
		for _, p := range level {
			children, err := s.cat.ListNamespaces(ctx, p)
			if err != nil {
				return nil, s.fail(ctx, "list namespaces", err)
			}
			below = append(below, children...)
		}
		for _, ns := range below {
			props, err := s.cat.LoadNamespace(ctx, ns)
			if err != nil {
				return nil, s.fail(ctx, "list namespaces", err)
			}
			out = append(out, &firnv1.Namespace{Levels: ns, Properties: props})
		}
		if !req.Msg.GetRecursive() {
			break
		}
		level = below
	}
	return connectrpc.NewResponse(&firnv1.ListNamespacesResponse{Namespaces: out}), nil
}

// CreateNamespace creates one namespace; its parent must exist.
func (s *Service) CreateNamespace(ctx context.Context, req *connectrpc.Request[firnv1.CreateNamespaceRequest]) (*connectrpc.Response[firnv1.CreateNamespaceResponse], error) {
	ns := req.Msg.GetNamespace()
	if err := s.cat.CreateNamespace(actor(ctx), ns.GetLevels(), ns.GetProperties()); err != nil {
		return nil, s.fail(ctx, "create namespace", err)
	}
	return connectrpc.NewResponse(&firnv1.CreateNamespaceResponse{}), nil
}

// DropNamespace drops an empty namespace.
func (s *Service) DropNamespace(ctx context.Context, req *connectrpc.Request[firnv1.DropNamespaceRequest]) (*connectrpc.Response[firnv1.DropNamespaceResponse], error) {
	if err := s.cat.DropNamespace(actor(ctx), req.Msg.GetLevels()); err != nil {
		return nil, s.fail(ctx, "drop namespace", err)
	}
	return connectrpc.NewResponse(&firnv1.DropNamespaceResponse{}), nil
}

// actor marks changes made through this service in the log and the audit.
func actor(ctx context.Context) context.Context { return catalog.WithActor(ctx, "catalog-rpc") }
