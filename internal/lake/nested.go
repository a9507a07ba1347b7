package lake

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/apache/arrow-go/v18/parquet/file"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
)

// DuckDB finds top-level columns by field id, but the fields inside a struct by
// name. That is the same as long as no inner field was ever renamed, no inner
// name given to another field, and no inner name has characters that Iceberg's
// writers escape ("x y" is written as x_x20y). Otherwise, and where files were
// imported without field ids, the footers tell what each file calls them: files
// are grouped by that, and a struct is rebuilt by field id.

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// namesDiffer says whether files may call the insides of a nested column by
// other names than the schema, or other fields by the same.
func namesDiffer(f iceberg.NestedField, schemas []*iceberg.Schema) bool {
	if _, ok := f.Type.(iceberg.NestedType); !ok {
		return false
	}
	names, ids := map[int]string{}, map[string]int{}
	innerNames(f.Type, "", names)
	for id, path := range names {
		ids[path] = id
		if !plainName.MatchString(path[strings.LastIndexByte(path, 0)+1:]) {
			return true
		}
	}
	for _, s := range schemas {
		for _, old := range s.Fields() {
			if old.ID != f.ID {
				continue
			}
			was := map[int]string{}
			innerNames(old.Type, "", was)
			for id, path := range was {
				if now, ok := names[id]; ok && now != path {
					return true
				}
				if other, ok := ids[path]; ok && other != id {
					return true
				}
			}
		}
	}
	return false
}

func innerNames(t iceberg.Type, path string, into map[int]string) {
	nested, ok := t.(iceberg.NestedType)
	if !ok {
		return
	}
	for _, f := range nested.Fields() {
		p := path + "\x00" + f.Name
		into[f.ID] = p
		innerNames(f.Type, p, into)
	}
}

// fileColumns is what a data file calls the columns of a relation.
type fileColumns struct {
	ids    bool                 // the file has field ids
	nested map[int]iceberg.Type // the file's own type of nested columns, by field id
}

// key tells groups of files apart that are read alike.
func (c fileColumns) key(cols []column) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%t", c.ids)
	for _, col := range cols {
		if t, ok := c.nested[col.id]; ok {
			fmt.Fprintf(&b, "|%d=%s", col.id, t)
		}
	}
	return b.String()
}

// readFooter answers what a file calls its columns.
func readFooter(path string, fields []iceberg.NestedField) (fileColumns, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return fileColumns{}, fmt.Errorf("read footer: %w", err)
	}
	defer r.Close()
	root := r.MetaData().Schema.Root()
	out := fileColumns{nested: map[int]iceberg.Type{}}
	for i := range root.NumFields() {
		node := root.Field(i)
		if node.FieldID() < 0 {
			continue
		}
		out.ids = true
		for _, f := range fields {
			if _, ok := f.Type.(iceberg.NestedType); ok && f.ID == int(node.FieldID()) {
				out.nested[f.ID] = asWritten(f.Type, node)
			}
		}
	}
	return out, nil
}

// asWritten is a type with the names that a file gives to its fields, without
// the fields that the file lacks. The widths are the table's: DuckDB casts.
func asWritten(t iceberg.Type, node pqschema.Node) iceberg.Type {
	group, ok := node.(*pqschema.GroupNode)
	if !ok {
		return t
	}
	switch t := t.(type) {
	case *iceberg.StructType:
		var fields []iceberg.NestedField
		for i := range group.NumFields() {
			child := group.Field(i)
			for _, f := range t.FieldList {
				if f.ID == int(child.FieldID()) {
					f.Name, f.Type = child.Name(), asWritten(f.Type, child)
					fields = append(fields, f)
				}
			}
		}
		return &iceberg.StructType{FieldList: fields}
	case *iceberg.ListType:
		// list of three levels: repeated group, element
		if group.NumFields() == 1 {
			if inner, ok := group.Field(0).(*pqschema.GroupNode); ok && inner.NumFields() == 1 {
				return &iceberg.ListType{ElementID: t.ElementID, Element: asWritten(t.Element, inner.Field(0)), ElementRequired: t.ElementRequired}
			}
		}
	case *iceberg.MapType:
		if group.NumFields() == 1 {
			if inner, ok := group.Field(0).(*pqschema.GroupNode); ok && inner.NumFields() == 2 {
				return &iceberg.MapType{
					KeyID: t.KeyID, KeyType: asWritten(t.KeyType, inner.Field(0)),
					ValueID: t.ValueID, ValueType: asWritten(t.ValueType, inner.Field(1)), ValueRequired: t.ValueRequired,
				}
			}
		}
	}
	return t
}

// convert is an expression of type to, made of one of type from, field by field
// id. depth names the parameters of nested lambdas.
func convert(expr string, from, to iceberg.Type, depth int) (string, error) {
	if from.Equals(to) {
		return expr, nil
	}
	x := fmt.Sprintf("x%d", depth)
	switch to := to.(type) {
	case *iceberg.StructType:
		src, ok := from.(*iceberg.StructType)
		if !ok {
			break
		}
		parts := make([]string, len(to.FieldList))
		for i, f := range to.FieldList {
			typ, err := duckType(f.Type)
			if err != nil {
				return "", err
			}
			value := "NULL::" + typ
			for _, s := range src.FieldList {
				if s.ID == f.ID {
					if value, err = convert("("+expr+")."+duck.QuoteName(s.Name), s.Type, f.Type, depth); err != nil {
						return "", err
					}
				}
			}
			parts[i] = duck.QuoteName(f.Name) + " := " + value
		}
		return "CASE WHEN (" + expr + ") IS NULL THEN NULL ELSE struct_pack(" + strings.Join(parts, ", ") + ") END", nil
	case *iceberg.ListType:
		src, ok := from.(*iceberg.ListType)
		if !ok {
			break
		}
		inner, err := convert(x, src.Element, to.Element, depth+1)
		return "list_transform(" + expr + ", lambda " + x + ": " + inner + ")", err
	case *iceberg.MapType:
		src, ok := from.(*iceberg.MapType)
		if !ok {
			break
		}
		k, err := convert(x+".key", src.KeyType, to.KeyType, depth+1)
		if err != nil {
			return "", err
		}
		v, err := convert(x+".value", src.ValueType, to.ValueType, depth+1)
		return "map_from_entries(list_transform(map_entries(" + expr + "), lambda " + x + ": {'k': " + k + ", 'v': " + v + "}))", err
	}
	return expr, nil
}
