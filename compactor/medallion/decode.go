package medallion

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// document is a piece of YAML inside a file of a project.
type document struct {
	path string
	text string
	// firstLine is the line of the file, from 1, on which text begins.
	firstLine int
	tree      *ast.File
}

// fault answers a diagnostic at the place of a YAML path such as
// "$.materialize.mode"; the whole document when there is no such place.
func (d *document) fault(at, message, help string) Diagnostic {
	out := Diagnostic{Path: d.path, Line: d.firstLine, Column: 1, Message: message, Help: help}
	if line, column, ok := d.position(at); ok {
		out.Line, out.Column = line, column
	}
	return out
}

func (d *document) position(at string) (line, column int, ok bool) {
	if d.tree == nil || at == "" || at == "$" {
		return 0, 0, false
	}
	p, err := yaml.PathString(at)
	if err != nil {
		return 0, 0, false
	}
	node, err := p.FilterFile(d.tree)
	if err != nil || node == nil || node.GetToken() == nil {
		return 0, 0, false
	}
	pos := firstToken(node)
	return pos.line + d.firstLine - 1, pos.column, true
}

type position struct{ line, column int }

// firstToken is where a node begins; a mapping's own token is its first colon.
func firstToken(node ast.Node) position {
	if m, ok := node.(*ast.MappingNode); ok && !m.IsFlowStyle && len(m.Values) > 0 {
		node = m.Values[0].Key
	}
	if v, ok := node.(*ast.MappingValueNode); ok {
		node = v.Key
	}
	t := node.GetToken()
	return position{t.Position.Line, t.Position.Column}
}

// decode reads text strictly into v: unknown and duplicate keys are faults.
func decode(path, text string, firstLine int, v any) (*document, Diagnostics) {
	doc := &document{path: path, text: text, firstLine: firstLine}
	tree, err := parser.ParseBytes([]byte(text), 0)
	if err != nil {
		return doc, Diagnostics{doc.yamlFault(err, v)}
	}
	doc.tree = tree
	for _, d := range tree.Docs {
		ast.Walk(nullKeys{}, d)
	}
	if len(tree.Docs) == 0 || tree.Docs[0].Body == nil {
		return doc, nil
	}
	if len(tree.Docs) > 1 {
		return doc, Diagnostics{{Path: path, Line: firstLine, Column: 1, Message: "more than one YAML document", Help: "write one file for each"}}
	}
	if err := yaml.NodeToValue(tree.Docs[0].Body, v, yaml.Strict()); err != nil {
		return doc, Diagnostics{doc.yamlFault(err, v)}
	}
	return doc, nil
}

// nullKeys makes the key null, as in "null: pass", a key like any other: to YAML
// it is the null value.
type nullKeys struct{}

func (n nullKeys) Visit(v ast.Node) ast.Visitor {
	if m, ok := v.(*ast.MappingValueNode); ok {
		if null, ok := m.Key.(*ast.NullNode); ok {
			t := *null.GetToken()
			t.Type = token.StringType
			m.Key = ast.String(&t)
		}
	}
	return n
}

var unknownField = regexp.MustCompile(`unknown field "([^"]*)"`)

func (d *document) yamlFault(err error, v any) Diagnostic {
	out := Diagnostic{Path: d.path, Line: d.firstLine, Column: 1, Message: err.Error()}
	var at yaml.Error
	if !errors.As(err, &at) {
		return out
	}
	out.Message = at.GetMessage()
	if t := at.GetToken(); t != nil && t.Position != nil {
		out.Line, out.Column = t.Position.Line+d.firstLine-1, t.Position.Column
	}
	if typed, ok := errors.AsType[*yaml.TypeError](err); ok {
		out.Message = "this is " + yamlKind(typed.SrcType) + ", and " + yamlKind(typed.DstType) + " is wanted"
	}
	out.Help = "see docs/schema for the keys and their types"
	if m := unknownField.FindStringSubmatch(out.Message); m != nil {
		out.Message = fmt.Sprintf("unknown key %q", m[1])
		out.Help = didYouMean(m[1], yamlKeys(reflect.TypeOf(v)))
	}
	return out
}

// yamlKind names a Go type as a writer of YAML would.
func yamlKind(t reflect.Type) string {
	if t == nil {
		return "nothing"
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "a mapping"
	case reflect.String:
		return "text"
	case reflect.Bool:
		return "true or false"
	case reflect.Pointer:
		return yamlKind(t.Elem())
	}
	return "a number"
}

// yamlKeys are all keys that a type knows, at any depth.
func yamlKeys(t reflect.Type) []string {
	var keys []string
	seen := map[reflect.Type]bool{}
	var walk func(reflect.Type)
	walk = func(t reflect.Type) {
		for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
			t = t.Elem()
		}
		if t.Kind() != reflect.Struct || seen[t] {
			return
		}
		seen[t] = true
		for f := range t.Fields() {
			if tag := f.Tag.Get("yaml"); tag != "" {
				keys = append(keys, tag)
				walk(f.Type)
			}
		}
	}
	walk(t)
	slices.Sort(keys)
	return slices.Compact(keys)
}

// ParseDuration reads a duration with the units ms, s, m, h and d.
func ParseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration: write 10s, 5m, 2h or 7d", s)
	}
	return d, nil
}
