package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// ordering is how the rows of a rewrite are put in order: SQL to be placed
// behind the relation, which is called r.
type ordering struct {
	setup []string // statements to run before
	join  string
	by    string // ORDER BY clause; empty: any order
	// id of the table's sort order that rows are in then; 0: none.
	id int
	// ranges are up to n conditions, one after the other in the order: each row
	// meets exactly one. Nil: the order cannot be taken apart.
	parts func(n int) []string
}

// ranges of the rows; one, without a condition, where there is no order.
func (o ordering) ranges(n int) []string {
	if n < 2 || o.parts == nil {
		return []string{""}
	}
	return o.parts(n)
}

// ordering makes the order of a policy for a relation.
func (c *compaction) ordering(ctx context.Context, o plan.Order, rel *lake.Relation) (ordering, error) {
	if o.Curve != "" {
		return c.along(ctx, o, rel, c.Scan.Schema)
	}
	by, err := orderBy(o.Terms, c.Scan.Schema)
	if err != nil || by == "" {
		return ordering{}, err
	}
	out := ordering{by: by, id: sortOrderID(c.Table.Metadata, o.Terms)}
	// The values of the first term are divided by rank. A sample is taken only if
	// it comes to that.
	out.parts = func(n int) []string {
		first := o.Terms[0]
		f, err := Column(first.Column, c.Scan.Schema)
		if err != nil {
			return []string{""}
		}
		expr, err := sortExpression(first, f.Type)
		if err != nil {
			return []string{""}
		}
		axes, err := c.sample(ctx, rel, []string{expr})
		if err != nil {
			return []string{""}
		}
		return rangesOf(expr, axes[0], first, n)
	}
	return out, nil
}

// rangesOf divides rows by the rank of an expression, NULLs by themselves.
func rangesOf(expr string, a axis, t plan.OrderTerm, n int) []string {
	a.nulls = 0
	bits := 0
	for 1<<bits < n {
		bits++
	}
	step := a.step(bits, func(s int) int { return s })
	var out []string
	for i := range 1 << bits {
		out = append(out, fmt.Sprintf("%s IS NOT NULL AND %s = %d", expr, step, i))
	}
	if t.Desc {
		slices.Reverse(out)
	}
	null := expr + " IS NULL"
	if t.NullsLast {
		return append(out, null)
	}
	return append([]string{null}, out...)
}

// orderBy is the clause for terms of a policy, over the columns of a schema.
func orderBy(terms []plan.OrderTerm, s *iceberg.Schema) (string, error) {
	var out []string
	for _, t := range terms {
		f, err := Column(t.Column, s)
		if err != nil {
			return "", err
		}
		expr, err := sortExpression(t, f.Type)
		if err != nil {
			return "", err
		}
		direction := " ASC"
		if t.Desc {
			direction = " DESC"
		}
		if t.NullsLast {
			direction += " NULLS LAST"
		} else {
			direction += " NULLS FIRST"
		}
		out = append(out, expr+direction)
	}
	if len(out) == 0 {
		return "", nil
	}
	return " ORDER BY " + strings.Join(out, ", "), nil
}

// Column is one that rows can be laid out by.
func Column(name string, s *iceberg.Schema) (iceberg.NestedField, error) {
	var names []string
	for _, f := range s.Fields() {
		if f.Name != name {
			names = append(names, f.Name)
			continue
		}
		if _, ok := f.Type.(iceberg.PrimitiveType); !ok {
			return f, fmt.Errorf("rows cannot be sorted by column %q, a %s", name, f.Type)
		}
		return f, nil
	}
	return iceberg.NestedField{}, fmt.Errorf("the table has no column %q; it has %s", name, strings.Join(names, ", "))
}

// sortExpression is SQL that is ordered as the transform of a column is.
func sortExpression(t plan.OrderTerm, typ iceberg.Type) (string, error) {
	column := "r." + duck.QuoteName(t.Column)
	unfit := fmt.Errorf("sort by %s(%s): it does not apply to type %s", t.Transform, t.Column, typ)
	switch t.Transform {
	case "":
		return column, nil
	case "truncate":
		switch typ.(type) {
		case iceberg.Int32Type, iceberg.Int64Type:
			wide := "(" + column + ")::HUGEINT"
			return fmt.Sprintf("(%s - ((%s %% %d) + %d) %% %d)", wide, wide, t.Width, t.Width, t.Width), nil
		case iceberg.StringType:
			return fmt.Sprintf("left(%s, %d)", column, t.Width), nil
		}
		return "", unfit
	case "hour":
		if _, ok := typ.(iceberg.DateType); ok {
			return "", unfit
		}
	}
	switch typ.(type) {
	case iceberg.DateType, iceberg.TimestampType, iceberg.TimestampTzType:
		return fmt.Sprintf("date_trunc('%s', %s)", t.Transform, column), nil
	case iceberg.TimestampNsType:
		return fmt.Sprintf("date_trunc('%s', (%s)::TIMESTAMP)", t.Transform, column), nil
	}
	return "", unfit
}

// TableSort spells the table's default sort order as a policy does. An order
// that cannot be made (by a bucket, by a field of a struct) is not half made: it
// is no order.
func TableSort(meta table.Metadata) []string {
	terms, ok := tableTerms(meta)
	if !ok {
		return nil
	}
	if _, err := orderBy(terms, meta.CurrentSchema()); err != nil {
		return nil
	}
	out := make([]string, len(terms))
	for i, t := range terms {
		out[i] = t.String()
	}
	return out
}

func tableTerms(meta table.Metadata) ([]plan.OrderTerm, bool) {
	var out []plan.OrderTerm
	order := meta.SortOrder()
	for _, f := range order.Fields() {
		i := slices.IndexFunc(meta.CurrentSchema().Fields(), func(c iceberg.NestedField) bool { return c.ID == f.SourceID() })
		if i < 0 || len(f.SourceIDs) > 1 {
			return nil, false
		}
		t := plan.OrderTerm{Column: meta.CurrentSchema().Fields()[i].Name, Desc: f.Direction == table.SortDESC, NullsLast: f.NullOrder == table.NullsLast}
		switch tr := f.Transform.(type) {
		case iceberg.IdentityTransform:
		case iceberg.TruncateTransform:
			t.Transform, t.Width = "truncate", int64(tr.Width)
		case iceberg.YearTransform, iceberg.MonthTransform, iceberg.DayTransform, iceberg.HourTransform:
			t.Transform = tr.String()
		default:
			return nil, false
		}
		out = append(out, t)
	}
	return out, true
}

// sortOrderID is the table's sort order when rows in the order of terms are
// truly in it, else 0. Of floating point they are not: Iceberg puts -0 before 0,
// where SQL finds them equal; and engines have differed over UUIDs.
func sortOrderID(meta table.Metadata, terms []plan.OrderTerm) int {
	want, ok := tableTerms(meta)
	if !ok || len(want) == 0 || len(terms) < len(want) || !slices.Equal(terms[:len(want)], want) {
		return table.UnsortedSortOrderID
	}
	for _, t := range want {
		f, err := Column(t.Column, meta.CurrentSchema())
		if err != nil {
			return table.UnsortedSortOrderID
		}
		switch f.Type.(type) {
		case iceberg.Float32Type, iceberg.Float64Type, iceberg.UUIDType:
			return table.UnsortedSortOrderID
		}
	}
	order := meta.SortOrder()
	return order.OrderID()
}
