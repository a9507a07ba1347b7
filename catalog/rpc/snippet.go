package rpc

import (
	"context"
	"slices"
	"strings"

	connectrpc "connectrpc.com/connect"

	"github.com/firnlake/firn/catalog/connect"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// GetConnect writes the text that connects an engine; for a table that exists,
// or for the whole catalog when none is named.
func (s *Service) GetConnect(ctx context.Context, req *connectrpc.Request[firnv1.GetConnectRequest]) (*connectrpc.Response[firnv1.GetConnectResponse], error) {
	snippet, err := s.snippet(ctx, req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "connect", err)
	}
	return connectrpc.NewResponse(&firnv1.GetConnectResponse{Text: snippet.Text, Language: snippet.Language}), nil
}

func (s *Service) snippet(ctx context.Context, msg *firnv1.GetConnectRequest) (connect.Snippet, error) {
	if !slices.Contains(connect.Engines(), msg.GetEngine()) {
		return connect.Snippet{}, &userError{
			code: connectrpc.CodeInvalidArgument, what: "no snippet for engine " + visible(msg.GetEngine()),
			why: "there are snippets for " + strings.Join(connect.Engines(), ", "), do: "name one of them with --engine",
		}
	}
	target := s.connect
	if msg.GetTable() != nil {
		t, err := s.load(ctx, msg.GetTable())
		if err != nil {
			return connect.Snippet{}, err
		}
		target.Namespace, target.Table = t.Ident.Namespace, t.Ident.Name
	}
	return connect.For(msg.GetEngine(), target)
}
