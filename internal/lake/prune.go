package lake

import (
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
)

// pruner says which manifests and data files cannot hold a row that matches a
// filter. It errs towards reading.
type pruner struct {
	rows  iceberg.BooleanExpression // bound to the table's schema; nil: all rows
	specs map[int]*specPruner
}

// specPruner is the filter as it shows in the partitions of one spec.
type specPruner struct {
	fields []iceberg.PartitionField
	types  []iceberg.Type
	expr   iceberg.BooleanExpression // bound to the partition struct
}

func newPruner(schema *iceberg.Schema, specs []iceberg.PartitionSpec, filter iceberg.BooleanExpression) (*pruner, error) {
	if filter == nil {
		return &pruner{}, nil
	}
	filter, err := iceberg.RewriteNotExpr(filter)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	bound, err := iceberg.BindExpr(schema, filter, true)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	p := &pruner{rows: bound, specs: map[int]*specPruner{}}
	for _, spec := range specs {
		sp := &specPruner{}
		var nested []iceberg.NestedField
		for _, f := range spec.Fields() {
			src, ok := schema.FindTypeByID(f.SourceID())
			if !ok { // the source column was dropped
				src = iceberg.PrimitiveTypes.String
			}
			typ := f.Transform.ResultType(src)
			sp.fields = append(sp.fields, f)
			sp.types = append(sp.types, typ)
			nested = append(nested, iceberg.NestedField{ID: f.FieldID, Name: f.Name, Type: typ})
		}
		projected, err := project(bound, sp.fields)
		if err != nil {
			return nil, fmt.Errorf("filter on partitions: %w", err)
		}
		if sp.expr, err = iceberg.BindExpr(iceberg.NewSchema(0, nested...), projected, true); err != nil {
			return nil, fmt.Errorf("filter on partitions: %w", err)
		}
		p.specs[spec.ID()] = sp
	}
	return p, nil
}

// manifest says whether a manifest may name a file that matters.
func (p *pruner) manifest(m iceberg.ManifestFile) bool {
	if p.rows == nil {
		return true
	}
	sp := p.specs[int(m.PartitionSpecID())]
	sums := m.Partitions()
	if sp == nil || len(sums) != len(sp.fields) {
		return true
	}
	return mightMatch(sp.expr, func(id int) span {
		for i, f := range sp.fields {
			if f.FieldID == id {
				return summarySpan(sp.types[i], sums[i])
			}
		}
		return unknownSpan
	})
}

// file says whether a data file may hold a row that matters.
func (p *pruner) file(f iceberg.DataFile) bool {
	if p.rows == nil {
		return true
	}
	if f.Count() == 0 {
		return false
	}
	if sp := p.specs[int(f.SpecID())]; sp != nil && len(sp.fields) > 0 {
		values := f.Partition()
		if !mightMatch(sp.expr, func(id int) span {
			for i, pf := range sp.fields {
				if pf.FieldID == id {
					v, ok := values[id]
					if !ok {
						return unknownSpan
					}
					return valueSpan(sp.types[i], v)
				}
			}
			return unknownSpan
		}) {
			return false
		}
	}
	return mightMatchFields(p.rows, func(field iceberg.NestedField) span { return fileSpan(f, field) })
}

// project is what a row filter says about partitions.
func project(expr iceberg.BooleanExpression, fields []iceberg.PartitionField) (iceberg.BooleanExpression, error) {
	return iceberg.VisitExpr(expr, projection{fields})
}

type projection struct{ fields []iceberg.PartitionField }

func (projection) VisitTrue() iceberg.BooleanExpression  { return iceberg.AlwaysTrue{} }
func (projection) VisitFalse() iceberg.BooleanExpression { return iceberg.AlwaysFalse{} }
func (projection) VisitNot(iceberg.BooleanExpression) iceberg.BooleanExpression {
	return iceberg.AlwaysTrue{}
}

func (projection) VisitAnd(l, r iceberg.BooleanExpression) iceberg.BooleanExpression {
	return iceberg.NewAnd(l, r)
}

func (projection) VisitOr(l, r iceberg.BooleanExpression) iceberg.BooleanExpression {
	return iceberg.NewOr(l, r)
}

func (projection) VisitUnbound(iceberg.UnboundPredicate) iceberg.BooleanExpression {
	return iceberg.AlwaysTrue{}
}

func (p projection) VisitBound(pred iceberg.BoundPredicate) iceberg.BooleanExpression {
	var out iceberg.BooleanExpression = iceberg.AlwaysTrue{}
	for _, f := range p.fields {
		if f.SourceID() != pred.Term().Ref().Field().ID {
			continue
		}
		part, err := f.Transform.Project(f.Name, pred)
		if err != nil || part == nil {
			continue // says nothing about this partition
		}
		out = iceberg.NewAnd(out, part)
	}
	return out
}

func mightMatch(expr iceberg.BooleanExpression, of func(fieldID int) span) bool {
	return mightMatchFields(expr, func(f iceberg.NestedField) span { return of(f.ID) })
}

func mightMatchFields(expr iceberg.BooleanExpression, of func(iceberg.NestedField) span) bool {
	might, err := iceberg.VisitExpr(expr, matcher{of})
	return might || err != nil
}

// matcher answers whether a bound expression may be true of some row.
type matcher struct {
	of func(iceberg.NestedField) span
}

func (m matcher) VisitTrue() bool                            { return true }
func (m matcher) VisitFalse() bool                           { return false }
func (m matcher) VisitNot(bool) bool                         { return true }
func (m matcher) VisitAnd(l, r bool) bool                    { return l && r }
func (m matcher) VisitOr(l, r bool) bool                     { return l || r }
func (m matcher) VisitUnbound(iceberg.UnboundPredicate) bool { return true }

func (m matcher) VisitBound(p iceberg.BoundPredicate) bool {
	return iceberg.VisitBoundPredicate(p, m)
}

// span of a term; only plain columns have one.
func (m matcher) span(t iceberg.BoundTerm) span {
	if _, ok := t.(iceberg.BoundReference); !ok {
		return unknownSpan
	}
	return m.of(t.Ref().Field())
}

func (m matcher) VisitIn(t iceberg.BoundTerm, set iceberg.Set[iceberg.Literal]) bool {
	for _, lit := range set.Members() {
		if m.VisitEqual(t, lit) {
			return true
		}
	}
	return false
}

// In Iceberg NULL differs from every value, so != and NOT IN hold of it.
func (m matcher) VisitNotIn(iceberg.BoundTerm, iceberg.Set[iceberg.Literal]) bool { return true }

func (m matcher) VisitIsNan(t iceberg.BoundTerm) bool  { return !m.span(t).onlyNulls }
func (m matcher) VisitNotNan(iceberg.BoundTerm) bool   { return true }
func (m matcher) VisitIsNull(t iceberg.BoundTerm) bool { return !m.span(t).noNulls }

func (m matcher) VisitNotNull(t iceberg.BoundTerm) bool { return !m.span(t).onlyNulls }

func (m matcher) VisitEqual(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	return m.VisitLessEqual(t, lit) && m.VisitGreaterEqual(t, lit)
}
func (m matcher) VisitNotEqual(iceberg.BoundTerm, iceberg.Literal) bool { return true }

func (m matcher) VisitGreaterEqual(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	return m.bound(t, func(s span) (iceberg.Literal, func(int) bool) {
		return s.upper, func(order int) bool { return order >= 0 }
	}, lit)
}

func (m matcher) VisitGreater(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	return m.bound(t, func(s span) (iceberg.Literal, func(int) bool) {
		return s.upper, func(order int) bool { return order > 0 }
	}, lit)
}

func (m matcher) VisitLessEqual(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	return m.bound(t, func(s span) (iceberg.Literal, func(int) bool) {
		return s.lower, func(order int) bool { return order <= 0 }
	}, lit)
}

func (m matcher) VisitLess(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	return m.bound(t, func(s span) (iceberg.Literal, func(int) bool) {
		return s.lower, func(order int) bool { return order < 0 }
	}, lit)
}

// bound compares one bound of a column with a literal.
func (m matcher) bound(t iceberg.BoundTerm, pick func(span) (iceberg.Literal, func(int) bool), lit iceberg.Literal) bool {
	s := m.span(t)
	if s.onlyNulls {
		return false
	}
	have, good := pick(s)
	if have == nil {
		return true
	}
	order, ok := compare(have, lit)
	return !ok || good(order)
}

func (m matcher) VisitStartsWith(t iceberg.BoundTerm, lit iceberg.Literal) bool {
	s := m.span(t)
	if s.onlyNulls {
		return false
	}
	prefix, ok := lit.Any().(string)
	if !ok {
		return true
	}
	if s.lower != nil {
		if low, ok := s.lower.Any().(string); ok && low > prefix && !strings.HasPrefix(low, prefix) {
			return false
		}
	}
	if s.upper != nil {
		if high, ok := s.upper.Any().(string); ok && high < prefix {
			return false
		}
	}
	return true
}
func (m matcher) VisitNotStartsWith(iceberg.BoundTerm, iceberg.Literal) bool { return true }
