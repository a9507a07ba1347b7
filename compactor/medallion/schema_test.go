package medallion_test

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
)

type schema = map[string]any

func readSchema(t *testing.T, name string) schema {
	t.Helper()
	b, err := os.ReadFile("../../docs/schema/" + name + ".json")
	require.NoError(t, err)
	var s schema
	require.NoError(t, json.Unmarshal(b, &s))
	return s
}

// faults checks a value against the part of JSON Schema that docs/schema uses.
func faults(at string, s schema, v any) []string {
	var out []string
	bad := func(format string, args ...any) { out = append(out, at+": "+fmt.Sprintf(format, args...)) }
	if c, ok := s["const"]; ok && c != v {
		bad("%v is not %v", v, c)
	}
	if e, ok := s["enum"].([]any); ok && !slices.Contains(e, v) {
		bad("%v is not in %v", v, e)
	}
	switch s["type"] {
	case "string":
		text, ok := v.(string)
		if !ok {
			bad("%v (%T) is not text", v, v)
		} else if p, ok := s["pattern"].(string); ok && !regexp.MustCompile(p).MatchString(text) {
			bad("%q does not match %s", text, p)
		}
	case "array":
		items, ok := v.([]any)
		if !ok {
			bad("%T is not a list", v)
		}
		each, _ := s["items"].(schema)
		for i, item := range items {
			out = append(out, faults(fmt.Sprintf("%s[%d]", at, i), each, item)...)
		}
	case "object":
		m, ok := v.(schema)
		if !ok {
			bad("%T is not a mapping", v)
		}
		properties, _ := s["properties"].(schema)
		required, _ := s["required"].([]any)
		for _, name := range required {
			if _, ok := m[name.(string)]; !ok {
				bad("%s is missing", name)
			}
		}
		for name, value := range m {
			switch p, known := properties[name].(schema); {
			case known:
				out = append(out, faults(at+"."+name, p, value)...)
			case s["additionalProperties"] == false:
				bad("unknown key %s", name)
			default:
				if more, ok := s["additionalProperties"].(schema); ok {
					out = append(out, faults(at+"."+name, more, value)...)
				}
			}
		}
	}
	return out
}

func yamlValue(t *testing.T, text string) any {
	t.Helper()
	b, err := yaml.YAMLToJSON([]byte(text))
	require.NoError(t, err)
	var v any
	require.NoError(t, json.Unmarshal(b, &v))
	return v
}

// The published schemas accept the example, and refuse what the parser refuses.
func TestSchemasAcceptTheExample(t *testing.T) {
	model, source, project := readSchema(t, "model"), readSchema(t, "source"), readSchema(t, "project")
	seen := 0
	for _, f := range retail(t) {
		s, text := source, f.Text
		switch {
		case strings.HasSuffix(f.Path, ".sql"):
			s = model
			_, text, _ = strings.Cut(text, "/*---")
			text, _, _ = strings.Cut(text, "---*/")
		case f.Path == "firn.yml":
			s = project
		}
		require.Empty(t, faults(f.Path, s, yamlValue(t, text)))
		seen++
	}
	require.Equal(t, 5, seen)
	require.NotEmpty(t, faults("x", model, yamlValue(t, "kind: model\nname: a.b\nmaterialize: { mode: full }")))
	require.NotEmpty(t, faults("x", model, yamlValue(t, "kind: model\nname: a.b\nmaterialize: { mode: append }\nrulez: []")))
}

// Every key of the schemas is one that the parser knows.
func TestSchemasNameTheParsersKeys(t *testing.T) {
	for name, of := range map[string]reflect.Type{"model": reflect.TypeFor[medallion.Head](), "source": reflect.TypeFor[medallion.Source](), "project": reflect.TypeFor[medallion.ProjectFile]()} {
		compareKeys(t, name, readSchema(t, name), of)
	}
}

// served are the keys that are parsed only to be refused.
var refused = []string{"quarantine", "accept_late", "slo", "delete_when", "tombstones", "volume", "per", "contract", "contributors", "retention", "idempotency_key", "memory", "threads", "defaults"}

func compareKeys(t *testing.T, at string, s schema, of reflect.Type) {
	t.Helper()
	for of.Kind() == reflect.Slice || of.Kind() == reflect.Map || of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if items, ok := s["items"].(schema); ok {
		s = items
	}
	if more, ok := s["additionalProperties"].(schema); ok {
		s = more
	}
	properties, ok := s["properties"].(schema)
	if !ok {
		return
	}
	var keys []string
	for field := range of.Fields() {
		key := field.Tag.Get("yaml")
		if slices.Contains(refused, key) {
			continue
		}
		keys = append(keys, key)
		p, ok := properties[key].(schema)
		require.True(t, ok, "%s: the schema lacks %s", at, key)
		compareKeys(t, at+"."+key, p, field.Type)
	}
	for key := range properties {
		require.Contains(t, keys, key, at)
	}
}
