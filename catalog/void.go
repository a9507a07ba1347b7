package catalog

import (
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// apply applies one update to a table whose schemas so far are these. A format
// v1 table keeps the places of its partition fields for good: when an engine
// replaces its schema, fields of columns that are gone stay as void ones. The
// builder binds every field to the current schema, so such a spec is added under
// an older one, which still has the columns.
func apply(b *table.MetadataBuilder, u table.Update, schemas []*iceberg.Schema) error {
	err := u.Apply(b)
	if err == nil || u.Action() != table.UpdateAddSpec {
		return err
	}
	added, wireErr := wire[struct {
		Spec struct {
			Fields []struct {
				Source    int    `json:"source-id"`
				Transform string `json:"transform"`
			} `json:"fields"`
		} `json:"spec"`
	}](u)
	current := b.CurrentSchema()
	if wireErr != nil || current == nil {
		return err
	}
	var gone, needed []int
	for _, f := range added.Spec.Fields {
		needed = append(needed, f.Source)
		if _, ok := current.FindFieldByID(f.Source); !ok {
			if f.Transform != "void" {
				return err
			}
			gone = append(gone, f.Source)
		}
	}
	has := func(s *iceberg.Schema) bool {
		return !slices.ContainsFunc(needed, func(id int) bool {
			_, ok := s.FindFieldByID(id)
			return !ok
		})
	}
	at := slices.IndexFunc(schemas, has)
	if len(gone) == 0 || at < 0 || b.SetCurrentSchemaID(schemas[at].ID) != nil {
		return err
	}
	err = u.Apply(b)
	if back := b.SetCurrentSchemaID(current.ID); err == nil {
		err = back
	}
	return err
}
