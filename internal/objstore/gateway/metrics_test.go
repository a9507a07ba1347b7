package gateway

import (
	"io"
	"strings"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestMetricsCountWhatClientsAsk(t *testing.T) {
	registry := prometheus.NewRegistry()
	cfg := config(t)
	cfg.Registerer = registry
	g := startGateway(t, cfg)
	c := client(t, g)
	require.NoError(t, c.MakeBucket(t.Context(), "lake", minio.MakeBucketOptions{}))
	_, err := c.PutObject(t.Context(), "lake", "k", strings.NewReader("12345678"), 8, minio.PutObjectOptions{})
	require.NoError(t, err)
	family := func(name string) (series int, total float64) {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			if f.GetName() != name {
				continue
			}
			for _, m := range f.GetMetric() {
				series++
				total += m.GetCounter().GetValue()
			}
		}
		return series, total
	}
	sent := func() float64 {
		_, total := family("firn_gateway_sent_bytes_total")
		return total
	}
	before := sent()
	object, err := c.GetObject(t.Context(), "lake", "k", minio.GetObjectOptions{})
	require.NoError(t, err)
	_, err = io.ReadAll(object)
	require.NoError(t, err)
	require.EqualValues(t, 8, sent()-before)
	_, err = c.StatObject(t.Context(), "lake", "k", minio.StatObjectOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 8, sent()-before, "HEAD sends no body")
	series, total := family("firn_gateway_requests_total")
	require.Equal(t, 3, series, "PUT, GET and HEAD, all well")
	require.GreaterOrEqual(t, total, 4.0)
}
