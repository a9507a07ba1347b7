package cli

import (
	"bytes"
	"context"
	"errors"
	"net/http/httptest"
	"testing"

	"connectrpc.com/connect"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// policies is a service that knows the table sales.lines and any namespace.
type policies struct {
	firnv1connect.UnimplementedMaintenanceServiceHandler
	set *firnv1.SetPolicyRequest
}

func (p *policies) GetPolicy(_ context.Context, req *connect.Request[firnv1.GetPolicyRequest]) (*connect.Response[firnv1.GetPolicyResponse], error) {
	if name := req.Msg.GetOf().GetName(); name != "" && name != "lines" {
		return nil, connect.NewError(connect.CodeNotFound, errors.New("no such table"))
	}
	return connect.NewResponse(&firnv1.GetPolicyResponse{
		Settings: []*firnv1.PolicySetting{
			{Key: "firn.compact.growth", Value: "lots", Origin: "warehouse", Problem: "want a number"},
			{Key: "firn.compact.budget-bytes-per-hour", Value: "2048", Origin: "namespace sales"},
		},
		Limits: []*firnv1.PolicyLimit{{Key: "firn.compact.budget-bytes-per-hour", Origin: "namespace sales", Limit: 2048, Used: 1024}},
	}), nil
}

func (p *policies) SetPolicy(_ context.Context, req *connect.Request[firnv1.SetPolicyRequest]) (*connect.Response[firnv1.SetPolicyResponse], error) {
	p.set = req.Msg
	return connect.NewResponse(&firnv1.SetPolicyResponse{}), nil
}

func TestPolicyCommands(t *testing.T) {
	service := &policies{}
	_, handler := firnv1connect.NewMaintenanceServiceHandler(service)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	run := func(args ...string) (string, error) {
		root := &cobra.Command{Use: "firn", SilenceErrors: true, SilenceUsage: true}
		root.AddCommand(Commands(root)...)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append(args, "--server", server.URL))
		err := root.Execute()
		return out.String(), err
	}
	out, err := run("policy", "show", "sales.lines")
	require.NoError(t, err)
	assert.Regexp(t, `firn.compact.growth +lots +warehouse +cannot be read: want a number`, out)
	assert.Regexp(t, `firn.compact.budget-bytes-per-hour +2048 +namespace sales +1.0 KiB used`, out)

	for _, c := range []struct {
		args []string
		of   *firnv1.TableRef
	}{
		{[]string{"sales.lines"}, &firnv1.TableRef{Namespace: []string{"sales"}, Name: "lines"}},
		{[]string{"sales.eu"}, &firnv1.TableRef{Namespace: []string{"sales", "eu"}}},
		{[]string{"sales.lines", "--namespace"}, &firnv1.TableRef{Namespace: []string{"sales", "lines"}}},
		{[]string{"sales"}, &firnv1.TableRef{Namespace: []string{"sales"}}},
		{[]string{"warehouse"}, &firnv1.TableRef{}},
		{[]string{"warehouse", "-n"}, &firnv1.TableRef{Namespace: []string{"warehouse"}}},
	} {
		_, err := run(append([]string{"policy", "set", c.args[0], "firn.compact.sort=a, b=c"}, c.args[1:]...)...)
		require.NoError(t, err)
		assert.Equal(t, c.of.String(), service.set.GetOf().String(), c.args)
		assert.Equal(t, map[string]string{"firn.compact.sort": "a, b=c"}, service.set.GetSet())
		_, err = run(append([]string{"policy", "unset", c.args[0], "firn.compact.sort"}, c.args[1:]...)...)
		require.NoError(t, err)
		assert.Equal(t, []string{"firn.compact.sort"}, service.set.GetUnset())
	}
	_, err = run("policy", "set", "warehouse", "firn.compact.sort")
	require.ErrorContains(t, err, "KEY=VALUE")
	_, err = run("compact", "sales.lines", "--as-scheduled")
	require.ErrorContains(t, err, "--dry-run")
}
