package rewrite

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// prover compares the rows of a relation with those of its copies.
type prover struct {
	pool    *duck.Pool
	columns columns
	hash    bool
	cpu     time.Duration // spent
}

// compare counts and sums up both sides and answers the number of rows, or
// [ErrProof] and the first difference.
func (p *prover) compare(ctx context.Context, rel *lake.Relation, outputs []string) (int64, error) {
	want, err := p.sums(ctx, rel.Setup, rel.SQL, rel.Paths)
	if err != nil {
		return 0, fmt.Errorf("sum up input: %w", err)
	}
	got, err := p.sums(ctx, nil, "(SELECT * FROM read_parquet("+duck.QuoteList(outputs)+"))", outputs)
	if err != nil {
		return 0, fmt.Errorf("sum up output: %w", err)
	}
	for name, w := range want {
		if g := got[name]; g != w {
			return 0, fmt.Errorf("%w: %s is %v in the output, %v in the input", ErrProof, name, text(g), text(w))
		}
	}
	n, ok := want["count of rows"].(string)
	if !ok {
		return 0, fmt.Errorf("%w: rows were not counted", ErrProof)
	}
	return strconv.ParseInt(n, 10, 64)
}

func text(v any) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprint(v)
}

func (p *prover) sums(ctx context.Context, setup []string, from string, paths []string) (map[string]any, error) {
	rows, cost, err := p.pool.ExecStats(ctx, duck.Job{Setup: setup, Read: paths, SQL: "SELECT " + strings.Join(p.terms(), ", ") + " FROM " + from + " AS r"})
	if err != nil {
		return nil, err
	}
	p.cpu += cost.CPU
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d rows of sums", len(rows))
	}
	return rows[0], nil
}

// terms are aggregates that do not depend on the order of rows, as text.
func (p *prover) terms() []string {
	terms := []string{`count(*)::VARCHAR AS "count of rows"`}
	var all []string
	for _, c := range p.columns {
		name := "r." + duck.QuoteName(c.name)
		all = append(all, name)
		terms = append(terms, fmt.Sprintf("count(%s)::VARCHAR AS %s", name, duck.QuoteName("count of "+c.name)))
		if sum := sumOf(c.typ, name); sum != "" {
			terms = append(terms, fmt.Sprintf("(%s)::VARCHAR AS %s", sum, duck.QuoteName("sum of "+c.name)))
		}
	}
	if p.hash {
		// A sum, so that a row that is there twice counts twice.
		terms = append(terms, `sum(hash(`+strings.Join(all, ", ")+`)::HUGEINT)::VARCHAR AS "hash of rows"`)
	}
	return terms
}

// sumOf is a sum over a column that is exact, whatever the order: DuckDB adds
// integers up to a HUGEINT. For types without one it is a sum of hashes.
func sumOf(t iceberg.Type, name string) string {
	switch t := t.(type) {
	case iceberg.BooleanType:
		return "count_if(" + name + ")"
	case iceberg.Int32Type, iceberg.Int64Type:
		return "sum(" + name + ")"
	case iceberg.DateType:
		return "sum(" + name + " - DATE '1970-01-01')"
	case iceberg.TimestampType, iceberg.TimestampTzType, iceberg.TimeType:
		return "sum(epoch_us(" + name + "))"
	case iceberg.StringType:
		return "sum(strlen(" + name + "))"
	case iceberg.BinaryType:
		return "sum(octet_length(" + name + "))"
	case iceberg.DecimalType:
		if t.Precision() <= 18 {
			return "sum(" + name + ")" // in 38 digits: exact for 10^20 rows
		}
	}
	return "sum(hash(" + name + ")::HUGEINT)"
}
