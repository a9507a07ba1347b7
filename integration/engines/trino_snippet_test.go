package engines_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoSnippetRuns runs the snippet of Trino as it is shown, in a folder like
// that of an installation: for a table that only others can name, and for a
// catalog without one.
func TestTrinoSnippetRuns(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	iceberg := lake.On(t, engines.PyIceberg)
	path := []string{"Shop", "it's People ❄"}
	iceberg.Exec(t, `
`+iceberg.Catalog+`.create_namespace(("Shop",))
rows = pa.table({"id": pa.array([1, 2], pa.int64()), "Name": ["ann", "bob's"]})
`+iceberg.Catalog+`.create_table(`+iceberg.Table(path...)+`, rows.schema).append(rows)`)
	trino := lake.On(t, engines.Trino)
	trino.Check(t, engines.Snippet, 0, func(t *testing.T) {
		text := lake.Snippet(t, engines.Trino, path...)
		shown, err := lake.CLI(t.Context(), t, "table", "connect", "Shop.it's People ❄", "--engine", "trino")
		require.NoError(t, err)
		assert.Contains(t, shown, text)
		printed := engines.TrinoScript(t, text)
		assert.Contains(t, printed, "ann")
		assert.Contains(t, printed, "bob's")
	})
}
