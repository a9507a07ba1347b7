package compaction_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/readings"
	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/integration/engines"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

const (
	streamPartitions = 4
	streamRows       = 2000 // of a commit
	// drainWithin is how long after the last commit the planner may look at a
	// partition again: a multiple of its time of quiet, and some.
	drainWithin = 3 * time.Minute
)

// stream commits once a second, to one partition after the other, while Firn
// compacts by its own policy, and asks the snapshots how long files waited.
func (r *run) stream(b *testing.B, lasts time.Duration) {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "lake")
	defer os.RemoveAll(dir)
	lake := engines.OpenLake(b, dir)
	defer lake.Stop(b)
	// All snapshots stay, to be asked.
	create(b, lake, input{version: 2}, true, object{"firn.compact.enabled": "true", "firn.expire.max-snapshots": "1000000"})
	s := &compaction.Stream{Partitions: streamPartitions}
	r.report.Stream = s
	ingest := firnv1connect.NewIngestServiceClient(http.DefaultClient, lake.HTTP)
	begin := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var want sums
	for ; time.Since(begin) < lasts; s.Commits++ {
		payload := want.payload(b, s.Commits)
		_, err := ingest.Append(b.Context(), connect.NewRequest(&firnv1.AppendRequest{
			Table: &firnv1.TableRef{Namespace: []string{namespace}, Name: name}, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: payload},
		}))
		if err != nil {
			s.Conflicts++
			b.Logf("stream: commit %d: %v", s.Commits, err)
		}
		<-tick.C
	}
	s.Seconds = time.Since(begin).Seconds()
	for end := time.Now(); time.Since(end) < drainWithin; {
		<-tick.C
		if paths, _ := live(b, lake); len(paths) <= streamPartitions {
			break
		}
	}
	if s.Conflicts == 0 {
		require.NoError(b, same(b, lake, want))
	}
	waits := history(states(b, load(b, lake)), time.Now().UnixMilli(), s)
	s.P50, s.P95 = report.Percentile(waits, 0.5), report.Percentile(waits, 0.95)
	s.Most = report.Percentile(waits, 1)
	b.Logf("stream: %+v", *s)
}

// payload is a commit's rows, as an Arrow stream, all of one partition.
func (s *sums) payload(b *testing.B, commit int) []byte {
	b.Helper()
	batch := readings.Batch(commit*streamRows, streamRows)
	defer batch.Release()
	s.add(batch, func(int) bool { return false })
	sensors := array.NewStringBuilder(memory.DefaultAllocator)
	for range streamRows {
		sensors.Append("s" + strconv.Itoa(commit%streamPartitions))
	}
	columns := slices.Clone(batch.Columns())
	columns[0] = sensors.NewArray()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(batch.Schema()))
	require.NoError(b, w.Write(array.NewRecordBatch(batch.Schema(), columns, streamRows)))
	require.NoError(b, w.Close())
	return out.Bytes()
}

// state is the table at one of its snapshots.
type state struct {
	append bool // is what the snapshot did; else it compacted
	at     int64
	files  map[string]bool
}

// states are the snapshots of a table, oldest first.
func states(b *testing.B, tbl *table.Table) (out []state) {
	b.Helper()
	snapshots := slices.SortedFunc(slices.Values(tbl.Metadata().Snapshots()), func(x, y table.Snapshot) int {
		return cmp.Compare(x.SequenceNumber, y.SequenceNumber)
	})
	require.NotEmpty(b, snapshots)
	for _, snapshot := range snapshots {
		files, err := filesOf(b.Context(), tbl, snapshot.SnapshotID)
		require.NoError(b, err)
		out = append(out, state{snapshot.Summary.Operation == table.OpAppend, snapshot.TimestampMs, files})
	}
	return out
}

// history goes through the snapshots, and answers how many seconds each file that
// a commit added waited until a compaction took it. One that none took has waited
// until now, in milliseconds.
func history(snapshots []state, now int64, s *compaction.Stream) (waits []float64) {
	added := map[string]int64{}
	var before map[string]bool
	var lastCommit, lastJob int64
	for _, snapshot := range snapshots {
		if snapshot.append {
			lastCommit = snapshot.at
			for path := range snapshot.files {
				if !before[path] {
					added[path] = snapshot.at
				}
			}
		} else {
			s.Jobs++
			lastJob = snapshot.at
		}
		for path, since := range added {
			if !snapshot.files[path] {
				waits = append(waits, float64(snapshot.at-since)/1000)
				delete(added, path)
			}
		}
		s.Backlog, s.Left = max(s.Backlog, len(snapshot.files)), len(snapshot.files)
		before = snapshot.files
	}
	for _, since := range added {
		s.Untaken++
		waits = append(waits, float64(now-since)/1000)
	}
	s.Drain = max(float64(lastJob-lastCommit)/1000, 0)
	return waits
}

func filesOf(ctx context.Context, tbl *table.Table, snapshot int64) (map[string]bool, error) {
	tasks, err := tbl.Scan(table.WithSnapshotID(snapshot)).PlanFiles(ctx)
	if err != nil {
		return nil, fmt.Errorf("files of snapshot %d: %w", snapshot, err)
	}
	files := map[string]bool{}
	for _, t := range tasks {
		files[t.File.FilePath()] = true
	}
	return files, nil
}
