package compactor_test

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// A schedule whose record cannot be read is an error in the log once, is shown with
// what is wrong, is refused with what helps, and can be put again and removed.
func TestABrokenScheduleIsSeen(t *testing.T) {
	var log bytes.Buffer
	h := newHouse(t, func(c *compactor.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	_, handler := h.service.Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := firnv1connect.NewMaintenanceServiceClient(server.Client(), server.URL)
	ctx := t.Context()
	for name, record := range map[string]string{
		"cut": `{"name":"cut"`,
		"odd": `{"name":"odd","cron":"0 * * * *","time_zone":"Mars/Olympus","kind":"compact","created":"2026-05-01T00:00:00Z"}`,
	} {
		_, err := h.Store.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: "sched/" + h.Catalog.Warehouse() + "/" + name, Value: []byte(record)}}})
		require.NoError(t, err)
	}
	sound := &firnv1.Schedule{Name: "sound", Cron: "0 3 * * *", Kind: firnv1.JobKind_JOB_KIND_ORPHANS}
	_, err := client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: sound}))
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, h.service.Schedules().Fire(ctx))
	}
	require.Equal(t, 2, strings.Count(log.String(), "level=ERROR"), log.String())
	require.Contains(t, log.String(), "firn schedule rm cut")

	list, err := client.ListSchedules(ctx, connect.NewRequest(&firnv1.ListSchedulesRequest{}))
	require.NoError(t, err)
	broken := map[string]string{}
	for _, s := range list.Msg.Schedules {
		broken[s.Name] = s.Broken
	}
	require.Len(t, broken, 3)
	require.Empty(t, broken["sound"])
	require.Contains(t, broken["cut"], "its record in the store cannot be read: unexpected end of JSON input")
	require.Contains(t, broken["odd"], `time zone "Mars/Olympus" is unknown`)
	one, err := client.GetSchedule(ctx, connect.NewRequest(&firnv1.GetScheduleRequest{Name: "cut"}))
	require.NoError(t, err)
	require.Equal(t, broken["cut"], one.Msg.Schedule.Broken)
	_, err = client.RunSchedule(ctx, connect.NewRequest(&firnv1.RunScheduleRequest{Name: "cut"}))
	require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err))
	require.Contains(t, err.Error(), "\nfirn schedule put cut ...")

	sound.Name = "cut"
	put, err := client.PutSchedule(ctx, connect.NewRequest(&firnv1.PutScheduleRequest{Schedule: sound}))
	require.NoError(t, err)
	require.Empty(t, put.Msg.Schedule.Broken)
	_, err = client.DeleteSchedule(ctx, connect.NewRequest(&firnv1.DeleteScheduleRequest{Name: "odd"}))
	require.NoError(t, err)
}
