package medallion

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Column of a source, a model or a side table. Type is Iceberg's name of it:
// long, decimal(12, 3), timestamp.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"`
	Required bool   `json:"required,omitempty"`
}

const typeHelp = "types are boolean, int, long, float, double, decimal(p,s), date, time, timestamp, timestamptz, string, uuid, binary, each with or without \"not null\""

var decimalType = regexp.MustCompile(`^decimal\(\s*(\d+)\s*,\s*(\d+)\s*\)$`)

// icebergType answers the type of a name.
func icebergType(name string) (iceberg.Type, error) {
	switch name {
	case "boolean":
		return iceberg.PrimitiveTypes.Bool, nil
	case "int":
		return iceberg.PrimitiveTypes.Int32, nil
	case "long":
		return iceberg.PrimitiveTypes.Int64, nil
	case "float":
		return iceberg.PrimitiveTypes.Float32, nil
	case "double":
		return iceberg.PrimitiveTypes.Float64, nil
	case "date":
		return iceberg.PrimitiveTypes.Date, nil
	case "time":
		return iceberg.PrimitiveTypes.Time, nil
	case "timestamp":
		return iceberg.PrimitiveTypes.Timestamp, nil
	case "timestamptz":
		return iceberg.PrimitiveTypes.TimestampTz, nil
	case "string":
		return iceberg.PrimitiveTypes.String, nil
	case "uuid":
		return iceberg.PrimitiveTypes.UUID, nil
	case "binary":
		return iceberg.PrimitiveTypes.Binary, nil
	}
	if m := decimalType.FindStringSubmatch(name); m != nil {
		p, _ := strconv.Atoi(m[1])
		s, _ := strconv.Atoi(m[2])
		if p < 1 || p > 38 || s > p {
			return nil, fmt.Errorf("decimal(%d,%d): the precision is 1 to 38 and the scale at most that", p, s)
		}
		return iceberg.DecimalTypeOf(p, s), nil
	}
	return nil, fmt.Errorf("type %q is unknown", name)
}

// parseColumn reads "long not null".
func parseColumn(name, text string) (Column, error) {
	if name == "" || strings.ContainsAny(name, "\"\x00`") {
		return Column{}, fmt.Errorf("%q is no name of a column", name)
	}
	typ, required := strings.CutSuffix(strings.TrimSpace(text), "not null")
	typ = strings.TrimSpace(typ)
	_, err := icebergType(typ)
	return Column{Name: name, Type: typ, Required: required}, err
}

// duckType answers DuckDB's name of a column's type.
func (c Column) duckType() string {
	switch c.Type {
	case "int":
		return "INTEGER"
	case "long":
		return "BIGINT"
	case "string":
		return "VARCHAR"
	case "binary":
		return "BLOB"
	case "timestamptz":
		return "TIMESTAMPTZ"
	case reasonsType:
		return "VARCHAR[]"
	}
	return strings.ToUpper(c.Type)
}

// reasonsType is the one nested type, of the column _reasons.
const reasonsType = "list<string>"

// columnOfDuck answers the column that a DuckDB type is stored as.
func columnOfDuck(name, duckType string) (Column, error) {
	c := Column{Name: name}
	switch t := strings.ToUpper(duckType); {
	case t == "BOOLEAN":
		c.Type = "boolean"
	case t == "TINYINT", t == "SMALLINT", t == "INTEGER", t == "UTINYINT", t == "USMALLINT":
		c.Type = "int"
	case t == "BIGINT", t == "UINTEGER":
		c.Type = "long"
	case t == "FLOAT":
		c.Type = "float"
	case t == "DOUBLE":
		c.Type = "double"
	case t == "DATE":
		c.Type = "date"
	case t == "TIME":
		c.Type = "time"
	case t == "TIMESTAMP", t == "TIMESTAMP_S", t == "TIMESTAMP_MS":
		c.Type = "timestamp"
	case t == "TIMESTAMP WITH TIME ZONE", t == "TIMESTAMPTZ":
		c.Type = "timestamptz"
	case t == "VARCHAR", t == "JSON":
		c.Type = "string"
	case t == "UUID":
		c.Type = "uuid"
	case t == "BLOB":
		c.Type = "binary"
	case strings.HasPrefix(t, "DECIMAL("):
		c.Type = strings.ToLower(strings.ReplaceAll(t, " ", ""))
	default:
		return c, fmt.Errorf("column %s has type %s, which a table cannot hold", name, duckType)
	}
	return c, nil
}

// schemaOf numbers the columns from 1.
func schemaOf(columns []Column) (*iceberg.Schema, error) {
	fields := make([]iceberg.NestedField, len(columns))
	next := len(columns) + 1
	for i, c := range columns {
		f := iceberg.NestedField{ID: i + 1, Name: c.Name, Required: c.Required}
		if c.Type == reasonsType {
			f.Type = &iceberg.ListType{ElementID: next, Element: iceberg.PrimitiveTypes.String, ElementRequired: false}
			next++
		} else {
			t, err := icebergType(c.Type)
			if err != nil {
				return nil, fmt.Errorf("column %s: %w", c.Name, err)
			}
			f.Type = t
		}
		fields[i] = f
	}
	return iceberg.NewSchema(0, fields...), nil
}

// layout is how a table lies on disk.
type layout struct {
	schema *iceberg.Schema
	spec   iceberg.PartitionSpec
	order  table.SortOrder
}

const layoutHelp = `partition by a column, or year(c), month(c), day(c), hour(c), bucket(n, c), truncate(n, c)`

var (
	transformCall  = regexp.MustCompile(`^(year|month|day|hour)\(\s*([^\s,()]+)\s*\)$`)
	transformArity = regexp.MustCompile(`^(bucket|truncate)\(\s*(\d+)\s*,\s*([^\s,()]+)\s*\)$`)
)

// tableLayout reads partition_by and sort_by.
func tableLayout(columns []Column, partitionBy, sortBy []string) (layout, error) {
	schema, err := schemaOf(columns)
	if err != nil {
		return layout{}, err
	}
	l := layout{schema: schema, spec: *iceberg.UnpartitionedSpec, order: table.UnsortedSortOrder}
	var fields []iceberg.PartitionField
	for i, text := range partitionBy {
		column, transform, suffix := text, iceberg.Transform(iceberg.IdentityTransform{}), ""
		if m := transformCall.FindStringSubmatch(text); m != nil {
			column, suffix = m[2], "_"+m[1]
			if transform, err = iceberg.ParseTransform(m[1]); err != nil {
				return l, err
			}
		} else if m := transformArity.FindStringSubmatch(text); m != nil {
			column, suffix = m[3], "_"+m[1]
			if m[1] == "truncate" {
				suffix = "_trunc"
			}
			if transform, err = iceberg.ParseTransform(m[1] + "[" + m[2] + "]"); err != nil {
				return l, err
			}
		}
		f, ok := schema.FindFieldByName(column)
		if !ok {
			return l, fmt.Errorf("partition_by %q: there is no column %q", text, column)
		}
		if !transform.CanTransform(f.Type) {
			return l, fmt.Errorf("partition_by %q: %s does not apply to %s", text, transform, f.Type)
		}
		fields = append(fields, iceberg.PartitionField{SourceIDs: []int{f.ID}, FieldID: 1000 + i, Name: column + suffix, Transform: transform})
	}
	if len(fields) > 0 {
		l.spec = iceberg.NewPartitionSpec(fields...)
	}
	var order []table.SortField
	for _, text := range sortBy {
		column, desc := strings.CutSuffix(text, " desc")
		f, ok := schema.FindFieldByName(column)
		if !ok {
			return l, fmt.Errorf("sort_by %q: there is no column %q", text, column)
		}
		sf := table.SortField{SourceIDs: []int{f.ID}, Transform: iceberg.IdentityTransform{}, Direction: table.SortASC, NullOrder: table.NullsFirst}
		if desc {
			sf.Direction, sf.NullOrder = table.SortDESC, table.NullsLast
		}
		order = append(order, sf)
	}
	if len(order) > 0 {
		if l.order, err = table.NewSortOrder(table.InitialSortOrderID, order); err != nil {
			return l, err
		}
	}
	return l, nil
}

func columnNames(columns []Column) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = c.Name
	}
	return out
}

// findColumn finds a column as DuckDB would: exactly, else without regard to case.
func findColumn(columns []Column, name string) (int, bool) {
	if i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name }); i >= 0 {
		return i, true
	}
	i := slices.IndexFunc(columns, func(c Column) bool { return strings.EqualFold(c.Name, name) })
	return i, i >= 0
}

// side tables' own columns.

func quarantineColumns() []Column {
	return []Column{
		{Name: "_reasons", Type: reasonsType},
		{Name: "_source_table", Type: "string", Required: true},
		{Name: "_source_snapshot_id", Type: "long", Required: true},
		{Name: "_source_row_id", Type: "string", Required: true},
		{Name: "_run_id", Type: "string", Required: true},
		{Name: "_model_hash", Type: "string", Required: true},
		{Name: "_status", Type: "string", Required: true},
		{Name: "_lane", Type: "string"},
		{Name: "_payload", Type: "string", Required: true},
		{Name: "_quarantined_at", Type: "timestamptz", Required: true},
	}
}

func changeColumns(visible []Column) []Column {
	out := []Column{
		{Name: "_change", Type: "string", Required: true}, // before, after
		{Name: "_run_id", Type: "string", Required: true},
	}
	for _, c := range visible {
		c.Required = false
		out = append(out, c)
	}
	return out
}
