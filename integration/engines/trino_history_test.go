package engines_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/firnlake/firn/integration/engines"
)

// TestTrinoHistory has Trino read old snapshots, refs that others made, and its
// metadata tables.
func TestTrinoHistory(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "h")
	for _, format := range []int{1, 2, 3} {
		path := []string{"h", fmt.Sprintf("t_v%d", format)}
		table := trino.Table(path...)
		trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, k VARCHAR) "+with(format, ", partitioning = ARRAY['k']"),
			"INSERT INTO "+table+" VALUES (1, 'a')", "INSERT INTO "+table+" VALUES (2, 'b')", "DELETE FROM "+table+" WHERE k = 'a'", "ALTER TABLE "+table+" ADD COLUMN late BIGINT", "INSERT INTO "+table+" VALUES (3, 'c', 3)")
		history := trino.Query(t, "SELECT snapshot_id, made_current_at FROM "+hidden(trino, path, "history")+" ORDER BY made_current_at")
		history.Values = history.Values[1:] // CREATE TABLE makes an empty one
		want := [][]string{{`1 | "a"`}, {`1 | "a"`, `2 | "b"`}, {`2 | "b"`}, {`2 | "b" | null`, `3 | "c" | 3`}}
		at := func(version string) []string {
			return trino.Query(t, "SELECT * FROM "+table+" FOR VERSION AS OF "+version+" ORDER BY id").Lines()
		}
		trino.Check(t, engines.TimeTravel, format, func(t *testing.T) {
			if assert.Len(t, history.Values, len(want)) {
				for i, rows := range want {
					id, when := history.Cell(i, 0), strings.NewReplacer("T", " ", "Z", " UTC").Replace(history.Cell(i, 1))
					assert.Equal(t, rows, at(id))
					assert.Equal(t, rows, trino.Query(t, "SELECT * FROM "+table+" FOR TIMESTAMP AS OF TIMESTAMP '"+when+"' ORDER BY id").Lines())
					firn := trino.Lake.On(t, engines.Firn)
					assert.Equal(t, rows, firn.Query(t, "SELECT * FROM "+firn.Table(path...)+" AT (VERSION => "+id+") ORDER BY id").Lines())
				}
			}
			_, err := trino.TryQuery(t.Context(), "SELECT * FROM "+table+" FOR TIMESTAMP AS OF TIMESTAMP '2000-01-01 00:00:00 UTC'")
			assert.ErrorContains(t, err, "No version history")
			_, err = trino.TryQuery(t.Context(), "SELECT * FROM "+table+" FOR VERSION AS OF BIGINT '1'")
			assert.ErrorContains(t, err, "snapshot ID does not exist")
		})
		trino.Check(t, engines.Branches, format, func(t *testing.T) {
			iceberg := trino.Lake.On(t, engines.PyIceberg)
			iceberg.Exec(t, fmt.Sprintf("%s.load_table(%s).manage_snapshots().create_tag(%s, 'day one').create_branch(%s, 'trial').commit()", iceberg.Catalog, iceberg.Table(path...), history.Cell(0, 0), history.Cell(1, 0)))
			assert.Equal(t, want[0], at("'day one'"))
			assert.Equal(t, []string{`1 | "a"`, `2 | "b"`}, at("'trial'"), "Trino reads a branch with the columns of its snapshot")
			assert.ElementsMatch(t, []string{`"main" | "BRANCH"`, `"day one" | "TAG"`, `"trial" | "BRANCH"`}, trino.Query(t, "SELECT name, type FROM "+hidden(trino, path, "refs")).Lines())
			_, err := trino.TryQuery(t.Context(), "SELECT * FROM "+table+" FOR VERSION AS OF 'absent'")
			assert.ErrorContains(t, err, "absent")
			assert.ErrorContains(t, trino.TryExec(t.Context(), "CREATE BRANCH b IN TABLE "+table), "does not support creating branches")
		})
		trino.Check(t, engines.MetadataTables, format, func(t *testing.T) {
			count := func(name, where string) string {
				return trino.Query(t, "SELECT count(*) FROM "+hidden(trino, path, name)+" WHERE "+where).Cell(0, 0)
			}
			assert.Equal(t, "2", count("files", "content = 0"))
			assert.Equal(t, "2", count("partitions", "record_count = 1"))
			assert.Equal(t, "2", count("entries", "status < 2"))
			assert.NotEqual(t, "0", count("all_entries", "status = 2"))
			assert.NotEqual(t, "0", count("manifests", "added_data_files_count >= 0"))
			assert.NotEqual(t, "0", count("all_manifests", "true"))
			assert.Equal(t, "1", count("properties", fmt.Sprintf("key = 'format-version' AND value = '%d'", format)))
			assert.NotEqual(t, "0", count("metadata_log_entries", "latest_snapshot_id IS NOT NULL"))
			assert.Equal(t, []string{`"k=b"`, `"k=c"`}, trino.Query(t, `SELECT "$partition" FROM `+table+` WHERE "$path" LIKE 's3://%' AND "$file_modified_time" > TIMESTAMP '2020-01-01 00:00:00 UTC' ORDER BY 1`).Lines())
			assert.Contains(t, trino.Query(t, "SELECT table_name FROM "+trino.Catalog+".system.iceberg_tables WHERE table_schema = 'h'").Lines(), fmt.Sprintf(`"t_v%d"`, format))
			assert.Equal(t, []string{`"id" | "bigint"`, `"k" | "varchar"`, `"late" | "bigint"`}, trino.Query(t, "SELECT column_name, data_type FROM "+trino.Catalog+".information_schema.columns WHERE table_schema = 'h' AND table_name = '"+path[1]+"' ORDER BY ordinal_position").Lines())
		})
		trino.Check(t, engines.Branches, format, func(t *testing.T) {
			if format > 1 {
				trino.Exec(t, "CALL "+trino.Catalog+".system.rollback_to_snapshot('h', '"+path[1]+"', "+history.Cell(1, 0)+")")
				holds(t, trino, path, `1 | "a" | null`, `2 | "b" | null`)
				return
			}
			trino.Exec(t, "ALTER TABLE "+table+" EXECUTE rollback_to_snapshot("+history.Cell(0, 0)+")")
			holds(t, trino, path, `1 | "a" | null`)
		})
	}
}

// TestTrinoMaintains has Trino tidy tables, and Firn tidy them after it.
func TestTrinoMaintains(t *testing.T) {
	engines.Suite(t)
	trino := trinoOn(t, "m")
	for _, format := range []int{1, 2, 3} {
		path := []string{"m", fmt.Sprintf("t_v%d", format)}
		table := trino.Table(path...)
		execute := func(procedure string) {
			t.Helper()
			trino.Exec(t, "ALTER TABLE "+table+" EXECUTE "+procedure)
		}
		count := func(name, where string) string {
			return trino.Query(t, "SELECT count(*) FROM "+hidden(trino, path, name)+" WHERE "+where).Cell(0, 0)
		}
		distinct := func() (lines []string) {
			for _, row := range trino.Query(t, "SHOW STATS FOR "+table).Values[:2] {
				lines = append(lines, row[0]+" | "+row[2])
			}
			return lines
		}
		trino.Exec(t, "CREATE TABLE "+table+" (id BIGINT, k VARCHAR) "+with(format, ", partitioning = ARRAY['k']"))
		want := []string{}
		for i := range 5 {
			trino.Exec(t, fmt.Sprintf("INSERT INTO %s VALUES (%d, 'a'), (%d, 'b')", table, i, 10+i))
			if format == 1 || i != 3 {
				want = append(want, fmt.Sprintf(`%d | "a"`, i))
			}
			want = append(want, fmt.Sprintf(`%d | "b"`, 10+i))
		}
		if format > 1 {
			trino.Exec(t, "DELETE FROM "+table+" WHERE id = 3")
		}
		trino.Check(t, engines.Statistics, format, func(t *testing.T) {
			trino.Exec(t, "ANALYZE "+table)
			assert.Equal(t, []string{fmt.Sprintf(`"id" | %d`, len(want)), `"k" | 2`}, distinct(), "of the Puffin file")
			holds(t, trino, path, want...)
		})
		trino.Check(t, engines.Maintenance, format, func(t *testing.T) {
			execute("optimize(file_size_threshold => '1MB') WHERE k = 'a'")
			assert.Equal(t, "6", count("files", "content = 0"), "the other partition is not touched")
			execute("optimize")
			assert.Equal(t, "2", count("files", "content = 0"))
			assert.Equal(t, "0", count("files", "content = 1"))
			holds(t, trino, path, want...)
			execute("optimize_manifests")
			holds(t, trino, path, want...)
			execute("expire_snapshots(retention_threshold => '0s')")
			assert.Equal(t, "1", count("snapshots", "true"))
			execute("remove_orphan_files(retention_threshold => '0s')")
			holds(t, trino, path, want...)
			execute("drop_extended_stats")
			holds(t, trino, path, want...)
		})
		trino.Check(t, engines.Expires, format, func(t *testing.T) {
			f := &foreign{lake: trino.Lake, maker: trino, firn: trino.Lake.On(t, engines.Firn), path: path, byFiles: true, at: func(version string) (engines.Rows, error) {
				return trino.TryQuery(t.Context(), "SELECT * FROM "+table+" FOR VERSION AS OF "+version)
			}}
			iceberg := trino.Lake.On(t, engines.PyIceberg)
			set := func(key, value string) {
				iceberg.Exec(t, fmt.Sprintf("%s.load_table(%s).transaction().set_properties({%q: %q}).commit_transaction()", iceberg.Catalog, iceberg.Table(path...), key, value))
			}
			trino.Exec(t, "INSERT INTO "+table+" VALUES (100, 'c')", "DELETE FROM "+table+" WHERE k = 'b'", "ANALYZE "+table)
			stats := distinct()
			f.expired(t, set)
			assert.Equal(t, stats, distinct(), "the file of statistics is kept")
			assert.Contains(t, string(trino.Lake.Metadata(t, path...)), `.stats"`)
		})
	}
}
