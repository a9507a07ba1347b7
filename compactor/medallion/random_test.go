package medallion_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
)

// events is a small project with everything in it: NULLs in keys, casts that
// fail, every kind of rule, late rows.
var events = []medallion.File{
	{Path: "firn.yml", Text: "project: events\n"},
	{Path: "bronze/raw.yml", Text: `kind: source
name: bronze.raw
append_only: enforced
lane: who
row_id: n
partition_by: [who]
columns: { who: string not null, n: long not null, id: string, grp: string, v: string, ts: timestamp, junk: boolean }
`},
	{Path: "silver/last.sql", Text: `/*---
kind: model
name: silver.last
materialize: { mode: upsert, key: [grp, id], order_by: [ts], partition_by: ["month(ts)"], sort_by: [ts] }
rules:
  - { name: small,    expr: "v < 90",        on_fail: quarantine, null: pass }
  - { name: named,    expr: "id <> 'x9'",    on_fail: drop, null: pass }
  - { name: grouped,  expr: "grp IS NOT NULL", on_fail: warn }
---*/
SELECT grp, id, CAST(v AS INTEGER) AS v, ts, CAST(v AS INTEGER) * 2 AS twice
FROM bronze.raw WHERE NOT junk
`},
	{Path: "silver/all.sql", Text: `/*---
kind: model
name: silver.every
materialize: { mode: append }
---*/
SELECT who, n, upper(id) AS id FROM bronze.raw
`},
	{Path: "gold/sums.sql", Text: `/*---
kind: model
name: gold.sums
materialize: { mode: aggregate, grain: [day, grp] }
---*/
SELECT CAST(ts AS DATE) AS day, grp, count(*) AS n, CAST(sum(v) AS BIGINT) AS total, count(DISTINCT id) AS ids
FROM silver.last GROUP BY ALL
`},
	{Path: "gold/who.sql", Text: `/*---
kind: model
name: gold.who
materialize: { mode: aggregate, grain: [who] }
---*/
SELECT who, count(*) AS n, max(n) AS last FROM silver.every GROUP BY who HAVING count(*) > 1
`},
}

type event struct {
	who, id, grp, v, at string
	junk                bool
}

func literal(s string) string {
	if s == "" {
		return "NULL"
	}
	return "'" + s + "'"
}

func randomEvents(r *rand.Rand, n int) []event {
	out := make([]event, n)
	minutes := r.Perm(200_000)
	for i := range out {
		e := event{who: fmt.Sprintf("w%d", r.IntN(3)), id: fmt.Sprintf("x%d", r.IntN(10)), grp: fmt.Sprintf("g%d", r.IntN(4)), v: fmt.Sprint(r.IntN(100)), junk: r.IntN(20) == 0}
		switch r.IntN(12) {
		case 0:
			e.id = ""
		case 1:
			e.grp = ""
		case 2:
			e.v = "many"
		case 3:
			e.v = ""
		}
		// Every moment is another, so that the latest is one row.
		m := minutes[i]
		e.at = fmt.Sprintf("2026-%02d-%02d %02d:%02d:00", 1+m/43200, 1+m/1440%28, m/60%24, m%60)
		out[i] = e
	}
	return out
}

func values(rows []event, first int) string {
	var b strings.Builder
	b.WriteString("SELECT CAST(who AS VARCHAR) AS who, CAST(n AS BIGINT) AS n, CAST(id AS VARCHAR) AS id, CAST(grp AS VARCHAR) AS grp, CAST(v AS VARCHAR) AS v, CAST(ts AS TIMESTAMP) AS ts, junk FROM (VALUES ")
	for i, e := range rows {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "('%s', %d, %s, %s, %s, '%s', %t)", e.who, first+i, literal(e.id), literal(e.grp), literal(e.v), e.at, e.junk)
	}
	b.WriteString(") AS t(who, n, id, grp, v, ts, junk)")
	return b.String()
}

// expectEvents is the independent computation: plain SQL over all rows at once.
const expectEvents = `SELECT grp, id, v, ts, v * 2 AS twice FROM (
  SELECT grp, id, TRY_CAST(v AS INTEGER) AS v, ts, row_number() OVER (PARTITION BY grp, id ORDER BY ts DESC) AS r
  FROM (%s) WHERE NOT junk AND (v IS NULL OR TRY_CAST(v AS INTEGER) IS NOT NULL) AND coalesce(TRY_CAST(v AS INTEGER) < 90, TRUE) AND coalesce(id <> 'x9', TRUE))
WHERE r = 1`

// equal fails when two SELECTs differ as multisets.
func (h *house) equal(what, a, b string, tables ...string) {
	h.T.Helper()
	rows := h.rows(fmt.Sprintf("SELECT 'only in the first' AS side, CAST(r AS VARCHAR) AS r FROM (SELECT * FROM (%[1]s) EXCEPT ALL SELECT * FROM (%[2]s)) AS r UNION ALL SELECT 'only in the second', CAST(r AS VARCHAR) FROM (SELECT * FROM (%[2]s) EXCEPT ALL SELECT * FROM (%[1]s)) AS r LIMIT 10", a, b), tables...)
	require.Empty(h.T, rows, what)
}

// Whatever the order of arrival and however it is cut into commits and runs,
// silver and gold are what the definition says over all rows.
func TestResultDoesNotDependOnCutsOrOrder(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 7))
			h := newHouse(t, func(c *medallion.Config) { c.BatchRows = int64(40 + r.IntN(200)) })
			h.apply(events)
			all := randomEvents(r, 400)
			var read, gone int64
			for at := 0; at < len(all); {
				end := min(len(all), at+1+r.IntN(90))
				h.append("bronze.raw", values(all[at:end], at))
				at = end
				if r.IntN(2) == 0 || at == len(all) {
					runs, err := h.service.RunOnce(t.Context(), nil)
					require.NoError(t, err)
					for _, run := range runs {
						require.NotEqual(t, medallion.RunFailed, run.State)
						if run.Model == "silver.last" {
							read += run.Read
							gone += run.Superseded + run.Stale + run.Deleted + run.Quarantined + run.Dropped + run.Filtered
						}
					}
				}
			}
			expected := fmt.Sprintf(expectEvents, values(all, 0))
			h.equal("silver.last", "SELECT grp, id, v, ts, twice FROM $silver.last$", expected, "silver.last")
			h.equal("silver.every", "SELECT who, n, id FROM $silver.every$", "SELECT who, n, upper(id) FROM ("+values(all, 0)+")", "silver.every")
			h.equal("gold.sums", "SELECT * FROM $gold.sums$", "SELECT CAST(ts AS DATE), grp, count(*), CAST(sum(v) AS BIGINT), count(DISTINCT id) FROM ("+expected+") GROUP BY ALL", "gold.sums")
			h.equal("gold.who", "SELECT * FROM $gold.who$", "SELECT who, count(*), max(n) FROM ("+values(all, 0)+") GROUP BY who HAVING count(*) > 1", "gold.who")
			require.EqualValues(t, len(all), read, "every source row is read once")
			require.Equal(t, read-gone, h.count("SELECT count(*) FROM $silver.last$", "silver.last"), "conservation over all runs")
			h.equal("reasons", "SELECT _reasons, _source_row_id FROM $silver.last__quarantine$",
				fmt.Sprintf("SELECT list_filter([CASE WHEN v IS NOT NULL AND TRY_CAST(v AS INTEGER) IS NULL THEN 'v:cast' END, CASE WHEN v IS NOT NULL AND TRY_CAST(v AS INTEGER) IS NULL THEN 'twice:cast' END, CASE WHEN TRY_CAST(v AS INTEGER) >= 90 THEN 'small' END], lambda x: x IS NOT NULL) AS reasons, CAST(n AS VARCHAR) FROM (%s) WHERE NOT junk AND len(reasons) > 0", values(all, 0)),
				"silver.last__quarantine")
		})
	}
}
