package medallion_test

import (
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

func protoFiles(files []medallion.File) []*firnv1.ModelFile {
	var out []*firnv1.ModelFile
	for _, f := range files {
		out = append(out, &firnv1.ModelFile{Path: f.Path, Text: f.Text})
	}
	return out
}

// The whole service over the wire: plan, apply, run, graph, runs, quarantine.
func TestModelService(t *testing.T) {
	h := newHouse(t)
	_, handler := h.service.Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := firnv1connect.NewModelServiceClient(server.Client(), server.URL)
	ctx := t.Context()

	bad, err := client.Plan(ctx, connect.NewRequest(&firnv1.PlanRequest{Files: []*firnv1.ModelFile{{Path: "a.sql", Text: "/*---\nkind: modell\n---*/ SELECT 1"}}}))
	require.NoError(t, err)
	require.NotEmpty(t, bad.Msg.Diagnostics)
	_, err = client.Apply(ctx, connect.NewRequest(&firnv1.ApplyRequest{Files: []*firnv1.ModelFile{{Path: "a.sql", Text: "SELECT 1"}}}))
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))

	applied, err := client.Apply(ctx, connect.NewRequest(&firnv1.ApplyRequest{Files: protoFiles(retail(t))}))
	require.NoError(t, err)
	require.Len(t, applied.Msg.Models, 4)
	h.sendRetail("row_no < 5000")

	stream, err := client.Run(ctx, connect.NewRequest(&firnv1.RunRequest{}))
	require.NoError(t, err)
	var runs []*firnv1.Run
	for stream.Receive() {
		if run := stream.Msg().Run; run.State != firnv1.RunState_RUN_STATE_RUNNING {
			runs = append(runs, run)
		}
	}
	require.NoError(t, stream.Err())
	require.Len(t, runs, 3)
	silver := runs[0]
	require.Equal(t, firnv1.RunState_RUN_STATE_SUCCEEDED, silver.State, silver.Error)
	require.EqualValues(t, 5000, silver.Read)
	require.Equal(t, silver.Read+silver.LiveBefore, silver.LiveAfter+silver.Superseded+silver.Stale+silver.Quarantined+silver.Dropped+silver.Filtered)
	require.NotZero(t, silver.SnapshotId)

	graph, err := client.GetGraph(ctx, connect.NewRequest(&firnv1.GetGraphRequest{}))
	require.NoError(t, err)
	require.Len(t, graph.Msg.Nodes, 4)
	require.Equal(t, "bronze", graph.Msg.Nodes[0].Layer)
	require.EqualValues(t, 5000, graph.Msg.Nodes[0].Rows)
	require.Len(t, graph.Msg.Edges, 3)
	require.EqualValues(t, 5000, graph.Msg.Edges[0].Read)

	listed, err := client.ListRuns(ctx, connect.NewRequest(&firnv1.ListRunsRequest{Model: "silver.invoice_lines"}))
	require.NoError(t, err)
	require.Len(t, listed.Msg.Runs, 1)
	got, err := client.GetRun(ctx, connect.NewRequest(&firnv1.GetRunRequest{Id: silver.Id}))
	require.NoError(t, err)
	require.Equal(t, silver.Read, got.Msg.Run.Read)
	_, err = client.GetRun(ctx, connect.NewRequest(&firnv1.GetRunRequest{Id: "none"}))
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(err))

	quarantined, err := client.ListQuarantine(ctx, connect.NewRequest(&firnv1.ListQuarantineRequest{Limit: 3}))
	require.NoError(t, err)
	require.Len(t, quarantined.Msg.Rows, 3)
	require.Equal(t, silver.Quarantined, quarantined.Msg.Total)
	require.Equal(t, []string{"price_positive"}, quarantined.Msg.Rows[0].Reasons)
	require.Equal(t, silver.Id, quarantined.Msg.Rows[0].RunId)

	tests, err := client.Test(ctx, connect.NewRequest(&firnv1.TestRequest{Files: protoFiles(retail(t))}))
	require.NoError(t, err)
	require.Len(t, tests.Msg.Results, 5)

	missing, err := client.Run(ctx, connect.NewRequest(&firnv1.RunRequest{Models: []string{"silver.invoice_line"}}))
	require.NoError(t, err)
	require.False(t, missing.Receive())
	require.Equal(t, connect.CodeNotFound, connect.CodeOf(missing.Err()))
	require.ErrorContains(t, missing.Err(), `did you mean "silver.invoice_lines"?`)
}
