package lake

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
)

// Field ids that the specification reserves for row lineage.
const (
	rowIDField       = 2147483540
	lastUpdatedField = 2147483539
)

// column is a top-level column of a relation.
type column struct {
	id    int
	name  string
	typ   string  // DuckDB's
	deflt *string // of files that lack it, as text; nil for NULL
	plain bool    // its name may be used inside
	// unread says why values of its type are not read; nil when they are.
	unread error
}

// inner is the column inside the relation: by its name, so that plans can be
// read, or, where that could meet another name, by its field id.
func (c column) inner() string {
	if c.plain {
		return duck.QuoteName(c.name)
	}
	return fmt.Sprintf("f%d", c.id)
}

// innerText is inner as the text of an option.
func (c column) innerText() string {
	if c.plain {
		return c.name
	}
	return c.inner()
}

var byNumber = regexp.MustCompile(`^(?i:f[0-9]+)$`)

// markPlain marks the columns that go by their own name inside.
func markPlain(cols []column) {
	seen := map[string]int{}
	for _, c := range cols {
		seen[strings.ToLower(c.name)]++
	}
	for i, c := range cols {
		switch low := strings.ToLower(c.name); low {
		case "file_index", "file_row_number", "filename", "_i", "_p", "loc", "seq", "first_row_id", "scope", "rowid", "empty":
		default:
			cols[i].plain = plainName.MatchString(c.name) && !byNumber.MatchString(c.name) && seen[low] == 1
		}
	}
}

// newColumn maps a field, or says why it cannot be read.
func newColumn(f iceberg.NestedField) (column, error) {
	typ, err := duckType(f.Type)
	if err != nil {
		return column{}, fmt.Errorf("column %s: %w", f.Name, err)
	}
	c := column{id: f.ID, name: f.Name, typ: typ}
	if f.InitialDefault == nil {
		return c, nil
	}
	if _, nested := f.Type.(iceberg.NestedType); nested {
		_, err = defaultSQL(f) // is put in where a footer says that the column is absent
	} else {
		var text string
		text, err = valueText(f.Type, f.InitialDefault)
		c.deflt = &text
	}
	if err != nil {
		return column{}, fmt.Errorf("column %s: %w", f.Name, err)
	}
	return c, nil
}

// duckType is the type that carries an Iceberg type's values unchanged.
func duckType(t iceberg.Type) (string, error) {
	switch t := t.(type) {
	case iceberg.BooleanType:
		return "BOOLEAN", nil
	case iceberg.Int32Type:
		return "INTEGER", nil
	case iceberg.Int64Type:
		return "BIGINT", nil
	case iceberg.Float32Type:
		return "FLOAT", nil
	case iceberg.Float64Type:
		return "DOUBLE", nil
	case iceberg.DecimalType:
		return fmt.Sprintf("DECIMAL(%d,%d)", t.Precision(), t.Scale()), nil
	case iceberg.DateType:
		return "DATE", nil
	case iceberg.TimeType:
		return "TIME", nil
	case iceberg.TimestampType:
		return "TIMESTAMP", nil
	case iceberg.TimestampTzType:
		return "TIMESTAMPTZ", nil
	case iceberg.TimestampNsType:
		return "TIMESTAMP_NS", nil
	case iceberg.StringType:
		return "VARCHAR", nil
	case iceberg.UUIDType:
		return "UUID", nil
	case iceberg.BinaryType, iceberg.FixedType:
		return "BLOB", nil
	case iceberg.UnknownType:
		return "INTEGER", nil // always NULL
	case *iceberg.StructType:
		parts := make([]string, len(t.FieldList))
		for i, f := range t.FieldList {
			typ, err := duckType(f.Type)
			if err != nil {
				return "", fmt.Errorf("%s: %w", f.Name, err)
			}
			parts[i] = duck.QuoteName(f.Name) + " " + typ
		}
		if len(parts) == 0 {
			return "", fmt.Errorf("%w: DuckDB has no struct without fields", ErrUnsupported)
		}
		return "STRUCT(" + strings.Join(parts, ", ") + ")", nil
	case *iceberg.ListType:
		typ, err := duckType(t.Element)
		return typ + "[]", err
	case *iceberg.MapType:
		k, err := duckType(t.KeyType)
		if err != nil {
			return "", err
		}
		v, err := duckType(t.ValueType)
		return "MAP(" + k + ", " + v + ")", err
	}
	return "", fmt.Errorf("%w: DuckDB does not carry the type %s unchanged", ErrUnsupported, t)
}

// readParquet is the table function over files, with inner names. Columns are
// found by field id or, where names are given, by those; then every column needs
// one. rows is how many the files have: DuckDB does not look when it is told the
// columns, takes them for empty, and joins in a bad order.
func readParquet(paths []string, cols []column, names map[int]string, rows int64) string {
	var b strings.Builder
	b.WriteString("read_parquet(" + duck.QuoteList(paths) + ", hive_partitioning=false")
	if rows > 0 { // 0 would say nothing
		fmt.Fprintf(&b, ", explicit_cardinality=%d", rows)
	}
	b.WriteString(", schema=>MAP{")
	for i, c := range cols {
		if i > 0 {
			b.WriteString(", ")
		}
		key := fmt.Sprint(c.id)
		if names != nil {
			key = duck.Quote(names[c.id])
		}
		deflt := "NULL::VARCHAR"
		if c.deflt != nil {
			deflt = duck.Quote(*c.deflt)
		}
		fmt.Fprintf(&b, "%s: {name: %s, type: %s, default_value: %s}", key, duck.Quote(c.innerText()), duck.Quote(c.typ), deflt)
	}
	b.WriteString("})")
	return b.String()
}

// fieldByID finds a top-level field in the schema of a scan or, for equality
// deletes over columns that were dropped since, in an older one.
func (s *Scan) fieldByID(id int) (iceberg.NestedField, bool) {
	for _, f := range s.Schema.Fields() {
		if f.ID == id {
			return f, true
		}
	}
	if s.meta != nil {
		for _, schema := range s.meta.Schemas() {
			for _, f := range schema.Fields() {
				if f.ID == id {
					return f, true
				}
			}
		}
	}
	return iceberg.NestedField{}, false
}
