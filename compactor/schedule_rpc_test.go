package compactor_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// A dry run says all that is wrong, each with its field.
func TestFaultsOfASchedule(t *testing.T) {
	h := newHouse(t)
	_, handler := h.service.Handler()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	client := firnv1connect.NewMaintenanceServiceClient(server.Client(), server.URL)
	for _, c := range []struct {
		want string
		s    *firnv1.Schedule
	}{
		{"cron time_zone", &firnv1.Schedule{Name: "x", Cron: "61 * * * *", TimeZone: "Mars/Olympus", Kind: firnv1.JobKind_JOB_KIND_COMPACT}},
		{"cron name overlap windows windows", &firnv1.Schedule{Name: "a b", Overlap: 9, Windows: []string{"22-06", "22:00-06:00", "someday 22:00-06:00"}, Kind: firnv1.JobKind_JOB_KIND_COMPACT}},
		{"cron", &firnv1.Schedule{Name: "x", Cron: "0 2 30 2 *", Kind: firnv1.JobKind_JOB_KIND_COMPACT}},
		{"cron", &firnv1.Schedule{Name: "x", Cron: "0 12 * * *", Windows: []string{"22:00-06:00"}, Outside: firnv1.OutsidePolicy_OUTSIDE_POLICY_SKIP, Kind: firnv1.JobKind_JOB_KIND_COMPACT}},
		{"kind missed", &firnv1.Schedule{Name: "x", Cron: "@daily", Missed: 9}},
		{"model name", &firnv1.Schedule{Cron: "@daily", Kind: firnv1.JobKind_JOB_KIND_PROMOTE}},
	} {
		_, err := client.PutSchedule(t.Context(), connect.NewRequest(&firnv1.PutScheduleRequest{DryRun: true, Schedule: c.s}))
		require.Equal(t, connect.CodeInvalidArgument, connect.CodeOf(err), "%v", err)
		refused, ok := errors.AsType[*connect.Error](err)
		require.True(t, ok)
		var fields []string
		for _, d := range refused.Details() {
			value, err := d.Value()
			require.NoError(t, err)
			f := value.(*firnv1.ScheduleFault)
			fields = append(fields, f.Field)
			for _, text := range []string{f.What, f.Why, f.Help} {
				require.NotEmpty(t, text, f.Field)
			}
		}
		slices.Sort(fields)
		require.Equal(t, c.want, strings.Join(fields, " "))
		require.Len(t, strings.Split(refused.Message(), "\n"), 3, "the message is that of the first")
	}
}

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
