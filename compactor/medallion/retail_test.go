package medallion_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The example's own tests pass, and its plan proves every model.
func TestRetailExample(t *testing.T) {
	h := newHouse(t)
	results, faults, err := h.service.Test(t.Context(), retail(t))
	require.NoError(t, err)
	require.Empty(t, faults)
	require.Len(t, results, 5)
	for _, r := range results {
		require.True(t, r.Passed, "%s: %s\n%s", r.Model, r.Test, r.Detail)
	}
}

// All real rows, in a few runs.
func TestRetailPromotion(t *testing.T) {
	h := newHouse(t)
	h.apply(retail(t))
	source, err := filepath.Abs("../../docs/examples/retail/data/online_retail.parquet")
	require.NoError(t, err)
	for i := range 4 {
		h.append("bronze.invoice_lines_raw", `SELECT Country AS contributor, row_no, InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country,
			now() AS _ingested_at FROM (SELECT *, file_row_number AS row_no FROM read_parquet('`+source+`', file_row_number = true)) WHERE row_no // 140000 = `+string(rune('0'+i))+` ORDER BY row_no`, source)
		runs, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
		for _, r := range runs {
			t.Logf("%s %s read %d written %d live %d -> %d superseded %d quarantined %d groups %d: %v %v", r.Model, r.State, r.Read, r.RowsWritten, r.LiveBefore, r.LiveAfter, r.Superseded, r.Quarantined, r.Groups, r.EndedAt.Sub(r.StartedAt), r.Steps)
		}
	}
	t.Log(h.rows("SELECT count(*) AS n, sum(amount) AS s FROM $silver.invoice_lines$", "silver.invoice_lines"))
	t.Log(h.rows("SELECT count(*) AS n, sum(net_gbp) AS s FROM $gold.daily_sales_by_country$", "gold.daily_sales_by_country"))
}
