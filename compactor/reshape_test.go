package compactor_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/internal/lake"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// respec gives a table another partition spec: fields are column/transform.
func (h *house) respec(t *catalog.Table, fields ...string) {
	h.T.Helper()
	meta := h.load(t).Metadata
	var out []iceberg.PartitionField
	for i, f := range fields {
		column, transform, _ := strings.Cut(f, "/")
		source, ok := meta.CurrentSchema().FindFieldByName(column)
		require.True(h.T, ok)
		tr, err := iceberg.ParseTransform(transform)
		require.NoError(h.T, err)
		id := 2000 + 10*len(meta.PartitionSpecs()) + i
		if meta.Version() == 1 { // there a field that is left out stays, as void
			id = 1000 + i
		}
		out = append(out, iceberg.PartitionField{SourceIDs: []int{source.ID}, FieldID: id, Name: fmt.Sprintf("%s_%d_%d", column, len(meta.PartitionSpecs()), i), Transform: tr})
	}
	spec := iceberg.NewPartitionSpecID(len(meta.PartitionSpecs()), out...)
	h.change(t, table.NewAddPartitionSpecUpdate(&spec, false), table.NewSetDefaultSpecUpdate(-1))
}

// partitioned checks that all files are of the present spec, and answers their
// values as people read them.
func (h *house) partitioned(t *catalog.Table) (out []string) {
	h.T.Helper()
	meta := h.load(t).Metadata
	for _, f := range h.live(t) {
		require.EqualValues(h.T, meta.DefaultPartitionSpec(), f.Data.SpecID())
		var values []string
		spec := meta.PartitionSpec()
		for _, field := range spec.Fields() {
			v := f.Data.Partition()[field.FieldID]
			if v == nil {
				values = append(values, "NULL")
			} else {
				values = append(values, field.Transform.ToHumanStrType(spec.PartitionType(meta.CurrentSchema()).FieldList[len(values)].Type, v))
			}
		}
		out = append(out, strings.Join(values, ","))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Files of old specs move into the partitions of the present one, with all rows,
// NULLs, deletes and, on v3, row ids; and then there is nothing left to do.
func TestReshapeMovesRowsIntoTheirPartitions(t *testing.T) {
	for _, c := range []struct {
		name, version string
		fields        []string
		want          int // partitions at least
	}{
		{"bucket", "2", []string{"id/bucket[8]"}, 8},
		{"finer", "2", []string{"country/identity", "at/hour"}, 5},
		{"coarser", "1", []string{"country/void", "at/year"}, 1},
		{"truncate and decimal", "2", []string{"country/truncate[1]", "amount/bucket[3]"}, 9},
		{"lineage", "3", []string{"id/truncate[1000]", "at/day"}, 4},
		{"void", "2", []string{"country/void", "id/bucket[2]"}, 2},
		{"none", "2", nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t)
			h.Run(h.service.Run)
			tbl := h.create("silver.lines", iceberg.Properties{"format-version": c.version})
			for i := range 4 {
				for _, country := range []string{"France", "null", "NULL", "Österreich"} {
					h.append(tbl, country, i*1000, 200)
				}
			}
			if c.version == "2" {
				for i, f := range h.live(tbl)[:3] {
					h.deletePositions(tbl, f.Data, int64(i), 50, 99)
				}
			}
			h.respec(tbl, c.fields...)
			h.Commit(h.load(tbl), "append", h.Write(h.load(tbl), rowsSQL("Italy", 9000, 50))...)
			before := h.rows(tbl, 0)
			lineage := func() []map[string]any {
				return h.query(tbl, lake.RelationOptions{WithRowID: true}, `SELECT country, id, _row_id, _last_updated_sequence_number AS seq FROM %s ORDER BY ALL`)
			}
			ids := lineage()

			j := h.job(compactor.KindCompact, tbl)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.NotContains(t, j.Outcome.Tier, "reshape", "not unasked")
			h.property(tbl, "firn.compact.reshape", "true")
			for range 2 { // the second joins what is small then
				j = h.job(compactor.KindCompact, tbl)
				require.Equal(t, jobs.Succeeded, j.State, j.Error)
				require.Equal(t, before, h.rows(tbl, 0))
			}
			require.GreaterOrEqual(t, len(h.partitioned(tbl)), c.want, h.partitioned(tbl))
			if c.version == "3" {
				require.Equal(t, ids, lineage())
			}
			j = h.job(compactor.KindCompact, tbl)
			require.Zero(t, j.Outcome.FilesIn, "at rest")
		})
	}
}

func TestReshapeProvesPartitions(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", iceberg.Properties{"firn.compact.reshape": "true"})
	for _, country := range []string{"France", "Italy"} {
		h.append(tbl, country, 0, 500)
	}
	h.respec(tbl, "id/bucket[4]")
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, "reshape", j.Outcome.Tier)
	require.Contains(t, j.Outcome.Proof["partitions"], "every row of 1 groups")
	require.Contains(t, j.Outcome.Proof["row_hash"], "equal in 1 of 1")
	require.Len(t, h.partitioned(tbl), 4)
}

// A request may reshape where the policy does not, once.
func TestReshapeOnRequest(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("silver.lines", nil)
	for _, country := range []string{"France", "Italy"} {
		h.append(tbl, country, 0, 500)
	}
	h.respec(tbl, "id/bucket[4]")
	dry := h.dryRun(&firnv1.PlanJobsRequest{Table: refTo(tbl), Reshape: true})
	require.Len(t, dry.Groups, 1)
	require.Equal(t, "reshape", dry.Groups[0].Tier)
	require.Empty(t, h.dryRun(&firnv1.PlanJobsRequest{Table: refTo(tbl)}).Groups)
	client := h.client()
	submitted, err := client.SubmitJob(t.Context(), connect.NewRequest(&firnv1.SubmitJobRequest{Table: refTo(tbl), Kind: firnv1.JobKind_JOB_KIND_COMPACT, Reshape: true}))
	require.NoError(t, err)
	j := h.wait(submitted.Msg.Job.Id)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, dry.PlanId, j.Outcome.Proof["plan"])
	require.Len(t, h.partitioned(tbl), 4)
	require.NotContains(t, h.load(tbl).Metadata.Properties(), "firn.compact.reshape")
	_, err = client.SubmitJob(t.Context(), connect.NewRequest(&firnv1.SubmitJobRequest{Table: refTo(tbl), Kind: firnv1.JobKind_JOB_KIND_EXPIRE, Reshape: true}))
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
}

// The rows of one partition stay in order, and files have the target size.
func TestReshapeSortsAndCuts(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.points("silver.points", table.UnsortedSortOrder, iceberg.Properties{"firn.compact.sort": "x DESC", "firn.compact.reshape": "true"})
	before := h.rows(tbl, 0)
	h.respec(tbl, "at/month", "x/bucket[2]")
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, before, h.rows(tbl, 0))
	require.Len(t, h.partitioned(tbl), 3, "NULLs of x have none")
	for _, f := range h.live(tbl) {
		require.Less(t, f.Data.FileSizeBytes(), int64(300_000))
	}
	wrong := h.query(tbl, lake.RelationOptions{WithFile: true}, `SELECT count(*) AS n FROM (
		SELECT row_number() OVER (PARTITION BY _file ORDER BY x DESC NULLS LAST, _pos) AS want, row_number() OVER (PARTITION BY _file ORDER BY _pos) AS got FROM %s) WHERE want <> got`)
	require.EqualValues(t, 0, wrong[0]["n"])
}

// The two failure rows: the store refuses the commit; it takes it and says that it
// did not.
func TestReshapeWhenItsCommitFails(t *testing.T) {
	for name, fault := range map[string]memstore.Fault{
		"did not happen":                  {Before: errors.New("connection reset")},
		"happened and looked like failed": {After: errors.New("connection reset")},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			var once sync.Once
			failed := false
			h.service = h.another(func(c *compactor.Config) {
				c.BeforeCommit = func(context.Context) {
					h.Store.InjectApply(func(b catalog.Batch) (f memstore.Fault) {
						if slices.ContainsFunc(b.Then, func(o catalog.Op) bool { return strings.HasPrefix(o.Key, "commit/") }) {
							once.Do(func() { f, failed = fault, true })
						}
						return f
					})
				}
			})
			h.Run(h.service.Run)
			tbl := h.create("silver.lines", iceberg.Properties{"firn.compact.reshape": "true"})
			h.append(tbl, "France", 0, 500)
			h.respec(tbl, "id/bucket[4]")
			before := h.rows(tbl, 0)
			j := h.job(compactor.KindCompact, tbl)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			h.Store.InjectApply(nil)
			require.True(t, failed)
			require.Equal(t, before, h.rows(tbl, 0))
			require.Len(t, h.partitioned(tbl), 4)
		})
	}
}

// A delete that lands on an input meanwhile is not lost.
func TestADeleteDuringAReshapeIsNotLost(t *testing.T) {
	h := newHouse(t)
	tbl := h.create("silver.lines", iceberg.Properties{"firn.compact.reshape": "true"})
	h.append(tbl, "France", 0, 500)
	target := h.live(tbl)[0].Data
	var once sync.Once
	h.service = h.another(func(c *compactor.Config) {
		c.BeforeCommit = func(context.Context) { once.Do(func() { h.deletePositions(tbl, target, 3, 4) }) }
	})
	h.Run(h.service.Run)
	h.respec(tbl, "id/bucket[4]")
	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Len(t, h.rows(tbl, 0), 498)
	require.Len(t, h.partitioned(tbl), 4)
}
