package engines_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
)

// TestFusedRowsKeepTheirIDs: on v3 a fused file holds the ids and sequence numbers
// that its inputs inherited, in columns of their own. Every engine that knows
// them reads the same before and after, and after the fused file was compacted
// again, of tables that Firn, Spark and Trino wrote.
func TestFusedRowsKeepTheirIDs(t *testing.T) {
	engines.Suite(t)
	lake := engines.NewLake(t)
	firn, spark, trino, duckdb := lake.On(t, engines.Firn), lake.On(t, engines.Spark), lake.Beside(t, engines.Trino), lake.On(t, engines.DuckDB)
	spark.Exec(t, "CREATE NAMESPACE "+spark.Namespace("fused"))
	dir := t.TempDir()
	next := 0
	for name, insert := range map[string]func(t *testing.T, table, rows string){
		"by_firn": func(t *testing.T, table, _ string) {
			path := filepath.Join(dir, fmt.Sprint(next, ".ndjson"))
			var lines strings.Builder
			for i := next; i < next+50; i++ {
				fmt.Fprintf(&lines, "{\"id\": %d, \"part\": \"x\", \"note\": \"row %d\"}\n", i, i)
			}
			require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
			out, err := lake.CLI(t.Context(), t, "ingest", path, "--table", "fused."+table)
			require.NoError(t, err, out)
		},
		"by_spark": func(t *testing.T, table, rows string) {
			spark.Exec(t, "INSERT INTO "+spark.Table("fused", table)+" SELECT id, 'x', concat('row ', id) FROM range("+rows+", 1, 1)")
		},
		"by_trino": func(t *testing.T, table, rows string) {
			trino.Exec(t, "INSERT INTO "+trino.Table("fused", table)+" SELECT id, 'x', concat('row ', CAST(id AS VARCHAR)) FROM UNNEST(sequence("+rows+" - 1)) s(id)")
		},
	} {
		path := []string{"fused", name}
		trino.Exec(t, "CREATE TABLE "+trino.Table(path...)+" (id BIGINT, part VARCHAR, note VARCHAR) WITH (format_version = 3, partitioning = ARRAY['part'], extra_properties = MAP(ARRAY['firn.compact.enabled'], ARRAY['false']))")
		fill := func(times int) {
			for range times {
				insert(t, name, fmt.Sprintf("%d, %d", next, next+50))
				next += 50
			}
		}
		readers := map[*engines.Session]string{
			spark:  "SELECT id, part, note, _row_id, _last_updated_sequence_number FROM " + spark.Table(path...),
			trino:  `SELECT id, part, note, "$row_id" AS _row_id, "$last_updated_sequence_number" AS _last_updated_sequence_number FROM ` + trino.Table(path...),
			duckdb: "SELECT id, part, note, _row_id, _last_updated_sequence_number FROM " + duckdb.Table(path...),
		}
		read := func(where string) engines.Rows {
			want := spark.Query(t, readers[spark]+where)
			for s, sql := range readers {
				assert.True(t, engines.Same(t, want, s.Query(t, sql+where)), "%s: %s %s", name, s.Engine, where)
			}
			return want
		}
		fill(4)
		for round := range 2 {
			before := read("")
			require.Len(t, before.Values, 200+round*200)
			out, err := lake.CLI(t.Context(), t, "compact", "fused."+name, "--wait", "-o", "json")
			require.NoError(t, err, out)
			var j job
			require.NoError(t, json.Unmarshal([]byte(out), &j), out)
			tier := "fuse"
			if round > 0 && name != "by_firn" {
				tier = "rewrite" // too many small row groups, which dictionaries keep apart
			}
			require.Equal(t, tier, j.Tier, "%s, %d: %v", name, round, j.Proof)
			require.Equal(t, "1", j.FilesOut)
			assert.True(t, engines.Same(t, before, read("")), "%s, compacted %d times", name, round+1)
			low := next - 130
			filter := fmt.Sprintf(" WHERE id BETWEEN %d AND %d", low, low+60)
			require.Len(t, read(filter).Values, 61)
			assert.Len(t, firn.Query(t, "SELECT id FROM "+firn.Table(path...)+filter).Values, 61)
			fill(4)
		}
	}
}
