package query_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

func TestNamespaceOfUnqualifiedNames(t *testing.T) {
	e := newEnv(t, nil)
	in := func(sql string, namespace ...string) (answer, error) {
		return e.try(&firnv1.QueryRequest{Sql: sql, Namespace: namespace})
	}
	for _, c := range []struct {
		sql       string
		namespace []string
		n         int64
	}{
		{"SELECT count(*) AS n FROM lines", []string{"bronze"}, 35},
		{"SELECT count(*) AS n FROM lines l WHERE l.country = 'DE'", []string{"bronze"}, 10},
		// A name with a namespace means that one, wherever the statement is.
		{"SELECT count(*) AS n FROM lines JOIN silver.countries USING (country)", []string{"bronze"}, 30},
		{"SELECT count(*) AS n FROM lines a, bronze.lines b WHERE a.id = b.id", []string{"bronze"}, 35},
		{"SELECT count(*) AS n FROM lines", []string{"silver", "deep"}, 35},
		{`SELECT count(*) AS n FROM "t ""1"`, []string{"odd ns"}, 2},
		// What the statement names itself comes first.
		{"WITH lines AS (SELECT 1) SELECT count(*) AS n FROM lines", []string{"bronze"}, 1},
		{"SELECT count(*) AS n FROM lines AT (TIMESTAMP => TIMESTAMP '2100-01-01 00:00:00')", []string{"bronze"}, 35},
	} {
		a, err := in(c.sql, c.namespace...)
		require.NoError(t, err, c.sql)
		require.Equal(t, c.n, a.rows[0]["n"], c.sql)
	}

	a, err := in("SELECT count(*) AS n FROM lines WHERE country = 'GB'", "bronze")
	require.NoError(t, err)
	require.Equal(t, []string{"bronze"}, a.header.Tables[0].Table.Namespace)
	require.EqualValues(t, 2, a.header.Tables[0].FilesPruned, "conditions leave out files as ever")
	require.Positive(t, a.stats.ReadBytes)

	plan, err := e.client.Explain(t.Context(), connect.NewRequest(&firnv1.ExplainRequest{Sql: "SELECT * FROM lines", Namespace: []string{"bronze"}}))
	require.NoError(t, err)
	require.Len(t, plan.Msg.GetTables(), 1)
}

func TestUnqualifiedNamesThatAreNowhere(t *testing.T) {
	e := newEnv(t, nil)
	for _, c := range []struct {
		sql       string
		namespace []string
		code      connect.Code
		parts     []string
	}{
		{"SELECT * FROM lines", nil, connect.CodeInvalidArgument, []string{`table "lines" needs its namespace`, "write namespace.lines", "--namespace"}},
		{"SELECT * FROM line", []string{"bronze"}, connect.CodeNotFound, []string{"there is no table line in the namespace bronze", "did you mean bronze.lines?"}},
		{"SELECT * FROM lines", []string{"nowhere"}, connect.CodeNotFound, []string{"there is no table lines in the namespace nowhere"}},
		{"SELECT * FROM silver.line", []string{"bronze"}, connect.CodeNotFound, []string{"there is no table silver.line;"}},
		{"SELECT * FROM lines", []string{""}, connect.CodeInvalidArgument, []string{"namespace"}},
	} {
		_, err := e.try(&firnv1.QueryRequest{Sql: c.sql, Namespace: c.namespace})
		require.Error(t, err, c.sql)
		require.Equal(t, c.code, connect.CodeOf(err), "%s: %v", c.sql, err)
		for _, part := range c.parts {
			require.Contains(t, err.Error(), part)
		}
	}
}
