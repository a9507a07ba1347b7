package medallion

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/firnlake/firn/internal/duck"
)

// upstream is what a model needs to know of the table it reads.
type upstream struct {
	name    string
	mode    string
	columns []Column
	lane    string
	rowID   string
}

// compiler turns one parsed model into its runnable form.
type compiler struct {
	engine Engine
	m      *ModelFile
	up     upstream
	prover prover

	query     node
	items     []node   // expressions over s, with their alias
	names     []string // outputs
	types     []duck.Column
	aggregate []bool
	c         *Compiled
}

// parseModel answers the syntax tree of a model's SELECT.
func parseModel(ctx context.Context, e Engine, m *ModelFile) (node, Diagnostics, error) {
	tree, err := e.Parse(ctx, m.SQL)
	if bad, ok := errors.AsType[*duck.SQLError](err); ok {
		return nil, Diagnostics{m.sqlFault(bad.Position, bad.Message, "the body of a model is one SELECT in DuckDB's dialect")}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("parse model %s: %w", m.Name, err)
	}
	query, err := parseTree(tree)
	if err != nil {
		return nil, Diagnostics{m.sqlFault(0, err.Error(), "write exactly one SELECT after the head")}, nil
	}
	return query, nil, nil
}

// compile proves and compiles a model over its source. Diagnostics mean that
// the model is at fault; an error, that the engine is.
func compile(ctx context.Context, e Engine, fs map[string]function, m *ModelFile, query node, up upstream, layer string) (*Compiled, Diagnostics, error) {
	k := &compiler{engine: e, m: m, up: up, query: query, prover: prover{m: m, functions: fs}}
	k.c = &Compiled{
		Name: m.Name, Mode: m.Materialize.Mode, File: m.File, SQL: m.SQL, Layer: layer,
		Source: up.name, SourceMode: up.mode, SourceColumns: up.columns, Lane: -1, RowID: -1,
		PartitionBy: m.Materialize.PartitionBy, SortBy: m.Materialize.SortBy, Trigger: m.Trigger,
	}
	canonicalQuery := canonical(query)
	// Nothing of a stranger's text reaches the engine before every function and
	// clause in it was looked at.
	if k.prove(); len(k.prover.faults) > 0 {
		return nil, k.prover.faults, nil
	}
	if faults, err := k.bind(ctx); err != nil || len(faults) > 0 {
		return nil, faults, err
	}
	if k.expand(); len(k.prover.faults) > 0 {
		return nil, k.prover.faults, nil
	}
	var grouped []int
	if m.Materialize.Mode == ModeAggregate {
		grouped = k.prover.groups(query, k.items, k.aggregate)
	} else {
		k.prover.noGroups(query)
	}
	if len(k.prover.faults) > 0 {
		return nil, k.prover.faults, nil
	}
	if faults := k.columns(); len(faults) > 0 {
		return nil, faults, nil
	}
	if faults := k.identity(grouped); len(faults) > 0 {
		return nil, faults, nil
	}
	if faults, err := k.render(ctx); err != nil || len(faults) > 0 {
		return nil, faults, err
	}
	if _, err := tableLayout(k.c.tableColumns(), k.c.PartitionBy, k.c.SortBy); err != nil {
		return nil, Diagnostics{m.doc.fault("$.materialize", err.Error(), layoutHelp)}, nil
	}
	for _, r := range m.RelationRules {
		k.c.Unique = append(k.c.Unique, r.Name)
	}
	k.c.hashes(canonicalQuery)
	k.c.Proof = k.proof()
	return k.c, nil, nil
}

// emptySource are the statements that make an empty table like the source.
func emptySource(name string, columns []Column) []string {
	ns, table, _ := strings.Cut(name, ".")
	defs := make([]string, len(columns))
	for i, c := range columns {
		defs[i] = ident(c.Name) + " " + c.duckType()
	}
	return []string{
		"CREATE SCHEMA IF NOT EXISTS " + ident(ns),
		fmt.Sprintf("CREATE TABLE %s.%s (%s)", ident(ns), ident(table), strings.Join(defs, ", ")),
	}
}

// prove checks every expression of the query to be row-local, or an aggregate of
// row-local expressions.
func (k *compiler) prove() {
	aggregates := k.m.Materialize.Mode == ModeAggregate
	for _, item := range list(k.query, "select_list") {
		k.prover.rowLocal(item, aggregates)
	}
	k.prover.rowLocal(k.query["group_expressions"], false)
	k.prover.rowLocal(k.query["where_clause"], false)
	k.prover.rowLocal(k.query["having"], true)
}

// bind has the engine check the author's own text against the source: unknown
// columns and wrong types are found at their place in the file.
func (k *compiler) bind(ctx context.Context) (Diagnostics, error) {
	types, err := k.engine.Describe(ctx, duck.Job{Setup: emptySource(k.up.name, k.up.columns), SQL: k.m.SQL})
	if bad, ok := errors.AsType[*duck.SQLError](err); ok {
		return Diagnostics{k.m.sqlFault(bad.Position, bad.Message, fmt.Sprintf("%s has the columns %s", k.up.name, strings.Join(columnNames(k.up.columns), ", ")))}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("describe model %s: %w", k.m.Name, err)
	}
	k.types = types
	return nil, nil
}

// expand makes the select list explicit: * is spelled out, and references name
// the source or repeat the expression of an earlier alias.
func (k *compiler) expand() {
	aggregates := k.m.Materialize.Mode == ModeAggregate
	for _, raw := range list(k.query, "select_list") {
		item := cloneNode(raw.(node))
		if str(item, "class") == "STAR" {
			if aggregates || len(list(item, "exclude_list")) > 0 || len(list(item, "replace_list")) > 0 || len(list(item, "rename_list")) > 0 || item["expr"] != nil || flag(item, "columns") {
				k.prover.refuse(item, "* with conditions is not served yet", "name the columns")
				return
			}
			for _, c := range k.up.columns {
				ref := columnRef("s", c.Name)
				ref["alias"] = c.Name
				k.add(ref, false)
			}
			continue
		}
		isAggregate := k.prover.rowLocal(item, aggregates)
		alias := str(item, "alias")
		if alias == "" {
			if names := list(item, "column_names"); len(names) > 0 {
				alias, _ = names[len(names)-1].(string)
			}
		}
		if alias == "" {
			k.prover.refuse(item, "an expression without a name", "add AS name")
			return
		}
		item["alias"] = ""
		resolved, err := k.resolve(item)
		if err != nil {
			k.prover.refuse(raw.(node), err.Error(), didYouMean(alias, columnNames(k.up.columns)))
			return
		}
		resolved["alias"] = alias
		k.add(resolved, isAggregate)
	}
}

func (k *compiler) add(item node, aggregate bool) {
	k.items = append(k.items, item)
	k.names = append(k.names, str(item, "alias"))
	k.aggregate = append(k.aggregate, aggregate)
}

// resolve rewrites references of the model's SELECT: to s.column, or to the
// expression behind an earlier alias, as DuckDB does.
func (k *compiler) resolve(expression node) (node, error) {
	out, err := rewriteRefs(expression, func(ref node) (node, error) {
		names := list(ref, "column_names")
		name, _ := names[len(names)-1].(string)
		if i, ok := findColumn(k.up.columns, name); ok {
			return columnRef("s", k.up.columns[i].Name), nil
		}
		if len(names) == 1 {
			for i, n := range k.names {
				if strings.EqualFold(n, name) {
					return withoutAlias(k.items[i]), nil
				}
			}
		}
		return nil, fmt.Errorf("%s is no column of %s", name, k.up.name)
	})
	if err != nil {
		return nil, err
	}
	return out.(node), nil
}

// columns takes the types that the engine found.
func (k *compiler) columns() Diagnostics {
	if len(k.types) != len(k.names) {
		return Diagnostics{k.m.sqlFault(0, fmt.Sprintf("the engine sees %d columns and Firn %d", len(k.types), len(k.names)), "name every column in the SELECT")}
	}
	var faults Diagnostics
	for i, t := range k.types {
		at := location(k.items[i])
		c, err := columnOfDuck(k.names[i], t.Type)
		switch {
		case err != nil:
			faults = append(faults, k.m.sqlFault(at, err.Error(), "CAST it, for example to BIGINT, DECIMAL(38,3), DOUBLE or VARCHAR"))
		case strings.HasPrefix(c.Name, "_"):
			faults = append(faults, k.m.sqlFault(at, fmt.Sprintf("column %s: names that begin with _ are Firn's own", c.Name), "give it another name"))
		}
		if j, ok := findColumn(k.c.Columns, c.Name); ok {
			faults = append(faults, k.m.sqlFault(at, fmt.Sprintf("columns %s and %s have the same name", k.c.Columns[j].Name, c.Name), "give one of them another name"))
		}
		k.c.Columns = append(k.c.Columns, c)
	}
	return faults
}

// identity resolves key, order and grain.
func (k *compiler) identity(grouped []int) Diagnostics {
	var faults Diagnostics
	z := k.m.Materialize
	unknown := func(at, name string, known []string) {
		faults = append(faults, k.m.doc.fault("$.materialize."+at, fmt.Sprintf("there is no column %q", name), didYouMean(name, known)))
	}
	for _, name := range z.Key {
		if i, ok := findColumn(k.c.Columns, name); ok {
			k.c.Key = append(k.c.Key, i)
		} else {
			unknown("key", name, k.names)
		}
	}
	for _, name := range z.OrderBy {
		if i, ok := findColumn(k.c.Columns, name); ok {
			k.c.Order = append(k.c.Order, OrderColumn{Output: i, Source: -1, Column: k.c.Columns[i]})
		} else if j, ok := findColumn(k.up.columns, name); ok {
			column := k.up.columns[j]
			column.Name, column.Required = orderPrefix+strings.TrimPrefix(column.Name, "_"), false
			k.c.Order = append(k.c.Order, OrderColumn{Output: -1, Source: j, Column: column})
		} else {
			unknown("order_by", name, slices.Concat(k.names, columnNames(k.up.columns)))
		}
	}
	for _, name := range z.Grain {
		i, ok := findColumn(k.c.Columns, name)
		if !ok {
			unknown("grain", name, k.names)
			continue
		}
		k.c.Grain = append(k.c.Grain, i)
		if !slices.Contains(grouped, i) {
			faults = append(faults, k.m.doc.fault("$.materialize.grain", fmt.Sprintf("%s is not grouped by", name), "the grain is exactly what the SELECT groups by"))
		}
	}
	for _, i := range grouped {
		if z.Mode == ModeAggregate && !slices.Contains(k.c.Grain, i) {
			faults = append(faults, k.m.doc.fault("$.materialize.grain", fmt.Sprintf("the SELECT also groups by %s", k.names[i]), "the grain is exactly what the SELECT groups by"))
		}
	}
	if i, ok := findColumn(k.up.columns, k.up.lane); ok && k.up.lane != "" {
		k.c.Lane = i
	}
	if i, ok := findColumn(k.up.columns, k.up.rowID); ok && k.up.rowID != "" {
		k.c.RowID = i
	}
	return faults
}

// proof says in words why the model can be kept.
func (k *compiler) proof() string {
	c := k.c
	name := func(is []int) string {
		out := make([]string, len(is))
		for i, j := range is {
			out[i] = c.Columns[j].Name
		}
		return strings.Join(out, ", ")
	}
	switch c.Mode {
	case ModeUpsert:
		return fmt.Sprintf("each row depends on one row of %s only; the greatest of (%s, sequence, position) per (%s) wins whatever the order of arrival", c.Source, strings.Join(k.m.Materialize.OrderBy, ", "), name(c.Key))
	case ModeAggregate:
		return fmt.Sprintf("a row of %s belongs to the one group (%s) computed from that row only; changed groups are recomputed whole", c.Source, name(c.Grain))
	}
	return fmt.Sprintf("each row depends on one row of %s only, and that is append-only", c.Source)
}
