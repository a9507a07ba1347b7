package demo

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/harness"
)

// TestDemoOnMinIO runs the same demo with its files in MinIO, starts MinIO again
// on what the demo kept, and opens the lake with `firn dev` against it.
func TestDemoOnMinIO(t *testing.T) {
	data := filepath.Join(t.TempDir(), "lake")
	s, _ := replay(t, data, "--s3", "minio")
	assert.Equal(t, "minio", s.ObjectStore)
	assert.EqualValues(t, rows, s.RowsIn)
	layers(t, s)
	_, err := os.Stat(filepath.Join(data, "s3"))
	require.ErrorIs(t, err, os.ErrNotExist, "no file of the lake is in the embedded gateway")

	store := harness.StartMinIOIn(t, filepath.Join(data, "minio"), "firn-demo", "firn-demo-secret")
	lake := harness.Start(t, data, store.Flags("lake")...)
	t.Run("rows", func(t *testing.T) { equal(t, lake.HTTP) })
	t.Run("pyiceberg", func(t *testing.T) { pyiceberg(t, lake.HTTP) })
	t.Run("time travel", func(t *testing.T) { timeTravel(t, lake.HTTP) })
	t.Run("compact", func(t *testing.T) {
		a := firn(t, lake.HTTP, "compact", "bronze.invoice_lines_raw", "--wait")
		assert.Zero(t, a.code, a.err)
	})
}
