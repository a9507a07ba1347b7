// Package retail says what the tables of the retail example must hold: plain
// SQL over the published Parquet file, run by DuckDB directly, with none of
// Firn's code. What a running lake holds is compared with it row for row and to
// the last decimal.
package retail

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	_ "github.com/duckdb/duckdb-go/v2" // the engine that verifies
)

//go:embed expected/*.sql
var expected embed.FS

// Tables that are verified.
var Tables = []string{"silver.invoice_lines", "gold.daily_sales_by_country", "gold.customer_value"}

// Columns answers the columns of a table that are compared, comma-separated.
func Columns(table string) string {
	switch table {
	case "silver.invoice_lines":
		return "invoice_no, stock_code, description, quantity, invoice_ts, unit_price, customer_id, country, is_cancellation, amount"
	case "gold.daily_sales_by_country":
		return "business_date, country, invoices, lines, units_sold, gross_gbp, cancelled_gbp, net_gbp"
	case "gold.customer_value":
		return "customer_id, invoices, first_invoice_ts, last_invoice_ts, net_gbp"
	}
	return ""
}

// SQL answers the SELECT over a relation named source that a table must equal.
func SQL(table string) (string, error) {
	b, err := expected.ReadFile("expected/" + table + ".sql")
	return string(b), err
}

// Account is what becomes of the rows of the published file.
type Account struct {
	Rows, PricePositive, NotAnAdjustment, QuantityNonzero, Quarantined, Publishable, Published int64
}

// Verifier compares tables with what they must be.
type Verifier struct {
	db  *sql.DB
	dir string
}

// Open reads the published file.
func Open(ctx context.Context, source string) (*Verifier, error) {
	dir, err := os.MkdirTemp("", "retail-")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("duckdb", "")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	v := &Verifier{db: db, dir: dir}
	if _, err := db.ExecContext(ctx, "CREATE VIEW source AS SELECT * FROM read_parquet("+quote(source)+")"); err != nil {
		v.Close()
		return nil, fmt.Errorf("read %s: %w", source, err)
	}
	return v, nil
}

// Close ends the engine.
func (v *Verifier) Close() {
	_ = v.db.Close()
	_ = os.RemoveAll(v.dir)
}

// Account counts the published file.
func (v *Verifier) Account(ctx context.Context) (Account, error) {
	var a Account
	text, err := SQL("account")
	if err != nil {
		return a, err
	}
	err = v.db.QueryRowContext(ctx, text).Scan(&a.Rows, &a.PricePositive, &a.NotAnAdjustment, &a.QuantityNonzero, &a.Quarantined, &a.Publishable, &a.Published)
	return a, err
}

// CompareFile compares the rows of a Parquet file with what the table must
// hold. It answers the first differences, or nil.
func (v *Verifier) CompareFile(ctx context.Context, table, path string) ([]string, error) {
	want, err := SQL(table)
	if err != nil {
		return nil, err
	}
	columns := Columns(table)
	query := fmt.Sprintf(`WITH want AS (SELECT %[1]s FROM (%[2]s)), got AS (SELECT %[1]s FROM read_parquet(%[3]s))
SELECT what, CAST(r AS VARCHAR) FROM (
  SELECT 'missing' AS what, d AS r FROM (SELECT * FROM want EXCEPT ALL SELECT * FROM got) AS d
  UNION ALL SELECT 'not expected', d FROM (SELECT * FROM got EXCEPT ALL SELECT * FROM want) AS d) LIMIT 10`, columns, want, quote(path))
	rows, err := v.db.QueryContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("compare %s: %w", table, err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var what, row string
		if err := rows.Scan(&what, &row); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%s: %s: %s", table, what, row))
	}
	return out, rows.Err()
}

// Rows are record batches, each valid until the next.
type Rows interface {
	Schema() *arrow.Schema
	Next() bool
	Batch() arrow.RecordBatch
	Err() error
}

// Compare is CompareFile for rows that arrive as Arrow.
func (v *Verifier) Compare(ctx context.Context, table string, r Rows) ([]string, error) {
	path := filepath.Join(v.dir, table+".parquet")
	if err := writeParquet(path, r); err != nil {
		return nil, fmt.Errorf("keep the rows of %s: %w", table, err)
	}
	return v.CompareFile(ctx, table, path)
}

func writeParquet(path string, r Rows) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	fields := slices.Clone(r.Schema().Fields())
	for i := range fields {
		fields[i].Metadata = arrow.Metadata{}
	}
	w, err := pqarrow.NewFileWriter(arrow.NewSchema(fields, nil), f, parquet.NewWriterProperties(), pqarrow.DefaultWriterProps())
	if err != nil {
		return err
	}
	for r.Next() {
		if err := w.WriteBuffered(r.Batch()); err != nil {
			return err
		}
	}
	if err := r.Err(); err != nil {
		return err
	}
	return w.Close()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
