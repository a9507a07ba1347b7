// Package demo proves the demo from outside: it runs bin/firn demo, opens the
// lake again with firn dev, and compares what every door of it answers with the
// published file: public SQL, PyIceberg over the REST catalog, the command line
// and the page.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/cmd/firn/demo"
	"github.com/firnlake/firn/cmd/firn/sqlstream"
	"github.com/firnlake/firn/integration/harness"
	"github.com/firnlake/firn/integration/retail"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// What the published file comes to; integration/retail holds these too.
const (
	rows        = 541_909
	published   = 534_128
	quarantined = 2_518
	superseded  = rows - published - quarantined
	days        = 1_716
	customers   = 4_371
)

// replay runs `firn demo --exit` with its lake in data, and answers the summary
// and the file that it wrote it to. The test fails unless the exit code is 0 and every check held.
func replay(t *testing.T, data string, args ...string) (demo.Summary, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	file := filepath.Join(filepath.Dir(data), "summary.json")
	cmd := exec.CommandContext(ctx, harness.Binary(t), append([]string{"demo", "--exit", "--data", data, "--listen", "127.0.0.1:0", "--summary", file}, args...)...)
	cmd.Dir = harness.Root(t)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	var s demo.Summary
	require.NoError(t, json.Unmarshal(text, &s))
	assert.True(t, s.OK)
	assert.GreaterOrEqual(t, len(s.Checks), 14)
	for _, c := range s.Checks {
		assert.True(t, c.OK, "%s: %s, expected %s", c.Name, c.Got, c.Want)
	}
	t.Logf("%s: %d rows in, %.1f s, peak memory %d MiB", s.ObjectStore, s.RowsIn, s.WallSec, s.PeakMemory>>20)
	return s, file
}

// layers compares the tables of a summary with what the file comes to.
func layers(t *testing.T, s demo.Summary) {
	t.Helper()
	got := map[string]int64{}
	for _, l := range s.Layers {
		got[l.Table] = l.Rows
		assert.Positive(t, l.FilesAfter, l.Table)
		assert.LessOrEqual(t, l.FilesAfter, l.FilesWritten, l.Table)
	}
	assert.Equal(t, map[string]int64{
		"bronze.invoice_lines_raw": rows, "silver.invoice_lines": published, "silver.invoice_lines__changes": published,
		"silver.invoice_lines__quarantine": quarantined, "gold.daily_sales_by_country": days, "gold.customer_value": customers,
	}, got)
	assert.Equal(t, map[string]int64{"price_positive": 2517, "not_an_adjustment": 3}, s.Quarantined)
}

// equal compares silver and gold row for row with plain DuckDB over the
// published file, and has every row of bronze accounted for.
func equal(t *testing.T, base string) {
	t.Helper()
	differences, err := retail.CheckLake(t.Context(), base, harness.Source(t))
	require.NoError(t, err)
	assert.Empty(t, differences)
	assert.Equal(t, []string{"bronze 541909", "none 0", "published 534128", "quarantined 2518", "superseded 5263", "twice 0", "unknown 0"}, ask(t, base, fates))
	// The question turns red: one row lost, and one that is there twice.
	lost := strings.Replace(fates, "FROM silver.invoice_lines__quarantine", "FROM silver.invoice_lines__quarantine WHERE _source_row_id <> '622'", 1)
	assert.Equal(t, []string{"bronze 541909", "none 1", "published 534128", "quarantined 2517", "superseded 5263", "twice 0", "unknown 0"}, ask(t, base, lost))
	twice := strings.Replace(fates, "SELECT CAST(_source_row_id AS BIGINT), 'quarantined'", "SELECT CASE _source_row_id WHEN '622' THEN 541908 ELSE CAST(_source_row_id AS BIGINT) END, 'quarantined'", 1)
	assert.Equal(t, []string{"bronze 541909", "none 1", "published 534128", "quarantined 2518", "superseded 5263", "twice 1", "unknown 0"}, ask(t, base, twice))
}

// fates gives every row of bronze its fates, worked out from the tables alone:
// it is published; or another copy of the same eight values is, and stands
// later in the file; or it is in quarantine. `none` counts rows without a fate
// (lost), `twice` rows with two, `unknown` rows that bronze does not have.
const fates = `
WITH bronze AS (SELECT row_no, InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country FROM bronze.invoice_lines_raw),
fates AS (
  SELECT _order_row_no AS row_no, 'published' AS fate FROM silver.invoice_lines
  UNION ALL
  SELECT CAST(_source_row_id AS BIGINT), 'quarantined' FROM silver.invoice_lines__quarantine
  UNION ALL
  SELECT b.row_no, 'superseded' FROM bronze AS b JOIN silver.invoice_lines AS s
    ON b.InvoiceNo IS NOT DISTINCT FROM s.invoice_no AND b.StockCode IS NOT DISTINCT FROM s.stock_code
   AND b.Description IS NOT DISTINCT FROM s.description AND b.Quantity IS NOT DISTINCT FROM s.quantity
   AND b.InvoiceDate IS NOT DISTINCT FROM s.invoice_ts AND CAST(printf('%.3f', b.UnitPrice) AS DECIMAL(12, 3)) IS NOT DISTINCT FROM s.unit_price
   AND CAST(b.CustomerID AS BIGINT) IS NOT DISTINCT FROM s.customer_id AND b.Country IS NOT DISTINCT FROM s.country
   WHERE b.row_no < s._order_row_no
)
SELECT fate || ' ' || count(*) AS line FROM fates GROUP BY fate
UNION ALL SELECT 'bronze ' || count(*) FROM bronze
UNION ALL SELECT 'none ' || count(*) FROM bronze ANTI JOIN fates USING (row_no)
UNION ALL SELECT 'unknown ' || count(*) FROM fates ANTI JOIN bronze USING (row_no)
UNION ALL SELECT 'twice ' || count(*) FROM (SELECT row_no FROM fates GROUP BY row_no HAVING count(*) > 1)
ORDER BY line`

// ask runs a statement through the public QueryService and answers its rows,
// columns joined by a blank.
func ask(t *testing.T, base, statement string) []string {
	t.Helper()
	stream, err := sqlstream.Open(t.Context(), firnv1connect.NewQueryServiceClient(http.DefaultClient, base), &firnv1.QueryRequest{Sql: statement})
	require.NoError(t, err)
	defer stream.Close()
	var out []string
	for stream.Next() {
		for row := range int(stream.Batch().NumRows()) {
			var cells []string
			for _, column := range stream.Batch().Columns() {
				cells = append(cells, column.ValueStr(row))
			}
			out = append(out, strings.Join(cells, " "))
		}
	}
	require.NoError(t, stream.Err())
	return out
}

// pyiceberg reads bronze, silver, gold and quarantine through the REST catalog
// and compares them with the published file, by pyarrow alone.
func pyiceberg(t *testing.T, base string) {
	t.Helper()
	script := filepath.Join(harness.Root(t), "integration", "demo", "readback.py")
	out, err := python(t, script, base, harness.Source(t))
	require.NoError(t, err, "%s", out)
	assert.Equal(t, fmt.Sprintf("bronze %d\nsilver %d\nquarantine %d\ngold.daily_sales_by_country %d\ngold.customer_value %d\n", rows, published, quarantined, days, customers), out)
	// It turns red on a file with another price in one row.
	other := filepath.Join(t.TempDir(), "other.parquet")
	out, err = python(t, "-c", `import sys, pyarrow as pa, pyarrow.parquet as pq
t = pq.read_table(sys.argv[1])
i, prices = t.column_names.index("UnitPrice"), t["UnitPrice"].to_pylist()
prices[4711] += 0.001
pq.write_table(t.set_column(i, t.schema.field(i), pa.array(prices)), sys.argv[2])`, harness.Source(t), other)
	require.NoError(t, err, "%s", out)
	out, err = python(t, script, base, other)
	require.Error(t, err)
	assert.Contains(t, out, "bronze column UnitPrice differs from the file")
}

// python runs the environment's interpreter, away from the configuration of the
// person who runs the tests.
func python(t *testing.T, args ...string) (string, error) {
	t.Helper()
	home := t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, harness.Python(t), args...)
	cmd.Env = []string{"HOME=" + home, "PYICEBERG_HOME=" + home, "PATH=" + os.Getenv("PATH"), "TZ=UTC", "AWS_EC2_METADATA_DISABLED=true", "NO_PROXY=127.0.0.1,localhost", "PYTHONWARNINGS=ignore"}
	out, err := cmd.CombinedOutput()
	return string(out), err
}
