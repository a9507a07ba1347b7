package engines_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkSnippetRuns runs the snippet of Spark as it is shown by the service
// and by the command line, for a name that needs escaping.
func TestSparkSnippetRuns(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "shop")
	table := spark.Table("shop", "it's `people` ❄")
	spark.Exec(t, "CREATE TABLE "+table+" (id INT, name STRING)", "INSERT INTO "+table+" VALUES (1, 'ann'), (2, 'bob''s')")
	spark.Check(t, engines.Snippet, 0, func(t *testing.T) {
		text := spark.Lake.Snippet(t, engines.Spark, "shop", "it's `people` ❄")
		printed := spark.Script(t, text)
		assert.Contains(t, printed, "ann")
		assert.Contains(t, printed, "bob's")
		shown, err := spark.Lake.CLI(t.Context(), t, "table", "connect", "shop.it's `people` ❄", "--engine", "spark")
		require.NoError(t, err)
		assert.Contains(t, shown, text)
	})
}
