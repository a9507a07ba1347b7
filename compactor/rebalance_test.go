package compactor_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet"
)

// shuffledSQL is n rows whose ids lie anywhere below 100,000.
func shuffledSQL(country string, from, n int) string {
	return fmt.Sprintf("SELECT country, (hash(id) %% 100000)::BIGINT AS id, amount, \"at\", score, tags FROM (%s)", rowsSQL(country, from, n))
}

// heat fills one partition with many files, each with ids from everywhere, and four
// others with little.
func (h *house) heat(props iceberg.Properties) *catalog.Table {
	h.T.Helper()
	all := iceberg.Properties{"write.target-file-size-bytes": "16384", "firn.compact.quiet": "0s"}
	maps.Copy(all, props)
	t := h.create("silver.lines", all)
	entries := h.writeEach(t, shuffledSQL("United Kingdom", 0, 24_000), 1000)
	var others []string
	for i, c := range []string{"France", "Italy", "Spain", "NULL"} {
		others = append(others, shuffledSQL(c, 50_000+i*100, 20))
	}
	h.Commit(t, table.OpAppend, append(entries, h.Write(t, strings.Join(others, " UNION ALL "))...)...)
	return t
}

// writeEach puts so many rows of a SELECT into a file, and so on.
func (h *house) writeEach(t *catalog.Table, sql string, rows int64) (entries []catalog.FileEntry) {
	h.T.Helper()
	ctx := context.Background()
	res, err := pool.Query(ctx, duck.Job{SQL: sql, PreserveOrder: true})
	require.NoError(h.T, err)
	defer res.Release()
	var file []arrow.RecordBatch
	var have int64
	for batch, err := range parquet.Records(res) {
		require.NoError(h.T, err)
		for at := int64(0); at < batch.NumRows(); {
			n := min(rows-have, batch.NumRows()-at)
			part := batch.NewSlice(at, at+n)
			defer part.Release()
			file, at, have = append(file, part), at+n, have+n
			if have < rows {
				continue
			}
			parts := func(yield func(arrow.RecordBatch, error) bool) {
				for _, p := range file {
					if !yield(p, nil) {
						return
					}
				}
			}
			files, err := parquet.WriteFiles(ctx, h.Bucket, t.Metadata, h.Catalog.DataPath(t), parts, parquet.WriteOptions{MergeReady: true})
			require.NoError(h.T, err)
			require.Len(h.T, files, 1)
			entries = append(entries, catalog.FileEntry{File: files[0]})
			file, have = nil, 0
		}
	}
	require.Zero(h.T, have, "rows that fill no file")
	return entries
}

// openedBy counts the files that iceberg-go plans for lookups of ids in the hot
// partition: no code of ours takes part.
func (h *house) openedBy(t *catalog.Table, snapshot int64) (files float64) {
	h.T.Helper()
	t = h.load(t)
	fio := func(context.Context) (iceio.IO, error) { return h.Bucket.FileIO(), nil }
	tbl := table.New(table.Identifier{"x"}, t.Metadata, t.MetadataLocation, fio, nil)
	const lookups = 20
	for i := range lookups {
		filter := iceberg.NewAnd(iceberg.EqualTo(iceberg.Reference("country"), "United Kingdom"), iceberg.EqualTo(iceberg.Reference("id"), int64(i*5000+17)))
		opts := []table.ScanOption{table.WithRowFilter(filter)}
		if snapshot != 0 {
			opts = append(opts, table.WithSnapshotID(snapshot))
		}
		tasks, err := tbl.Scan(opts...).PlanFiles(context.Background())
		require.NoError(h.T, err)
		files += float64(len(tasks)) / lookups
	}
	return files
}

// known waits until the service has counted a table's files, and those scans.
func (h *house) known(t *catalog.Table, is func(compactor.HotPartitions) bool) compactor.HotPartitions {
	h.T.Helper()
	var hot compactor.HotPartitions
	require.Eventually(h.T, func() (ok bool) {
		var err error
		hot, err = h.service.HotPartitions(context.Background(), t.Ident)
		return err == nil && is(hot)
	}, 30*time.Second, 20*time.Millisecond)
	return hot
}

func (h *house) rebalance(t *catalog.Table, step plan.Step, values map[string]*string) jobs.Job {
	h.T.Helper()
	j, err := h.service.Rebalance(context.Background(), t.Ident, step, values)
	require.NoError(h.T, err)
	return h.wait(j.ID)
}

func lookup(id int64) iceberg.BooleanExpression {
	return iceberg.EqualTo(iceberg.Reference("id"), id)
}

func demanded(hot compactor.HotPartitions) bool {
	return len(hot.Partitions) == 1 && hot.Partitions[0].Rung(plan.StepCluster).State == plan.StateReady
}

// A partition that holds nearly everything is laid out by the column that scans
// select by: a lookup then opens few of its files. All rows stay, with their ids;
// the record says what it was like before and after, and an independent planner
// agrees.
func TestClusterCoolsAHotPartition(t *testing.T) {
	for _, version := range []string{"2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(c *compactor.Config) { c.Tick = 10 * time.Millisecond })
			h.Run(h.service.Run)
			tbl := h.heat(iceberg.Properties{"format-version": version})
			if version == "2" {
				for _, f := range h.live(tbl)[:3] {
					h.deletePositions(tbl, f.Data, 1, 5, 7)
				}
			}
			base := h.load(tbl).CurrentSnapshot().SnapshotID
			before, opened := h.rows(tbl, 0), h.openedBy(tbl, 0)
			require.Greater(t, opened, 20.0, "ids lie everywhere")
			hot := h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Partitions) == 1 })
			require.Equal(t, plan.StateNeeds, hot.Partitions[0].Rung(plan.StepCluster).State, "nobody has read it")
			for i := range 5 {
				h.service.ObserveScan(compactor.Scan{Table: tbl.ID, Filter: lookup(int64(i))})
			}
			hot = h.known(tbl, demanded)
			require.Equal(t, "United Kingdom", *hot.Partitions[0].Values["country"])
			lineage := func() []map[string]any {
				return h.query(tbl, lake.RelationOptions{WithRowID: true}, `SELECT id, "at", _row_id FROM %s ORDER BY ALL`)
			}
			ids := lineage()

			j := h.rebalance(tbl, "", nil)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Contains(t, j.Outcome.Proof["fix_1"], "cluster of country=United Kingdom, by \"id\": a lookup by id opens")
			require.Equal(t, before, h.rows(tbl, 0))
			require.Equal(t, before, h.rows(tbl, base), "the older snapshot stays readable")
			if version == "3" {
				require.Equal(t, ids, lineage())
			}
			cooled := h.openedBy(tbl, 0)
			require.Less(t, cooled, 3.0)

			fixes, err := h.service.Fixes(t.Context(), tbl.ID)
			require.NoError(t, err)
			require.Len(t, fixes, 1)
			fix := fixes[0]
			require.NotNil(t, fix.After)
			require.Equal(t, j.Outcome.SnapshotID, fix.After.SnapshotID)
			require.Equal(t, base, fix.Before.SnapshotID)
			require.Greater(t, fix.Before.Lookups[0].Files, 20.0)
			require.Less(t, fix.After.Lookups[0].Files, 3.0)
			require.Less(t, fix.After.Lookups[0].Bytes, fix.Before.Lookups[0].Bytes/4)
			require.InDelta(t, cooled, fix.After.Lookups[0].Files, 1, "another planner opens as many")

			hot = h.known(tbl, func(compactor.HotPartitions) bool { return true })
			require.Equal(t, plan.StateOn, hot.Partitions[0].Rung(plan.StepCluster).State, "it is done")
			snapshot := h.load(tbl).CurrentSnapshot().SnapshotID
			j = h.rebalance(tbl, "", nil)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Equal(t, snapshot, h.load(tbl).CurrentSnapshot().SnapshotID, "a second one finds nothing to do")
			require.Contains(t, j.Outcome.Proof["why_not_more"], "laid out well")
		})
	}
}

// A bucket of the column that is compared with single values, by a change of the
// partition spec: only when asked for, or allowed.
func TestBucketCoolsAHotPartition(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Tick = 10 * time.Millisecond })
	h.Run(h.service.Run)
	tbl := h.heat(iceberg.Properties{"firn.hot.columns": "country, id"}) // of which the partition has one country
	before := h.rows(tbl, 0)
	h.known(tbl, demanded)
	j := h.rebalance(tbl, plan.StepBucket, map[string]*string{"country": new("United Kingdom")})
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "reshape", j.Outcome.Tier)
	require.Equal(t, before, h.rows(tbl, 0))
	spec := h.load(tbl).Metadata.PartitionSpec()
	require.Equal(t, 2, spec.NumFields())
	require.Equal(t, "bucket[8]", spec.Field(1).Transform.String())
	buckets, cold := map[any]bool{}, 0
	for _, f := range h.live(tbl) {
		if int(f.Data.SpecID()) == spec.ID() {
			buckets[f.Data.Partition()[spec.Field(1).FieldID]] = true
		} else {
			cold++
		}
	}
	require.Len(t, buckets, 8)
	require.Equal(t, 4, cold, "the others stay where they are")
	require.Less(t, h.openedBy(tbl, 0), 2.0)
	fixes, err := h.service.Fixes(t.Context(), tbl.ID)
	require.NoError(t, err)
	require.Len(t, fixes, 1)
	require.Equal(t, "bucket[8] of id", fixes[0].Detail)
	require.Less(t, fixes[0].After.Lookups[0].Files, 3.0)
	require.Less(t, fixes[0].After.Skew, fixes[0].Before.Skew)
}

// Many partitions with little in each become fewer, with all rows.
func TestCoarsenJoinsPartitions(t *testing.T) {
	for _, version := range []string{"1", "2"} {
		t.Run("v"+version, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, func(c *compactor.Config) { c.Tick = 10 * time.Millisecond })
			h.Run(h.service.Run)
			tbl := h.create("silver.days", iceberg.Properties{"format-version": version, "firn.hot.fix": "spec"})
			h.respec(tbl, "at/day")
			sql := `SELECT 'France' AS country, i::BIGINT AS id, 1::DECIMAL(18,3) AS amount, TIMESTAMP '2026-01-01' + INTERVAL (i) DAY AS "at", 1.0::DOUBLE AS score, NULL::VARCHAR[] AS tags FROM range(120) t(i)`
			h.Commit(h.load(tbl), table.OpAppend, h.Write(h.load(tbl), sql)...)
			before := h.rows(tbl, 0)
			hot := h.known(tbl, func(hot compactor.HotPartitions) bool { return hot.Distribution.Partitions == 120 })
			require.Equal(t, plan.StateReady, hot.Coarsen.State, hot.Coarsen.Reason)
			j := h.rebalance(tbl, "", nil)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Equal(t, before, h.rows(tbl, 0))
			hot = h.known(tbl, func(hot compactor.HotPartitions) bool { return hot.Distribution.Partitions == 4 })
			require.Equal(t, plan.StateIdle, hot.Coarsen.State)
			require.Len(t, hot.Fixes, 1)
			require.EqualValues(t, 120, hot.Fixes[0].Before.Files)
			require.EqualValues(t, 4, hot.Fixes[0].After.Files)
			require.Equal(t, "month instead of day of at", hot.Fixes[0].Detail)
		})
	}
}

// Each write of a rebalance may fail, or succeed and look failed: the rows stay, the
// job ends well when it is run again, and the record tells of it once.
func TestRebalanceThroughFaults(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"did not happen":              {Before: errors.New("disk")},
		"happened, and looked failed": {After: errors.New("connection reset")},
	} {
		for _, step := range []plan.Step{plan.StepCluster, plan.StepBucket, plan.StepCoarsen} {
			t.Run(name+"/"+string(step), func(t *testing.T) {
				t.Parallel()
				for at := 1; ; at++ {
					h := newHouse(t, func(c *compactor.Config) { c.Tick = 10 * time.Millisecond })
					h.Run(h.service.Run)
					tbl := h.heat(iceberg.Properties{"firn.hot.columns": "id"})
					if step == plan.StepCoarsen {
						h.respec(tbl, "country/identity", "at/hour")
						h.Commit(h.load(tbl), table.OpAppend, h.Write(h.load(tbl), rowsSQL("Norway", 0, 9000))...)
					}
					before := h.rows(tbl, 0)
					h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Partitions) > 0 })
					commits, hit := 0, false
					h.Store.InjectApply(func(b catalog.Batch) memstore.Fault {
						for _, op := range b.Then {
							if strings.HasPrefix(op.Key, "commit/") || strings.HasPrefix(op.Key, "hot/") {
								if commits++; commits == at {
									hit = true
									return fault
								}
								break
							}
						}
						return memstore.Fault{}
					})
					uk := map[string]*string{"country": new("United Kingdom")}
					if step == plan.StepCoarsen {
						uk = nil
					}
					j := h.rebalance(tbl, step, uk)
					h.Store.InjectApply(nil)
					if !hit {
						require.Greater(t, at, 2, "no write was hit")
						return
					}
					if j.State == jobs.Failed {
						j, err := h.service.Queue().Retry(t.Context(), j.ID)
						require.NoError(t, err)
						j = h.wait(j.ID)
						require.Equal(t, jobs.Succeeded, j.State, j.Error)
					}
					require.Equal(t, before, h.rows(tbl, 0), "write %d", at)
					var fixes []compactor.Fix
					require.Eventually(t, func() bool {
						var err error
						fixes, err = h.service.Fixes(context.Background(), tbl.ID)
						return err == nil && len(fixes) > 0 && fixes[0].After != nil
					}, 30*time.Second, 5*time.Millisecond)
					require.Len(t, fixes, 1, "write %d", at)
					require.Equal(t, step, fixes[0].Step)
					if step != plan.StepCoarsen {
						require.Less(t, h.openedBy(tbl, 0), 3.0, "write %d", at)
					}
				}
			})
		}
	}
}

// A record compares the same rows: what a writer adds while a job is at work is in both
// of its measures, or in none.
func TestARecordComparesTheSameRows(t *testing.T) {
	var once sync.Once
	var append func()
	h := newHouse(t, func(c *compactor.Config) {
		c.Tick = 10 * time.Millisecond
		c.BeforeCommit = func(context.Context) { once.Do(func() { append() }) }
	})
	h.Run(h.service.Run)
	tbl := h.heat(iceberg.Properties{"firn.hot.columns": "id"})
	append = func() {
		for i := range 5 {
			h.Commit(h.load(tbl), table.OpAppend, h.Write(h.load(tbl), shuffledSQL("United Kingdom", 30_000+i*1000, 1000))...)
		}
	}
	h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Partitions) > 0 })
	j := h.rebalance(tbl, plan.StepCluster, nil)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	fixes, err := h.service.Fixes(t.Context(), tbl.ID)
	require.NoError(t, err)
	require.Len(t, fixes, 1)
	f := fixes[0]
	require.Equal(t, int64(29_000), f.Before.Rows)
	require.Equal(t, int64(29_000), f.After.Rows)
	require.InDelta(t, f.After.Lookups[0].Files+20, f.Before.Lookups[0].Files, 4)
}

// A rebalance whose files somebody replaces meanwhile loses, says so, leaves no record,
// and the partition is still to be looked at.
func TestARebalanceThatLoses(t *testing.T) {
	replaced := 0
	var replace func()
	h := newHouse(t, func(c *compactor.Config) {
		c.Tick = 10 * time.Millisecond
		c.BeforeCommit = func(context.Context) { replace() }
	})
	h.Run(h.service.Run)
	tbl := h.heat(iceberg.Properties{"firn.hot.columns": "id"})
	replace = func() {
		for _, f := range h.live(tbl) {
			if f.Data.Partition()[1000] == "United Kingdom" {
				replaced++
				h.replace(tbl, f.Data, shuffledSQL("United Kingdom", 40_000+replaced*1000, 999))
				return
			}
		}
	}
	h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Partitions) > 0 })
	j := h.rebalance(tbl, "", nil)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Positive(t, replaced)
	require.Contains(t, j.Outcome.Proof["why_not_more"], "country=United Kingdom: writers changed it meanwhile")
	require.Contains(t, j.Outcome.Proof["lost_to_writers"], "somebody replaced files meanwhile: 1")
	fixes, err := h.service.Fixes(t.Context(), tbl.ID)
	require.NoError(t, err)
	require.Empty(t, fixes)
	replace = func() {}
	j = h.rebalance(tbl, "", nil)
	require.NotEmpty(t, j.Outcome.Proof["fix_1"])
	require.Empty(t, j.Outcome.Proof["lost_to_writers"])
}

// The planner proposes it by itself, once the partition is cool.
func TestHotPartitionsAreCooledUnasked(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Tick, c.Manual = 10*time.Millisecond, false })
	h.Run(h.service.Run)
	tbl := h.heat(iceberg.Properties{"firn.hot.columns": "id", "firn.compact.quiet": "200ms"})
	before := h.rows(tbl, 0)
	hot := h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Fixes) == 1 && hot.Fixes[0].After != nil })
	require.Equal(t, plan.StepCluster, hot.Fixes[0].Step)
	require.Less(t, hot.Fixes[0].After.Lookups[0].Files, 3.0)
	require.Equal(t, before, h.rows(tbl, 0))
}

// What cannot be done is said, with what would help.
func TestRebalanceRefuses(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Tick = 10 * time.Millisecond })
	h.Run(h.service.Run)
	tbl := h.heat(nil)
	h.known(tbl, func(hot compactor.HotPartitions) bool { return len(hot.Partitions) == 1 })
	_, err := h.service.Rebalance(t.Context(), tbl.Ident, "", map[string]*string{"country": new("Atlantis")})
	require.ErrorIs(t, err, catalog.ErrInvalid)
	require.ErrorContains(t, err, "no partition country=Atlantis")
	for _, step := range []plan.Step{plan.StepGroup, plan.StepFragments, "sideways"} {
		_, err = h.service.Rebalance(t.Context(), tbl.Ident, step, nil)
		require.ErrorIs(t, err, catalog.ErrInvalid)
		require.ErrorContains(t, err, "can be asked for")
	}
	for step, text := range map[plan.Step]string{
		plan.StepCluster: "firn policy set silver.lines firn.hot.columns=COLUMN",
		plan.StepBucket:  "firn policy set silver.lines firn.hot.columns=COLUMN",
		plan.StepCoarsen: "no field of the partition spec can be coarser",
	} {
		j := h.rebalance(tbl, step, nil)
		require.Equal(t, jobs.Failed, j.State)
		require.Contains(t, j.Error, text)
		require.Equal(t, 1, j.Attempt, "nothing is tried again")
	}
	named := func(column string) {
		require.NoError(t, h.service.SetPolicy(t.Context(), compactor.Target{Table: tbl.Ident}, map[string]string{plan.PropertyHotColumns: column}, nil))
	}
	named("country")
	for _, step := range []plan.Step{plan.StepCluster, plan.StepBucket} {
		require.Contains(t, h.rebalance(tbl, step, nil).Error, `by firn.hot.columns, but column "country" has one value here; name others with`)
	}
	// A number with a fraction has no buckets, and bounds except in files with NaN, of
	// which one row in five is.
	named("score")
	j := h.rebalance(tbl, plan.StepBucket, nil)
	require.Contains(t, j.Error, plan.NoBucket)
	j = h.rebalance(tbl, plan.StepCluster, nil)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	fixes, err := h.service.Fixes(t.Context(), tbl.ID)
	require.NoError(t, err)
	require.Len(t, fixes, 1)
	require.Greater(t, fixes[0].Before.Lookups[0].Files, 1.5*fixes[0].After.Lookups[0].Files)
}
