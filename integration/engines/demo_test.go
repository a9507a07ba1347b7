package engines_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestFirnsTables has every engine read what the demo made, to the checksum of
// a computation over the files.
func TestFirnsTables(t *testing.T) {
	engines.Suite(t)
	lake := engines.DemoLake(t)
	counts := map[string]int{
		"bronze.invoice_lines_raw": 541909, "silver.invoice_lines": 534128, "silver.invoice_lines__quarantine": 2518,
		"gold.daily_sales_by_country": 1716, "gold.customer_value": 4371,
	}
	want := map[string]engines.Rows{}
	for _, path := range engines.DemoTables() {
		name := strings.Join(path, ".")
		want[name] = lake.Independent(t, path...)
		require.Len(t, want[name].Values, counts[name], name)
		t.Log(name, want[name].Checksum())
	}
	for _, reader := range engines.All() {
		s := lake.On(t, reader)
		s.Check(t, engines.ReadFirn, 0, func(t *testing.T) {
			for name, rows := range want {
				got := s.Read(t, strings.Split(name, ".")...)
				assert.True(t, engines.Same(t, rows, got), name)
			}
		})
	}
}
