package compactor_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// world is a table that is written, evolved and maintained at random.
type world struct {
	*house
	table *catalog.Table
	rng   *rand.Rand
	clock *offset
	next  int // id of the next row, and number of the next thing with a name
	steps []string
}

// value is SQL for a value of a type in row i, often NULL.
func value(t iceberg.Type, i string) string {
	null := func(v string) string {
		return fmt.Sprintf("CASE WHEN hash(%s, %d) %% 4 = 0 THEN NULL ELSE %s END", i, len(v), v)
	}
	switch t := t.(type) {
	case iceberg.Int32Type:
		return null("(" + i + " % 1000)::INTEGER")
	case iceberg.Int64Type:
		return null("(" + i + " * 1000003)::BIGINT")
	case iceberg.Float32Type:
		return null("CASE WHEN " + i + " % 7 = 0 THEN 'nan'::FLOAT ELSE (" + i + " / 3.0)::FLOAT END")
	case iceberg.Float64Type:
		return null("CASE WHEN " + i + " % 5 = 0 THEN '-inf'::DOUBLE ELSE " + i + " / 7.0 END")
	case iceberg.DecimalType:
		return null(fmt.Sprintf("(%s %% 10000 / 100.0 - 50)::DECIMAL(%d,%d)", i, t.Precision(), t.Scale()))
	case iceberg.StringType:
		return null("'ä' || " + i)
	case iceberg.TimestampType:
		return null("TIMESTAMP '2026-01-01' + INTERVAL (" + i + ") MINUTE")
	case iceberg.DateType:
		return null("DATE '2026-01-01' + (" + i + " % 400)::INTEGER")
	case iceberg.BooleanType:
		return null(i + " % 2 = 0")
	case *iceberg.ListType:
		return null("list_value(" + value(t.Element, i) + ", NULL, " + value(t.Element, "("+i+" + 1)") + ")")
	case *iceberg.MapType:
		return null("map([" + "'k' || " + i + ", 'other'], [" + value(t.ValueType, i) + ", NULL])")
	case *iceberg.StructType:
		var fields []string
		for _, f := range t.FieldList {
			fields = append(fields, fmt.Sprintf("'%s': %s", f.Name, value(f.Type, i)))
		}
		return null("{" + strings.Join(fields, ", ") + "}")
	}
	panic("no value for " + t.String())
}

var countries = []string{"France", "Italy", "null", "Ö/sterreich"}

// insert appends rows of the present schema.
func (w *world) insert(n int) {
	var columns []string
	for _, f := range w.load(w.table).Metadata.CurrentSchema().Fields() {
		expr := value(f.Type, "i")
		switch f.Name {
		case "id":
			expr = "i::BIGINT"
		case "country":
			expr = "CASE WHEN i % 5 = 0 THEN NULL ELSE ['" + strings.Join(countries, "','") + "'][1 + i % 4] END"
		}
		columns = append(columns, fmt.Sprintf(`%s AS "%s"`, expr, f.Name))
	}
	sql := fmt.Sprintf("SELECT %s FROM range(%d, %d) t(i)", strings.Join(columns, ", "), w.next, w.next+n)
	w.next += n
	w.Commit(w.table, table.OpAppend, w.Write(w.load(w.table), sql)...)
}

// write does something to the rows, the schema, the spec or the refs.
func (w *world) write() string {
	meta := w.load(w.table).Metadata
	switch w.rng.IntN(9) {
	case 0:
		if files := w.live(w.table); len(files) > 0 && meta.Version() > 1 {
			f := files[w.rng.IntN(len(files))]
			at := int64(0)
			if n := f.Data.Count(); n > 1 {
				at = w.rng.Int64N(n)
			}
			w.remove(w.table, f.Data.FilePath(), at)
			return "delete"
		}
	case 1:
		w.evolveAtRandom(meta)
		return "evolve"
	case 2:
		specs := [][]string{{"country/identity"}, {"id/bucket[3]"}, {"at/month"}, {"country/truncate[1]", "at/year"}, nil}
		w.respec(w.table, specs[w.rng.IntN(len(specs))]...)
		return "respec"
	case 3:
		if snap := meta.CurrentSnapshot(); snap != nil {
			w.next++
			kind := table.TagRef
			if w.rng.IntN(2) == 0 {
				kind = table.BranchRef
			}
			w.tag(w.table, fmt.Sprint("ref", w.next), snap.SnapshotID, kind)
			return "ref"
		}
	}
	w.insert(1 + w.rng.IntN(60))
	return "append"
}

// evolveAtRandom adds, renames, drops or widens a column; country, id and at stay.
func (w *world) evolveAtRandom(meta table.Metadata) {
	fields := slices.Clone(meta.CurrentSchema().Fields())
	free := func() int { return 3 + w.rng.IntN(len(fields)-3) }
	w.next++
	switch kind := w.rng.IntN(4); {
	case kind == 0 || len(fields) < 5:
		types := []iceberg.Type{
			iceberg.PrimitiveTypes.Int32, iceberg.PrimitiveTypes.Float32, iceberg.DecimalTypeOf(8, 2), iceberg.PrimitiveTypes.Date, iceberg.PrimitiveTypes.Bool,
		}
		fields = append(fields, iceberg.NestedField{ID: meta.LastColumnID() + 1, Name: fmt.Sprint("c", w.next), Type: types[w.rng.IntN(len(types))]})
	case kind == 1:
		fields[free()].Name = fmt.Sprint("n", w.next)
	case kind == 2:
		i := free()
		fields = slices.Delete(fields, i, i+1)
	default:
		f := &fields[free()]
		switch t := f.Type.(type) {
		case iceberg.Int32Type:
			f.Type = iceberg.PrimitiveTypes.Int64
		case iceberg.Float32Type:
			f.Type = iceberg.PrimitiveTypes.Float64
		case iceberg.DecimalType:
			f.Type = iceberg.DecimalTypeOf(t.Precision()+1, t.Scale())
		}
	}
	w.change(w.table, table.NewAddSchemaUpdate(iceberg.NewSchema(len(meta.Schemas()), fields...)), table.NewSetCurrentSchemaUpdate(-1))
}

// maintain does one kind of maintenance, while a few writes to the store fail, or
// succeed and look failed.
func (w *world) maintain() string {
	faults := rand.New(rand.NewPCG(w.rng.Uint64(), 1))
	w.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
		if !slices.ContainsFunc(b.Then, func(o catalog.Op) bool {
			return strings.HasPrefix(o.Key, "commit/") || strings.HasPrefix(o.Key, "hot/")
		}) {
			return memstore.Fault{}
		}
		switch faults.IntN(5) {
		case 0:
			return memstore.Fault{Before: errors.New("did not happen")}
		case 1:
			return memstore.Fault{After: errors.New("looked failed")}
		}
		return memstore.Fault{}
	})
	what, submit := w.choose()
	j, err := submit()
	require.NoError(w.T, err, what)
	j = w.wait(j.ID)
	w.Store.InjectApply(nil)
	if j.State != jobs.Succeeded { // it met one fault too many
		_, err := w.service.Queue().Retry(context.Background(), j.ID)
		require.NoError(w.T, err, what)
		j = w.wait(j.ID)
	}
	require.Equal(w.T, jobs.Succeeded, j.State, "%s: %s", what, j.Error)
	return what
}

func (w *world) choose() (string, func() (jobs.Job, error)) {
	ctx := context.Background()
	of := func(kind jobs.Kind) (string, func() (jobs.Job, error)) {
		return string(kind), func() (jobs.Job, error) { return w.service.Submit(ctx, kind, w.table.Ident, "") }
	}
	switch w.rng.IntN(8) {
	case 0:
		return of(compactor.KindExpire)
	case 1:
		return of(compactor.KindManifests)
	case 2:
		w.clock.add(90 * time.Minute)
		return of(compactor.KindOrphans)
	case 3, 4:
		steps := []plan.Step{"", plan.StepCluster, plan.StepBucket}
		step := steps[w.rng.IntN(len(steps))]
		var values map[string]*string
		for _, f := range w.live(w.table) {
			if step != "" {
				values = rewrite.NewPartitions(w.load(w.table).Metadata).Values(f.Data)
			}
		}
		if step != "" && len(values) == 0 {
			break
		}
		return "rebalance " + string(step), func() (jobs.Job, error) { return w.service.Rebalance(ctx, w.table.Ident, step, values) }
	}
	return of(compactor.KindCompact)
}

// state is the rows of the head, and of all snapshots that refs hold, as iceberg-go
// reads them: no code of ours takes part.
func (w *world) state() (head []string, refs map[string][]string) {
	meta := w.load(w.table).Metadata
	refs = map[string][]string{}
	for name, ref := range meta.Refs() {
		if name != table.MainBranch {
			refs[name] = w.rows(w.table, ref.SnapshotID)
		}
	}
	return w.rows(w.table, 0), refs
}

// Tables of every format, with nulls, nested types and changing schemas and specs,
// are written, deleted from, branched and maintained in random order, while writes
// to the store fail or look failed. No maintenance changes a row of the head, of a
// branch or of a tag.
func TestRandomHistories(t *testing.T) {
	seeds := uint64(1)
	for version := 1; version <= 3; version++ {
		for seed := range seeds {
			t.Run(fmt.Sprintf("v%d/%d", version, seed), func(t *testing.T) {
				t.Parallel()
				clock := &offset{}
				h := newHouse(t, func(c *compactor.Config) { c.Now, c.Grace, c.Tick = clock.now, time.Hour, 5*time.Millisecond })
				h.Run(h.service.Run)
				w := &world{house: h, rng: rand.New(rand.NewPCG(seed, uint64(version))), clock: clock}
				w.table = w.everything(version)
				w.insert(80)
				for range 16 {
					for range 1 + w.rng.IntN(3) {
						w.steps = append(w.steps, w.write())
					}
					head, refs := w.state()
					what := w.maintain()
					w.steps = append(w.steps, what)
					after, refsAfter := w.state()
					require.Equal(t, head, after, "the head after %s: %v", what, w.steps)
					require.Equal(t, refs, refsAfter, "the refs after %s: %v", what, w.steps)
				}
				h.job(compactor.KindExpire, w.table)
				head, refs := w.state()
				for range 3 {
					clock.add(2 * time.Hour)
					h.job(compactor.KindOrphans, w.table)
				}
				after, refsAfter := w.state()
				require.Equal(t, head, after, "the head after all that is unreachable was removed")
				require.Equal(t, refs, refsAfter, "the refs after all that is unreachable was removed")
				deleted, err := h.service.Deletions(t.Context())
				require.NoError(t, err)
				require.NotEmpty(t, deleted)
				w.insert(1)
				planted, _ := w.state()
				require.NotEqual(t, after, planted, "a row too many is seen")
				t.Logf("%d removals; %s", len(deleted), strings.Join(w.steps, ", "))
			})
		}
	}
}

// everything is a table with columns of many types.
func (w *world) everything(version int) *catalog.Table {
	w.T.Helper()
	s := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "country", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 3, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
		iceberg.NestedField{ID: 4, Name: "amount", Type: iceberg.DecimalTypeOf(12, 3)},
		iceberg.NestedField{ID: 5, Name: "small", Type: iceberg.PrimitiveTypes.Int32},
		iceberg.NestedField{ID: 6, Name: "score", Type: iceberg.PrimitiveTypes.Float64},
		iceberg.NestedField{ID: 7, Name: "tags", Type: &iceberg.ListType{ElementID: 8, Element: iceberg.PrimitiveTypes.String}},
		iceberg.NestedField{ID: 9, Name: "info", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{
			{ID: 10, Name: "a", Type: iceberg.PrimitiveTypes.Int64}, {ID: 11, Name: "b", Type: iceberg.PrimitiveTypes.String},
		}}},
		iceberg.NestedField{ID: 12, Name: "attributes", Type: &iceberg.MapType{KeyID: 13, KeyType: iceberg.PrimitiveTypes.String, ValueID: 14, ValueType: iceberg.PrimitiveTypes.Float64}},
	)
	id := catalog.Ident{Namespace: catalog.Namespace{"random"}, Name: "t" + strings.ReplaceAll(uuid.NewString(), "-", "")}
	require.NoError(w.T, w.Catalog.EnsureNamespace(context.Background(), id.Namespace))
	spec := iceberg.NewPartitionSpec(iceberg.PartitionField{SourceIDs: []int{1}, FieldID: 1000, Name: "country", Transform: iceberg.IdentityTransform{}})
	t, err := w.Catalog.CreateTable(context.Background(), catalog.NewTable{Ident: id, Schema: s, Spec: &spec, Properties: iceberg.Properties{
		"format-version": fmt.Sprint(version), "firn.write.merge-ready": "true", "firn.compact.row-hash": "true", "firn.hot.columns": "id",
		"firn.compact.reshape": fmt.Sprint(w.rng.IntN(2) == 0), "write.target-file-size-bytes": "20000",
		"firn.expire.max-snapshots": "4", "history.expire.max-snapshot-age-ms": "0",
	}})
	require.NoError(w.T, err)
	return t
}
