package medallion

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// node is a node of DuckDB's syntax tree, as json_serialize_sql writes it.
type node = map[string]any

// parseTree reads the answer of duck.Pool.Parse and answers the one SELECT in it.
func parseTree(tree []byte) (node, error) {
	dec := json.NewDecoder(bytes.NewReader(tree))
	dec.UseNumber()
	var root node
	if err := dec.Decode(&root); err != nil {
		return nil, fmt.Errorf("syntax tree: %w", err)
	}
	statements, _ := root["statements"].([]any)
	if len(statements) != 1 {
		return nil, fmt.Errorf("%d statements where one SELECT is wanted", len(statements))
	}
	statement, _ := statements[0].(node)
	query, _ := statement["node"].(node)
	if query == nil {
		return nil, fmt.Errorf("the statement is no SELECT")
	}
	return query, nil
}

// visit calls f for every node under v, parents first and in one order always; f
// answers whether to go down.
func visit(v any, f func(node) bool) {
	switch v := v.(type) {
	case node:
		if !f(v) {
			return
		}
		for _, key := range slices.Sorted(maps.Keys(v)) {
			visit(v[key], f)
		}
	case []any:
		for _, child := range v {
			visit(child, f)
		}
	}
}

func str(n node, key string) string { s, _ := n[key].(string); return s }

func list(n node, key string) []any { l, _ := n[key].([]any); return l }

func child(n node, key string) node { c, _ := n[key].(node); return c }

func flag(n node, key string) bool { b, _ := n[key].(bool); return b }

// location is the byte offset of a node in the statement, or 0.
func location(n node) int {
	num, _ := n["query_location"].(json.Number)
	i, err := strconv.ParseInt(num.String(), 10, 64)
	if err != nil || i < 0 || i > 1<<30 {
		return 0
	}
	return int(i)
}

// dependencies answers the tables that a query reads, "schema.table" or
// "table", each once, without the names of its common table expressions.
func dependencies(query node) []string {
	ctes := map[string]bool{}
	var out []string
	seen := map[string]bool{}
	visit(query, func(n node) bool {
		if m := child(n, "cte_map"); m != nil {
			for _, e := range list(m, "map") {
				if entry, ok := e.(node); ok {
					ctes[strings.ToLower(str(entry, "key"))] = true
				}
			}
		}
		return true
	})
	visit(query, func(n node) bool {
		if str(n, "type") != "BASE_TABLE" {
			return true
		}
		name := str(n, "table_name")
		if ns := str(n, "schema_name"); ns != "" {
			name = ns + "." + name
			if catalog := str(n, "catalog_name"); catalog != "" {
				name = catalog + "." + name
			}
		} else if ctes[strings.ToLower(name)] {
			return true
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, name)
		}
		return true
	})
	return out
}

// clone copies a tree, so that a rewrite of the copy leaves the original alone.
func clone(v any) any {
	switch v := v.(type) {
	case node:
		out := make(node, len(v))
		for k, c := range v {
			out[k] = clone(c)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, c := range v {
			out[i] = clone(c)
		}
		return out
	}
	return v
}

func cloneNode(n node) node { c, _ := clone(n).(node); return c }

// columnRef is a reference to relation.column.
func columnRef(parts ...string) node {
	names := make([]any, len(parts))
	for i, p := range parts {
		names[i] = p
	}
	return node{"class": "COLUMN_REF", "type": "COLUMN_REF", "alias": "", "query_location": json.Number("0"), "column_names": names}
}

// rewriteRefs replaces every column reference under v by what f answers for
// it. Lambda parameters are left alone.
func rewriteRefs(v any, f func(ref node) (node, error)) (any, error) {
	return rewriteScoped(v, nil, f)
}

func rewriteScoped(v any, bound []string, f func(ref node) (node, error)) (any, error) {
	switch v := v.(type) {
	case node:
		if str(v, "class") == "COLUMN_REF" {
			names := list(v, "column_names")
			if len(names) == 1 {
				for _, b := range bound {
					if s, _ := names[0].(string); strings.EqualFold(s, b) {
						return v, nil
					}
				}
			}
			out, err := f(v)
			if err != nil {
				return nil, err
			}
			if out["alias"] == "" && v["alias"] != nil {
				out["alias"] = v["alias"]
			}
			return out, nil
		}
		if str(v, "class") == "LAMBDA" {
			left := child(v, "lhs")
			visit(left, func(n node) bool {
				if str(n, "class") == "COLUMN_REF" {
					if names := list(n, "column_names"); len(names) == 1 {
						s, _ := names[0].(string)
						bound = append(slices.Clip(bound), s)
					}
				}
				return true
			})
		}
		for k, c := range v {
			out, err := rewriteScoped(c, bound, f)
			if err != nil {
				return nil, err
			}
			v[k] = out
		}
		return v, nil
	case []any:
		for i, c := range v {
			out, err := rewriteScoped(c, bound, f)
			if err != nil {
				return nil, err
			}
			v[i] = out
		}
		return v, nil
	}
	return v, nil
}

// selectOf is the tree of "SELECT expression", without a FROM.
func selectOf(expression node) node {
	expression = cloneNode(expression)
	expression["alias"] = ""
	return statementOf(node{
		"type": "SELECT_NODE", "modifiers": []any{}, "cte_map": node{"map": []any{}},
		"select_list":  []any{expression},
		"from_table":   node{"type": "EMPTY", "alias": "", "sample": nil, "query_location": json.Number("0")},
		"where_clause": nil, "group_expressions": []any{}, "group_sets": []any{},
		"aggregate_handling": "STANDARD_HANDLING", "having": nil, "sample": nil, "qualify": nil,
	})
}

func statementOf(query node) node {
	return node{"error": false, "statements": []any{node{"node": query, "named_param_map": []any{}}}}
}

// canonical is a tree's JSON without positions: equal for queries that differ
// only in layout and comments.
func canonical(query node) []byte {
	c := clone(query)
	visit(c, func(n node) bool {
		if _, ok := n["query_location"]; ok {
			n["query_location"] = json.Number("0")
		}
		return true
	})
	out, err := json.Marshal(c)
	if err != nil {
		return nil // the tree came from JSON
	}
	return out
}
