package engines_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestFusedPageIndexes: files of Spark, with page indexes of many small pages, are
// fused. Readers that skip pages by them (Spark's own, of plain files), and others,
// find the same rows under filters in the fused file as in its inputs.
func TestFusedPageIndexes(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	spark, duckdb, arrow := lake.On(t, engines.Spark), lake.On(t, engines.DuckDB), lake.On(t, engines.PyIceberg)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("pages"))
	for _, c := range []struct {
		name       string
		format     int
		dictionary string
		groups     int
	}{{"joined_v2", 2, "64", 1}, {"joined_v3", 3, "64", 1}, {"apart_v2", 2, "2097152", 4}, {"apart_v3", 3, "2097152", 4}} {
		t.Run(c.name, func(t *testing.T) {
			path := []string{"pages", c.name}
			table := spark.Table(path...)
			spark.Exec(t, fmt.Sprintf("CREATE TABLE %s (id BIGINT, kind STRING, score DOUBLE, amount DECIMAL(18,3), seen TIMESTAMP, tags ARRAY<STRING>, gap BIGINT) USING iceberg "+
				"TBLPROPERTIES ('format-version'='%d', 'write.parquet.page-row-limit'='50', 'write.parquet.dict-size-bytes'='%s', 'write.parquet.row-group-check-min-record-count'='10', 'firn.compact.enabled'='false')", table, c.format, c.dictionary))
			for i := range 4 {
				spark.Exec(t, fmt.Sprintf("INSERT INTO %s SELECT /*+ COALESCE(1) */ id, concat('kind ', id %% 40), CASE WHEN id %% 97 = 5 THEN double('NaN') ELSE id / 7 END, CAST(id * 1.5 - 900 AS DECIMAL(18,3)), "+
					"timestamp_micros(1700000000000000 + id * 1000003), CASE WHEN id %% 3 = 0 THEN array(concat('t', id), 'x') END, CASE WHEN id < 900 THEN NULL ELSE id END FROM range(%d, %d, 1, 1)", table, i*600, i*600+600))
			}
			fetch := func(prefix string) (paths []string) {
				for i, row := range spark.Query(t, "SELECT file_path FROM "+table+".files").Values {
					local := filepath.Join(t.TempDir(), fmt.Sprint(prefix, i, ".parquet"))
					lake.Fetch(t, strings.Trim(row[0], `"`), local)
					paths = append(paths, local)
				}
				return paths
			}
			inputs := fetch("in")
			require.Len(t, inputs, 4)
			out, err := lake.CLI(t.Context(), t, "compact", "pages."+c.name, "--wait", "-o", "json")
			require.NoError(t, err, out)
			var j job
			require.NoError(t, json.Unmarshal([]byte(out), &j), out)
			require.Equal(t, "fuse", j.Tier, "%v", j.Proof)
			fused := fetch("out")
			require.Len(t, fused, 1)
			assert.Equal(t, c.groups, pagesOf(t, fused[0]))
			// One statement for all filters, of a relation.
			counted := func(relation string) string {
				var parts []string
				for i, filter := range []string{
					"id = 777", "id BETWEEN 590 AND 640", "id > 2390", "id < 0", "kind = 'kind 7'", "kind > 'kind 38'", "score > 200", "score <= 3", "score = 100", "isnan(score)",
					"amount BETWEEN 0 AND 9.5", "seen < TIMESTAMP '2023-11-14 22:20:00'", "gap IS NULL", "gap = 1500", "gap < 950 AND kind = 'kind 3'", "gap IS NOT NULL AND id % 500 = 1",
				} {
					parts = append(parts, fmt.Sprintf("SELECT %d AS filter, count(*) AS n, CAST(sum(id) AS BIGINT) AS ids, CAST(sum(amount) AS DECIMAL(38,3)) AS amount, min(kind) AS low, max(tags) AS tags FROM %s WHERE %s", i, relation, filter))
				}
				return strings.Join(parts, " UNION ALL ")
			}
			want := spark.Query(t, counted(table))
			require.Len(t, want.Values, 16)
			for name, paths := range map[string][]string{"inputs": inputs, "fused": fused} {
				plain := spark.Python(t, fmt.Sprintf("spark.read.parquet(*%s).createOrReplaceTempView('plain')\nspark.sql(%q).toArrow()", strings.ReplaceAll(quotedList(paths), `"/`, `"file:///`), counted("plain")))
				spark.Exec(t, "DROP VIEW plain") // the session goes on to other tests
				assert.True(t, engines.Same(t, want, plain), "Spark on the %s", name)
				assert.True(t, engines.Same(t, want, duckdb.Query(t, counted("read_parquet(['"+strings.Join(paths, "', '")+"'])"))), "DuckDB on the %s", name)
			}
			rows := arrow.Python(t, fmt.Sprintf(`
import pyarrow.parquet as pq
columns = ["id", "kind", "amount", "seen", "tags", "gap"]
read = lambda paths, f: pa.concat_tables([pq.read_table(p, columns=columns, filters=f) for p in paths]).sort_by("id")
pairs = [(read(%[1]s, f), read(%[2]s, f)) for f in (None, [("id", ">", 700), ("id", "<", 720)], [("kind", "=", "kind 7")], [("gap", "<", 950)])]
pa.table({"equal": [a.equals(b) for a, b in pairs], "n": [a.num_rows for a, _ in pairs]})`, quotedList(inputs), quotedList(fused)))
			assert.Equal(t, []string{"true | 2400", "true | 19", "true | 60", "true | 50"}, rows.Lines())
		})
	}
}

func quotedList(paths []string) string { return `["` + strings.Join(paths, `", "`) + `"]` }

// pagesOf checks that each column says where its many pages are, and each but that
// of floats what is in them, and answers the number of row groups.
func pagesOf(t *testing.T, path string) int {
	t.Helper()
	r, err := file.OpenParquetFile(path, false)
	require.NoError(t, err)
	defer r.Close()
	for _, rg := range r.MetaData().RowGroups {
		for i, c := range rg.Columns {
			name := r.MetaData().Schema.Column(i).Path()
			assert.NotNil(t, c.OffsetIndexOffset, name)
			assert.Equal(t, name != "score", c.ColumnIndexOffset != nil, name)
		}
	}
	return r.NumRowGroups()
}
