package query_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake/laketest"
	"github.com/firnlake/firn/internal/objstore/objstoretest"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/query"
)

func TestMain(m *testing.M) {
	duck.WorkerMain()
	os.Exit(objstoretest.Main(m))
}

// tables is a catalog of tables that iceberg-go writes.
type tables struct {
	byName map[string]*laketest.Table
	loads  map[string]int
	mu     sync.Mutex
}

func (c *tables) LoadTable(_ context.Context, id catalog.Ident) (*catalog.Table, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads[id.String()]++
	t, ok := c.byName[id.String()]
	if !ok {
		return nil, fmt.Errorf("%w: %s", catalog.ErrNoSuchTable, id)
	}
	return &catalog.Table{ID: uuid.New(), Ident: id, Metadata: t.Meta}, nil
}

func (c *tables) ListTables(_ context.Context, ns catalog.Namespace) ([]catalog.Ident, error) {
	var out []catalog.Ident
	for name := range c.byName {
		id, err := catalog.ParseIdent(name)
		if err != nil {
			return nil, err
		}
		if id.Namespace.Equal(ns) {
			out = append(out, id)
		}
	}
	return out, nil
}

func (c *tables) ListNamespaces(context.Context, catalog.Namespace) ([]catalog.Namespace, error) {
	return []catalog.Namespace{{"bronze"}, {"silver"}}, nil
}

// env is the service over Connect, with three tables.
type env struct {
	t       testing.TB
	tables  *tables
	service *query.Service
	client  firnv1connect.QueryServiceClient
	access  []query.AccessEntry
	ended   chan struct{} // one a statement that has left the service
	mu      sync.Mutex
}

func sales() *iceberg.Schema {
	return iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "country", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "day", Type: iceberg.PrimitiveTypes.Date},
		iceberg.NestedField{ID: 4, Name: "amount", Type: iceberg.DecimalTypeOf(18, 3)},
	)
}

func saleRows(from, to int, country, day string) string {
	var rows []string
	for i := from; i < to; i++ {
		rows = append(rows, fmt.Sprintf(`{"id": %d, "country": %q, "day": %q, "amount": "%d.500"}`, i, country, day, i))
	}
	return "[" + strings.Join(rows, ",") + "]"
}

func newEnv(t testing.TB, change func(*query.Config)) *env {
	spec := iceberg.NewPartitionSpecID(0, iceberg.PartitionField{SourceIDs: []int{2}, FieldID: 1000, Name: "country", Transform: iceberg.IdentityTransform{}},
		iceberg.PartitionField{SourceIDs: []int{3}, FieldID: 1001, Name: "month", Transform: iceberg.MonthTransform{}})
	lines := laketest.New(t, sales(), &spec, iceberg.Properties{table.WriteDeleteModeKey: table.WriteModeMergeOnRead})
	lines.Append(saleRows(0, 10, "GB", "2026-01-15"))
	lines.Append(saleRows(10, 20, "GB", "2026-02-15"))
	lines.Append(saleRows(20, 30, "DE", "2026-01-20"))
	lines.Append(saleRows(30, 35, "FR", "2026-03-20"))
	names := lines.Sibling(iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "country", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "name", Type: iceberg.PrimitiveTypes.String}), nil, nil)
	names.Append(`[{"country": "GB", "name": "United Kingdom"}, {"country": "DE", "name": "Germany"}]`)
	e := &env{t: t, ended: make(chan struct{}, 1000), tables: &tables{loads: map[string]int{}, byName: map[string]*laketest.Table{
		"bronze.lines": lines, "silver.countries": names, "silver.deep.lines": lines, `odd ns."t ""1"`: names,
	}}}
	cfg := query.Config{Catalog: e.tables, Lake: lines.Lake, Pool: lines.Pool, Access: func(_ context.Context, a query.AccessEntry) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.access = append(e.access, a)
		e.ended <- struct{}{}
	}}
	if change != nil {
		change(&cfg)
	}
	s, err := query.New(cfg)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	e.service = s
	mux := http.NewServeMux()
	mux.Handle(s.Handler())
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	e.client = firnv1connect.NewQueryServiceClient(srv.Client(), srv.URL)
	return e
}

type answer struct {
	header *firnv1.QueryHeader
	stats  *firnv1.QueryStats
	rows   []map[string]any
	chunks int
}

func (e *env) try(req *firnv1.QueryRequest) (answer, error) {
	e.t.Helper()
	var a answer
	stream, err := e.client.Query(e.t.Context(), connect.NewRequest(req))
	if err != nil {
		return a, err
	}
	defer stream.Close()
	var buf bytes.Buffer
	for stream.Receive() {
		switch p := stream.Msg().GetPart().(type) {
		case *firnv1.QueryResponse_Header:
			require.Nil(e.t, a.header)
			a.header = p.Header
		case *firnv1.QueryResponse_ArrowIpc:
			a.chunks++
			require.LessOrEqual(e.t, len(p.ArrowIpc), 1<<20)
			buf.Write(p.ArrowIpc)
		case *firnv1.QueryResponse_Stats:
			a.stats = p.Stats
		}
	}
	if err := stream.Err(); err != nil {
		return a, err
	}
	require.NotNil(e.t, a.stats)
	rd, err := ipc.NewReader(&buf)
	require.NoError(e.t, err)
	defer rd.Release()
	for rd.Next() {
		rec := rd.RecordBatch()
		for i := range int(rec.NumRows()) {
			row := map[string]any{}
			for c, f := range rec.Schema().Fields() {
				row[f.Name] = duck.GoValue(rec.Column(c), i)
			}
			a.rows = append(a.rows, row)
		}
	}
	require.NoError(e.t, rd.Err())
	return a, nil
}

func (e *env) ask(sql string) answer {
	e.t.Helper()
	a, err := e.try(&firnv1.QueryRequest{Sql: sql})
	require.NoError(e.t, err, sql)
	return a
}

func (e *env) refused(sql string, code connect.Code, parts ...string) {
	e.t.Helper()
	_, err := e.try(&firnv1.QueryRequest{Sql: sql})
	require.Error(e.t, err, sql)
	require.Equal(e.t, code, connect.CodeOf(err), "%s: %v", sql, err)
	for _, p := range parts {
		require.Contains(e.t, err.Error(), p, sql)
	}
	require.NotContains(e.t, err.Error(), os.TempDir()+"/", sql)
}

func TestStatements(t *testing.T) {
	e := newEnv(t, nil)
	for sql, n := range map[string]int64{
		`SELECT count(*) AS n FROM bronze.lines`:                                                                                                        35,
		`SELECT count(*) AS n FROM "bronze"."lines" l WHERE l.id >= 5 AND l.id < 8`:                                                                     3,
		`SELECT count(*) AS n FROM BRONZE.lines`:                                                                                                        -1,
		`SELECT count(*) AS n FROM bronze.lines JOIN silver.countries USING (country)`:                                                                  30,
		`SELECT count(*) AS n FROM bronze.lines LEFT JOIN silver.countries c USING (country) WHERE c.name IS NULL`:                                      5,
		`SELECT count(*) AS n FROM silver.deep.lines`:                                                                                                   35,
		`SELECT count(*) AS n FROM "silver.deep".lines`:                                                                                                 35,
		`SELECT count(*) AS n FROM "odd ns"."t ""1"`:                                                                                                    2,
		`WITH lines AS (SELECT 1 AS x) SELECT count(*) AS n FROM lines`:                                                                                 1,
		`WITH l AS (SELECT * FROM bronze.lines WHERE country = 'DE') SELECT count(*) AS n FROM l`:                                                       10,
		`WITH RECURSIVE r AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM r WHERE i < 4) SELECT count(*) AS n FROM r`:                                     4,
		`SELECT count(*) AS n FROM (FROM bronze.lines UNION ALL FROM bronze.lines)`:                                                                     70,
		`SELECT count(*) AS n FROM bronze.lines a JOIN bronze.lines b ON a.id = b.id + 1`:                                                               34,
		`SELECT count(*) AS n FROM bronze.lines WHERE country IN (SELECT country FROM silver.countries)`:                                                30,
		`SELECT count(*) AS n FROM bronze.lines WHERE EXISTS (SELECT 1 FROM silver.countries c WHERE c.country = lines.country AND c.name = 'Germany')`: 10,
		`SELECT count(bronze.lines.id) AS n FROM bronze.lines`:                                                                                          35,
		`SELECT (SELECT count(*) FROM silver.countries) AS n`:                                                                                           2,
		`SELECT count(*) AS n FROM bronze.lines TABLESAMPLE 100%`:                                                                                       35,
		`SELECT count(*) AS n FROM bronze.lines, silver.countries`:                                                                                      70,
		`SELECT sum(n)::BIGINT AS n FROM (SELECT country, count(*) AS n FROM bronze.lines GROUP BY ALL)`:                                                35,
	} {
		if n < 0 {
			e.refused(sql, connect.CodeNotFound, "did you mean bronze.lines")
			continue
		}
		a := e.ask(sql)
		require.Equal(t, n, a.rows[0]["n"], sql)
	}
	e.tables.loads = map[string]int{}
	e.ask(`SELECT count(*) FROM bronze.lines a JOIN bronze.lines b USING (id) WHERE a.id > (SELECT avg(id) FROM bronze.lines)`)
	require.Equal(t, 1, e.tables.loads["bronze.lines"], "one head in the whole statement")
	require.Equal(t, "bronze.lines", e.access[len(e.access)-1].Tables[0].Table.String())
}

func TestPruning(t *testing.T) {
	e := newEnv(t, nil)
	for where, want := range map[string][2]int{ // rows, files
		"country = 'DE'":                             {10, 1},
		"'DE' = country":                             {10, 1},
		"country IN ('DE', 'FR')":                    {15, 2},
		"country IN ('DE', 'XX')":                    {10, 1},
		"country > 'DE' AND country < 'GB'":          {5, 1},
		"id BETWEEN 12 AND 22":                       {11, 2},
		"id > 100":                                   {0, 0},
		"id = 31 OR id = 1":                          {2, 2},
		"id = 31 OR amount > 1":                      {34, 4},
		"day >= DATE '2026-02-01'":                   {15, 2},
		"day >= '2026-02-01' AND day < '2026-03-01'": {10, 1},
		"country IS NULL":                            {0, 0},
		"country IS NOT NULL":                        {35, 4},
		"NOT country = 'DE'":                         {25, 4},
		"country LIKE 'D%'":                          {10, 4},
		"lower(country) = 'de'":                      {10, 4},
		"country = 'GB' AND id + 1 = 3":              {1, 2},
		"id = 9223372036854775807":                   {0, 0},
		"id = 1.5":                                   {0, 4},
		"id = NULL":                                  {0, 4},
		"LINES.Country = 'FR'":                       {5, 1},
	} {
		a := e.ask("SELECT count(*) AS n FROM bronze.lines WHERE " + where)
		require.Equal(t, int64(want[0]), a.rows[0]["n"], where)
		require.Equal(t, uint64(want[1]), a.header.Tables[0].Files, where)
		require.Equal(t, uint64(4-want[1]), a.header.Tables[0].FilesPruned, where)
	}
	// A condition of one mention must not hide rows from another.
	a := e.ask("SELECT count(*) AS n FROM (SELECT * FROM bronze.lines WHERE country = 'DE') a FULL JOIN bronze.lines b ON a.id = b.id")
	require.Equal(t, int64(35), a.rows[0]["n"])
	a = e.ask("SELECT count(*) AS n FROM silver.countries c LEFT JOIN bronze.lines l ON c.country = l.country AND l.id = 5 WHERE l.id IS NULL")
	require.Equal(t, int64(1), a.rows[0]["n"])
}

func TestTimeTravel(t *testing.T) {
	e := newEnv(t, nil)
	tbl := e.tables.byName["bronze.lines"]
	var first, second table.Snapshot
	snaps := tbl.Meta.Snapshots()
	first, second = snaps[0], snaps[1]
	tbl.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(1)))
	tbl.Change(func(tx *table.Transaction) error { return nil })
	require.Equal(t, int64(34), e.ask("SELECT count(*) AS n FROM bronze.lines").rows[0]["n"])
	ref := &firnv1.TableRef{Namespace: []string{"bronze"}, Name: "lines"}
	for _, p := range []*firnv1.SnapshotPin{
		{Table: ref, At: &firnv1.SnapshotPin_SnapshotId{SnapshotId: first.SnapshotID}},
	} {
		a, err := e.try(&firnv1.QueryRequest{Sql: "SELECT count(*) AS n FROM bronze.lines", Pins: []*firnv1.SnapshotPin{p}})
		require.NoError(t, err)
		require.Equal(t, int64(10), a.rows[0]["n"])
		require.Equal(t, first.SnapshotID, a.header.Tables[0].SnapshotId)
	}
	a, err := e.try(&firnv1.QueryRequest{Sql: "SELECT count(*) AS n FROM bronze.lines", Pins: []*firnv1.SnapshotPin{{Table: ref, At: &firnv1.SnapshotPin_Ref{Ref: "main"}}}})
	require.NoError(t, err)
	require.Equal(t, int64(34), a.rows[0]["n"])
	a, err = e.try(&firnv1.QueryRequest{Sql: "SELECT count(*) AS n FROM bronze.lines", Pins: []*firnv1.SnapshotPin{{Table: ref, At: &firnv1.SnapshotPin_TimestampMs{TimestampMs: time.Now().Add(time.Hour).UnixMilli()}}}})
	require.NoError(t, err)
	require.Equal(t, int64(34), a.rows[0]["n"])
	_, err = e.try(&firnv1.QueryRequest{Sql: "SELECT count(*) AS n FROM bronze.lines", Pins: []*firnv1.SnapshotPin{{Table: ref, At: &firnv1.SnapshotPin_TimestampMs{TimestampMs: 1}}}})
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(err))

	a = e.ask(fmt.Sprintf("SELECT count(*) AS n FROM bronze.lines AS x AT (VERSION => %d) WHERE x.id >= 5", first.SnapshotID))
	require.Equal(t, int64(5), a.rows[0]["n"])
	a = e.ask(fmt.Sprintf(`SELECT count(*) AS n FROM (FROM bronze.lines AT (VERSION => %d) EXCEPT FROM "bronze"."lines" AT (VERSION => %d)), bronze.lines now WHERE now.id = 2`, second.SnapshotID, first.SnapshotID))
	require.Equal(t, int64(10), a.rows[0]["n"])
	require.Len(t, a.header.Tables, 3)
	a = e.ask("SELECT count(*) AS n FROM bronze.lines AT (VERSION => 'main') WHERE lines.country = 'FR'")
	require.Equal(t, int64(5), a.rows[0]["n"])
	a = e.ask("SELECT count(*) AS n FROM bronze.lines AT (TIMESTAMP => TIMESTAMP '2100-01-01 00:00:00')")
	require.Equal(t, int64(34), a.rows[0]["n"])
	e.refused("FROM bronze.lines AT (VERSION => 42)", connect.CodeNotFound, "42", "firn table snapshots")
	e.refused("FROM bronze.lines AT (VERSION => 'nosuch')", connect.CodeNotFound, "nosuch", "main")
	e.refused("FROM bronze.lines AT (TIMESTAMP => now())", connect.CodeInvalidArgument, "constant")
}

// A snapshot, a tag and a time are read with the columns of their time, also at
// the head; a branch with those of today.
func TestTimeTravelAcrossSchemas(t *testing.T) {
	e := newEnv(t, nil)
	tbl := e.tables.byName["bronze.lines"]
	head := tbl.Meta.CurrentSnapshot().SnapshotID
	tbl.Change(func(tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).AddColumn([]string{"note"}, iceberg.PrimitiveTypes.String, "", false, nil).RenameColumn([]string{"country"}, "land").Commit()
	})
	var err error
	b, err := table.MetadataBuilderFromBase(tbl.Meta, "")
	require.NoError(t, err)
	require.NoError(t, b.SetSnapshotRef("dev", head, table.BranchRef))
	require.NoError(t, b.SetSnapshotRef("old", head, table.TagRef))
	tbl.Meta, err = b.Build()
	require.NoError(t, err)
	for version, columns := range map[string][]string{
		"":                                       {"amount", "day", "id", "land", "note"},
		" AT (VERSION => 'main')":                {"amount", "day", "id", "land", "note"},
		" AT (VERSION => 'dev')":                 {"amount", "day", "id", "land", "note"},
		" AT (VERSION => 'old')":                 {"amount", "country", "day", "id"},
		fmt.Sprintf(" AT (VERSION => %d)", head): {"amount", "country", "day", "id"},
		" AT (TIMESTAMP => TIMESTAMP '2100-01-01 00:00:00')": {"amount", "country", "day", "id"},
	} {
		a := e.ask("SELECT * FROM bronze.lines" + version + " WHERE id = 34")
		require.Len(t, a.rows, 1)
		require.Equal(t, columns, slices.Sorted(maps.Keys(a.rows[0])), version)
		require.Equal(t, 1, len(a.header.Tables))
	}
}

// A column of a type that is not read fails the statements that use its values,
// and no other.
func TestColumnsThatAreNotRead(t *testing.T) {
	e := newEnv(t, nil)
	tbl := e.tables.byName["bronze.lines"]
	before := e.ask("SELECT count(*) AS n, sum(amount) AS a FROM bronze.lines").rows
	tbl.Meta = withColumn(t, tbl.Meta, iceberg.NestedField{ID: 90, Name: "at \"ns\"", Type: iceberg.PrimitiveTypes.TimestampTzNs})
	tbl.Meta = withColumn(t, tbl.Meta, iceberg.NestedField{ID: 91, Name: "deep", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 92, Name: "it's", Type: iceberg.PrimitiveTypes.TimestampTzNs}}}})
	require.Equal(t, before, e.ask("SELECT count(*) AS n, sum(amount) AS a FROM bronze.lines").rows)
	for _, sql := range []string{
		`SELECT id, country FROM bronze.lines WHERE id = 34`, `SELECT * EXCLUDE ("at ""ns""", deep) FROM bronze.lines WHERE id = 34`,
		`SELECT a.id FROM bronze.lines a JOIN bronze.lines b USING (id) WHERE id = 34`, `WITH x AS (SELECT * FROM bronze.lines) SELECT id FROM x WHERE id = 34`,
	} {
		require.Len(t, e.ask(sql).rows, 1, sql)
	}
	require.Len(t, e.ask("DESCRIBE bronze.lines").rows, 6)
	for _, sql := range []string{
		"SELECT * EXCLUDE (deep) FROM bronze.lines", `SELECT id FROM bronze.lines WHERE "at ""ns""" IS NULL`, `SELECT max("at ""ns""") FROM bronze.lines`,
	} {
		e.refused(sql, connect.CodeInvalidArgument, `column at "ns": cannot be read`, "timestamptz_ns", `EXCLUDE ("at ""ns""")`)
	}
	e.refused("SELECT deep FROM bronze.lines", connect.CodeInvalidArgument, "column deep", "it's", "timestamptz_ns", `EXCLUDE ("deep")`)
}

// withColumn adds a column by hand: the builder refuses types of later formats.
func withColumn(t *testing.T, meta table.Metadata, f iceberg.NestedField) table.Metadata {
	t.Helper()
	text, err := json.Marshal(meta)
	require.NoError(t, err)
	var doc map[string]any
	require.NoError(t, json.Unmarshal(text, &doc))
	field, err := json.Marshal(f)
	require.NoError(t, err)
	var added any
	require.NoError(t, json.Unmarshal(field, &added))
	for _, s := range doc["schemas"].([]any) {
		s.(map[string]any)["fields"] = append(s.(map[string]any)["fields"].([]any), added)
	}
	doc["last-column-id"] = f.ID + 5
	text, err = json.Marshal(doc)
	require.NoError(t, err)
	out, err := table.ParseMetadataBytes(text)
	require.NoError(t, err)
	return out
}

func TestRefusals(t *testing.T) {
	e := newEnv(t, nil)
	e.refused("SELECT * FROM bronze.linse", connect.CodeNotFound, "did you mean bronze.lines?")
	e.refused("SELECT * FROM lines", connect.CodeInvalidArgument, "needs its namespace")
	e.refused("SELECT\n  nosuch FROM bronze.lines", connect.CodeInvalidArgument, "nosuch", "line 2, column 3")
	e.refused("SELEC 1", connect.CodeInvalidArgument, "SELEC")
	e.refused("", connect.CodeInvalidArgument)
	e.refused("SELECT 1; SELECT 2", connect.CodeInvalidArgument, "one statement")
	e.refused("DROP TABLE bronze.lines", connect.CodeInvalidArgument, "only SELECT")
	e.refused("SELECT 'x'::INTEGER", connect.CodeInvalidArgument, "Conversion")
	e.refused("FROM '/etc/passwd'", connect.CodeInvalidArgument)
	for _, sql := range []string{
		"FROM read_text('/etc/passwd')", "FROM read_parquet('x')", "FROM duckdb_views()", "FROM duckdb_settings()", "SELECT current_setting('allowed_paths')",
		"FROM glob('/*')", "FROM query_table('bronze.lines')", "SELECT * FROM bronze.lines WHERE country IN (SELECT content FROM read_text('/etc/passwd'))", "FROM parquet_scan('x')",
	} {
		e.refused(sql, connect.CodeInvalidArgument, "not available")
	}
	for _, sql := range []string{"FROM information_schema.tables", "FROM pg_catalog.pg_views"} {
		e.refused(sql, connect.CodeNotFound)
	}
	e.refused("SELECT list(repeat('x', 1000) || range::VARCHAR) FROM range(20000000)", connect.CodeResourceExhausted, "memory")
	// What was refused is in the access log too.
	require.NotEmpty(t, e.access[0].Error)
	require.Equal(t, int64(1), e.ask("SELECT 1::BIGINT AS n").rows[0]["n"])
}

func TestLimits(t *testing.T) {
	e := newEnv(t, nil)
	a, err := e.try(&firnv1.QueryRequest{Sql: "SELECT * FROM range(1000000)", MaxRows: 2500})
	require.NoError(t, err)
	require.Len(t, a.rows, 2500)
	require.True(t, a.stats.Truncated)
	require.Equal(t, uint64(2500), a.stats.Rows)
	a, err = e.try(&firnv1.QueryRequest{Sql: "SELECT * FROM range(10)", MaxRows: 10})
	require.NoError(t, err)
	require.Len(t, a.rows, 10)
	require.False(t, a.stats.Truncated)
	_, err = e.try(&firnv1.QueryRequest{Sql: "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * 3 = b.range + 1.5", TimeoutMs: 200})
	require.Equal(t, connect.CodeDeadlineExceeded, connect.CodeOf(err), "%v", err)
	a, err = e.try(&firnv1.QueryRequest{Sql: "SELECT range, repeat('x', 200) AS s FROM range(100000)"})
	require.NoError(t, err)
	require.Len(t, a.rows, 100000)
	require.Greater(t, a.chunks, 20)
}

func TestExplain(t *testing.T) {
	e := newEnv(t, nil)
	res, err := e.client.Explain(t.Context(), connect.NewRequest(&firnv1.ExplainRequest{Sql: "SELECT sum(amount) FROM bronze.lines WHERE country = 'DE'"}))
	require.NoError(t, err)
	require.Equal(t, uint64(1), res.Msg.Tables[0].Files)
	require.Equal(t, uint64(3), res.Msg.Tables[0].FilesPruned)
	require.Contains(t, res.Msg.Plan, "country='DE'")
	a := e.ask("EXPLAIN ANALYZE SELECT sum(amount) FROM bronze.lines WHERE country = 'DE'")
	require.Contains(t, a.rows[0]["explain_value"], "Total Files Read: 1")
	require.NotContains(t, a.rows[0]["explain_value"], "/")
	e.refused("EXPLAIN SELECT nosuch FROM bronze.lines", connect.CodeInvalidArgument, "column 16")
	e.refused("EXPLAIN ANALYZE DROP TABLE x", connect.CodeInvalidArgument)
}

func TestBusyAndCancelled(t *testing.T) {
	e := newEnv(t, func(c *query.Config) { c.Running, c.Waiting = 1, 1 })
	const slow = "SELECT count(*) FROM range(1000000000) a, range(1000000000) b WHERE a.range * 3 = b.range + 1.5"
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	headers := make(chan struct{})
	wg.Go(func() {
		stream, err := e.client.Query(ctx, connect.NewRequest(&firnv1.QueryRequest{Sql: slow}))
		if err != nil {
			t.Error(err)
			return
		}
		defer stream.Close()
		if !stream.Receive() {
			t.Error(stream.Err())
		}
		close(headers)
		for stream.Receive() {
		}
		if connect.CodeOf(stream.Err()) != connect.CodeCanceled {
			t.Errorf("cancelled statement answered %v", stream.Err())
		}
	})
	<-headers // it runs
	codes := make(chan connect.Code, 8)
	for range 8 {
		wg.Go(func() {
			stream, err := e.client.Query(ctx, connect.NewRequest(&firnv1.QueryRequest{Sql: slow}))
			if err == nil {
				for stream.Receive() {
				}
				err = stream.Err()
				stream.Close()
			}
			codes <- connect.CodeOf(err)
		})
	}
	for range 7 { // one of them waits
		require.Equal(t, connect.CodeResourceExhausted, <-codes)
	}
	cancel()
	require.Equal(t, connect.CodeCanceled, <-codes)
	wg.Wait()
	for range 9 {
		<-e.ended
	}
	require.Equal(t, int64(35), e.ask("SELECT count(*) AS n FROM bronze.lines").rows[0]["n"])
}

func TestClose(t *testing.T) {
	e := newEnv(t, nil)
	e.service.Close()
	_, err := e.try(&firnv1.QueryRequest{Sql: "SELECT 1"})
	require.Equal(t, connect.CodeUnavailable, connect.CodeOf(err))
}

// Conditions that do not hold of the rows of a file as they are leave out none.
func TestConditionsThatPruneNothing(t *testing.T) {
	e := newEnv(t, nil)
	for sql, want := range map[string][]map[string]any{
		// Names that the statement gives to columns are not the table's own.
		"SELECT name FROM silver.countries AS x(name, country) WHERE country = 'Germany'":                                                                 {{"name": "DE"}},
		"SELECT name FROM silver.countries AS x(name, country) JOIN bronze.lines l ON l.country = x.name WHERE x.country = 'Germany' AND l.amount = 20.5": {{"name": "DE"}},
		// A row's place, or its neighbours, decide what it is joined to.
		"SELECT l.id FROM bronze.lines l POSITIONAL JOIN silver.countries c WHERE l.id < 5 AND c.country = 'no such one'":   nil,
		"SELECT l.id, c.id FROM bronze.lines l ASOF JOIN silver.deep.lines c ON l.id >= c.id WHERE c.id < 10 AND l.id = 12": nil,
		// A sample is taken before the conditions: 35 rows of 35.
		"SELECT count(*) AS n FROM bronze.lines TABLESAMPLE 35 ROWS WHERE id < 5":  {{"n": int64(5)}},
		"SELECT count(*) AS n FROM bronze.lines WHERE id < 5 USING SAMPLE 35 ROWS": {{"n": int64(5)}},
	} {
		a := e.ask(sql)
		require.Equal(t, want, a.rows, sql)
		for _, scan := range a.header.Tables {
			require.Zero(t, scan.FilesPruned, sql)
		}
	}
	// Other joins still let conditions through, on either side.
	for _, sql := range []string{
		"SELECT count(*) AS n FROM bronze.lines l JOIN silver.countries c USING (country) WHERE l.id < 5",
		"SELECT count(*) AS n FROM bronze.lines l NATURAL JOIN silver.countries c WHERE l.id < 5",
		"SELECT count(*) AS n FROM bronze.lines l, (SELECT 1) c WHERE l.id < 5",
		"SELECT count(*) AS n FROM silver.countries c LEFT JOIN bronze.lines l ON l.country = c.country WHERE l.id < 5",
	} {
		a := e.ask(sql)
		require.Equal(t, []map[string]any{{"n": int64(5)}}, a.rows, sql)
		pruned := uint64(0)
		for _, scan := range a.header.Tables {
			pruned += scan.FilesPruned
		}
		require.Equal(t, uint64(3), pruned, sql)
	}
}
