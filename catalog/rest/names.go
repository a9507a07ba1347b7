package rest

import (
	"strings"

	"github.com/firnlake/firn/catalog"
)

// separator stands between the levels of a namespace in a path and a query.
const separator = "\x1f"

// identifier is a table or view name in a body.
type identifier struct {
	Namespace []string `json:"namespace"`
	Name      string   `json:"name"`
}

func (i identifier) ident() (catalog.Ident, error) {
	id := catalog.Ident{Namespace: i.Namespace, Name: i.Name}
	return id, id.Validate()
}

func identifiers(list []catalog.Ident) []identifier {
	out := make([]identifier, len(list))
	for i, id := range list {
		out[i] = identifier{id.Namespace, id.Name}
	}
	return out
}

func splitNamespace(text string) (catalog.Namespace, error) {
	ns := catalog.Namespace(strings.Split(text, separator))
	return ns, ns.Validate()
}

// namespace is the namespace in the path.
func (r *request) namespace() (catalog.Namespace, error) {
	return splitNamespace(r.vars["namespace"])
}

// ident is the table or view in the path.
func (r *request) ident() (catalog.Ident, error) {
	ns, err := r.namespace()
	if err != nil {
		return catalog.Ident{}, err
	}
	name := r.vars["table"]
	if v, ok := r.vars["view"]; ok {
		name = v
	}
	id := catalog.Ident{Namespace: ns, Name: name}
	return id, id.Validate()
}
