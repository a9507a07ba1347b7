package lake

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
)

// DuckDB finds top-level columns by field id, but the fields inside a struct by
// name. That is the same as long as no inner field was ever renamed, no inner
// name given to another field, and no inner name has characters that Iceberg's
// writers escape ("x y" is written as x_x20y), and what a file lacks is NULL.
// Otherwise the footers tell what each file calls them: files are grouped by
// that, and a struct is rebuilt by field id.

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// insidesDiffer says whether files may call the insides of a nested column by
// other names than the schema, or other fields by the same, or lack some that
// have a default.
func insidesDiffer(f iceberg.NestedField, schemas []*iceberg.Schema) bool {
	if _, ok := f.Type.(iceberg.NestedType); !ok {
		return false
	}
	if f.InitialDefault != nil || hasDefault(f.Type) {
		return true
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
			if nothingLeft(old.Type, f.Type) {
				return true
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

// nothingLeft says whether a struct inside of a column has none of the fields
// that it had: DuckDB finds nothing by name then, and refuses the cast.
func nothingLeft(was, now iceberg.Type) bool {
	old, ok := was.(iceberg.NestedType)
	if !ok {
		return false
	}
	nested, ok := now.(iceberg.NestedType)
	if !ok {
		return false
	}
	shared := false
	for _, o := range old.Fields() {
		for _, n := range nested.Fields() {
			if o.ID == n.ID {
				shared = true
				if nothingLeft(o.Type, n.Type) {
					return true
				}
			}
		}
	}
	return !shared
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
			value, err := defaultSQL(f)
			if err != nil {
				return "", err
			}
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
