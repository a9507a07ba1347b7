package engines_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestForeignDuckDB: what DuckDB deleted, updated and merged, in files of
// positions and in vectors, is read at every snapshot, compacted and expired.
func TestForeignDuckDB(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	duckdb, firn := lake.On(t, engines.DuckDB), lake.On(t, engines.Firn)
	duckdb.Exec(t, "CREATE SCHEMA "+duckdb.Namespace("d"))
	for _, format := range []int{2, 3} {
		path := []string{"d", fmt.Sprintf("t%d", format)}
		table := duckdb.Table(path...)
		f := &foreign{lake: lake, maker: duckdb, firn: firn, path: path, byFiles: true, at: func(version string) (engines.Rows, error) {
			return duckdb.TryQuery(t.Context(), "SELECT * FROM "+table+" AT (VERSION => "+version+")")
		}}
		firn.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
			duckdb.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, part VARCHAR, d DECIMAL(9,2), ts TIMESTAMPTZ, u UUID, b BLOB, l INTEGER[], m MAP(VARCHAR, INTEGER), s STRUCT(x INTEGER, y STRUCT(z VARCHAR))) PARTITIONED BY (part) WITH ('format-version' = '%d')", table, format),
				"INSERT INTO "+table+" SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'p ' || i % 2 END, i * 0.25, TIMESTAMPTZ '1969-12-31 23:59:59.5+00' + INTERVAL (i) HOUR, '00000000-0000-0000-0000-0000000000' || lpad(i::VARCHAR, 2, '0'), '\\x00'::BLOB, [i, NULL], MAP {'k': i}, {x: i, y: {z: NULL}} FROM range(60) t(i)",
				"INSERT INTO "+table+" (id, part) SELECT i, 'p 1' FROM range(60, 80) t(i)",
				"DELETE FROM "+table+" WHERE id % 10 = 1", "UPDATE "+table+" SET d = -1 WHERE id BETWEEN 30 AND 35",
				"MERGE INTO "+table+" t USING (SELECT i * 20 AS id FROM range(6) t(i)) s ON t.id = s.id WHEN MATCHED THEN DELETE WHEN NOT MATCHED THEN INSERT (id) VALUES (s.id)",
			)
			require.NotEmpty(t, f.head(t).Values)
			f.where(t, "part = 'p 1'", "part IS NULL AND id < 10", "d = -1", "ts < TIMESTAMPTZ '1970-01-01 00:00:00+00'")
		})
		firn.Check(t, engines.TimeTravel, format, func(t *testing.T) { assert.GreaterOrEqual(t, f.snapshots(t), 5) })
		firn.Check(t, engines.Compacts, format, func(t *testing.T) {
			commitUpdates(t, lake, path, map[string]any{"action": "set-properties", "updates": map[string]string{"firn.compact.row-hash": "true", "firn.orphans.grace": "1ms"}})
			lineage := func() engines.Rows {
				if format < 3 {
					return engines.Rows{}
				}
				return duckdb.Query(t, "SELECT id, _row_id FROM "+table)
			}
			before := lineage()
			f.compacted(t)
			assert.True(t, engines.Same(t, before, lineage()), "row lineage is kept")
			duckdb.Exec(t, "DELETE FROM "+table+" WHERE id = 5", "INSERT INTO "+table+" (id) VALUES (1000)")
			f.head(t)
		})
		firn.Check(t, engines.Expires, format, func(t *testing.T) { f.expired(t, f.set(t)) })
	}
}

// TestForeignPyIceberg: tables that PyIceberg made are compacted and expired,
// with files that were added as they are and have no field ids.
func TestForeignPyIceberg(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	python, firn := lake.On(t, engines.PyIceberg), lake.On(t, engines.Firn)
	python.Exec(t, python.Catalog+".create_namespace(('p',))")
	for _, format := range []int{1, 2} {
		path := []string{"p", fmt.Sprintf("t%d", format)}
		load := fmt.Sprintf("t = %s.load_table(%s)\n", python.Catalog, python.Table(path...))
		f := &foreign{lake: lake, maker: python, firn: firn, path: path, byFiles: true, at: func(version string) (engines.Rows, error) {
			return python.TryQuery(t.Context(), load+"v = "+version+"\n(t.scan(snapshot_id=v) if isinstance(v, int) else t.scan().use_ref(v)).to_arrow()")
		}}
		firn.Check(t, engines.AddFiles, format, func(t *testing.T) {
			python.Exec(t, fmt.Sprintf("s = pa.schema([pa.field('id', pa.int32()), pa.field('name', pa.string()), pa.field('s', pa.struct([pa.field('a', pa.int32()), pa.field('b', pa.string())]))])\n"+
				"t = %s.create_table(%s, s, properties={'format-version': '%d', 'firn.compact.enabled': 'false', 'firn.compact.row-hash': 'true', 'firn.orphans.grace': '1ms'})\n", python.Catalog, python.Table(path...), format)+`
t.append(pa.table({'id': [1, 2], 'name': ['a', None], 's': [{'a': 1, 'b': 'x'}, None]}, schema=s))
import pyarrow.parquet as pq
file = t.location() + '/data/added.parquet'
with t.io.new_output(file).create() as out:
    pq.write_table(pa.table({'id': [3, 4], 'name': ['c', 'd'], 's': [{'a': 3, 'b': None}, {'a': 4, 'b': 'y'}]}, schema=s), out)
t.add_files([file])
with t.update_schema() as u:
    u.rename_column('name', 'label')
    u.rename_column('s.b', 'c')
    from pyiceberg.types import LongType, StringType
    u.update_column('id', LongType())
with t.update_schema() as u:
    u.add_column('name', StringType())
t.append(pa.table({'id': [5], 'label': ['e'], 's': [{'a': 5, 'c': 'z'}], 'name': ['new']}, schema=t.schema().as_arrow()))
`)
			f.byFiles = false // it finds columns by field id
			require.Len(t, f.head(t).Values, 5)
		})
		firn.Check(t, engines.Compacts, format, func(t *testing.T) {
			f.snapshots(t)
			f.compacted(t)
			python.Exec(t, load+"t.delete('id = 1')\nt.append(t.scan(row_filter='id = 2').to_arrow())")
			require.Len(t, f.head(t).Values, 5)
		})
		firn.Check(t, engines.Expires, format, func(t *testing.T) { f.expired(t, f.set(t)) })
	}
}

// TestForeignTrino: what Trino changed, in rows and in layout, is compacted and
// expired.
func TestForeignTrino(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	trino, firn := lake.On(t, engines.Trino), lake.On(t, engines.Firn)
	trino.Exec(t, "CREATE SCHEMA "+trino.Namespace("t"))
	for _, format := range []int{2, 3} {
		path := []string{"t", fmt.Sprintf("t%d", format)}
		table := trino.Table(path...)
		f := &foreign{lake: lake, maker: trino, firn: firn, path: path, byFiles: true, at: func(version string) (engines.Rows, error) {
			return trino.TryQuery(t.Context(), "SELECT * FROM "+table+" FOR VERSION AS OF "+version)
		}}
		firn.Check(t, engines.ReadDeletes, format, func(t *testing.T) {
			trino.Exec(
				t, fmt.Sprintf("CREATE TABLE %s (id INTEGER, name VARCHAR, ts TIMESTAMP(6), tz TIMESTAMP(6) WITH TIME ZONE, d DECIMAL(9,2), u UUID, ti TIME(6), r ROW(a INTEGER, b VARCHAR)) WITH (format = 'PARQUET', format_version = %d, partitioning = ARRAY['bucket(id, 2)', 'day(ts)'])", table, format),
				"INSERT INTO "+table+" SELECT id, 'n' || CAST(id % 4 AS VARCHAR), TIMESTAMP '1969-12-31 12:00:00' + id * INTERVAL '1' HOUR, TIMESTAMP '2026-01-01 00:00:00 UTC', DECIMAL '1.25', UUID '00000000-0000-0000-0000-000000000001', TIME '23:59:59.999999', CAST(ROW(id, NULL) AS ROW(a INTEGER, b VARCHAR)) FROM UNNEST(sequence(1, 40)) AS u(id)",
				"INSERT INTO "+table+" (id) VALUES 101, 102, NULL", "DELETE FROM "+table+" WHERE id % 7 = 3", "UPDATE "+table+" SET name = 'updated' WHERE id BETWEEN 10 AND 14",
				"ALTER TABLE "+table+" ALTER COLUMN id SET DATA TYPE BIGINT", "ALTER TABLE "+table+" ADD COLUMN extra VARCHAR", "ALTER TABLE "+table+" DROP COLUMN tz", "ALTER TABLE "+table+" RENAME COLUMN name TO tz",
				"ALTER TABLE "+table+" SET PROPERTIES partitioning = ARRAY['truncate(tz, 2)'], sorted_by = ARRAY['id']",
				"INSERT INTO "+table+" (id, tz, extra) VALUES (5000000000, 'née', 'e')", "DELETE FROM "+table+" WHERE id = 20",
			)
			require.NotEmpty(t, f.head(t).Values)
			f.where(t, "id > 30", "tz = 'updated'", "ts < TIMESTAMP '1970-01-01 00:00:00'", "extra IS NULL AND id < 5")
		})
		firn.Check(t, engines.TimeTravel, format, func(t *testing.T) { assert.GreaterOrEqual(t, f.snapshots(t), 5) })
		firn.Check(t, engines.Compacts, format, func(t *testing.T) {
			commitUpdates(t, lake, path, map[string]any{"action": "set-properties", "updates": map[string]string{"firn.compact.row-hash": "true", "firn.orphans.grace": "1ms"}})
			f.compacted(t)
			trino.Exec(t, "DELETE FROM "+table+" WHERE id = 5", "UPDATE "+table+" SET extra = 'x' WHERE id = 6")
			f.head(t)
		})
		firn.Check(t, engines.Expires, format, func(t *testing.T) { f.expired(t, f.set(t)) })
	}
}
