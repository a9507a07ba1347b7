package catalog

import (
	"fmt"
	"slices"

	"github.com/apache/iceberg-go"
)

// checkColumns refuses schemas with names that are none: they come back in
// statements, errors and files. Schemas that the table has already stay.
func checkColumns(schemas []*iceberg.Schema, known ...*iceberg.Schema) error {
	for _, schema := range schemas {
		if slices.ContainsFunc(known, func(k *iceberg.Schema) bool { return k.Equals(schema) }) {
			continue
		}
		fields, err := schema.FlatFields()
		if err != nil {
			return fmt.Errorf("%w: schema: %w", ErrInvalid, err)
		}
		for f := range fields {
			if err := validateName("column name", f.Name); err != nil {
				return err
			}
		}
	}
	return nil
}
