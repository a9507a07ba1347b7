package query

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
)

// Conditions that Iceberg can decide by partition values and column bounds are
// handed to the planner. What is not understood here only means that more files
// are read: DuckDB applies the whole condition to the rows.

// tableFilter is the condition on all mentions of a table together; nil when
// one of them reads everything.
func tableFilter(schema *iceberg.Schema, refs []*reference) iceberg.BooleanExpression {
	var any iceberg.BooleanExpression
	for _, r := range refs {
		var all iceberg.BooleanExpression
		for _, f := range r.filters {
			e := (&pushdown{schema: schema, ref: r}).condition(f)
			if e == nil {
				continue
			}
			if all == nil {
				all = e
			} else {
				all = iceberg.NewAnd(all, e)
			}
		}
		if all == nil {
			return nil
		}
		if any == nil {
			any = all
		} else {
			any = iceberg.NewOr(any, all)
		}
	}
	return any
}

type pushdown struct {
	schema *iceberg.Schema
	ref    *reference
}

// condition is a node as an expression that is true wherever the node is; nil
// if it is not understood.
func (p *pushdown) condition(n node) iceberg.BooleanExpression {
	switch typ := n.text("type"); typ {
	case "CONJUNCTION_AND", "CONJUNCTION_OR":
		var out iceberg.BooleanExpression
		for _, c := range n.list("children") {
			e := p.condition(c)
			switch {
			case e == nil && typ == "CONJUNCTION_OR":
				return nil
			case e == nil:
			case out == nil:
				out = e
			case typ == "CONJUNCTION_OR":
				out = iceberg.NewOr(out, e)
			default:
				out = iceberg.NewAnd(out, e)
			}
		}
		return out
	case "COMPARE_EQUAL", "COMPARE_LESSTHAN", "COMPARE_GREATERTHAN", "COMPARE_LESSTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO":
		if f, ok := p.column(n.node("left")); ok {
			return compare(typ, f, literal(f.Type, n.node("right")))
		}
		if f, ok := p.column(n.node("right")); ok {
			return compare(mirrored[typ], f, literal(f.Type, n.node("left")))
		}
	case "COMPARE_BETWEEN":
		f, ok := p.column(n.node("input"))
		if !ok {
			return nil
		}
		low := compare("COMPARE_GREATERTHANOREQUALTO", f, literal(f.Type, n.node("lower")))
		high := compare("COMPARE_LESSTHANOREQUALTO", f, literal(f.Type, n.node("upper")))
		switch {
		case low == nil:
			return high
		case high == nil:
			return low
		}
		return iceberg.NewAnd(low, high)
	case "COMPARE_IN":
		children := n.list("children")
		if len(children) < 2 {
			return nil
		}
		f, ok := p.column(children[0])
		if !ok {
			return nil
		}
		var out iceberg.BooleanExpression
		for _, c := range children[1:] {
			e := compare("COMPARE_EQUAL", f, literal(f.Type, c))
			if e == nil {
				return nil
			}
			if out == nil {
				out = e
			} else {
				out = iceberg.NewOr(out, e)
			}
		}
		return out
	case "OPERATOR_IS_NOT_NULL":
		if c := n.list("children"); len(c) == 1 {
			if f, ok := p.column(c[0]); ok {
				return iceberg.NotNull(iceberg.Reference(f.Name))
			}
		}
	case "OPERATOR_IS_NULL":
		// After an outer join the column may be NULL without being so in the
		// table.
		if c := n.list("children"); len(c) == 1 && p.ref.alone {
			if f, ok := p.column(c[0]); ok {
				return iceberg.IsNull(iceberg.Reference(f.Name))
			}
		}
	}
	return nil
}

var mirrored = map[string]string{
	"COMPARE_EQUAL": "COMPARE_EQUAL", "COMPARE_LESSTHAN": "COMPARE_GREATERTHAN", "COMPARE_GREATERTHAN": "COMPARE_LESSTHAN",
	"COMPARE_LESSTHANOREQUALTO": "COMPARE_GREATERTHANOREQUALTO", "COMPARE_GREATERTHANOREQUALTO": "COMPARE_LESSTHANOREQUALTO",
}

// column finds the table's column that a node names, if it certainly does.
func (p *pushdown) column(n node) (iceberg.NestedField, bool) {
	if n.text("type") != "COLUMN_REF" {
		return iceberg.NestedField{}, false
	}
	var names []string
	items, _ := n["column_names"].([]any)
	for _, item := range items {
		s, _ := item.(string)
		names = append(names, s)
	}
	switch len(names) {
	case 1:
		if !p.ref.alone {
			return iceberg.NestedField{}, false
		}
	case 2:
		if !strings.EqualFold(names[0], p.ref.alias) {
			return iceberg.NestedField{}, false
		}
	default:
		return iceberg.NestedField{}, false
	}
	var found iceberg.NestedField
	count := 0
	for _, f := range p.schema.Fields() {
		if strings.EqualFold(f.Name, names[len(names)-1]) {
			found = f
			count++
		}
		// "a.b" may also be field b of a struct a.
		if len(names) == 2 && strings.EqualFold(f.Name, names[0]) {
			return iceberg.NestedField{}, false
		}
	}
	if count != 1 || strings.Contains(found.Name, ".") {
		return iceberg.NestedField{}, false
	}
	return found, true
}

func compare(op string, f iceberg.NestedField, lit iceberg.Literal) iceberg.BooleanExpression {
	if lit == nil {
		return nil
	}
	ops := map[string]iceberg.Operation{
		"COMPARE_EQUAL": iceberg.OpEQ, "COMPARE_LESSTHAN": iceberg.OpLT, "COMPARE_GREATERTHAN": iceberg.OpGT,
		"COMPARE_LESSTHANOREQUALTO": iceberg.OpLTEQ, "COMPARE_GREATERTHANOREQUALTO": iceberg.OpGTEQ,
	}
	return iceberg.LiteralPredicate(ops[op], iceberg.Reference(f.Name), lit)
}

// literal is a constant in the type of a column, where DuckDB certainly
// compares in that type.
func literal(typ iceberg.Type, n node) iceberg.Literal {
	cast := ""
	if n.text("type") == "OPERATOR_CAST" {
		cast = n.node("cast_type").text("id")
		n = n.node("child")
	}
	if n.text("type") != "VALUE_CONSTANT" {
		return nil
	}
	value := n.node("value")
	if null, _ := value["is_null"].(bool); null {
		return nil
	}
	from := value.node("type").text("id")
	switch typ.(type) {
	case iceberg.Int32Type, iceberg.Int64Type:
		num, ok := value["value"].(json.Number)
		v, err := num.Int64()
		if !ok || err != nil || cast != "" || !wholeNumber(from) {
			return nil
		}
		return inRange(typ, iceberg.NewLiteral(v))
	case iceberg.Float64Type:
		num, ok := value["value"].(json.Number)
		v, err := num.Int64()
		if !ok || err != nil || cast != "" || !wholeNumber(from) || v > 1<<53 || v < -1<<53 {
			return nil
		}
		return iceberg.NewLiteral(float64(v))
	case iceberg.StringType:
		s, ok := value["value"].(string)
		if !ok || from != "VARCHAR" || cast != "" && cast != "VARCHAR" {
			return nil
		}
		return iceberg.NewLiteral(s)
	case iceberg.DateType:
		s, ok := value["value"].(string)
		if !ok || from != "VARCHAR" || cast != "" && cast != "DATE" {
			return nil
		}
		t, err := time.Parse("2006-01-02", s)
		if err != nil {
			return nil
		}
		return iceberg.NewLiteral(iceberg.Date(t.Unix() / 86400))
	case iceberg.TimestampType, iceberg.TimestampTzType:
		s, ok := value["value"].(string)
		if !ok || from != "VARCHAR" {
			return nil
		}
		switch cast {
		case "", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE":
		default:
			return nil
		}
		layouts := []string{"2006-01-02", "2006-01-02 15:04:05", "2006-01-02T15:04:05", "2006-01-02 15:04", time.RFC3339}
		if cast == "DATE" {
			layouts = layouts[:1]
		}
		for _, layout := range layouts { // a fraction of seconds is read anyway
			if t, err := time.Parse(layout, s); err == nil && t.Nanosecond()%1000 == 0 {
				return iceberg.NewLiteral(iceberg.Timestamp(t.UnixMicro()))
			}
		}
	}
	return nil
}

func wholeNumber(typ string) bool {
	switch typ {
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		return true
	}
	return false
}

// inRange is a whole number as the column's type; nil if it does not fit.
func inRange(typ iceberg.Type, lit iceberg.Literal) iceberg.Literal {
	if _, ok := typ.(iceberg.Int64Type); ok {
		return lit
	}
	v := lit.Any().(int64)
	if int64(int32(v)) != v {
		return nil
	}
	return iceberg.NewLiteral(int32(v))
}
