package medallion

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/firnlake/firn/internal/duck"
)

// render writes the model's expressions as SQL over s, and the rules over r.
func (k *compiler) render(ctx context.Context) (Diagnostics, error) {
	expressions := make([]node, 0, len(k.items)+2)
	expressions = append(expressions, k.items...)
	for _, key := range []string{"where_clause", "having"} {
		clause, ok := k.query[key].(node)
		if !ok {
			continue
		}
		resolved, err := k.resolve(cloneNode(clause))
		if err != nil {
			return Diagnostics{k.m.sqlFault(location(clause), err.Error(), "")}, nil
		}
		expressions = append(expressions, resolved)
	}
	rules, faults, err := k.ruleTrees(ctx)
	if err != nil || len(faults) > 0 {
		return faults, err
	}
	texts, err := render(ctx, k.engine, append(expressions, rules...))
	if err != nil {
		return nil, err
	}
	for i, item := range k.items {
		k.c.Outputs = append(k.c.Outputs, k.output(item, texts[i], i))
	}
	next := len(k.items)
	if k.query["where_clause"] != nil {
		k.c.Where = texts[next]
		next++
	}
	if k.query["having"] != nil {
		k.c.Having = texts[next]
		next++
	}
	for i, r := range k.m.Rules {
		k.c.Rules = append(k.c.Rules, CompiledRule{Name: r.Name, SQL: texts[next+i], OnFail: r.OnFail, NullPass: r.Null == "pass"})
	}
	return k.checkRuleTypes(ctx)
}

func (k *compiler) output(item node, sql string, i int) Output {
	o := Output{Name: k.names[i], SQL: sql, Ref: -1, Day: -1}
	source := func(n node) int {
		names := list(n, "column_names")
		if str(n, "class") != "COLUMN_REF" || len(names) != 2 {
			return -1
		}
		j, ok := findColumn(k.up.columns, fmt.Sprint(names[1]))
		if !ok {
			return -1
		}
		return j
	}
	o.Ref = source(item)
	if str(item, "class") == "CAST" && str(child(item, "cast_type"), "id") == "DATE" {
		if j := source(child(item, "child")); j >= 0 && strings.HasPrefix(k.up.columns[j].Type, "timestamp") {
			o.Day = j
		}
	}
	if o.Ref < 0 {
		o.Reason = o.Name + ":error"
		visit(item, func(n node) bool {
			if str(n, "class") == "CAST" && !flag(n, "try_cast") {
				o.Reason = o.Name + ":cast"
			}
			return true
		})
	}
	return o
}

// ruleTrees parses the rules and binds their names: outputs first, then
// columns of the source.
func (k *compiler) ruleTrees(ctx context.Context) ([]node, Diagnostics, error) {
	var out []node
	var faults Diagnostics
	if len(k.m.Rules) == 0 {
		return nil, nil, nil
	}
	parsed, err := k.parseRules(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i, r := range k.m.Rules {
		fault := func(message, help string) {
			faults = append(faults, k.m.doc.fault(fmt.Sprintf("$.rules[%d].expr", i), fmt.Sprintf("rule %s: %s", r.Name, message), help))
		}
		if parsed[i].err != "" {
			fault(parsed[i].err, "write one condition, as after WHERE")
			continue
		}
		p := prover{m: k.m, functions: k.prover.functions}
		p.rowLocal(parsed[i].tree, false)
		for _, f := range p.faults {
			fault(f.Message, f.Help)
		}
		bound, err := rewriteRefs(parsed[i].tree, func(ref node) (node, error) {
			names := list(ref, "column_names")
			name, _ := names[len(names)-1].(string)
			if j, ok := findColumn(k.c.Columns, name); ok {
				return columnRef("r", fmt.Sprintf("o%d", j)), nil
			}
			if j, ok := findColumn(k.up.columns, name); ok {
				return columnRef("r", fmt.Sprintf("s%d", j)), nil
			}
			return nil, fmt.Errorf("there is no column %q; %s", name, didYouMean(name, append(columnNames(k.c.Columns), columnNames(k.up.columns)...)))
		})
		if err != nil {
			fault(err.Error(), "rules see the model's columns, then the source's")
			continue
		}
		out = append(out, bound.(node))
	}
	return out, faults, nil
}

type parsedRule struct {
	tree node
	err  string
}

// parseRules parses all rules at once, and one by one only to find a fault.
func (k *compiler) parseRules(ctx context.Context) ([]parsedRule, error) {
	parse := func(exprs []string) ([]node, string, error) {
		tree, err := k.engine.Parse(ctx, "SELECT ("+strings.Join(exprs, "\n), (")+"\n)")
		if bad, ok := errors.AsType[*duck.SQLError](err); ok {
			return nil, bad.Message, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("parse rules of %s: %w", k.m.Name, err)
		}
		query, err := parseTree(tree)
		if err != nil {
			return nil, err.Error(), nil
		}
		items := list(query, "select_list")
		if str(child(query, "from_table"), "type") != "EMPTY" || query["where_clause"] != nil || len(list(query, "modifiers")) > 0 || len(items) != len(exprs) {
			return nil, "it is more than one condition", nil
		}
		out := make([]node, len(items))
		for i, item := range items {
			out[i] = item.(node)
		}
		return out, "", nil
	}
	exprs := make([]string, len(k.m.Rules))
	for i, r := range k.m.Rules {
		exprs[i] = r.Expr
	}
	out := make([]parsedRule, len(exprs))
	trees, bad, err := parse(exprs)
	if err != nil {
		return nil, err
	}
	for i := range exprs {
		if bad == "" {
			out[i].tree = trees[i]
			continue
		}
		one, bad, err := parse(exprs[i : i+1])
		if err != nil {
			return nil, err
		}
		out[i].err = bad
		if bad == "" {
			out[i].tree = one[0]
		}
	}
	return out, nil
}

// checkRuleTypes has the engine bind the rendered rules: each must be boolean.
func (k *compiler) checkRuleTypes(ctx context.Context) (Diagnostics, error) {
	var faults Diagnostics
	if len(k.c.Rules) == 0 {
		return nil, nil
	}
	var columns []string
	for i, c := range k.c.Columns {
		columns = append(columns, fmt.Sprintf("CAST(NULL AS %s) AS o%d", c.duckType(), i))
	}
	for i, c := range k.up.columns {
		columns = append(columns, fmt.Sprintf("CAST(NULL AS %s) AS s%d", c.duckType(), i))
	}
	from := " FROM (SELECT " + strings.Join(columns, ", ") + ") AS r"
	all := make([]string, len(k.c.Rules))
	for i, r := range k.c.Rules {
		all[i] = fmt.Sprintf("%s AS r%d", r.SQL, i)
	}
	describe := func(sql string) ([]duck.Column, string, error) {
		types, err := k.engine.Describe(ctx, duck.Job{SQL: sql})
		if bad, ok := errors.AsType[*duck.SQLError](err); ok {
			return nil, bad.Message, nil
		}
		return types, "", err
	}
	types, bad, err := describe("SELECT " + strings.Join(all, ", ") + from)
	if err != nil {
		return nil, fmt.Errorf("describe rules of %s: %w", k.m.Name, err)
	}
	for i, r := range k.c.Rules {
		one, message := types, bad
		if bad != "" {
			if one, message, err = describe("SELECT " + all[i] + from); err != nil {
				return nil, fmt.Errorf("describe rule %s of %s: %w", r.Name, k.m.Name, err)
			}
		}
		if message == "" {
			t := one[0].Type
			if bad == "" {
				t = one[i].Type
			}
			if strings.EqualFold(t, "BOOLEAN") {
				continue
			}
			message = fmt.Sprintf("it is %s, not a condition", t)
		}
		faults = append(faults, k.m.doc.fault(fmt.Sprintf("$.rules[%d].expr", i), fmt.Sprintf("rule %s: %s", r.Name, message), "write a condition that a good row satisfies"))
	}
	return faults, nil
}
