package rest

import (
	"context"
	"net/http"

	"github.com/firnlake/firn/catalog"
)

// handler serves one route.
type handler = func(*Server, http.ResponseWriter, *request) error

// Tables and views are names for different things, and the same where only the
// name matters.

// list answers the names in a namespace.
func list(of func(*catalog.Catalog, context.Context, catalog.Namespace) ([]catalog.Ident, error)) handler {
	return func(s *Server, w http.ResponseWriter, r *request) error {
		ns, err := r.namespace()
		if err != nil {
			return err
		}
		all, err := of(s.cat, r.Context(), ns)
		if err != nil {
			return err
		}
		return listIdents(w, r, all)
	}
}

// exists answers 204, or missing.
func exists(ask func(*catalog.Catalog, context.Context, catalog.Ident) (bool, error), missing error) handler {
	return func(s *Server, w http.ResponseWriter, r *request) error {
		id, err := r.ident()
		if err != nil {
			return err
		}
		ok, err := ask(s.cat, r.Context(), id)
		if err != nil {
			return err
		}
		if !ok {
			return missing
		}
		return noContent(w)
	}
}

// rename moves a name.
func rename(move func(c *catalog.Catalog, ctx context.Context, from, to catalog.Ident) error) handler {
	return func(s *Server, w http.ResponseWriter, r *request) error {
		var body struct {
			Source      *identifier `json:"source"`
			Destination *identifier `json:"destination"`
		}
		if err := decode(r.body, &body); err != nil {
			return err
		}
		if body.Source == nil || body.Destination == nil {
			return badRequest("a rename needs a source and a destination")
		}
		from, err := body.Source.ident()
		if err != nil {
			return err
		}
		to, err := body.Destination.ident()
		if err != nil {
			return err
		}
		if err := move(s.cat, r.Context(), from, to); err != nil {
			return err
		}
		return noContent(w)
	}
}

// checkNamed holds a body's identifier, which may be left out, against the path.
func checkNamed(what string, path catalog.Ident, body *identifier) error {
	if body == nil {
		return nil
	}
	named, err := body.ident()
	if err != nil {
		return err
	}
	if !named.Equal(path) {
		return badRequest("the path names %s %s and the body %s", what, path, named)
	}
	return nil
}
