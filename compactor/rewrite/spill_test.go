package rewrite

import (
	"bytes"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

var spillSchema = iceberg.NewSchema(0,
	iceberg.NestedField{ID: 1, Name: "x", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 2, Name: "y", Type: iceberg.PrimitiveTypes.Int64},
	iceberg.NestedField{ID: 3, Name: "one", Type: iceberg.PrimitiveTypes.Int32},
	iceberg.NestedField{ID: 4, Name: "s", Type: iceberg.PrimitiveTypes.String})

// Rows of several times a worker's memory are sorted within it: a worker that
// holds more is killed. Wide rows, which DuckDB's sort does not spill, are sorted
// by ranges; where one value has them all, they stay as they are.
func TestMoreRowsThanMemoryAreSorted(t *testing.T) {
	if testing.Short() {
		t.Skip("sorts a gigabyte in all")
	}
	small, err := duck.NewPool(duck.PoolConfig{Workers: 1, TempDir: t.TempDir(), MemoryBytes: 160 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	meta, err := table.NewMetadata(spillSchema, iceberg.UnpartitionedSpec, table.UnsortedSortOrder, "s3://b/t", iceberg.Properties{"format-version": "2"})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, in := range []struct {
		name string
		rows int64
		text string // of 64 and of 1600 bytes
	}{
		{"narrow", 3_000_000, "md5(i::VARCHAR) || md5((i + 1)::VARCHAR)"},
		{"wide", 250_000, "repeat(md5(i::VARCHAR) || md5((i + 1)::VARCHAR), 25)"},
	} {
		path := filepath.Join(dir, in.name+".parquet")
		sql := fmt.Sprintf("COPY (SELECT CASE WHEN i %% 10 = 0 THEN NULL ELSE (hash(i) %% 1000000007)::BIGINT END AS x, (hash(i + 1) %% 1000)::BIGINT AS y, 1::INTEGER AS one, %s AS s FROM range(%d) t(i)) TO %s (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 8192)",
			in.text, in.rows, duck.Quote(path))
		if _, err := pool.Exec(t.Context(), duck.Job{SQL: sql, WriteDir: dir}); err != nil {
			t.Fatal(err)
		}
		rel := &lake.Relation{SQL: "(SELECT * FROM read_parquet(" + duck.Quote(path) + "))", Paths: []string{path}, Release: func() {}}
		for _, c := range []struct{ policy, sorted string }{
			{"x DESC NULLS FIRST", "x DESC NULLS FIRST"}, {"x NULLS LAST", "x NULLS LAST"}, {"hilbert(x, y)", ""}, {"one, x", "one, x NULLS FIRST"},
		} {
			if in.name == "narrow" && c.policy != "x DESC NULLS FIRST" {
				continue
			}
			t.Run(in.name+", "+c.policy, func(t *testing.T) {
				policy := plan.Policy{Target: 40 << 20, Sort: plan.SplitSort(c.policy)}
				var log bytes.Buffer
				run := &compaction{Worker: &Worker{cfg: Config{Pool: small, Logger: slog.New(slog.NewTextHandler(&log, nil))}}, Compaction: Compaction{
					Table: &catalog.Table{Metadata: meta}, Scan: &lake.Scan{Schema: spillSchema}, Policy: policy,
				}}
				cols, err := columnsOf(spillSchema, false)
				if err != nil {
					t.Fatal(err)
				}
				o, err := plan.ParseOrder(policy.Sort)
				if err != nil {
					t.Fatal(err)
				}
				src := &source{rel: rel, columns: cols, temp: 8 << 30}
				if src.order, err = run.ordering(t.Context(), o, rel); err != nil {
					t.Fatal(err)
				}
				var out output
				paths, err := run.write(t.Context(), t.TempDir(), src, plan.Group{Outputs: 4, Rows: in.rows, Bytes: 160 << 20}, &out)
				if err != nil {
					t.Fatal(err)
				}
				if in.name == "narrow" && strings.Count(log.String(), "too much memory") > 1 {
					t.Errorf("rows that DuckDB can spill were not sorted in one range: %s", log.String())
				}
				p := &prover{pool: pool, columns: cols}
				if n, err := p.compare(t.Context(), rel, paths); err != nil || n != in.rows {
					t.Fatalf("%d rows, %v", n, err)
				}
				if in.name == "wide" && c.policy == "one, x" {
					if src.order.by != "" {
						t.Error("the sort of one value's rows did not fail: the test shows nothing")
					}
					return
				}
				if c.sorted == "" {
					return
				}
				var wrong []string
				for i, path := range paths {
					rows, err := pool.Exec(t.Context(), duck.Job{Read: []string{path}, SQL: fmt.Sprintf(`SELECT count(*) AS n FROM (SELECT row_number() OVER (ORDER BY %s, file_row_number) AS want, file_row_number + 1 AS got FROM (SELECT one, x, file_row_number FROM read_parquet(%s, file_row_number = true))) WHERE want <> got`, c.sorted, duck.Quote(path))})
					if err != nil {
						t.Fatal(err)
					}
					if rows[0]["n"] != int64(0) {
						wrong = append(wrong, fmt.Sprintf("%v rows of file %d", rows[0]["n"], i))
					}
				}
				if len(wrong) > 0 || in.name == "narrow" && len(paths) < 2 {
					t.Errorf("%d files; out of place: %v", len(paths), wrong)
				}
			})
		}
	}
}
