package compaction_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/engines"
)

// sparkDeadline is how long one of Spark's jobs may take. What does not end has no
// figure, and says so.
const sparkDeadline = 4 * time.Minute

// spark is Spark's own procedure, in a JVM that runs and has done it before.
func spark() contender {
	warm := false
	return func(b *testing.B, m *made) (compaction.Outcome, error) {
		b.Helper()
		engines.Deadline = sparkDeadline
		if !warm {
			small := prepare(b, input{name: "warm-up", files: 6, rows: 20_000, version: 2, sorted: true})
			_, err := onLake(rewriteDataFiles)(b, small)
			require.NoError(b, err)
			require.NoError(b, os.RemoveAll(filepath.Dir(small.lake)))
			warm = true
		}
		return onLake(rewriteDataFiles)(b, m)
	}
}

func rewriteDataFiles(b *testing.B, m *made, lake *engines.Lake) (compaction.Outcome, error) {
	b.Helper()
	s := lake.On(b, engines.Spark)
	pid, err := strconv.Atoi(s.Python(b, "spark._jvm.java.lang.ProcessHandle.current().pid()").Cell(0, 0))
	require.NoError(b, err)
	strategy := "binpack"
	if m.sorted {
		strategy = "sort" // by the table's order
	}
	settle(lake.PID)
	settle(pid)
	watch := observe(b, pid)
	err = s.TryExec(b.Context(), fmt.Sprintf("CALL %s.system.rewrite_data_files(table => '%s.%s', strategy => '%s')", s.Catalog, namespace, name, strategy))
	o := watch.outcome()
	o.Detail, o.Worker = s.Version(), 0 // its child is no worker of Firn
	return o, err
}
