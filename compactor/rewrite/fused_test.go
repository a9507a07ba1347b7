package rewrite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// DuckDB writes files, fuse joins them, DuckDB reads: the same rows, under
// filters too, which trust the statistics in the fused footer.
func TestFusedFilesInDuckDB(t *testing.T) {
	for _, codec := range []string{"snappy", "zstd", "gzip", "lz4_raw", "uncompressed"} {
		for _, version := range []string{"V1", "V2"} {
			for _, dictionary := range []bool{true, false} {
				if testing.Short() && (codec != "zstd" || dictionary) {
					continue
				}
				t.Run(fmt.Sprint(codec, version, dictionary), func(t *testing.T) { fusedInDuckDB(t, codec, version, dictionary) })
			}
		}
	}
}

func fusedInDuckDB(t *testing.T, codec, version string, dictionary bool) {
	dir := t.TempDir()
	limit := ""
	if !dictionary {
		limit = ", DICTIONARY_SIZE_LIMIT 1"
	}
	var paths []string
	for i := range 6 {
		path := filepath.Join(dir, fmt.Sprint(i, ".parquet"))
		sql := fmt.Sprintf("COPY (SELECT * FROM (%s) WHERE i BETWEEN %d AND %d) TO %s (FORMAT parquet, COMPRESSION %s, PARQUET_VERSION %s, FIELD_IDS %s%s)",
			proofRows, i*150, i*150+149, duck.Quote(path), codec, version, proofColumns.fieldIDs(), limit)
		if _, err := pool.Exec(t.Context(), duck.Job{SQL: sql, WriteDir: dir}); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out := filepath.Join(dir, "fused.parquet")
	if _, err := fuse.Files(t.Context(), paths, out, fuse.Options{}); err != nil {
		t.Fatal(err)
	}
	var parts []string
	for _, filter := range []string{
		"TRUE", "i = 300", "i > 700", "d < 100", "d BETWEEN 300.5 AND 301.5", "wide >= 2000", "f > 200", "isnan(f)", "f IS NULL", "s = 'text 17'", "s > 'text 9'",
		"day < DATE '2026-02-01'", `"at" > TIMESTAMP '2026-01-01 10:00:00'`, "clock < TIME '00:05:00'", "flag", "list[1] = 17", "st.x > 100", "m['k'] = 5", "u = md5('17')::UUID",
	} {
		a := fmt.Sprintf("SELECT * FROM read_parquet(%s) WHERE %s", duck.QuoteList(paths), filter)
		b := fmt.Sprintf("SELECT * FROM read_parquet(%s) WHERE %s", duck.Quote(out), filter)
		parts = append(parts, fmt.Sprintf("SELECT %s AS filter, (SELECT count(*) FROM (%s EXCEPT ALL %s)) AS missing, (SELECT count(*) FROM (%s EXCEPT ALL %s)) AS surplus, (SELECT count(*) FROM (%s)) AS n",
			duck.Quote(filter), a, b, b, a, b))
	}
	// Few at a time: one query over all of them takes more memory than it may.
	for some := range slices.Chunk(parts, 4) {
		rows, err := pool.Exec(t.Context(), duck.Job{SQL: strings.Join(some, " UNION ALL "), Read: append(paths, out)})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			if r["missing"] != int64(0) || r["surplus"] != int64(0) || r["filter"] == "TRUE" && r["n"] != int64(900) {
				t.Errorf("%v", r)
			}
		}
		if len(rows) != len(some) {
			t.Errorf("%d of %d filters answered", len(rows), len(some))
		}
	}
}
