package rewrite

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// The Hilbert curve visits each cell once, and goes from a cell to a neighbour.
func TestHilbertGoesFromNeighbourToNeighbour(t *testing.T) {
	for n := 2; n <= plan.MaxCurve; n++ {
		b := curveBits(n)
		at := make([]int, 1<<(b*n)) // place -> cell
		for i := range at {
			at[i] = -1
		}
		for cell, place := range hilbert(b, n) {
			if at[place] >= 0 {
				t.Fatalf("%d dimensions: cells %d and %d are both at %d", n, at[place], cell, place)
			}
			at[place] = cell
		}
		for place := 1; place < len(at); place++ {
			moved := 0
			for i := range n {
				mask := 1<<b - 1
				a, z := at[place-1]>>(b*i)&mask, at[place]>>(b*i)&mask
				moved += max(a-z, z-a)
			}
			if moved != 1 {
				t.Fatalf("%d dimensions: from place %d to the next it moves by %d", n, place-1, moved)
			}
		}
	}
}

func TestSpreadInterleaves(t *testing.T) {
	if got := spread(0b1011, 4, 2); got != 0b1000101 {
		t.Errorf("%b", got)
	}
	if a, b := spread(255, 8, 2), spread(255, 8, 2)<<1; a|b != 1<<16-1 || bits.OnesCount(uint(a&b)) != 0 {
		t.Errorf("%b %b", a, b)
	}
}

// Rows of every type that can be sorted by, skewed and with NULLs.
const curved = `SELECT i, (power(10, random() * 6))::BIGINT AS skewed, CASE WHEN random() < 0.3 THEN NULL ELSE md5(random()::VARCHAR) END AS s,
	(random() * 1000)::DECIMAL(18,3) AS d, DATE '2026-01-01' + (random() * 300)::INTEGER AS day, TIMESTAMP '2026-01-01' + to_microseconds((random() * 1e12)::BIGINT) AS "at",
	TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_microseconds((random() * 1e12)::BIGINT) AS tz, TIME '00:00:00' + to_seconds((random() * 86399)::INTEGER) AS clock,
	random() < 0.1 AS flag, CASE WHEN random() < 0.1 THEN 'nan'::DOUBLE ELSE random() * 10 - 5 END AS f, md5(random()::VARCHAR)::UUID AS u,
	md5(random()::VARCHAR)::BLOB AS bin, NULL::INTEGER AS nothing, 7 AS one FROM range(60000) t(i)`

var curvedSchema = func() *iceberg.Schema {
	p := iceberg.PrimitiveTypes
	var fields []iceberg.NestedField
	for i, f := range []struct {
		name string
		typ  iceberg.Type
	}{
		{"i", p.Int64},
		{"skewed", p.Int64},
		{"s", p.String},
		{"d", iceberg.DecimalTypeOf(18, 3)},
		{"day", p.Date},
		{"at", p.Timestamp},
		{"tz", p.TimestampTz},
		{"clock", p.Time},
		{"flag", p.Bool},
		{"f", p.Float64},
		{"u", p.UUID},
		{"bin", p.Binary},
		{"nothing", p.Int32},
		{"one", p.Int32},
	} {
		fields = append(fields, iceberg.NestedField{ID: i + 1, Name: f.name, Type: f.typ})
	}
	return iceberg.NewSchema(0, fields...)
}()

// curvedFile holds the rows, so that they are the same each time.
func curvedFile(t *testing.T) *lake.Relation {
	t.Helper()
	dir := t.TempDir()
	path := dir + "/rows.parquet"
	if _, err := pool.Exec(t.Context(), duck.Job{Setup: []string{"SELECT setseed(0.5)"}, SQL: "COPY (" + curved + ") TO " + duck.Quote(path) + " (FORMAT parquet)", WriteDir: dir, Threads: 1}); err != nil {
		t.Fatal(err)
	}
	return &lake.Relation{SQL: "(SELECT * FROM read_parquet(" + duck.Quote(path) + "))", Paths: []string{path}}
}

func orderedBy(t *testing.T, rel *lake.Relation, policy string) ordering {
	t.Helper()
	o, err := plan.ParseOrder(plan.SplitSort(policy))
	if err != nil {
		t.Fatal(err)
	}
	if o.Curve == "" {
		by, err := orderBy(o.Terms, curvedSchema)
		if err != nil {
			t.Fatal(err)
		}
		return ordering{by: by}
	}
	c := &compaction{Worker: &Worker{cfg: Config{Pool: pool}}}
	out, err := c.along(t.Context(), o, rel, curvedSchema)
	if err != nil {
		t.Fatalf("%s: %v", policy, err)
	}
	return out
}

// touched is how many of 64 files, cut from the rows in this order, a query over
// a range of both columns opens by their bounds, on average.
func touched(t *testing.T, rel *lake.Relation, o ordering, a, b string) float64 {
	t.Helper()
	// By rank, so that all types are compared alike; NULL is the first rank.
	sql := fmt.Sprintf(`WITH rows AS (SELECT r.i, dense_rank() OVER (ORDER BY r.%s NULLS FIRST) AS a, dense_rank() OVER (ORDER BY r.%s NULLS FIRST) AS b FROM %s AS r),
		placed AS (SELECT i, row_number() OVER () AS n FROM (SELECT r.i FROM %s AS r%s%s))
		SELECT n * 64 // 60001 AS file, min(a) AS a0, max(a) AS a1, min(b) AS b0, max(b) AS b1, count(*) AS n FROM rows JOIN placed USING (i) GROUP BY file`,
		duck.QuoteName(a), duck.QuoteName(b), rel.SQL, rel.SQL, o.join, o.by)
	files, err := pool.Exec(t.Context(), duck.Job{Setup: o.setup, SQL: sql, Read: rel.Paths, PreserveOrder: true})
	if err != nil {
		t.Fatal(err)
	}
	var rows, topA, topB int64
	for _, f := range files {
		rows += f["n"].(int64)
		topA, topB = max(topA, f["a1"].(int64)), max(topB, f["b1"].(int64))
	}
	if rows != 60_000 || len(files) != 64 {
		t.Fatalf("%d rows in %d files", rows, len(files))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	hits := 0
	const queries = 500
	for range queries {
		fromA, fromB := rng.Int64N(topA), rng.Int64N(topB)
		toA, toB := fromA+topA/10, fromB+topB/10
		for _, f := range files {
			if f["a0"].(int64) <= toA && f["a1"].(int64) >= fromA && f["b0"].(int64) <= toB && f["b1"].(int64) >= fromB {
				hits++
			}
		}
	}
	return float64(hits) / queries
}

// Files that a query over two columns opens: Hilbert at most z-order, z-order
// less than sorting by one column, and that less than the order of arrival.
func TestCurvesClusterTwoColumns(t *testing.T) {
	rel := curvedFile(t)
	for _, pair := range [][2]string{{"skewed", "d"}, {"s", "at"}, {"day", "f"}, {"tz", "u"}, {"bin", "clock"}} {
		a, b := pair[0], pair[1]
		got := map[string]float64{}
		for _, policy := range []string{"i", "\"" + a + "\"", fmt.Sprintf(`zorder("%s","%s")`, a, b), fmt.Sprintf(`hilbert("%s","%s")`, a, b)} {
			name, _, _ := strings.Cut(policy, "(")
			got[name] = touched(t, rel, orderedBy(t, rel, policy), a, b)
		}
		random, linear, z, h := got["i"], got["\""+a+"\""], got["zorder"], got["hilbert"]
		t.Logf("%s, %s: of 64 files a query opens %.1f unsorted, %.1f sorted by %s, %.1f by z-order, %.1f by Hilbert", a, b, random, linear, a, z, h)
		if h > z || z >= linear || linear >= random || z > random/5 {
			t.Errorf("%s, %s: unsorted %.2f, sorted %.2f, z-order %.2f, Hilbert %.2f", a, b, random, linear, z, h)
		}
	}
}

// No type and no distribution makes a curve lose or repeat a row.
func TestCurvesOverEveryTypeKeepRows(t *testing.T) {
	rel := curvedFile(t)
	var all columns
	for _, f := range curvedSchema.Fields() {
		all = append(all, column{f.Name, f.ID, f.Type})
	}
	names := make([]string, len(all))
	for i, c := range all {
		names[i] = duck.QuoteName(c.name)
	}
	dir := t.TempDir()
	n := 0
	for width, curve := range map[int]string{2: plan.ZOrder, 3: plan.Hilbert, plan.MaxCurve: plan.Hilbert} {
		for some := range slices.Chunk(names, width) {
			if len(some) < 2 {
				some = names[:2]
			}
			n++
			o := orderedBy(t, rel, curve+"("+strings.Join(some, ", ")+")")
			path := fmt.Sprintf("%s/%d.parquet", dir, n)
			sql := fmt.Sprintf("COPY (SELECT %s FROM %s AS r%s%s) TO %s (FORMAT parquet)", all.list(), rel.SQL, o.join, o.by, duck.Quote(path))
			if _, err := pool.Exec(t.Context(), duck.Job{Setup: o.setup, SQL: sql, Read: rel.Paths, WriteDir: dir}); err != nil {
				t.Fatal(err)
			}
			p := &prover{pool: pool, columns: all, hash: true}
			if rows, err := p.compare(t.Context(), rel, []string{path}); err != nil || rows != 60_000 {
				t.Errorf("%s over %v: %d rows, %v", curve, some, rows, err)
			}
		}
	}
}

// The steps of an axis follow ranks: about as many rows on each, NULLs on the
// first ones by their share.
func TestStepsFollowRanks(t *testing.T) {
	rel := curvedFile(t)
	for _, c := range []struct {
		column string
		steps  int // at least
		most   float64
	}{{"skewed", 128, 0.05}, {"d", 250, 0.02}, {"s", 170, 0.31}, {"flag", 2, 0.91}, {"nothing", 1, 1}, {"one", 1, 1}} {
		rows, err := pool.Exec(t.Context(), duck.Job{Read: rel.Paths, SQL: fmt.Sprintf("SELECT count(*) AS n, any_value(typeof(c0)) AS t0, count(c0) AS n0, quantile_disc(c0, %s)::VARCHAR[] AS q0 FROM (SELECT r.%s AS c0 FROM %s AS r)", fractions(), c.column, rel.SQL)})
		if err != nil {
			t.Fatal(err)
		}
		step := axisOf(rows[0], 0, "r."+c.column).step(8, func(s int) int { return s })
		counts, err := pool.Exec(t.Context(), duck.Job{Read: rel.Paths, SQL: fmt.Sprintf("SELECT %s AS step, count(*) AS n, min(r.%s)::VARCHAR AS low FROM %s AS r GROUP BY step ORDER BY step", step, c.column, rel.SQL)})
		if err != nil {
			t.Fatal(err)
		}
		most := slices.MaxFunc(counts, func(a, b map[string]any) int { return cmp.Compare(a["n"].(int64), b["n"].(int64)) })["n"].(int64)
		if len(counts) < c.steps || float64(most)/60_000 > c.most {
			t.Errorf("%s: %d steps, the fullest has %d of 60000 rows", c.column, len(counts), most)
		}
		if top := counts[len(counts)-1]["step"].(int64); top > 255 || counts[0]["step"].(int64) < 0 {
			t.Errorf("%s: steps up to %d", c.column, top)
		}
	}
}
