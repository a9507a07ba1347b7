package config

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const (
	envPrefix     = "FIRN_"
	envConfigFile = "FIRN_CONFIG"
	maxFileBytes  = 1 << 20
)

func defaultEntries(c Config) []entry {
	var all []entry
	var walk func(prefix string, v reflect.Value)
	walk = func(prefix string, v reflect.Value) {
		for f, field := range v.Fields() {
			key := prefix + f.Tag.Get("koanf")
			if f.Type.Kind() == reflect.Struct {
				walk(key+".", field)
				continue
			}
			all = append(all, entry{key, field.Interface(), Origin{Source: SourceDefault}})
		}
	}
	walk("", reflect.ValueOf(c))
	return all
}

// notOurs are variables with our prefix that are no configuration: those of the
// tests, of worker processes and the command line, and those that Kubernetes
// sets for a Service called firn.
func notOurs(name string) bool {
	for _, prefix := range []string{"FIRN_TEST_", "FIRN_DUCK_", "FIRN_CLI_", "FIRN_SERVICE_", "FIRN_PORT"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return slices.Contains([]string{envConfigFile, "FIRN_CONTEXT", "FIRN_SERVER", "FIRN_OUTPUT"}, name)
}

func environment(environ []string, known []leaf) (entries []entry, configFile string, errs []error) {
	var names []string
	for _, l := range known {
		names = append(names, l.env())
	}
	environ = slices.Sorted(slices.Values(environ))
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if name == envConfigFile {
			configFile = value
		}
		if !strings.HasPrefix(name, envPrefix) || notOurs(name) {
			continue
		}
		origin := Origin{Source: SourceEnvironment, Name: name}
		i := slices.Index(names, name)
		if i < 0 {
			p := unknown(name, origin, names)
			p.What = fmt.Sprintf("unknown environment variable %s", name)
			p.Origin = Origin{}
			errs = append(errs, p)
			continue
		}
		entries = append(entries, entry{known[i].key, value, origin})
	}
	return entries, configFile, errs
}

// file reads the YAML file; keys that are unknown, given twice or sections
// where values belong are mistakes with file and line.
func file(path string, known []leaf) ([]entry, []error) {
	fail := func(what string, err error, do string) ([]entry, []error) {
		return nil, []error{&Problem{What: what, Why: err.Error(), Do: do}}
	}
	st, err := os.Stat(path)
	if err != nil {
		return fail("the configuration file cannot be read", err, "correct --config, or leave it out to use the defaults")
	}
	if st.Size() > maxFileBytes {
		return fail("the configuration file is too large", fmt.Errorf("%s has %d bytes, at most %d are allowed", path, st.Size(), maxFileBytes), "check that it is the right file")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fail("the configuration file cannot be read", err, "check its permissions")
	}
	var whole any // rejects what the syntax tree accepts, such as duplicate keys
	if err := yaml.Unmarshal(text, &whole); err != nil {
		return fail("the configuration file "+path+" is not valid YAML", err, "correct the line shown")
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return fail("the configuration file "+path+" is not valid YAML", err, "correct the line shown")
	}
	r := fileReader{path: path, known: known}
	for _, doc := range tree.Docs {
		if doc.Body != nil {
			r.walk("", doc.Body)
		}
	}
	return r.entries, r.errs
}

type fileReader struct {
	path    string
	known   []leaf
	entries []entry
	errs    []error
}

func (r *fileReader) walk(prefix string, node ast.Node) {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.NullNode, *ast.CommentGroupNode:
		return
	default:
		at := Origin{Source: SourceFile, Name: r.path, Line: node.GetToken().Position.Line}
		name := strings.TrimSuffix(prefix, ".")
		r.errs = append(r.errs, &Problem{
			Key: name, Origin: at,
			What: fmt.Sprintf("%q is not a section of keys and values", name), Why: "keys belong there", Do: "see `firn config print` for all keys",
		})
		return
	}
	for _, pair := range pairs {
		name := pair.Key.GetToken().Value
		key := prefix + name
		at := Origin{Source: SourceFile, Name: r.path, Line: pair.Key.GetToken().Position.Line}
		if slices.ContainsFunc(r.known, func(l leaf) bool { return l.key == key }) {
			r.leaf(key, pair.Value, at)
			continue
		}
		if slices.ContainsFunc(r.known, func(l leaf) bool { return strings.HasPrefix(l.key, key+".") }) {
			r.walk(key+".", pair.Value)
			continue
		}
		r.errs = append(r.errs, unknown(key, at, r.candidates(prefix)))
	}
}

// candidates are the full keys and, for a mistake in a section's name, the
// sections.
func (r *fileReader) candidates(prefix string) []string {
	var all []string
	for _, l := range r.known {
		if section, _, ok := strings.Cut(l.key, "."); ok && prefix == "" && !slices.Contains(all, section) {
			all = append(all, section)
		}
		all = append(all, l.key)
	}
	return all
}

func (r *fileReader) leaf(key string, node ast.Node, at Origin) {
	if node.Type() == ast.NullType {
		return // `key:` with nothing after it leaves the value as it was
	}
	var v any
	if err := yaml.NodeToValue(node, &v); err != nil {
		r.errs = append(r.errs, &Problem{Key: key, Origin: at, What: key + " cannot be read", Why: err.Error()})
		return
	}
	r.entries = append(r.entries, entry{key, v, at})
}
