package engines

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/firnlake/firn/integration/harness"
)

// icebergPython is PyIceberg, or polars, which reads through it.
type icebergPython struct{ *driver }

func startIceberg(t testing.TB, name Name) (engine, error) {
	t.Helper()
	d, err := startDriver(t, harness.Python(t), "iceberg.py", nil, string(name))
	if err != nil {
		return nil, err
	}
	return &icebergPython{d}, nil
}

// attach types nothing but the address.
func (p *icebergPython) attach(ctx context.Context, catalog string, l *Lake, settings map[string]string) error {
	properties := with(map[string]string{"type": "rest", "uri": l.HTTP, "warehouse": l.Warehouse}, settings)
	_, err := p.ask(ctx, "attach", map[string]any{"catalog": catalog, "properties": properties})
	return err
}

// table is a Python tuple, as load_table takes it.
func (p *icebergPython) table(catalog string, namespace []string, name string) string {
	return p.namespace(catalog, append(append([]string{}, namespace...), name))
}

func (p *icebergPython) namespace(_ string, levels []string) string {
	quoted := make([]string, len(levels))
	for i, level := range levels {
		quoted[i] = strconv.QuoteToASCII(level)
	}
	return "(" + strings.Join(quoted, ", ") + ",)"
}

func (p *icebergPython) read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error) {
	return p.rows(ctx, "read", map[string]any{"catalog": catalog, "namespace": namespace, "table": name})
}

// duckDB is DuckDB with its Iceberg extension.
type duckDB struct{ *driver }

func startDuckDB(t testing.TB) (engine, error) {
	t.Helper()
	d, err := startDriver(t, harness.Python(t), "duck.py", nil, ".")
	if err != nil {
		return nil, err
	}
	return &duckDB{d}, nil
}

// attach types nothing but the address.
func (d *duckDB) attach(ctx context.Context, catalog string, l *Lake, settings map[string]string) error {
	options := []string{"TYPE iceberg"}
	for key, value := range with(map[string]string{"ENDPOINT": l.HTTP, "AUTHORIZATION_TYPE": "none"}, settings) {
		options = append(options, key+" "+literal(value))
	}
	return d.exec(ctx, fmt.Sprintf("ATTACH %s AS %s (%s)", literal(l.Warehouse), catalog, strings.Join(options, ", ")))
}

// detach forgets a catalog; of an engine that has ended there is none.
func (d *duckDB) detach(catalog string) {
	ctx, cancel := context.WithTimeout(context.Background(), Deadline)
	defer cancel()
	_ = d.exec(ctx, "DETACH DATABASE IF EXISTS "+catalog)
}

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func quoted(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func (d *duckDB) table(catalog string, namespace []string, name string) string {
	return d.namespace(catalog, namespace) + "." + quoted(name)
}

// namespace has one level, with dots inside.
func (d *duckDB) namespace(catalog string, levels []string) string {
	return catalog + "." + quoted(strings.Join(levels, "."))
}

func (d *duckDB) read(ctx context.Context, catalog string, namespace []string, name string) (Rows, error) {
	return d.query(ctx, "SELECT * FROM "+d.table(catalog, namespace, name))
}
