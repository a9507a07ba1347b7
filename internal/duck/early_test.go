package duck_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A worker's start was 95 ms of CPU time, and is 30 ms since nothing that it
// imports reads YAML first.
func TestWorkersStartWithoutWhatTheyDoNotNeed(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-tags", "duckdb_arrow", "-deps", ".").Output()
	require.NoError(t, err)
	for path := range strings.FieldsSeq(string(out)) {
		for _, heavy := range []string{"github.com/apache/iceberg-go", "github.com/substrait-io", "github.com/versity"} {
			require.False(t, strings.HasPrefix(path, heavy), "internal/duck imports %s: see early.go", path)
		}
	}
}
