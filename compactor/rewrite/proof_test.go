package rewrite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/compactortest"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

var pool *duck.Pool

func TestMain(m *testing.M) { os.Exit(compactortest.Main(m, &pool)) }

var proofColumns = columns{
	{"flag", 1, iceberg.PrimitiveTypes.Bool},
	{"i", 2, iceberg.PrimitiveTypes.Int64},
	{"d", 3, iceberg.DecimalTypeOf(12, 3)},
	{"wide", 4, iceberg.DecimalTypeOf(38, 2)},
	{"f", 5, iceberg.PrimitiveTypes.Float64},
	{"s", 6, iceberg.PrimitiveTypes.String},
	{"b", 7, iceberg.PrimitiveTypes.Binary},
	{"day", 8, iceberg.PrimitiveTypes.Date},
	{"at", 9, iceberg.PrimitiveTypes.Timestamp},
	{"clock", 10, iceberg.PrimitiveTypes.Time},
	{"u", 11, iceberg.PrimitiveTypes.UUID},
	{"list", 12, &iceberg.ListType{ElementID: 13, Element: iceberg.PrimitiveTypes.Int32}},
	{"st", 14, &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 15, Name: "x", Type: iceberg.PrimitiveTypes.Float64}}}},
	{"m", 16, &iceberg.MapType{KeyID: 17, KeyType: iceberg.PrimitiveTypes.String, ValueID: 18, ValueType: iceberg.PrimitiveTypes.Int32}},
}

const proofRows = `SELECT i % 2 = 0 AS flag, i::BIGINT AS i, (i * 1.5)::DECIMAL(12,3) AS d, (i * 3)::DECIMAL(38,2) AS wide,
	CASE WHEN i % 7 = 0 THEN 'nan'::DOUBLE ELSE i / 3.0 END AS f, 'text ' || i AS s, ('b' || i)::BLOB AS b,
	DATE '2026-01-01' + i::INTEGER AS day, TIMESTAMP '2026-01-01' + INTERVAL (i) MINUTE AS "at", TIME '00:00:00' + INTERVAL (i) SECOND AS clock,
	md5(i::VARCHAR)::UUID AS u, list_value(i::INTEGER, NULL) AS list, struct_pack(x := i / 2.0) AS st, MAP {'k': i::INTEGER} AS m
	FROM range(1000) t(i)`

// write makes the output of a rewrite that did the given thing to its rows.
func write(t *testing.T, sql string) string {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "out.parquet")
	job := duck.Job{SQL: fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd, FIELD_IDS %s)", sql, duck.Quote(path), proofColumns.fieldIDs()), WriteDir: dir}
	if _, err := pool.Exec(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	return path
}

// The proof of a rewrite turns red on every kind of damage, and on nothing else.
func TestProofFindsChangedRows(t *testing.T) {
	rel := &lake.Relation{SQL: "(" + proofRows + ")"}
	from := "(" + proofRows + ")"
	cases := []struct {
		name, sql string
		plain     bool // counts and sums find it without the hash
	}{
		{"a lost row", "SELECT * FROM " + from + " WHERE i <> 17", true},
		{"a row twice", "SELECT * FROM " + from + " UNION ALL SELECT * FROM " + from + " WHERE i = 17", true},
		{"one row for another", "SELECT * FROM " + from + " WHERE i <> 17 UNION ALL SELECT * FROM " + from + " WHERE i = 18", true},
		{"a changed number", "SELECT * REPLACE (CASE WHEN i = 17 THEN 16 ELSE i END AS i) FROM " + from, true},
		{"a changed decimal", "SELECT * REPLACE ((CASE WHEN i = 17 THEN d + 0.001 ELSE d END)::DECIMAL(12,3) AS d) FROM " + from, true},
		{"a changed wide decimal", "SELECT * REPLACE ((CASE WHEN i = 17 THEN wide + 0.01 ELSE wide END)::DECIMAL(38,2) AS wide) FROM " + from, true},
		{"a changed float", "SELECT * REPLACE (CASE WHEN i = 17 THEN f + 1e-9 ELSE f END AS f) FROM " + from, true},
		{"a null that was none", "SELECT * REPLACE (CASE WHEN i = 17 THEN NULL ELSE s END AS s) FROM " + from, true},
		{"a moved day", "SELECT * REPLACE ((CASE WHEN i = 17 THEN day + 1 ELSE day END)::DATE AS day) FROM " + from, true},
		{"a moved microsecond", `SELECT * REPLACE ("at" + CASE WHEN i = 17 THEN INTERVAL 1 MICROSECOND ELSE INTERVAL 0 SECOND END AS "at") FROM ` + from, true},
		{"a changed list", "SELECT * REPLACE (CASE WHEN i = 17 THEN list_value(18, NULL) ELSE list END AS list) FROM " + from, true},
		{"a changed struct", "SELECT * REPLACE (CASE WHEN i = 17 THEN struct_pack(x := 0.25) ELSE st END AS st) FROM " + from, true},
		{"a changed map", "SELECT * REPLACE (CASE WHEN i = 17 THEN MAP {'k': 1} ELSE m END AS m) FROM " + from, true},
		{"text of the same length", "SELECT * REPLACE (CASE WHEN i = 17 THEN 'text 16' ELSE s END AS s) FROM " + from, false},
		{"values swapped between rows", "SELECT * REPLACE (CASE WHEN i = 16 THEN 17 WHEN i = 17 THEN 16 ELSE i END AS i) FROM " + from, false},
	}
	for _, hash := range []bool{false, true} {
		p := &prover{pool: pool, columns: proofColumns, hash: hash}
		n, err := p.compare(t.Context(), rel, []string{write(t, proofRows+" ORDER BY i DESC")})
		if err != nil || n != 1000 {
			t.Fatalf("the same rows in another order: %d, %v", n, err)
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.sql)
			for _, hash := range []bool{false, true} {
				p := &prover{pool: pool, columns: proofColumns, hash: hash}
				_, err := p.compare(t.Context(), rel, []string{path})
				if want := c.plain || hash; errors.Is(err, ErrProof) != want {
					t.Errorf("with hash %v: %v", hash, err)
				}
			}
		})
	}
}

func TestDeletedRowsAreExplained(t *testing.T) {
	g := plan.Group{Rows: 100}
	deleteFile := func(content iceberg.ManifestEntryContent, rows int64) lake.DeleteFile {
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, content, fmt.Sprint("s3://b/d", rows), iceberg.ParquetFile, nil, nil, nil, rows, 10)
		if err != nil {
			t.Fatal(err)
		}
		return lake.DeleteFile{Data: b.Build()}
	}
	five := []lake.File{{Deletes: []lake.DeleteFile{deleteFile(iceberg.EntryContentPosDeletes, 5)}}}
	equality := []lake.File{{Deletes: []lake.DeleteFile{deleteFile(iceberg.EntryContentEqDeletes, 1)}}}
	for _, c := range []struct {
		files []lake.File
		rows  int64
		ok    bool
	}{{nil, 100, true}, {nil, 99, false}, {nil, 101, false}, {five, 95, true}, {five, 94, false}, {equality, 10, true}, {equality, 101, false}} {
		if _, err := deletedRows(g, c.files, c.rows); (err == nil) != c.ok {
			t.Errorf("%d of 100 rows: %v", c.rows, err)
		}
	}
}

func TestSortTermsAreChecked(t *testing.T) {
	s := iceberg.NewSchema(0, iceberg.NestedField{ID: 1, Name: "a b", Type: iceberg.PrimitiveTypes.Int64}, iceberg.NestedField{ID: 2, Name: "c", Type: iceberg.PrimitiveTypes.Int64})
	orderBy := func(policy []string, s *iceberg.Schema) (string, error) {
		o, err := plan.ParseOrder(policy)
		if err != nil {
			return "", err
		}
		return orderBy(o.Terms, s)
	}
	if got, err := orderBy([]string{"c DESC", "c"}, s); err != nil || !strings.Contains(got, `r."c" DESC`) {
		t.Errorf("%q %v", got, err)
	}
	for _, bad := range []string{"x", "c; DROP TABLE t", "c sideways", "c) --"} {
		if got, err := orderBy([]string{bad}, s); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

// Rewrites compress as the table asks for.
func TestCodecOfTable(t *testing.T) {
	for _, c := range []struct{ codec, level, want string }{
		{"", "", "COMPRESSION zstd, COMPRESSION_LEVEL 2"},
		{"zstd", "9", "COMPRESSION zstd, COMPRESSION_LEVEL 9"},
		{"ZSTD", "-3", "COMPRESSION zstd, COMPRESSION_LEVEL 1"},
		{"zstd", "99", "COMPRESSION zstd, COMPRESSION_LEVEL 22"},
		{"snappy", "3", "COMPRESSION snappy"},
		{"gzip", "9", "COMPRESSION gzip"},
		{"lz4", "", "COMPRESSION lz4_raw"},
		{"uncompressed", "", "COMPRESSION uncompressed"},
	} {
		props := iceberg.Properties{}
		if c.codec != "" {
			props["write.parquet.compression-codec"] = c.codec
		}
		if c.level != "" {
			props["write.parquet.compression-level"] = c.level
		}
		if got, err := codecOf(props); err != nil || got != c.want {
			t.Errorf("%v: %q, %v; want %q", props, got, err, c.want)
		}
		dir := t.TempDir()
		sql := "COPY (SELECT 1 AS a) TO " + duck.Quote(filepath.Join(dir, "x.parquet")) + " (FORMAT parquet, " + c.want + ")"
		if _, err := pool.Exec(t.Context(), duck.Job{SQL: sql, WriteDir: dir}); err != nil {
			t.Errorf("%s: %v", c.want, err)
		}
	}
	if _, err := codecOf(iceberg.Properties{"write.parquet.compression-codec": "brotli"}); err == nil {
		t.Error("an unknown codec was taken")
	}
}
