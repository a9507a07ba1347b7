package engines_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestSparkViews creates, reads, replaces and drops views, of odd names too.
func TestSparkViews(t *testing.T) {
	engines.Suite(t)
	spark := sparkOn(t, "v")
	table := spark.Table("v", "t")
	spark.Exec(t, "CREATE TABLE "+table+" (id INT, country STRING)", "INSERT INTO "+table+" VALUES (1, 'Norway'), (2, NULL), (3, 'Peru')")
	spark.Check(t, engines.Views, 0, func(t *testing.T) {
		view := spark.Table("v", "named")
		spark.Exec(t, "CREATE VIEW "+view+" (key COMMENT 'the id', land) COMMENT 'with a name' TBLPROPERTIES ('a'='b') AS SELECT id, country FROM "+table+" WHERE country IS NOT NULL")
		rows := spark.Query(t, "SELECT * FROM "+view+" ORDER BY key")
		assert.Equal(t, []string{"key", "land"}, rows.Columns)
		assert.Equal(t, []string{`1 | "Norway"`, `3 | "Peru"`}, rows.Lines())
		assert.ErrorContains(t, spark.TryExec(t.Context(), "CREATE VIEW "+view+" AS SELECT 1 AS id"), "already exists")
		assert.Error(t, spark.TryExec(t.Context(), "CREATE VIEW "+table+" AS SELECT 1 AS id"), "a table has the name")
		assert.Error(t, spark.TryExec(t.Context(), "CREATE TABLE "+view+" (id INT)"), "a view has the name")
		spark.Exec(t, "CREATE VIEW IF NOT EXISTS "+view+" AS SELECT 1 AS id",
			"ALTER VIEW "+view+" SET TBLPROPERTIES ('c'='d')", "ALTER VIEW "+view+" UNSET TBLPROPERTIES ('a')")
		properties := spark.Query(t, "SHOW TBLPROPERTIES "+view).Lines()
		assert.Contains(t, properties, `"c" | "d"`)
		assert.NotContains(t, properties, `"a" | "b"`)
		// It sees what the table has now, and says what it is.
		spark.Exec(t, "INSERT INTO "+table+" VALUES (4, 'Chad')")
		assert.Equal(t, "3", spark.Query(t, "SELECT count(*) FROM "+view).Cell(0, 0))
		assert.Contains(t, spark.Query(t, "SHOW CREATE TABLE "+view).Cell(0, 0), "SELECT id, country FROM")
		// Replaced, with the old version in its history.
		spark.Exec(t, "CREATE OR REPLACE VIEW "+view+" AS SELECT count(*) AS n, 'it''s ❄' AS s FROM "+table)
		assert.Equal(t, []string{`4 | "it's ❄"`}, spark.Query(t, "SELECT * FROM "+view).Lines())
		// A view of a view, with a name that needs escaping.
		odd := spark.Table("v", "per%cent `❄` view")
		spark.Exec(t, "CREATE VIEW "+odd+" AS SELECT n + 1 AS m FROM "+view)
		assert.Equal(t, []string{"5"}, spark.Query(t, "SELECT * FROM "+odd).Lines())
		shown := spark.Query(t, "SHOW VIEWS IN "+spark.Namespace("v")).Only("viewName").Lines()
		assert.ElementsMatch(t, []string{`"named"`, "\"per%cent `❄` view\""}, shown)
		assert.Equal(t, []string{`"t"`}, spark.Query(t, "SHOW TABLES IN "+spark.Namespace("v")).Only("tableName").Lines())
		assert.Error(t, spark.TryExec(t.Context(), "DROP TABLE "+view))
		spark.Exec(t, "DROP VIEW "+odd, "DROP VIEW "+view, "DROP VIEW IF EXISTS "+view)
		assert.Empty(t, spark.Query(t, "SHOW VIEWS IN "+spark.Namespace("v")).Values)
		assert.Error(t, spark.TryExec(t.Context(), "SELECT * FROM "+view))
		assert.Error(t, spark.TryExec(t.Context(), "DROP VIEW "+table))
	})
}
