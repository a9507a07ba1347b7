package retail_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/retail"
)

func open(t *testing.T) *retail.Verifier {
	t.Helper()
	source, err := filepath.Abs("../../docs/examples/retail/data/online_retail.parquet")
	require.NoError(t, err)
	v, err := retail.Open(t.Context(), source)
	require.NoError(t, err)
	t.Cleanup(v.Close)
	return v
}

// The figures that the data set is known by.
func TestAccount(t *testing.T) {
	a, err := open(t).Account(t.Context())
	require.NoError(t, err)
	require.Equal(t, retail.Account{Rows: 541909, PricePositive: 2517, NotAnAdjustment: 3, Quarantined: 2518, Publishable: 539391, Published: 534128}, a)
	require.Equal(t, a.Rows, a.Quarantined+a.Publishable)
}

// The verifier turns red on an empty table.
func TestCompareFindsMissingRows(t *testing.T) {
	v := open(t)
	for _, table := range retail.Tables {
		diff, err := v.Compare(t.Context(), table, empty{emptySchema(t, table)})
		require.NoError(t, err)
		require.Len(t, diff, 10)
		require.True(t, strings.Contains(diff[0], "missing"), diff[0])
	}
}

type empty struct{ schema *arrow.Schema }

func (e empty) Schema() *arrow.Schema  { return e.schema }
func (empty) Next() bool               { return false }
func (empty) Batch() arrow.RecordBatch { return nil }
func (empty) Err() error               { return nil }

// emptySchema has all columns as text: EXCEPT compares after a common cast.
func emptySchema(t *testing.T, table string) *arrow.Schema {
	t.Helper()
	var fields []arrow.Field
	for name := range strings.SplitSeq(retail.Columns(table), ", ") {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}
