package ddl

import (
	"encoding/json"
	"strings"

	"github.com/apache/iceberg-go"
)

// maxNesting bounds the types within types that are read.
const maxNesting = 32

// aliases are names of other systems that people type.
var aliases = map[string]string{
	"bool": "boolean", "integer": "int", "int32": "int", "bigint": "long", "int64": "long",
	"real": "float", "float32": "float", "float64": "double", "varchar": "string", "text": "string",
	"timestamp with time zone": "timestamptz", "bytes": "binary", "blob": "binary",
}

// ParseType reads an Iceberg type as table metadata spells it, with list<T>,
// map<K, V> and struct<name: T, ...> for the nested ones. A nested field is
// optional unless "required" stands before its type. Field ids of nested fields
// start at 1.
func ParseType(text string) (iceberg.Type, error) {
	var ids counter
	return parseType(text, &ids)
}

func parseType(text string, ids *counter) (iceberg.Type, error) {
	return parseNested(text, ids, 0)
}

func parseNested(text string, ids *counter, depth int) (iceberg.Type, error) {
	if depth > maxNesting {
		return nil, invalid("type is nested deeper than %d levels", maxNesting)
	}
	text = strings.TrimSpace(text)
	head, inner, nested := strings.Cut(text, "<")
	if !nested {
		return primitive(text)
	}
	if !strings.HasSuffix(inner, ">") {
		return nil, invalid("type %q lacks its closing >", text)
	}
	parts, err := split(inner[:len(inner)-1])
	if err != nil {
		return nil, err
	}
	switch strings.ToLower(strings.TrimSpace(head)) {
	case "list", "array":
		if len(parts) != 1 {
			return nil, invalid("type %q: a list has one element type, list<string>", text)
		}
		id := ids.next()
		required, element := requirement(parts[0])
		typ, err := parseNested(element, ids, depth+1)
		if err != nil {
			return nil, err
		}
		return &iceberg.ListType{ElementID: id, Element: typ, ElementRequired: required}, nil
	case "map":
		if len(parts) != 2 {
			return nil, invalid("type %q: a map has a key and a value type, map<string, long>", text)
		}
		keyID, valueID := ids.next(), ids.next()
		key, err := parseNested(parts[0], ids, depth+1)
		if err != nil {
			return nil, err
		}
		required, value := requirement(parts[1])
		typ, err := parseNested(value, ids, depth+1)
		if err != nil {
			return nil, err
		}
		return &iceberg.MapType{KeyID: keyID, KeyType: key, ValueID: valueID, ValueType: typ, ValueRequired: required}, nil
	case "struct":
		return parseStruct(text, parts, ids, depth)
	}
	return nil, invalid("type %q is none of list, map and struct", text)
}

func parseStruct(text string, parts []string, ids *counter, depth int) (iceberg.Type, error) {
	fields := make([]iceberg.NestedField, len(parts))
	for i := range parts {
		fields[i].ID = ids.next()
	}
	for i, part := range parts {
		name, rest, ok := strings.Cut(part, ":")
		// As Iceberg prints structs, a field id may stand before the name.
		if number := strings.TrimSpace(name); ok && number != "" && strings.Trim(number, "0123456789") == "" {
			if n, r, more := strings.Cut(rest, ":"); more {
				name, rest = n, r
			}
		}
		name = unquote(strings.TrimSpace(name))
		if !ok || name == "" {
			return nil, invalid("type %q: write each field as name: type", text)
		}
		required, element := requirement(rest)
		typ, err := parseNested(element, ids, depth+1)
		if err != nil {
			return nil, err
		}
		fields[i].Name, fields[i].Type, fields[i].Required = name, typ, required
	}
	return &iceberg.StructType{FieldList: fields}, nil
}

func requirement(text string) (required bool, rest string) {
	text = strings.TrimSpace(text)
	if r, ok := strings.CutPrefix(text, "required "); ok {
		return true, r
	}
	return false, strings.TrimPrefix(text, "optional ")
}

func primitive(text string) (iceberg.Type, error) {
	name := strings.ToLower(text)
	if alias, ok := aliases[name]; ok {
		name = alias
	}
	// One decoder knows all spellings: the one of table metadata.
	encoded, err := json.Marshal(map[string]any{"id": 1, "name": "c", "required": false, "type": name})
	if err != nil {
		return nil, invalid("type %q is not text", text)
	}
	var field iceberg.NestedField
	if err := json.Unmarshal(encoded, &field); err != nil || field.Type == nil || name == "" {
		return nil, invalid("unknown type %q; there are boolean, int, long, float, double, decimal(p,s), date, time, timestamp, timestamptz, string, uuid, binary, fixed[n], list<>, map<> and struct<>", text)
	}
	return field.Type, nil
}

// split cuts at the commas that stand outside of all brackets.
func split(text string) ([]string, error) {
	var parts []string
	depth, start := 0, 0
	for i, r := range text {
		switch r {
		case '<', '(', '[':
			depth++
		case '>', ')', ']':
			depth--
		case ',':
			if depth == 0 {
				parts = append(parts, text[start:i])
				start = i + 1
			}
		}
		if depth < 0 {
			return nil, invalid("type %q closes a bracket that it did not open", text)
		}
	}
	if depth != 0 {
		return nil, invalid("type %q does not close all its brackets", text)
	}
	return append(parts, text[start:]), nil
}
