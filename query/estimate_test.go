package query_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// Without the numbers of rows DuckDB takes every table for empty and joins in
// the order that happens to be written: TPC-H's fifth query then needed more
// memory than it had.
func TestPlansKnowTheRowsOfTables(t *testing.T) {
	e := newEnv(t, nil)
	res, err := e.client.Explain(t.Context(), connect.NewRequest(&firnv1.ExplainRequest{Sql: "SELECT * FROM bronze.lines"}))
	require.NoError(t, err)
	require.Contains(t, res.Msg.GetPlan(), "~35 rows")
}
