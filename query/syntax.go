package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/firnlake/firn/catalog"
)

// node is a JSON object of DuckDB's syntax tree, as json_serialize_sql gives
// it. Only what is asked for here is known of it.
type node map[string]any

func (n node) text(key string) string { s, _ := n[key].(string); return s }

func (n node) node(key string) node { m, _ := n[key].(map[string]any); return m }

func (n node) list(key string) []node {
	items, _ := n[key].([]any)
	out := make([]node, 0, len(items))
	for _, item := range items {
		if m, ok := item.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// place is the byte offset in the statement; -1 where DuckDB gives none.
func (n node) place() int {
	num, _ := n["query_location"].(json.Number)
	at, err := num.Int64()
	if err != nil || at < 0 || at > math.MaxInt32 {
		return -1
	}
	return int(at)
}

// reference is one mention of a catalog table in a statement.
type reference struct {
	parts []string // as written: catalog and schema, if any, and name
	// in is the namespace of a name without one; nil: it needs one.
	in    catalog.Namespace
	alias string // how the statement calls it: alias, or name
	at    node   // AT clause, or nil
	place int
	// filters are conditions that hold of all its rows that matter.
	filters []node
	// whole: conditions say nothing of the files, for the statement samples the
	// table before them or gives its columns names of its own.
	whole bool
	// alone: the only source of rows of its SELECT.
	alone bool
}

// parseTree reads the syntax tree of one SELECT and answers the tables that it
// mentions.
func parseTree(tree []byte) ([]*reference, error) {
	dec := json.NewDecoder(bytes.NewReader(tree))
	dec.UseNumber()
	var doc node
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("read syntax tree: %w", err)
	}
	var w walker
	for _, stmt := range doc.list("statements") {
		w.walk(stmt.node("node"), nil)
	}
	return w.refs, w.err
}

// walker finds base tables. A name of a common table expression shadows a table
// of the same unqualified name in the query it belongs to.
type walker struct {
	refs []*reference
	err  error
}

// scope is a chain of names of common table expressions.
type scope struct {
	names map[string]bool
	outer *scope
}

func (s *scope) has(name string) bool {
	for ; s != nil; s = s.outer {
		if s.names[strings.ToLower(name)] {
			return true
		}
	}
	return false
}

func (w *walker) walk(v any, in *scope) {
	switch v := v.(type) {
	case map[string]any:
		w.object(v, in)
	case node:
		w.object(v, in)
	case []any:
		for _, item := range v {
			w.walk(item, in)
		}
	}
}

func (w *walker) object(n node, in *scope) {
	if n == nil {
		return
	}
	if ctes := n.node("cte_map"); ctes != nil {
		if list := ctes.list("map"); len(list) > 0 {
			in = &scope{names: map[string]bool{}, outer: in}
			for _, cte := range list {
				in.names[strings.ToLower(cte.text("key"))] = true
			}
		}
	}
	if n.text("class") == "FUNCTION" {
		if name := n.text("function_name"); hidden(name) && w.err == nil {
			w.err = invalid("the function %s is not available here: tables are read by name, as namespace.table", name)
		}
	}
	switch n.text("type") {
	case "RECURSIVE_CTE_NODE", "CTE_NODE":
		if name := n.text("cte_name"); name != "" {
			in = &scope{names: map[string]bool{strings.ToLower(name): true}, outer: in}
		}
	case "BASE_TABLE":
		w.table(n, in)
		return
	case "SELECT_NODE":
		before := len(w.refs)
		w.walk(n["from_table"], in)
		w.filter(n, w.refs[before:])
		for key, child := range n {
			if key != "from_table" {
				w.walk(child, in)
			}
		}
		return
	}
	for _, child := range n {
		w.walk(child, in)
	}
}

// hidden says whether a function is refused: those that read files (the sandbox
// would refuse them less clearly) and those that tell of the server's settings
// and folders.
func hidden(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "duckdb_functions", "duckdb_types", "duckdb_keywords":
		return false
	case "glob", "sniff_csv", "query", "query_table", "current_setting", "which_secret", "seq_scan", "force_checkpoint", "checkpoint":
		return true
	}
	for _, prefix := range []string{"read_", "parquet_", "duckdb_", "pragma_", "sqlite_", "postgres_", "iceberg_", "delta_"} {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return strings.HasSuffix(name, "_scan")
}

func (w *walker) table(n node, in *scope) {
	catalogName, schema, name := n.text("catalog_name"), n.text("schema_name"), n.text("table_name")
	if catalogName == "" && schema == "" && in.has(name) {
		return
	}
	r := &reference{alias: n.text("alias"), at: n.node("at_clause"), place: n.place()}
	for _, p := range []string{catalogName, schema, name} {
		if p != "" {
			r.parts = append(r.parts, p)
		}
	}
	if r.alias == "" {
		r.alias = name
	}
	names, _ := n["column_name_alias"].([]any)
	r.whole = len(names) > 0 || n.node("sample") != nil
	w.refs = append(w.refs, r)
}

// filter gives the conditions of a SELECT to the tables it reads directly.
func (w *walker) filter(sel node, refs []*reference) {
	where := sel.node("where_clause")
	from := sel.node("from_table")
	if where == nil || from == nil || sel.node("sample") != nil {
		return
	}
	direct := map[int]bool{}
	directTables(from, direct)
	conditions := conjuncts(where)
	for _, r := range refs {
		if r.place >= 0 && direct[r.place] && !r.whole {
			r.filters = append(r.filters, conditions...)
			r.alone = from.text("type") == "BASE_TABLE"
		}
	}
}

// directTables are the places of base tables in a tree of joins. In a positional
// and an as-of join a row decides what the others are joined to: its conditions
// hold after that, and leave out no file.
func directTables(from node, into map[int]bool) {
	switch from.text("type") {
	case "BASE_TABLE":
		if at := from.place(); at >= 0 {
			into[at] = true
		}
	case "JOIN":
		switch from.text("ref_type") {
		case "REGULAR", "NATURAL", "CROSS":
		default:
			return
		}
		directTables(from.node("left"), into)
		directTables(from.node("right"), into)
	}
}

func conjuncts(n node) []node {
	if n.text("type") != "CONJUNCTION_AND" {
		return []node{n}
	}
	var out []node
	for _, c := range n.list("children") {
		out = append(out, conjuncts(c)...)
	}
	return out
}

// idents are the tables that a reference may mean, the likely one first: levels
// may be written as a.b.t, or, where there are more, as "a.b.c".t. A level with
// a dot in its name, as in "a.b".t, is found where no such levels are.
func (r *reference) idents() ([]catalog.Ident, error) {
	id, err := r.ident()
	if len(r.parts) == 1 {
		return []catalog.Ident{id}, err
	}
	literal := catalog.Ident{Namespace: r.parts[:len(r.parts)-1], Name: r.parts[len(r.parts)-1]}
	switch {
	case err == nil && literal.Equal(id):
		return []catalog.Ident{id}, nil
	case literal.Validate() != nil:
		return []catalog.Ident{id}, err
	case err != nil:
		return []catalog.Ident{literal}, nil
	}
	return []catalog.Ident{id, literal}, nil
}

func (r *reference) ident() (catalog.Ident, error) {
	if name := r.parts[len(r.parts)-1]; len(r.parts) == 1 {
		if len(r.in) == 0 {
			return catalog.Ident{}, invalid("table %q needs its namespace: write namespace.%s, or send the statement with a namespace for such names (firn sql --namespace)", name, name)
		}
		id := catalog.Ident{Namespace: r.in, Name: name}
		return id, id.Validate()
	}
	var ns catalog.Namespace
	for _, p := range r.parts[:len(r.parts)-1] {
		levels, err := catalog.ParseNamespace(p)
		if err != nil {
			return catalog.Ident{}, err
		}
		ns = append(ns, levels...)
	}
	id := catalog.Ident{Namespace: ns, Name: r.parts[len(r.parts)-1]}
	return id, id.Validate()
}
