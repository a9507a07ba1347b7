package engines_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// ducks is a lake with DuckDB.
func ducks(t *testing.T) *engines.Session {
	t.Helper()
	return engines.NewLake(t, still()...).On(t, engines.DuckDB)
}

// content is the kinds of files of a table's head, as DuckDB's own function
// lists them.
func content(t *testing.T, s *engines.Session, path ...string) []string {
	t.Helper()
	rows := s.Query(t, "SELECT DISTINCT content || ' ' || file_format FROM iceberg_metadata("+s.Table(path...)+") WHERE status <> 'DELETED' ORDER BY ALL")
	var kinds []string
	for _, row := range rows.Values {
		kinds = append(kinds, strings.Trim(row[0], `"`))
	}
	return kinds
}

// TestDuckDBWrites has DuckDB create and change tables of formats 2 and 3.
func TestDuckDBWrites(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("w"))
	for _, format := range []int{2, 3} {
		path := []string{"w", fmt.Sprintf("t%d", format)}
		name := s.Table(path...)
		with := fmt.Sprintf("WITH ('format-version' = '%d')", format)
		s.Check(t, engines.Create, format, func(t *testing.T) {
			empty := []string{"w", fmt.Sprintf("empty%d", format)}
			s.Exec(t, "CREATE TABLE "+s.Table(empty...)+" (id BIGINT NOT NULL, name VARCHAR) "+with)
			holds(t, s, empty)
			s.Exec(t, "CREATE TABLE IF NOT EXISTS "+s.Table(empty...)+" (a INT)", "DROP TABLE IF EXISTS "+s.Table("w", "absent"))
			assert.ErrorContains(t, s.TryExec(t.Context(), "CREATE TABLE "+s.Table(empty...)+" (a INT)"), "already exists")
		})
		s.Check(t, engines.CreateAsSelect, format, func(t *testing.T) {
			s.Exec(t, "CREATE TABLE "+name+" "+with+" AS SELECT i AS id, 'row ' || i AS name, (i % 2)::INTEGER AS half FROM range(1, 7) x(i)")
			holds(t, s, path, `1 | "row 1" | 1`, `2 | "row 2" | 0`, `3 | "row 3" | 1`, `4 | "row 4" | 0`, `5 | "row 5" | 1`, `6 | "row 6" | 0`)
		})
		s.Check(t, engines.Append, format, func(t *testing.T) {
			s.Exec(t, "INSERT INTO "+name+" VALUES (7, NULL, NULL)", "INSERT INTO "+name+" (id) VALUES (8)")
			holds(t, s, path, `1 | "row 1" | 1`, `2 | "row 2" | 0`, `3 | "row 3" | 1`, `4 | "row 4" | 0`, `5 | "row 5" | 1`, `6 | "row 6" | 0`, `7 | null | null`, `8 | null | null`)
			assert.Equal(t, []string{"EXISTING parquet"}, content(t, s, path...))
		})
		feature, kind := engines.DeletePositions, "POSITION_DELETES parquet"
		if format == 3 {
			feature, kind = engines.DeleteVectors, "POSITION_DELETES puffin"
		}
		s.Check(t, feature, format, func(t *testing.T) {
			s.Exec(t, "DELETE FROM "+name+" WHERE id = 2", "DELETE FROM "+name+" WHERE id IN (4, 7)", "DELETE FROM "+name+" WHERE id = 8", "DELETE FROM "+name+" WHERE id = 1000")
			holds(t, s, path, `1 | "row 1" | 1`, `3 | "row 3" | 1`, `5 | "row 5" | 1`, `6 | "row 6" | 0`)
			assert.Equal(t, []string{"EXISTING parquet", kind}, content(t, s, path...))
		})
		s.Check(t, engines.Update, format, func(t *testing.T) {
			s.Exec(t, "UPDATE "+name+" SET name = 'changed', half = half + 10 WHERE id > 3")
			holds(t, s, path, `1 | "row 1" | 1`, `3 | "row 3" | 1`, `5 | "changed" | 11`, `6 | "changed" | 10`)
		})
		s.Check(t, engines.Merge, format, func(t *testing.T) {
			// DuckDB takes one action on what matches a statement.
			merge := "MERGE INTO " + name + " AS t USING (VALUES (1, 'merged'), (3, NULL), (9, 'new')) AS s(id, name) ON t.id = s.id "
			s.Exec(
				t, merge+"WHEN MATCHED AND s.name IS NULL THEN DELETE",
				merge+"WHEN MATCHED AND s.name IS NOT NULL THEN UPDATE SET name = s.name WHEN NOT MATCHED AND s.name IS NOT NULL THEN INSERT (id, name, half) VALUES (s.id, s.name, 0)",
			)
			holds(t, s, path, `1 | "merged" | 1`, `5 | "changed" | 11`, `6 | "changed" | 10`, `9 | "new" | 0`)
		})
		s.Check(t, engines.PartitionedWrites, format, func(t *testing.T) {
			parts := []string{"w", fmt.Sprintf("parts%d", format)}
			s.Exec(t, "CREATE TABLE "+s.Table(parts...)+" (id BIGINT, c VARCHAR, seen TIMESTAMP) PARTITIONED BY (c, bucket(4, id), day(seen)) "+with)
			var values []string
			for i, v := range oddValues {
				values = append(values, fmt.Sprintf("(%d, %s, TIMESTAMP '1969-12-31 23:59:59.999999' + INTERVAL %d HOUR)", i, "'"+strings.ReplaceAll(v, "'", "''")+"'", i))
			}
			s.Exec(
				t, "INSERT INTO "+s.Table(parts...)+" VALUES "+strings.Join(values, ", "), "INSERT INTO "+s.Table(parts...)+" VALUES (1000, NULL, NULL)",
				"DELETE FROM "+s.Table(parts...)+" WHERE c = 'null'", "UPDATE "+s.Table(parts...)+" SET c = 'moved / away?' WHERE c = 'a/b'",
			)
			got := agree(t, s, parts...)
			assert.Len(t, got.Values, len(oddValues))
			for _, c := range []string{"c IS NULL", "c = 'moved / away?'", "c = 'what?'", "c = ''", "c = 'ü=❄'"} {
				firn := s.Lake.On(t, engines.Firn)
				assert.Len(t, firn.Query(t, "SELECT id FROM "+firn.Table(parts...)+" WHERE "+c).Values, 1, c)
			}
		})
		s.Cannot(t, engines.Overwrite, format, "DuckDB has no statement that overwrites a table", "syntax error", func(ctx context.Context) error {
			return s.TryExec(ctx, "INSERT OVERWRITE "+name+" SELECT 1, 'a', 2")
		})
		s.Cannot(t, engines.Upsert, format, "an Iceberg table has no key that ON CONFLICT could name", "ON CONFLICT", func(ctx context.Context) error {
			return s.TryExec(ctx, "INSERT INTO "+name+" VALUES (1, 'a', 2) ON CONFLICT (id) DO UPDATE SET name = 'b'")
		})
	}
	s.Check(t, engines.Append, 1, func(t *testing.T) {
		s.Exec(t, "CREATE TABLE "+s.Table("w", "one")+" (id BIGINT, c VARCHAR) PARTITIONED BY (c) WITH ('format-version' = '1')", "INSERT INTO "+s.Table("w", "one")+" VALUES (1, 'a'), (2, NULL)")
		assert.Contains(t, string(s.Lake.Metadata(t, "w", "one")), `"format-version":1`)
		holds(t, s, []string{"w", "one"}, `1 | "a"`, `2 | null`)
	})
	s.Cannot(t, engines.DeleteCopy, 1, "DuckDB deletes no rows of a table of format 1", "Delete from Iceberg V1 tables", func(ctx context.Context) error {
		return s.TryExec(ctx, "DELETE FROM "+s.Table("w", "one")+" WHERE id = 1")
	})
	s.Cannot(t, engines.DeleteCopy, 2, "DuckDB only merges on read", "only supports merge-on-read", func(ctx context.Context) error {
		s.Exec(t, "CREATE TABLE "+s.Table("w", "cow")+" WITH ('write.delete.mode' = 'copy-on-write') AS SELECT 1 AS id")
		return s.TryExec(ctx, "DELETE FROM "+s.Table("w", "cow")+" WHERE id = 1")
	})
}

// TestDuckDBTransactions has DuckDB commit several tables at once, and meet
// another writer.
func TestDuckDBTransactions(t *testing.T) {
	engines.Suite(t)
	s := ducks(t)
	s.Exec(t, "CREATE SCHEMA "+s.Namespace("x"))
	for _, format := range []int{2, 3} {
		with := fmt.Sprintf("WITH ('format-version' = '%d')", format)
		one, two, made := []string{"x", fmt.Sprintf("one%d", format)}, []string{"x", fmt.Sprintf("two%d", format)}, []string{"x", fmt.Sprintf("made%d", format)}
		s.Check(t, engines.Transactions, format, func(t *testing.T) {
			s.Exec(
				t, "CREATE TABLE "+s.Table(one...)+" "+with+" AS SELECT 1 AS id", "CREATE TABLE "+s.Table(two...)+" "+with+" AS SELECT 1 AS id",
				"BEGIN", "INSERT INTO "+s.Table(one...)+" VALUES (2)", "DELETE FROM "+s.Table(two...)+" WHERE id = 1", "INSERT INTO "+s.Table(two...)+" VALUES (3)",
				"UPDATE "+s.Table(one...)+" SET id = 4 WHERE id = 1", "CREATE TABLE "+s.Table(made...)+" "+with+" AS SELECT 5 AS id", "COMMIT",
				"BEGIN", "INSERT INTO "+s.Table(one...)+" VALUES (7)", "INSERT INTO "+s.Table(two...)+" VALUES (7)", "CREATE TABLE "+s.Table("x", "never")+" AS SELECT 1 AS id", "ROLLBACK",
			)
			holds(t, s, one, "2", "4")
			holds(t, s, two, "3")
			holds(t, s, made, "5")
			assert.ErrorContains(t, s.TryExec(t.Context(), "FROM "+s.Table("x", "never")), "does not exist")
		})
		s.Check(t, engines.Conflicts, format, func(t *testing.T) {
			// Another connection commits to one of the tables between BEGIN and COMMIT.
			other := s.Lake.On(t, engines.DuckDB)
			s.Exec(t, "BEGIN", "DELETE FROM "+s.Table(one...)+" WHERE id = 2", "INSERT INTO "+s.Table(two...)+" VALUES (8)")
			other.Python(t, "other = con.cursor()\nother.execute(\"DELETE FROM "+strings.ReplaceAll(s.Table(one...), `"`, `\"`)+" WHERE id = 2\").fetchall()")
			err := s.TryExec(t.Context(), "COMMIT")
			assert.ErrorContains(t, err, "409")
			holds(t, s, one, "4")
			holds(t, s, two, "3")
		})
	}
}
