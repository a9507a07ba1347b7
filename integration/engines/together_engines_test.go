package engines_test

import (
	"fmt"
	"testing"

	"github.com/firnlake/firn/integration/engines"
)

// TestTogetherSpark, and the tests below: an engine appends, deletes, merges and
// overwrites while Firn ingests into the same tables, promotes, compacts and
// expires them. Nothing is lost, nothing is there twice, no retained snapshot is
// unreadable, a conflict is called one, and nobody starves.
func TestTogetherSpark(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark := lake.On(t, engines.Spark)
	table := spark.Table(shared...)
	rows := func(from, to, value int) string {
		return fmt.Sprintf("SELECT id, 'engine' AS part, CAST(%d AS BIGINT) AS value FROM range(%d, %d)", value, from, to)
	}
	spark.Check(t, engines.Concurrency, 2, func(t *testing.T) {
		spark.Exec(t, "SET spark.sql.sources.partitionOverwriteMode=dynamic")
		defer spark.Exec(t, "SET spark.sql.sources.partitionOverwriteMode=static")
		workTogether(t, lake, spark, operations{
			add: func(path []string, from, to, value int) string {
				return "INSERT INTO " + spark.Table(path...) + " " + rows(from, to, value)
			},
			remove: func(from, to int) string {
				return fmt.Sprintf("DELETE FROM %s WHERE part = 'engine' AND id >= %d AND id < %d", table, from, to)
			},
			merge: func(from, to, value int) string {
				return fmt.Sprintf("MERGE INTO %s t USING (%s) s ON t.part = 'engine' AND t.id = s.id WHEN MATCHED THEN UPDATE SET value = s.value WHEN NOT MATCHED THEN INSERT *", table, rows(from, to, value))
			},
			replace: func(from, to, value int) string {
				return fmt.Sprintf("INSERT OVERWRITE %s SELECT id, 'whole' AS part, CAST(%d AS BIGINT) AS value FROM range(%d, %d)", table, value, from, to)
			},
			conflicts: []string{"CommitFailedException", "ValidationException"},
		})
	})
}

func TestTogetherTrino(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	trino := lake.On(t, engines.Trino)
	table := trino.Table(shared...)
	rows := func(from, to, value int) string {
		return fmt.Sprintf("SELECT id, 'engine' AS part, BIGINT '%d' AS value FROM UNNEST(sequence(BIGINT '%d', BIGINT '%d')) AS u(id)", value, from, to-1)
	}
	trino.Check(t, engines.Concurrency, 2, func(t *testing.T) {
		workTogether(t, lake, trino, operations{
			add: func(path []string, from, to, value int) string {
				return "INSERT INTO " + trino.Table(path...) + " " + rows(from, to, value)
			},
			remove: func(from, to int) string {
				return fmt.Sprintf("DELETE FROM %s WHERE part = 'engine' AND id >= %d AND id < %d", table, from, to)
			},
			merge: func(from, to, value int) string {
				return fmt.Sprintf("MERGE INTO %s t USING (%s) s ON t.part = 'engine' AND t.id = s.id WHEN MATCHED THEN UPDATE SET value = s.value WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.part, s.value)", table, rows(from, to, value))
			},
			conflicts: []string{"ICEBERG_COMMIT_ERROR", "Failed to commit"},
		})
	})
}

func TestTogetherPyIceberg(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	python := lake.On(t, engines.PyIceberg)
	load := func(path []string) string {
		return fmt.Sprintf("t = %s.load_table(%s)\n", python.Catalog, python.Table(path...))
	}
	rows := func(part string, from, to, value int) string {
		return fmt.Sprintf("d = pa.table({'id': list(range(%d, %d)), 'part': ['%s'] * %d, 'value': [%d] * %d}, "+
			"schema=pa.schema([pa.field('id', pa.int64(), False), pa.field('part', pa.string(), False), pa.field('value', pa.int64())]))\n", from, to, part, to-from, value, to-from)
	}
	python.Check(t, engines.Concurrency, 2, func(t *testing.T) {
		workTogether(t, lake, python, operations{
			add: func(path []string, from, to, value int) string {
				return load(path) + rows("engine", from, to, value) + "t.append(d)"
			},
			remove: func(from, to int) string {
				return load(shared) + fmt.Sprintf("t.delete(\"part = 'engine' and id >= %d and id < %d\")", from, to)
			},
			merge: func(from, to, value int) string {
				return load(shared) + rows("engine", from, to, value) + "t.upsert(d, join_cols=['part', 'id'])"
			},
			replace: func(from, to, value int) string {
				return load(shared) + rows("whole", from, to, value) + "t.overwrite(d, overwrite_filter=\"part = 'whole'\")"
			},
			conflicts: []string{"CommitFailedException", "ValidationException"},
		})
	})
}

func TestTogetherDuckDB(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	duckdb := lake.On(t, engines.DuckDB)
	table := duckdb.Table(shared...)
	rows := func(from, to, value int) string {
		return fmt.Sprintf("SELECT range AS id, 'engine' AS part, %d::BIGINT AS value FROM range(%d, %d)", value, from, to)
	}
	duckdb.Check(t, engines.Concurrency, 2, func(t *testing.T) {
		workTogether(t, lake, duckdb, operations{
			add: func(path []string, from, to, value int) string {
				return "INSERT INTO " + duckdb.Table(path...) + " " + rows(from, to, value)
			},
			remove: func(from, to int) string {
				return fmt.Sprintf("DELETE FROM %s WHERE part = 'engine' AND id >= %d AND id < %d", table, from, to)
			},
			merge: func(from, to, value int) string {
				return fmt.Sprintf("MERGE INTO %s t USING (%s) s ON t.part = 'engine' AND t.id = s.id WHEN MATCHED THEN UPDATE SET value = s.value WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.part, s.value)", table, rows(from, to, value))
			},
			conflicts: []string{"409", "onflict"},
		})
	})
}
