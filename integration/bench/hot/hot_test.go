package hot_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/cmd/firn/sqlstream"
	"github.com/firnlake/firn/integration/bench/hot"
	"github.com/firnlake/firn/integration/bench/report"
	"github.com/firnlake/firn/integration/harness"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// appended is the commits whose latency is measured in each layout.
const appended = 40

// BenchmarkHot is `make bench-hot`. LOADS=retail,zipf chooses, SCALE=0.1 makes the
// Zipf load smaller; only a full run is written.
func BenchmarkHot(b *testing.B) {
	root := harness.Root(b)
	which := cmp.Or(os.Getenv("LOADS"), "retail,zipf")
	scale, err := strconv.ParseFloat(cmp.Or(os.Getenv("SCALE"), "1"), 64)
	require.NoError(b, err)
	r := &hot.Report{Head: report.Begin(root)}
	for name := range strings.SplitSeq(which, ",") {
		var load *hot.Load
		switch name {
		case "retail":
			load, err = hot.Retail(b.Context(), harness.Source(b))
		case "zipf":
			load = hot.Zipf(int(140*scale), 20_000)
		default:
			err = fmt.Errorf("LOADS: %q is neither retail nor zipf", name)
		}
		require.NoError(b, err)
		r.Tables = append(r.Tables, measure(b, load))
	}
	r.End()
	r.Judge()
	r.Print(os.Stdout)
	if which == "retail,zipf" && scale == 1 && !b.Failed() {
		require.NoError(b, r.Write(filepath.Join(root, "docs", "benchmarks")))
	}
	b.ReportMetric(0, "ns/op")
}

// bench is one table on a Firn of its own.
type bench struct {
	*testing.B
	firn    *harness.Firn
	load    *hot.Load
	table   *firnv1.TableRef
	ingest  firnv1connect.IngestServiceClient
	catalog firnv1connect.CatalogServiceClient
	jobs    firnv1connect.MaintenanceServiceClient
	sql     firnv1connect.QueryServiceClient
}

func measure(tb *testing.B, load *hot.Load) *hot.Table {
	tb.Helper()
	f := harness.Start(tb, filepath.Join(tb.TempDir(), "lake"))
	defer f.Stop(tb)
	b := &bench{
		B: tb, firn: f, load: load, table: &firnv1.TableRef{Namespace: []string{"bench"}, Name: load.Name},
		ingest: firnv1connect.NewIngestServiceClient(http.DefaultClient, f.HTTP), catalog: firnv1connect.NewCatalogServiceClient(http.DefaultClient, f.HTTP),
		jobs: firnv1connect.NewMaintenanceServiceClient(http.DefaultClient, f.HTTP), sql: firnv1connect.NewQueryServiceClient(http.DefaultClient, f.HTTP),
	}
	_, err := b.catalog.CreateNamespace(b.Context(), connect.NewRequest(&firnv1.CreateNamespaceRequest{Namespace: &firnv1.Namespace{Levels: b.table.GetNamespace()}}))
	require.NoError(b, err)
	// Only jobs that are asked for, so that each layout is what it says.
	_, err = b.catalog.CreateTable(b.Context(), connect.NewRequest(&firnv1.CreateTableRequest{
		Table: b.table, Columns: load.Columns, PartitionBy: []string{load.Partition},
		Properties: map[string]string{"firn.compact.enabled": "false", "write.target-file-size-bytes": strconv.FormatInt(load.Target, 10), "firn.compact.row-hash": "true"},
	}))
	require.NoError(b, err)
	out := &hot.Table{Name: load.Name, Text: load.Text, Rows: load.Rows(), Hot: load.Hot}
	if len(load.Batches) <= appended {
		b.Fatalf("%d batches are too few", len(load.Batches))
	}
	for _, batch := range load.Batches[:len(load.Batches)-appended] {
		b.append(batch)
	}
	for _, name := range []string{hot.Ingested, hot.Compacted, hot.Clustered, hot.Bucketed} {
		l := &hot.Layout{Name: name}
		before := b.sum()
		begin := time.Now()
		switch name {
		case hot.Compacted:
			l.Read, _ = b.job(&firnv1.SubmitJobRequest{Kind: firnv1.JobKind_JOB_KIND_COMPACT})
		case hot.Clustered:
			l.Read, l.Detail = b.job(&firnv1.SubmitJobRequest{Kind: firnv1.JobKind_JOB_KIND_REBALANCE, Step: "cluster"})
		case hot.Bucketed:
			l.Read, l.Detail = b.job(&firnv1.SubmitJobRequest{Kind: firnv1.JobKind_JOB_KIND_REBALANCE, Step: "bucket"})
		}
		l.Seconds = time.Since(begin).Seconds()
		require.Equal(b, before, b.sum(), "the rows are others after %s", name)
		b.look(l, out)
		out.Layouts = append(out.Layouts, l)
		b.Logf("%s: %s: %+v", load.Name, name, *l)
	}
	return out
}

// append commits one batch, and answers how long that took.
func (b *bench) append(batch arrow.RecordBatch) time.Duration {
	b.Helper()
	payload, err := hot.Payload(batch)
	require.NoError(b, err)
	begin := time.Now()
	_, err = b.ingest.Append(b.Context(), connect.NewRequest(&firnv1.AppendRequest{Table: b.table, Rows: &firnv1.AppendRequest_ArrowIpc{ArrowIpc: payload}}))
	require.NoError(b, err)
	return time.Since(begin)
}

// job runs one and answers the bytes that it read, and what its proof says.
func (b *bench) job(request *firnv1.SubmitJobRequest) (read uint64, detail string) {
	b.Helper()
	request.Table = b.table
	answer, err := b.jobs.SubmitJob(b.Context(), connect.NewRequest(request))
	require.NoError(b, err)
	stream, err := b.jobs.WatchJob(b.Context(), connect.NewRequest(&firnv1.WatchJobRequest{Id: answer.Msg.GetJob().GetId()}))
	require.NoError(b, err)
	defer stream.Close()
	var last *firnv1.Job
	for stream.Receive() {
		last = stream.Msg().GetJob()
	}
	require.NoError(b, stream.Err())
	require.Equal(b, firnv1.JobState_JOB_STATE_SUCCEEDED, last.GetState(), last.GetError())
	return last.GetBytesIn(), last.GetProof()["fix_1"]
}

// look measures a layout, and then appends to it.
func (b *bench) look(l *hot.Layout, t *hot.Table) {
	b.Helper()
	h, err := b.jobs.GetHotPartitions(b.Context(), connect.NewRequest(&firnv1.GetHotPartitionsRequest{Table: b.table}))
	require.NoError(b, err)
	l.Skew = h.Msg.GetSkew()
	info, err := b.catalog.GetTable(b.Context(), connect.NewRequest(&firnv1.GetTableRequest{Table: b.table}))
	require.NoError(b, err)
	l.Files = info.Msg.GetSummary().GetDataFiles()
	for _, p := range info.Msg.GetPartitions() {
		for _, f := range p.GetValues() {
			if f.GetValue() == b.load.Hot {
				l.HotFiles += p.GetFiles()
				if l.Name == hot.Ingested {
					t.Share = p.GetShare()
				}
			}
		}
	}
	if l.Name == hot.Ingested {
		t.Partitions = int(h.Msg.GetPartitions())
		require.NotEmpty(b, h.Msg.GetHot(), "the detector sees nothing")
		require.Equal(b, b.load.Hot, h.Msg.GetHot()[0].GetPartition()[0].GetValue())
	}
	b.plan(l)
	var times []float64
	for i, v := range b.load.Lookups {
		// The first column is asked for twice as often.
		for _, value := range v.Of[:len(v.Of)/(i+1)] {
			text := fmt.Sprint(value)
			if s, ok := value.(string); ok {
				text = "'" + strings.ReplaceAll(s, "'", "''") + "'"
			}
			begin := time.Now()
			require.Positive(b, b.query(fmt.Sprintf(`SELECT count(*) FROM bench.%s WHERE "%s" = '%s' AND "%s" = %s`, b.load.Name, b.load.Partition, b.load.Hot, v.Column, text)))
			times = append(times, time.Since(begin).Seconds()*1000)
		}
	}
	slices.Sort(times)
	l.Query = times[len(times)/2]
	times = nil
	for _, batch := range b.load.Batches[len(b.load.Batches)-appended:] {
		times = append(times, b.append(batch).Seconds()*1000)
	}
	slices.Sort(times)
	l.CommitP50, l.CommitP95 = times[len(times)/2], times[len(times)*95/100]
}

// plan lets PyIceberg plan the lookups.
func (b *bench) plan(l *hot.Layout) {
	b.Helper()
	values := map[string][]any{}
	for _, v := range b.load.Lookups {
		values[v.Column] = v.Of
	}
	input, err := json.Marshal(values)
	require.NoError(b, err)
	partition, err := json.Marshal(map[string]string{"field": b.load.Partition, "value": b.load.Hot})
	require.NoError(b, err)
	cmd := exec.CommandContext(b.Context(), harness.Python(b), "plan.py", b.firn.HTTP, "bench."+b.load.Name, string(partition))
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	text, err := cmd.Output()
	require.NoError(b, err, stderr.String())
	var out map[string]hot.Lookup
	require.NoError(b, json.Unmarshal(text, &out))
	for _, v := range b.load.Lookups {
		x := out[v.Column]
		x.Column = v.Column
		l.Lookups = append(l.Lookups, x)
	}
}

// query answers the number that a statement gives.
func (b *bench) query(sql string) int64 {
	b.Helper()
	s, err := sqlstream.Open(b.Context(), b.sql, &firnv1.QueryRequest{Sql: sql})
	require.NoError(b, err, sql)
	defer s.Close()
	var n int64
	for s.Next() {
		n = s.Batch().Column(0).(*array.Int64).Value(0)
	}
	require.NoError(b, s.Err(), sql)
	return n
}

// sum is a hash over all rows.
func (b *bench) sum() string {
	b.Helper()
	var columns []string
	for _, c := range b.load.Columns {
		columns = append(columns, `"`+c.GetName()+`"`)
	}
	sql := fmt.Sprintf(`SELECT count(*)::VARCHAR || ' ' || sum(hash(%s)::HUGEINT)::VARCHAR FROM bench.%s`, strings.Join(columns, ", "), b.load.Name)
	s, err := sqlstream.Open(context.WithoutCancel(b.Context()), b.sql, &firnv1.QueryRequest{Sql: sql})
	require.NoError(b, err)
	defer s.Close()
	var out string
	for s.Next() {
		out = s.Batch().Column(0).ValueStr(0)
	}
	require.NoError(b, s.Err())
	return out
}
