package query_test

import (
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// A small aggregate over Connect, everything warm: parse, load, plan, a fresh
// sandboxed process, stream.
func BenchmarkQuery(b *testing.B) {
	e := newEnv(b, nil)
	for b.Loop() {
		stream, err := e.client.Query(b.Context(), connect.NewRequest(&firnv1.QueryRequest{Sql: "SELECT country, sum(amount) FROM bronze.lines WHERE country <> 'FR' GROUP BY ALL"}))
		require.NoError(b, err)
		for stream.Receive() {
		}
		require.NoError(b, stream.Err())
		stream.Close()
	}
}
