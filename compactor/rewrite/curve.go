package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// A curve goes through cells. Each of its columns is divided into as many steps
// as there are values of curveBits: by rank, so that skew and type do not matter,
// and NULLs have steps of their own, as many as they are. The number of cells is
// at most 2^16: more than a job makes row groups.

// curveBits is the steps of one of so many columns, as bits.
func curveBits(columns int) int { return 16 / columns }

const (
	sampled   = 100_000 // rows that the ranks are taken from
	quantiles = 256
)

// axis is one column of a curve.
type axis struct {
	expr   string
	typ    string   // DuckDB's
	nulls  float64  // share
	bounds []string // quantiles of the values that are not NULL, as text
}

// along is the ordering by a curve. It reads a sample of the relation.
func (c *compaction) along(ctx context.Context, o plan.Order, rel *lake.Relation, s *iceberg.Schema) (ordering, error) {
	exprs := make([]string, len(o.Columns))
	for i, name := range o.Columns {
		if _, err := Column(name, s); err != nil {
			return ordering{}, err
		}
		exprs[i] = "r." + duck.QuoteName(name)
	}
	axes, err := c.sample(ctx, rel, exprs)
	if err != nil {
		return ordering{}, fmt.Errorf("sample rows for %s: %w", o.Curve, err)
	}
	return curveSQL(o.Curve, axes), nil
}

// sample takes the ranks of expressions over a relation.
func (c *compaction) sample(ctx context.Context, rel *lake.Relation, exprs []string) ([]axis, error) {
	var list, sums []string
	for i, e := range exprs {
		list = append(list, e+" AS c"+strconv.Itoa(i))
		sums = append(sums, fmt.Sprintf("any_value(typeof(c%d)) AS t%d, count(c%d) AS n%d, quantile_disc(c%d, %s)::VARCHAR[] AS q%d", i, i, i, i, i, fractions(), i))
	}
	sql := fmt.Sprintf("SELECT count(*) AS n, %s FROM (SELECT %s FROM %s AS r USING SAMPLE reservoir(%d ROWS) REPEATABLE (1))",
		strings.Join(sums, ", "), strings.Join(list, ", "), rel.SQL, sampled)
	rows, err := c.cfg.Pool.Exec(ctx, duck.Job{Setup: rel.Setup, Read: rel.Paths, SQL: sql})
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d answers instead of one", len(rows))
	}
	axes := make([]axis, len(exprs))
	for i, e := range exprs {
		axes[i] = axisOf(rows[0], i, e)
	}
	return axes, nil
}

func fractions() string {
	out := make([]string, quantiles-1)
	for i := range out {
		out[i] = strconv.FormatFloat(float64(i+1)/quantiles, 'g', -1, 64)
	}
	return "[" + strings.Join(out, ", ") + "]"
}

func axisOf(row map[string]any, i int, expr string) axis {
	n, _ := row["n"].(int64)
	a := axis{expr: expr}
	a.typ, _ = row[fmt.Sprint("t", i)].(string)
	if values, _ := row[fmt.Sprint("n", i)].(int64); n > 0 {
		a.nulls = float64(n-values) / float64(n)
	}
	list, _ := row[fmt.Sprint("q", i)].([]any)
	for _, v := range list {
		if text, ok := v.(string); ok {
			a.bounds = append(a.bounds, text)
		}
	}
	return a
}

// curveSQL orders rows by the place of their cell on the curve.
func curveSQL(curve string, axes []axis) ordering {
	bits := curveBits(len(axes))
	terms := make([]string, len(axes))
	if curve == plan.ZOrder {
		for i, a := range axes {
			terms[i] = a.step(bits, func(step int) int { return spread(step, bits, len(axes)) << (len(axes) - 1 - i) })
		}
		place := "(" + strings.Join(terms, " + ") + ")"
		return ordering{by: " ORDER BY " + place, parts: placeRanges(place, bits*len(axes))}
	}
	for i, a := range axes {
		terms[i] = a.step(bits, func(step int) int { return step << (bits * (len(axes) - 1 - i)) })
	}
	places := hilbert(bits, len(axes))
	text := make([]string, len(places))
	for cell, place := range places {
		text[cell] = strconv.Itoa(int(place))
	}
	return ordering{
		setup: []string{"CREATE TEMP TABLE _firn_curve AS SELECT unnest(l)::INTEGER AS place, (generate_subscripts(l, 1) - 1)::INTEGER AS cell FROM (SELECT string_split(" +
			duck.Quote(strings.Join(text, ",")) + ", ',') AS l)"},
		join:  " LEFT JOIN _firn_curve AS k ON k.cell = (" + strings.Join(terms, " + ") + ")",
		by:    " ORDER BY k.place",
		parts: placeRanges("k.place", bits*len(axes)),
	}
}

// placeRanges divides rows by their place on a curve of so many bits.
func placeRanges(place string, bits int) func(n int) []string {
	return func(n int) []string {
		out := make([]string, n)
		width := (1<<bits + n - 1) / n
		for i := range out {
			out[i] = fmt.Sprintf("%s // %d = %d", place, width, i)
		}
		return out
	}
}

// step is an expression for the step that a row is on, as value gives it: a
// search in the quantiles, written out. A value on several of them, because it is
// frequent, is on the first.
func (a axis) step(bits int, value func(step int) int) string {
	steps := 1 << bits
	below := int(a.nulls * float64(steps)) // steps of the NULLs
	if a.nulls > 0 {
		below = min(max(below, 1), steps-1)
	}
	var bounds []string
	var first []int // step of the values up to a bound
	last := below
	for i := 1; i < steps-below && len(a.bounds) > 0; i++ {
		b := a.bounds[min(i*len(a.bounds)/(steps-below), len(a.bounds)-1)]
		if len(bounds) == 0 || bounds[len(bounds)-1] != b {
			bounds, first = append(bounds, b), append(first, last)
		}
		last = below + i
	}
	var search func(from, to int) string
	search = func(from, to int) string {
		if from == to {
			if from == len(bounds) {
				return strconv.Itoa(value(last))
			}
			return strconv.Itoa(value(first[from]))
		}
		mid := (from + to) / 2
		return fmt.Sprintf("CASE WHEN %s <= CAST(%s AS %s) THEN %s ELSE %s END", a.expr, duck.Quote(bounds[mid]), a.typ, search(from, mid), search(mid+1, to))
	}
	return fmt.Sprintf("(CASE WHEN %s IS NULL THEN %d ELSE %s END)", a.expr, value(0), search(0, len(bounds)))
}

// spread puts n-1 zero bits behind each bit.
func spread(v, bits, n int) (out int) {
	for b := range bits {
		out |= (v >> b & 1) << (b * n)
	}
	return out
}

// hilbert is the place of each cell on the Hilbert curve through a cube of n
// dimensions with so many bits each. A cell is its coordinates, the first in the
// highest bits. After Skilling, "Programming the Hilbert curve" (2004).
func hilbert(bits, n int) []uint32 {
	out := make([]uint32, 1<<(bits*n))
	x := make([]uint32, n)
	for cell := range out {
		for i := range x {
			x[i] = uint32(cell>>(bits*(n-1-i))) & (1<<bits - 1)
		}
		for q := uint32(1) << (bits - 1); q > 1; q >>= 1 {
			p := q - 1
			for i := range x {
				if x[i]&q != 0 {
					x[0] ^= p
				} else {
					t := (x[0] ^ x[i]) & p
					x[0] ^= t
					x[i] ^= t
				}
			}
		}
		for i := 1; i < n; i++ {
			x[i] ^= x[i-1]
		}
		var t uint32
		for q := uint32(1) << (bits - 1); q > 1; q >>= 1 {
			if x[n-1]&q != 0 {
				t ^= q - 1
			}
		}
		for i, v := range slices.Clone(x) {
			out[cell] |= uint32(spread(int(v^t), bits, n)) << (n - 1 - i)
		}
	}
	return out
}
