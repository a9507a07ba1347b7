package medallion

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// prover looks for the reason why a query cannot be kept incrementally.
type prover struct {
	m         *ModelFile
	functions map[string]function
	faults    Diagnostics
}

func (p *prover) refuse(n node, message, help string) {
	p.faults = append(p.faults, p.m.sqlFault(location(n), message, help))
}

// shape checks what row-local models and aggregates have in common: one plain
// SELECT over one table. It answers the table's name.
func (p *prover) shape(query node) string {
	const incremental = "cannot be kept incrementally: "
	if t := str(query, "type"); t != "SELECT_NODE" {
		what := map[string]string{"SET_OPERATION_NODE": "a UNION, EXCEPT or INTERSECT"}[t]
		if what == "" {
			what = "a query of kind " + t
		}
		p.refuse(query, incremental+what+" is not one plain SELECT", "write one model for each branch")
		return ""
	}
	if m := child(query, "cte_map"); m != nil && len(list(m, "map")) > 0 {
		p.refuse(query, incremental+"WITH is not one plain SELECT", "make the common table expression a model of its own")
	}
	for _, m := range list(query, "modifiers") {
		what := map[string]string{"DISTINCT_MODIFIER": "DISTINCT", "ORDER_MODIFIER": "ORDER BY", "LIMIT_MODIFIER": "LIMIT", "LIMIT_PERCENT_MODIFIER": "LIMIT"}[str(m.(node), "type")]
		help := "remove it"
		switch what {
		case "DISTINCT":
			help = "an upsert whose key is all columns keeps one of equal rows"
		case "ORDER BY":
			help = "a table has no order of rows; use materialize.sort_by for the files"
		}
		p.refuse(query, incremental+what+" depends on other rows", help)
	}
	if query["qualify"] != nil {
		p.refuse(query, incremental+"QUALIFY depends on other rows", "an upsert keeps the latest row of each key")
	}
	if query["sample"] != nil {
		p.refuse(query, incremental+"a sample is not the same twice", "remove it")
	}
	from := child(query, "from_table")
	switch t := str(from, "type"); t {
	case "BASE_TABLE":
		if from["sample"] != nil || from["at_clause"] != nil || len(list(from, "column_name_alias")) > 0 {
			p.refuse(from, incremental+"the source must be named plainly", "write FROM layer.table, with an alias if you like")
		}
	case "JOIN":
		p.refuse(from, incremental+"a join is not served yet (as: latest)", fmt.Sprintf("read one source; this reads %s", strings.Join(dependencies(query), ", ")))
		return ""
	case "EMPTY":
		p.refuse(query, "the SELECT reads no table", "write FROM layer.table")
		return ""
	default:
		p.refuse(from, incremental+"the source must be one table", "write FROM layer.table")
		return ""
	}
	name := str(from, "table_name")
	if ns := str(from, "schema_name"); ns != "" {
		name = ns + "." + name
	}
	if str(from, "catalog_name") != "" {
		p.refuse(from, "a table has two parts: layer.table", "remove the first part")
	}
	return name
}

// rowLocal checks that an expression depends on its own row only, and answers
// whether it holds an aggregate, where those are allowed.
func (p *prover) rowLocal(expression any, aggregates bool) (aggregated bool) {
	visit(expression, func(n node) bool {
		switch str(n, "class") {
		case "WINDOW":
			p.refuse(n, "cannot be kept incrementally: a window depends on other rows", "an upsert keeps the latest row of each key; an aggregate groups rows")
			return false
		case "SUBQUERY":
			p.refuse(n, "cannot be kept incrementally: a subquery depends on other rows", "make it a model of its own")
			return false
		case "PARAMETER":
			p.refuse(n, "a model has no parameters", "write the value")
			return false
		case "POSITIONAL_REFERENCE", "DEFAULT":
			p.refuse(n, "columns are referred to by name", "write the column's name")
			return false
		case "STAR":
			if root, ok := expression.(node); !ok || str(root, "class") != "STAR" {
				p.refuse(n, "* inside an expression", "name the columns")
			}
			return false
		case "FUNCTION":
			if p.callee(n, aggregates) {
				if aggregated {
					return true
				}
				aggregated = true
				// What is aggregated is itself row-local: aggregates do not nest.
				for _, key := range []string{"children", "filter", "order_bys"} {
					p.rowLocal(n[key], false)
				}
				return false
			}
		}
		return true
	})
	return aggregated
}

// callee checks one function and answers whether it is an aggregate.
func (p *prover) callee(n node, aggregates bool) bool {
	name := strings.ToLower(str(n, "function_name"))
	f, known := p.functions[name]
	switch {
	case !known && flag(n, "is_operator"), name == "try":
		return false
	case !known:
		p.refuse(n, fmt.Sprintf("there is no function %s", name), didYouMean(name, functionNames(p.functions)))
	case f.volatile:
		p.refuse(n, fmt.Sprintf("cannot be kept incrementally: %s() answers differently each time", name), "take the value from a column, for example _ingested_at")
	case environmental(name):
		p.refuse(n, fmt.Sprintf("%s() depends on the session, not on the row", name), "remove it")
	case f.aggregate && !f.scalar:
		if !aggregates {
			p.refuse(n, fmt.Sprintf("cannot be kept incrementally: %s() depends on other rows", name), "aggregate in a model with mode: aggregate, and without nesting")
			return false
		}
		if orderDependent[name] && len(list(child(n, "order_bys"), "orders")) == 0 {
			p.refuse(n, fmt.Sprintf("%s() depends on the order of rows, which a table does not have", name), "use min or max, or give it an ORDER BY that is total")
		}
		return true
	case !f.scalar && !f.macro:
		p.refuse(n, fmt.Sprintf("%s() is no function of a row", name), "remove it")
	}
	return false
}

func functionNames(fs map[string]function) []string {
	var out []string
	for name := range fs {
		out = append(out, name)
	}
	slices.Sort(out)
	return out
}

// noGroups checks that a row-local query does not group.
func (p *prover) noGroups(query node) {
	if len(list(query, "group_expressions")) > 0 || str(query, "aggregate_handling") == "FORCE_AGGREGATES" || query["having"] != nil {
		p.refuse(query, fmt.Sprintf("cannot be kept incrementally as %s: GROUP BY depends on other rows", p.m.Materialize.Mode), "use mode: aggregate")
	}
}

// groups answers which items of an aggregate's select list are grouped by.
// items hold their aliases; isAggregate tells those with an aggregate in them.
func (p *prover) groups(query node, items []node, isAggregate []bool) []int {
	if str(query, "aggregate_handling") == "FORCE_AGGREGATES" {
		var out []int
		for i := range items {
			if !isAggregate[i] {
				out = append(out, i)
			}
		}
		return out
	}
	if sets := list(query, "group_sets"); len(sets) > 1 {
		p.refuse(query, "cannot be kept incrementally: GROUPING SETS, ROLLUP and CUBE are not served yet", "write one model for each grouping")
		return nil
	}
	var out []int
	for _, g := range list(query, "group_expressions") {
		expression := g.(node)
		i := p.groupItem(expression, items)
		if i < 0 {
			p.refuse(expression, "grouped by something that is not in the SELECT", "select it under a name and put the name into grain")
			continue
		}
		out = append(out, i)
	}
	return out
}

func (p *prover) groupItem(expression node, items []node) int {
	if str(expression, "class") == "CONSTANT" {
		if n, err := strconv.Atoi(fmt.Sprint(child(expression, "value")["value"])); err == nil && n >= 1 && n <= len(items) {
			return n - 1
		}
	}
	if names := list(expression, "column_names"); str(expression, "class") == "COLUMN_REF" && len(names) == 1 {
		for i, item := range items {
			if strings.EqualFold(str(item, "alias"), fmt.Sprint(names[0])) {
				return i
			}
		}
	}
	want := string(canonical(withoutAlias(expression)))
	return slices.IndexFunc(items, func(item node) bool { return string(canonical(withoutAlias(item))) == want })
}

func withoutAlias(n node) node {
	c := cloneNode(n)
	c["alias"] = ""
	return c
}
