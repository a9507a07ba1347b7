package engines_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestPythonSnippetsRun runs the snippets of PyIceberg and polars as they are
// shown, in an interpreter that has nothing else.
func TestPythonSnippetsRun(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	iceberg := lake.On(t, engines.PyIceberg)
	iceberg.Exec(t, `
`+iceberg.Catalog+`.create_namespace(("shop",))
rows = pa.table({"id": pa.array([1, 2], pa.int64()), "name": ["ann", "bob's"]})
`+iceberg.Catalog+`.create_table(`+iceberg.Table("shop", "people")+`, rows.schema).append(rows)`)
	for _, engine := range []engines.Name{engines.PyIceberg, engines.Polars} {
		s := lake.On(t, engine)
		s.Check(t, engines.Snippet, 0, func(t *testing.T) {
			printed := s.Script(t, lake.Snippet(t, engine, "shop", "people"))
			assert.Contains(t, printed, "ann")
			assert.Contains(t, printed, "bob's")
		})
	}
}
