package rest

import (
	"net/http"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/view"

	"github.com/firnlake/firn/catalog"
)

// writeView answers a LoadViewResult. A view's config is empty: it is text, and
// the tables it reads are loaded by their own names.
func writeView(w http.ResponseWriter, r *request, v *catalog.View) error {
	return writeJSON(w, r.Request, struct {
		Location string            `json:"metadata-location"`
		Metadata rawJSON           `json:"metadata"`
		Config   map[string]string `json:"config"`
	}{v.MetadataLocation, v.JSON, map[string]string{}})
}

// rawJSON is bytes that are JSON already.
type rawJSON []byte

func (j rawJSON) MarshalJSON() ([]byte, error) { return j, nil }

func (s *Server) createView(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	var body struct {
		Name       string             `json:"name"`
		Location   string             `json:"location"`
		Schema     *iceberg.Schema    `json:"schema"`
		Version    *view.Version      `json:"view-version"`
		Properties iceberg.Properties `json:"properties"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if body.Schema == nil || body.Version == nil {
		return badRequest("a view needs a schema and a view-version")
	}
	id, err := identifier{ns, body.Name}.ident()
	if err != nil {
		return err
	}
	v, err := s.cat.CreateView(r.Context(), catalog.NewView{
		Ident: id, Schema: body.Schema, Version: body.Version, Properties: body.Properties, Location: body.Location,
	})
	if err != nil {
		return err
	}
	return writeView(w, r, v)
}

func (s *Server) registerView(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	body, err := decodeRegister(r)
	if err != nil {
		return err
	}
	id, err := identifier{ns, body.Name}.ident()
	if err != nil {
		return err
	}
	v, err := s.cat.RegisterView(r.Context(), id, body.Location)
	if err != nil {
		return err
	}
	return writeView(w, r, v)
}

func (s *Server) loadView(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	v, err := s.cat.LoadView(r.Context(), id)
	if err != nil {
		return err
	}
	return writeView(w, r, v)
}

func (s *Server) replaceView(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	var body struct {
		Identifier   *identifier       `json:"identifier"`
		Requirements view.Requirements `json:"requirements"`
		Updates      view.Updates      `json:"updates"`
	}
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if err := checkNamed("view", id, body.Identifier); err != nil {
		return err
	}
	v, err := s.cat.ReplaceView(r.Context(), id, body.Requirements, body.Updates)
	if err != nil {
		return err
	}
	return writeView(w, r, v)
}

func (s *Server) dropView(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	if err := s.cat.DropView(r.Context(), id); err != nil {
		return err
	}
	return noContent(w)
}
