package rewrite

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// Probe is lookups of single values of one column: what a layout of files is
// measured by. It is stored, so that the same lookups can be planned again later.
type Probe struct {
	Column string   `json:"column"`
	Values []string `json:"values"`
}

// Lookup is what the lookups of one column cost, on average.
type Lookup struct {
	Column string `json:"column"`
	// Lookups that were planned.
	Lookups int `json:"lookups"`
	// Files that one opens, delete files among them, and their Bytes.
	Files float64 `json:"files"`
	Bytes float64 `json:"bytes"`
}

// probeValues is the lookups by one column: the medians of as many equal parts of
// the rows, so that values are looked up as often as they are there.
const probeValues = 16

// probeBytes is how much of the files is read for it.
const probeBytes = 256 << 20

// some are files spread over all, of about so many bytes.
func some(files []lake.File, bytes int64) []lake.File {
	var total int64
	for _, f := range files {
		total += f.Data.FileSizeBytes()
	}
	every := int(total/bytes) + 1
	var out []lake.File
	for i := every / 2; i < len(files); i += every {
		out = append(out, files[i])
	}
	if len(out) == 0 {
		return files[:min(1, len(files))]
	}
	return out
}

// Probes takes values to look up from the rows of files, of some where there are
// many. Columns that have one value only, or that [Probed] refuses, are left out.
func (w *Worker) Probes(ctx context.Context, scan *lake.Scan, files []lake.File, columns []string) ([]Probe, error) {
	if w.cfg.Pool == nil {
		return nil, fmt.Errorf("sample rows: %w", duck.ErrNotBuiltIn)
	}
	var fractions, list, sums []string
	for i := range probeValues {
		fractions = append(fractions, strconv.FormatFloat((float64(i)+0.5)/probeValues, 'g', -1, 64))
	}
	var fit []string
	for _, name := range columns {
		expr, err := probed(name, scan.Schema)
		if err != nil {
			continue
		}
		i := len(fit)
		fit = append(fit, name)
		list = append(list, fmt.Sprintf("%s AS c%d", expr, i))
		sums = append(sums, fmt.Sprintf("quantile_disc(c%d, [%s])::VARCHAR[] AS q%d", i, strings.Join(fractions, ", "), i))
	}
	if len(fit) == 0 || len(files) == 0 {
		return nil, nil
	}
	part := *scan
	part.Files = some(files, probeBytes)
	rel, err := w.cfg.Lake.Relation(ctx, &part, lake.RelationOptions{Columns: fit})
	if err != nil {
		return nil, fmt.Errorf("sample rows: %w", err)
	}
	defer rel.Release()
	sql := fmt.Sprintf("SELECT %s FROM (SELECT %s FROM %s AS r USING SAMPLE reservoir(%d ROWS) REPEATABLE (1))",
		strings.Join(sums, ", "), strings.Join(list, ", "), rel.SQL, sampled)
	rows, err := w.cfg.Pool.Exec(ctx, duck.Job{Setup: rel.Setup, Read: rel.Paths, SQL: sql})
	if err != nil {
		return nil, fmt.Errorf("sample rows: %w", err)
	}
	var out []Probe
	for i, name := range fit {
		p := Probe{Column: name}
		values, _ := rows[0]["q"+strconv.Itoa(i)].([]any)
		for _, v := range values {
			if s, ok := v.(string); ok && !slices.Contains(p.Values, s) {
				p.Values = append(p.Values, s)
			}
		}
		if len(p.Values) > 1 {
			out = append(out, p)
		}
	}
	return out, nil
}

// Probed says why values of a column cannot be looked up by metadata; nil: they can.
func Probed(name string, s *iceberg.Schema) error {
	_, err := probed(name, s)
	return err
}

// probed is a column as a value that [probeLiteral] reads back.
func probed(name string, s *iceberg.Schema) (sql string, err error) {
	f, err := Column(name, s)
	if err != nil {
		return "", err
	}
	column := "r." + duck.QuoteName(name)
	switch f.Type.(type) {
	case iceberg.Int32Type, iceberg.Int64Type, iceberg.StringType, iceberg.UUIDType, iceberg.DecimalType:
		return column, nil
	case iceberg.Float32Type, iceberg.Float64Type:
		return fmt.Sprintf("CASE WHEN isfinite(%s) THEN %[1]s END", column), nil
	case iceberg.DateType:
		return "(" + column + " - DATE '1970-01-01')", nil
	case iceberg.TimestampType, iceberg.TimestampTzType:
		return "epoch_us(" + column + ")", nil
	}
	return "", fmt.Errorf("column %q is a %s, of which no value can be looked up by the bounds of files", name, f.Type)
}

func probeLiteral(s string, t iceberg.Type) (iceberg.Literal, error) {
	number := func(size int) (int64, error) { return strconv.ParseInt(s, 10, size) }
	switch t.(type) {
	case iceberg.DateType:
		n, err := number(32)
		return iceberg.NewLiteral(iceberg.Date(n)), err
	case iceberg.TimestampType, iceberg.TimestampTzType:
		n, err := number(64)
		return iceberg.NewLiteral(iceberg.Timestamp(n)), err
	}
	return iceberg.NewLiteral(s).To(t)
}

// Cost plans the lookups of probes over files of the table's head, as an engine
// would that knows nothing but the metadata.
func Cost(meta table.Metadata, files []lake.File, probes []Probe) ([]Lookup, error) {
	var out []Lookup
	for _, p := range probes {
		f, err := Column(p.Column, meta.CurrentSchema())
		if err != nil {
			continue // the column was dropped since
		}
		l := Lookup{Column: p.Column}
		for _, v := range p.Values {
			lit, err := probeLiteral(v, f.Type)
			if err != nil {
				return nil, fmt.Errorf("look up %s = %q: %w", p.Column, v, err)
			}
			match, err := lake.Matcher(meta, iceberg.LiteralPredicate(iceberg.OpEQ, iceberg.Reference(p.Column), lit))
			if err != nil {
				return nil, fmt.Errorf("look up %s = %q: %w", p.Column, v, err)
			}
			l.Lookups++
			opened := map[string]bool{}
			for _, f := range files {
				if !match(f.Data) {
					continue
				}
				l.Files++
				l.Bytes += float64(f.Data.FileSizeBytes())
				for _, d := range f.Deletes {
					if key := vectorKey(d); !opened[key] {
						opened[key] = true
						l.Files++
						l.Bytes += float64(d.Data.FileSizeBytes())
					}
				}
			}
		}
		if l.Lookups > 0 {
			l.Files /= float64(l.Lookups)
			l.Bytes /= float64(l.Lookups)
			out = append(out, l)
		}
	}
	return out, nil
}
