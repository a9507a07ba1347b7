package ddl

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// firstPartitionID is where Iceberg numbers partition fields from.
const firstPartitionID = 1000

// Spec reads partition fields over the columns of a schema. No fields make the
// unpartitioned spec.
func Spec(schema *iceberg.Schema, fields []string) (*iceberg.PartitionSpec, error) {
	if len(fields) == 0 {
		return iceberg.UnpartitionedSpec, nil
	}
	names := make(map[string]bool, len(fields))
	out := make([]iceberg.PartitionField, len(fields))
	for i, text := range fields {
		column, transform, err := parseTransform(schema, text)
		if err != nil {
			return nil, fmt.Errorf("partition field %q: %w", text, err)
		}
		name := fieldName(column.Name, transform)
		if names[name] {
			return nil, invalid("partition field %q stands twice", text)
		}
		names[name] = true
		out[i] = iceberg.PartitionField{SourceIDs: []int{column.ID}, FieldID: firstPartitionID + i, Name: name, Transform: transform}
	}
	spec := iceberg.NewPartitionSpec(out...)
	return &spec, nil
}

// fieldName is the name engines give: ts_day, id_bucket, and the column's own
// name for identity.
func fieldName(column string, t iceberg.Transform) string {
	switch t := t.(type) {
	case iceberg.IdentityTransform:
		return column
	case iceberg.BucketTransform:
		return column + "_bucket"
	case iceberg.TruncateTransform:
		return column + "_trunc"
	default:
		return column + "_" + t.String()
	}
}

// parseTransform reads `column`, `transform(column)` and `transform(n, column)`.
func parseTransform(schema *iceberg.Schema, text string) (iceberg.NestedField, iceberg.Transform, error) {
	name, args, err := call(text)
	if err != nil {
		return iceberg.NestedField{}, nil, err
	}
	transform, source := iceberg.Transform(iceberg.IdentityTransform{}), name
	if args != nil {
		transform, source, err = parseCall(strings.ToLower(name), args)
		if err != nil {
			return iceberg.NestedField{}, nil, err
		}
	}
	source = unquote(source)
	column, ok := schema.FindFieldByName(source)
	if !ok {
		return iceberg.NestedField{}, nil, invalid("there is no column %q; the columns are %s", source, columnNames(schema))
	}
	column.Name = source
	if !transform.CanTransform(column.Type) {
		return iceberg.NestedField{}, nil, invalid("%s does not work on column %q of type %s", transform, source, column.Type)
	}
	return column, transform, nil
}

func parseCall(name string, args []string) (iceberg.Transform, string, error) {
	switch name {
	case "bucket", "truncate":
		if len(args) != 2 {
			return nil, "", invalid("%s takes a number and a column: %s(16, id)", name, name)
		}
		number, column := args[0], args[1]
		n, err := strconv.Atoi(number)
		if err != nil { // Spark and Trino disagree about the order
			n, err = strconv.Atoi(column)
			column = number
		}
		if err != nil || n < 1 {
			return nil, "", invalid("%s takes a positive number and a column: %s(16, id)", name, name)
		}
		if name == "bucket" {
			return iceberg.BucketTransform{NumBuckets: n}, column, nil
		}
		return iceberg.TruncateTransform{Width: n}, column, nil
	}
	if len(args) != 1 || args[0] == "" {
		return nil, "", invalid("%s takes one column: %s(ts)", name, name)
	}
	name = strings.TrimSuffix(name, "s") // Spark's days(ts)
	switch name {
	case "identity", "year", "month", "day", "hour":
		t, err := iceberg.ParseTransform(name)
		return t, args[0], err
	}
	return nil, "", invalid("unknown transform %q; there are identity, year, month, day, hour, bucket(n, c) and truncate(n, c)", name)
}

// Sort reads sort fields: a partition field form with `asc` or `desc` and
// `nulls first` or `nulls last` after it. No fields make the unsorted order.
func Sort(schema *iceberg.Schema, fields []string) (table.SortOrder, error) {
	if len(fields) == 0 {
		return table.UnsortedSortOrder, nil
	}
	out := make([]table.SortField, len(fields))
	for i, text := range fields {
		field := table.SortField{Direction: table.SortASC}
		rest := strings.TrimSpace(text)
		rest, field.NullOrder = cutNulls(rest)
		switch lower := strings.ToLower(rest); {
		case strings.HasSuffix(lower, " desc"):
			field.Direction, rest = table.SortDESC, rest[:len(rest)-len(" desc")]
		case strings.HasSuffix(lower, " asc"):
			rest = rest[:len(rest)-len(" asc")]
		}
		if field.NullOrder == "" {
			field.NullOrder = table.NullsFirst
			if field.Direction == table.SortDESC {
				field.NullOrder = table.NullsLast
			}
		}
		column, transform, err := parseTransform(schema, rest)
		if err != nil {
			return table.SortOrder{}, fmt.Errorf("sort field %q: %w", text, err)
		}
		field.SourceIDs, field.Transform = []int{column.ID}, transform
		out[i] = field
	}
	order, err := table.NewSortOrder(1, out)
	if err != nil {
		return table.SortOrder{}, invalid("sort order: %v", err)
	}
	return order, nil
}

func cutNulls(text string) (string, table.NullOrder) {
	lower := strings.ToLower(text)
	for suffix, order := range map[string]table.NullOrder{" nulls first": table.NullsFirst, " nulls last": table.NullsLast} {
		if strings.HasSuffix(lower, suffix) {
			return strings.TrimSpace(text[:len(text)-len(suffix)]), order
		}
	}
	return text, ""
}

func columnNames(schema *iceberg.Schema) string {
	names := make([]string, 0, schema.NumFields())
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	return strings.Join(names, ", ")
}
