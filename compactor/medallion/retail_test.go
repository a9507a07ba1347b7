package medallion_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
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

func sourceFile(t testing.TB) string {
	t.Helper()
	source, err := filepath.Abs("../../docs/examples/retail/data/online_retail.parquet")
	require.NoError(t, err)
	return source
}

// sendRetail commits rows of the published file, as ingestion would.
func (h *house) sendRetail(where string) {
	h.T.Helper()
	source := sourceFile(h.T)
	h.append("bronze.invoice_lines_raw", `SELECT Country AS contributor, row_no, InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country,
		now() AS _ingested_at FROM (SELECT *, file_row_number AS row_no FROM read_parquet('`+source+`', file_row_number = true)) WHERE `+where+` ORDER BY row_no`, source)
}

// expectRetail compares the three tables with the independent computation of
// integration/retail, row for row.
func (h *house) expectRetail(where string) {
	h.T.Helper()
	for _, name := range []string{"silver.invoice_lines", "gold.daily_sales_by_country", "gold.customer_value"} {
		want, err := os.ReadFile("../../integration/retail/expected/" + name + ".sql")
		require.NoError(h.T, err)
		columns := "* EXCLUDE (_order_row_no, _source_sequence, _source_position)"
		if name != "silver.invoice_lines" {
			columns = "*"
		}
		source := sourceFile(h.T)
		h.equal(name, "SELECT "+columns+" FROM $"+name+"$",
			"WITH source AS (SELECT * FROM (SELECT *, file_row_number AS row_no FROM read_parquet('"+source+"', file_row_number = true)) WHERE "+where+") SELECT * FROM ("+string(want)+")", name)
	}
}

// All real rows, promoted while they come, some contributors ahead of others:
// silver and gold equal what plain SQL over the published file gives.
func TestRetailPromotion(t *testing.T) {
	h := newHouse(t)
	h.apply(retail(t))
	var read, gone, runs int64
	for i := range 6 {
		h.sendRetail(fmt.Sprintf("(row_no // 100000 = %d AND Country = 'United Kingdom') OR (%d = hash(Country) %% 6 AND Country <> 'United Kingdom')", i, i))
		done, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
		for _, r := range done {
			t.Logf("%s read %d written %d live %d superseded %d stale %d groups %d: %v %v", r.Model, r.Read, r.RowsWritten, r.LiveAfter, r.Superseded, r.Stale, r.Groups, r.EndedAt.Sub(r.StartedAt), r.Steps)
			if r.Model == "silver.invoice_lines" {
				read += r.Read
				gone += r.Superseded + r.Stale + r.Quarantined + r.Dropped + r.Filtered
				runs++
			}
		}
	}
	require.EqualValues(t, 541909, read)
	require.EqualValues(t, 534128, read-gone)
	h.expectRetail("TRUE")
	rows, counts, total, err := h.service.Quarantine(t.Context(), medallion.QuarantineQuery{Rule: "not_an_adjustment"})
	require.NoError(t, err)
	require.EqualValues(t, 3, total)
	require.Len(t, rows, 3)
	require.Contains(t, rows[0].Payload, `"InvoiceNo":"A56318`)
	require.Equal(t, "United Kingdom", rows[0].Lane)
	require.Contains(t, counts, medallion.QuarantineCount{Model: "silver.invoice_lines", Rule: "price_positive", Rows: 2517})
}

// A late copy of rows that were promoted long ago: nothing new is published, and
// the cost is that of the copy.
func TestRetailRepetition(t *testing.T) {
	h := newHouse(t)
	h.apply(retail(t))
	r := rand.New(rand.NewPCG(1, 2))
	h.sendRetail("row_no < 60000")
	_, err := h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	for range 3 {
		from := r.IntN(55000)
		h.sendRetail(fmt.Sprintf("row_no BETWEEN %d AND %d", from, from+500))
		runs, err := h.service.RunOnce(t.Context(), nil)
		require.NoError(t, err)
		require.Len(t, runs, 3)
		require.Zero(t, runs[0].RowsWritten, "a row that is sent again is not written again")
		require.Equal(t, runs[0].LiveBefore, runs[0].LiveAfter)
		require.Equal(t, runs[0].Read, runs[0].Superseded+runs[0].Stale+runs[0].Quarantined)
		require.Equal(t, medallion.RunUpToDate, runs[1].State, "nothing changed for gold")
	}
	h.expectRetail("row_no < 60000")
}

func between(from, to int) string { return fmt.Sprintf("row_no >= %d AND row_no < %d", from, to) }

// rebuilt is the example with a query that differs, so that going back to the
// example is a rebuild.
func rebuilt(files []medallion.File) []medallion.File {
	out := append([]medallion.File(nil), files...)
	for i := range out {
		out[i].Text = strings.Replace(out[i].Text, "starts_with(InvoiceNo, 'C')", "InvoiceNo LIKE 'C%'", 1)
	}
	return out
}
