package compactor_test

import (
	"fmt"
	"math/rand/v2"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

func (h *house) client() firnv1connect.MaintenanceServiceClient {
	h.T.Helper()
	_, handler := h.service.Handler()
	server := httptest.NewServer(handler)
	h.T.Cleanup(server.Close)
	return firnv1connect.NewMaintenanceServiceClient(server.Client(), server.URL)
}

func refTo(t *catalog.Table) *firnv1.TableRef {
	return &firnv1.TableRef{Namespace: t.Ident.Namespace, Name: t.Ident.Name}
}

func (h *house) dryRun(req *firnv1.PlanJobsRequest) *firnv1.PlanJobsResponse {
	h.T.Helper()
	req.Kind = firnv1.JobKind_JOB_KIND_COMPACT
	answer, err := h.client().PlanJobs(h.T.Context(), connect.NewRequest(req))
	require.NoError(h.T, err)
	return answer.Msg
}

func (h *house) livePaths(t *catalog.Table) map[string]bool {
	h.T.Helper()
	out := map[string]bool{}
	for _, f := range h.live(t) {
		out[f.Data.FilePath()] = true
	}
	return out
}

// What a dry run says is what the job does: the same snapshot, the same groups of
// the same files, and as many files and bytes.
func TestDryRunIsWhatTheJobDoes(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Workers = 1 })
	h.Run(h.service.Run)
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			tbl := h.create(fmt.Sprintf("bronze.t%d", seed), iceberg.Properties{plan.PropertyTarget: "20000"})
			for range 6 + rng.IntN(10) {
				h.append(tbl, []string{"France", "Italy", "NULL"}[rng.IntN(3)], rng.IntN(1e6), 1+rng.IntN(400))
			}
			if seed%2 == 1 {
				h.deletePositions(tbl, h.live(tbl)[0].Data, 0)
			}
			dry := h.dryRun(&firnv1.PlanJobsRequest{Table: refTo(tbl)})
			require.NotEmpty(t, dry.Groups)
			require.Equal(t, h.load(tbl).CurrentSnapshot().SnapshotID, dry.SnapshotId)
			var files, bytes int64
			for _, g := range dry.Groups {
				files += int64(g.Files)
				bytes += int64(g.Bytes)
			}
			before := h.livePaths(tbl)
			j := h.job(compactor.KindCompact, tbl)
			require.Equal(t, jobs.Succeeded, j.State, j.Error)
			require.Equal(t, dry.PlanId, j.Outcome.Proof["plan"])
			require.Equal(t, files, j.Outcome.FilesIn)
			require.Equal(t, bytes, j.Outcome.BytesIn)
			gone := 0
			for path := range before {
				if !h.livePaths(tbl)[path] {
					gone++
				}
			}
			require.EqualValues(t, files, gone)

			// The id is one of the files: it changes with any of them.
			h.append(tbl, "France", 0, 3)
			require.NotEqual(t, dry.PlanId, h.dryRun(&firnv1.PlanJobsRequest{Table: refTo(tbl)}).PlanId)
		})
	}
}

// A request works off in rounds what is too much for one; a dry run shows all.
func TestDryRunShowsAllRounds(t *testing.T) {
	p := plan.DefaultPolicy()
	p.MaxJobBytes = 6000
	h := newHouse(t, func(c *compactor.Config) { c.Policy = &p })
	h.Run(h.service.Run)
	tbl := h.create("bronze.many", nil)
	for i := range 12 {
		h.append(tbl, []string{"France", "Italy", "Spain", "Malta"}[i%4], i*1000, 50)
	}
	dry := h.dryRun(&firnv1.PlanJobsRequest{Table: refTo(tbl)})
	require.Len(t, dry.Groups, 4)
	j := h.job(compactor.KindCompact, tbl)
	require.EqualValues(t, 12, j.Outcome.FilesIn)
	require.EqualValues(t, 4, j.Outcome.FilesOut)
	require.Greater(t, len(h.load(tbl).Metadata.Snapshots()), 12+1, "it was one round: the test tests nothing")
	require.Equal(t, dry.PlanId, j.Outcome.Proof["plan"])
}

// The planner's own plan is by its policy, limits and windows; a request's is not.
func TestDryRunAsScheduled(t *testing.T) {
	h := newHouse(t, func(c *compactor.Config) { c.Workers = -1 })
	h.Run(h.service.Run)
	tbl := h.create("sales.lines", iceberg.Properties{plan.PropertyQuiet: "1h"})
	for i := range 4 {
		h.append(tbl, "France", i*100, 10)
	}
	table := refTo(tbl)
	h.eventually("four files are counted", func() bool { return h.service.Health(tbl.ID).GetSmallFiles() == 4 })
	require.Len(t, h.dryRun(&firnv1.PlanJobsRequest{Table: table}).Groups, 1)
	scheduled := h.dryRun(&firnv1.PlanJobsRequest{Table: table, AsScheduled: true})
	require.Empty(t, scheduled.Groups)
	require.Contains(t, scheduled.WhyNot, "no partition has 5 small files")

	h.append(tbl, "France", 900, 10)
	h.eventually("five", func() bool { return h.service.Health(tbl.ID).GetSmallFiles() == 5 })
	scheduled = h.dryRun(&firnv1.PlanJobsRequest{Table: table, AsScheduled: true})
	require.Len(t, scheduled.Groups, 1)
	require.EqualValues(t, 5, scheduled.Groups[0].Files)

	now := time.Now().UTC()
	closed := now.Add(2*time.Hour).Format("15:04") + "-" + now.Add(3*time.Hour).Format("15:04")
	client := h.client()
	set, err := client.SetPolicy(t.Context(), connect.NewRequest(&firnv1.SetPolicyRequest{Of: &firnv1.TableRef{Namespace: []string{"sales"}}, Set: map[string]string{
		plan.PropertyWindows: closed, plan.PropertyBytesPerDay: "1000000",
	}}))
	require.NoError(t, err)
	require.Len(t, set.Msg.Settings, 2)
	scheduled = h.dryRun(&firnv1.PlanJobsRequest{Table: table, AsScheduled: true})
	require.Empty(t, scheduled.Groups)
	require.True(t, strings.HasPrefix(scheduled.WhyNot, "outside of its windows, "+closed), scheduled.WhyNot)
	require.Len(t, h.dryRun(&firnv1.PlanJobsRequest{Table: table}).Groups, 1)

	got, err := client.GetPolicy(t.Context(), connect.NewRequest(&firnv1.GetPolicyRequest{Of: table}))
	require.NoError(t, err)
	require.Len(t, got.Msg.Limits, 1)
	require.Equal(t, "namespace sales", got.Msg.Limits[0].Origin)
	require.EqualValues(t, 1000000, got.Msg.Limits[0].Limit)
	for _, bad := range []*firnv1.SetPolicyRequest{
		{Set: map[string]string{plan.PropertyWindows: "at night"}},
		{Set: map[string]string{"owner": "me"}},
	} {
		_, err = client.SetPolicy(t.Context(), connect.NewRequest(bad))
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	}
	_, err = client.GetPolicy(t.Context(), connect.NewRequest(&firnv1.GetPolicyRequest{Of: &firnv1.TableRef{Namespace: []string{"sales"}, Name: "nobody"}}))
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(err))
}
