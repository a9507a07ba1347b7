package rest

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog"
)

type listAnswer struct {
	Identifiers []identifier `json:"identifiers"`
	Next        *string      `json:"next-page-token"`
}

func listIdents(w http.ResponseWriter, r *request, all []catalog.Ident) error {
	slices.SortFunc(all, func(a, b catalog.Ident) int { return cmp.Compare(a.Name, b.Name) })
	list, next, err := page(r.URL.Query(), all, func(id catalog.Ident) string { return id.Name })
	if err != nil {
		return err
	}
	return writeJSON(w, r.Request, listAnswer{identifiers(list), pageToken(next)})
}

// createTableBody leaves source ids unbound: they are placeholders of the schema
// beside them, under whatever numbers the client chose.
type createTableBody struct {
	Name       string                        `json:"name"`
	Location   string                        `json:"location"`
	Schema     *iceberg.Schema               `json:"schema"`
	Spec       *iceberg.UnboundPartitionSpec `json:"partition-spec"`
	Order      *table.UnboundSortOrder       `json:"write-order"`
	Stage      bool                          `json:"stage-create"`
	Properties iceberg.Properties            `json:"properties"`
}

func (s *Server) createTable(w http.ResponseWriter, r *request) error {
	ns, err := r.namespace()
	if err != nil {
		return err
	}
	var body createTableBody
	if err := decode(r.body, &body); err != nil {
		return err
	}
	if body.Schema == nil {
		return badRequest("a table needs a schema")
	}
	n := catalog.NewTable{
		Ident:      catalog.Ident{Namespace: ns, Name: body.Name},
		Schema:     body.Schema,
		Properties: body.Properties,
		Location:   body.Location,
		Stage:      body.Stage,
		SortOrder:  table.UnsortedSortOrder,
	}
	if err := n.Ident.Validate(); err != nil {
		return err
	}
	if body.Spec != nil {
		if err := checkSpec(body.Schema, &body.Spec.PartitionSpec); err != nil {
			return err
		}
		n.Spec = &body.Spec.PartitionSpec
	}
	if body.Order != nil {
		n.SortOrder = body.Order.SortOrder
	}
	t, err := s.cat.CreateTable(r.Context(), n)
	if err != nil {
		return err
	}
	location := t.MetadataLocation
	if body.Stage {
		location = "" // nothing is written yet
	}
	return s.load.write(w, r, location, t.JSON, allSnapshots)
}

// checkSpec refuses transforms that no reader could evaluate: iceberg-go keeps
// unknown ones for the sake of reading, and checks no types.
func checkSpec(schema *iceberg.Schema, spec *iceberg.PartitionSpec) error {
	for _, field := range spec.Fields() {
		if _, unknown := field.Transform.(iceberg.UnknownTransform); unknown {
			return badRequest("partition field %q has the transform %q, which this server does not know", field.Name, field.Transform)
		}
		source, ok := schema.FindFieldByID(field.SourceID())
		if !ok {
			return badRequest("partition field %q is made from column %d, which the schema does not have", field.Name, field.SourceID())
		}
		if !field.Transform.CanTransform(source.Type) {
			return badRequest("partition field %q: %s does not work on column %q of type %s", field.Name, field.Transform, source.Name, source.Type)
		}
	}
	return nil
}

func (s *Server) registerTable(w http.ResponseWriter, r *request) error {
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
	t, err := s.cat.RegisterTable(r.Context(), id, body.Location, body.Overwrite)
	if err != nil {
		return err
	}
	return s.load.write(w, r, t.MetadataLocation, t.JSON, allSnapshots)
}

type registerBody struct {
	Name      string `json:"name"`
	Location  string `json:"metadata-location"`
	Overwrite bool   `json:"overwrite"`
}

func decodeRegister(r *request) (registerBody, error) {
	var body registerBody
	if err := decode(r.body, &body); err != nil {
		return body, err
	}
	if body.Location == "" {
		return body, badRequest("metadata-location is missing; name the metadata file to register")
	}
	return body, nil
}

func (s *Server) dropTable(w http.ResponseWriter, r *request) error {
	id, err := r.ident()
	if err != nil {
		return err
	}
	purge := false
	if text := r.URL.Query().Get("purgeRequested"); text != "" {
		if purge, err = strconv.ParseBool(text); err != nil {
			return badRequest("purgeRequested=%q is neither true nor false", text)
		}
	}
	if err := s.cat.DropTable(r.Context(), id, purge); err != nil {
		return err
	}
	return noContent(w)
}
