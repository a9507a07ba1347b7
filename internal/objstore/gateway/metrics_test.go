package gateway

import (
	"io"
	"slices"
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
	// total adds up a metric's series that have these label values.
	total := func(name string, labels ...string) (sum float64) {
		families, err := registry.Gather()
		require.NoError(t, err)
		for _, f := range families {
			for _, m := range f.GetMetric() {
				var have []string
				for _, l := range m.GetLabel() {
					have = append(have, l.GetValue())
				}
				if f.GetName() == name && slices.Equal(have, labels) {
					sum += m.GetCounter().GetValue()
				}
			}
		}
		return sum
	}
	sent := func() float64 { return total("firn_gateway_sent_bytes_total") }
	before := sent()
	object, err := c.GetObject(t.Context(), "lake", "k", minio.GetObjectOptions{})
	require.NoError(t, err)
	_, err = io.ReadAll(object)
	require.NoError(t, err)
	require.EqualValues(t, 8, sent()-before)
	_, err = c.StatObject(t.Context(), "lake", "k", minio.StatObjectOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 8, sent()-before, "HEAD sends no body")
	const requests = "firn_gateway_requests_total"
	require.EqualValues(t, 1, total(requests, "2xx", "GET"))
	require.EqualValues(t, 1, total(requests, "2xx", "HEAD"))
	require.EqualValues(t, 2, total(requests, "2xx", "PUT"), "the bucket and the object")
}
