// Package connect writes the text that connects an engine to a Firn catalog.
//
// A snippet is a whole program or session: pasted unedited into the engine it
// is for, it reads the named table. The command line and the page show the same
// text, because both take it from here. Names are data of strangers: every name
// is quoted for the language it stands in and can never end a literal.
package connect

import (
	"embed"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"text/template"
)

//go:embed templates
var files embed.FS

// Target is what a snippet connects to.
type Target struct {
	// Endpoint is the base address of the REST catalog, without /v1. Required.
	Endpoint string
	// Warehouse is the warehouse name. Required.
	Warehouse string
	// S3Endpoint is the address of the object store, with scheme. Empty means
	// the public S3 of the region.
	S3Endpoint string
	// Region of the bucket; "us-east-1" when empty.
	Region string
	// AccessKey and SecretKey are development keys. When empty, the snippet says
	// nothing of keys and the engine finds its own.
	AccessKey, SecretKey string

	// Namespace and Table name the table to read. An empty Table makes a snippet
	// that lists what is there.
	Namespace []string
	Table     string
}

// Snippet is a text and the language to highlight it in.
type Snippet struct {
	Engine   string
	Language string // python, sql or sh
	Text     string
}

// languages by engine, in the order in which they are shown.
var languages = []struct{ engine, language string }{
	{"pyiceberg", "python"},
	{"duckdb", "sql"},
	{"polars", "python"},
	{"spark", "python"},
	{"trino", "sh"},
}

// Engines lists the engines there are snippets for, in the order to show them.
func Engines() []string {
	names := make([]string, len(languages))
	for i, l := range languages {
		names[i] = l.engine
	}
	return names
}

// For writes the snippet of one engine. It refuses an engine it does not know
// and a target without an endpoint or a warehouse.
func For(engine string, t Target) (Snippet, error) {
	i := slices.IndexFunc(languages, func(l struct{ engine, language string }) bool { return l.engine == engine })
	if i < 0 {
		return Snippet{}, fmt.Errorf("no snippet for engine %q; there are snippets for %s", engine, strings.Join(Engines(), ", "))
	}
	if err := t.validate(); err != nil {
		return Snippet{}, err
	}
	if t.Region == "" {
		t.Region = "us-east-1"
	}
	t.Endpoint = strings.TrimRight(t.Endpoint, "/")
	t.S3Endpoint = strings.TrimRight(t.S3Endpoint, "/")
	tmpl, err := template.New(engine+".tmpl").Funcs(quoting).Option("missingkey=error").ParseFS(files, "templates/"+engine+".tmpl")
	if err != nil {
		return Snippet{}, fmt.Errorf("snippet of %s: %w", engine, err)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, t); err != nil {
		return Snippet{}, fmt.Errorf("snippet of %s: %w", engine, err)
	}
	return Snippet{Engine: engine, Language: languages[i].language, Text: b.String()}, nil
}

func (t Target) validate() error {
	for _, f := range []struct {
		name, value string
		required    bool
	}{{"endpoint", t.Endpoint, true}, {"s3 endpoint", t.S3Endpoint, false}} {
		if f.value == "" && !f.required {
			continue
		}
		u, err := url.Parse(f.value)
		if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			return fmt.Errorf("%s %q is no http or https address", f.name, f.value)
		}
	}
	if t.Warehouse == "" {
		return fmt.Errorf("a snippet needs the warehouse name")
	}
	if t.Table != "" && len(t.Namespace) == 0 {
		return fmt.Errorf("table %q needs its namespace", t.Table)
	}
	return nil
}

// S3Host is the object store's host and port.
func (t Target) S3Host() string {
	u, err := url.Parse(t.S3Endpoint)
	if err != nil {
		return ""
	}
	return u.Host
}

// S3TLS reports whether the object store is reached over TLS.
func (t Target) S3TLS() bool { return !strings.HasPrefix(t.S3Endpoint, "http://") }

// Dotted is the namespace with dots between its levels, as engines that know
// only one level spell it.
func (t Target) Dotted() string { return strings.Join(t.Namespace, ".") }

// UpperCase reports whether the names have letters that Trino does not keep.
func (t Target) UpperCase() bool {
	return slices.ContainsFunc(t.Levels(), func(name string) bool { return strings.ToLower(name) != name })
}

// Levels are the namespace's levels and the table name.
func (t Target) Levels() []string { return append(slices.Clone(t.Namespace), t.Table) }
