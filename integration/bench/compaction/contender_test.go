package compaction_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/bench/compaction"
	"github.com/firnlake/firn/integration/bench/host"
	"github.com/firnlake/firn/integration/engines"
	"github.com/firnlake/firn/integration/harness"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
)

// contender compacts a copy of an input. An error is shown in its row, beside the
// figures when it is only that rows are not in order.
type contender func(b *testing.B, m *made) (compaction.Outcome, error)

// onLake makes a contender of what compacts a table of a running lake.
func onLake(do func(b *testing.B, m *made, lake *engines.Lake) (compaction.Outcome, error)) contender {
	return func(b *testing.B, m *made) (compaction.Outcome, error) {
		b.Helper()
		dir := m.copyTo(b)
		defer os.RemoveAll(dir)
		lake := engines.OpenLake(b, dir)
		defer lake.Stop(b)
		o, err := do(b, m, lake)
		if err != nil {
			return o, err
		}
		paths, size := live(b, lake)
		o.Files, o.Bytes = len(paths), size
		if err := same(b, lake, m.left); err != nil {
			return o, err
		}
		if len(paths) >= m.files {
			return o, fmt.Errorf("%d files are left of %d", len(paths), m.files)
		}
		if m.sorted {
			return o, inOrder(b, paths)
		}
		return o, nil
	}
}

// firn is Firn's own job, with properties of the table.
func firn(tier string, properties map[string]string) contender {
	return onLake(func(b *testing.B, m *made, lake *engines.Lake) (compaction.Outcome, error) {
		b.Helper()
		if len(properties) > 0 {
			set(b, lake, properties)
		}
		settle(lake.PID)
		watch := observe(b, lake.PID)
		job, err := compact(b, lake)
		o := watch.outcome()
		if err == nil && tier != "" && job.GetTier() != tier {
			err = fmt.Errorf("the job took the tier %q", job.GetTier())
		}
		if err == nil && job.GetFilesIn() != uint64(m.files) {
			err = fmt.Errorf("the job took %d files of %d", job.GetFilesIn(), m.files)
		}
		o.Detail = job.GetTier() + ", " + job.GetProof()["cpu"]
		return o, err
	})
}

// set sets properties of the table.
func set(b *testing.B, lake *engines.Lake, properties map[string]string) {
	b.Helper()
	require.NoError(b, post(b.Context(), lake.HTTP+"/v1/namespaces/"+namespace+"/tables/"+name,
		object{"requirements": []any{}, "updates": []any{object{"action": "set-properties", "updates": properties}}}))
}

// compact asks for a job and waits for its end.
func compact(b *testing.B, lake *engines.Lake) (*firnv1.Job, error) {
	b.Helper()
	jobs := firnv1connect.NewMaintenanceServiceClient(http.DefaultClient, lake.HTTP)
	submitted, err := jobs.SubmitJob(b.Context(), connect.NewRequest(&firnv1.SubmitJobRequest{
		Table: &firnv1.TableRef{Namespace: []string{namespace}, Name: name}, Kind: firnv1.JobKind_JOB_KIND_COMPACT,
	}))
	if err != nil {
		return nil, err
	}
	watch, err := jobs.WatchJob(b.Context(), connect.NewRequest(&firnv1.WatchJobRequest{Id: submitted.Msg.GetJob().GetId()}))
	if err != nil {
		return nil, err
	}
	defer watch.Close()
	var job *firnv1.Job
	for watch.Receive() {
		job = watch.Msg().GetJob()
	}
	if err := watch.Err(); err != nil {
		return nil, err
	}
	if job.GetState() != firnv1.JobState_JOB_STATE_SUCCEEDED {
		return nil, fmt.Errorf("the compaction ended as %s: %s", job.GetState(), job.GetError())
	}
	return job, nil
}

// icebergGo is a process of its own, on the files of the lake.
func icebergGo(peer string) contender {
	return onLake(func(b *testing.B, _ *made, lake *engines.Lake) (compaction.Outcome, error) {
		b.Helper()
		return child(b, nil, peer, "iceberg-go", "-catalog", lake.HTTP, "-folder", string(storage(lake)), "-table", namespace+"."+name, "-target", fmt.Sprint(target))
	})
}

// byteCopy joins the files' bytes.
func byteCopy(peer string) contender {
	return func(b *testing.B, m *made) (compaction.Outcome, error) {
		b.Helper()
		return child(b, strings.NewReader(strings.Join(m.paths, "\n")), peer, "bytes", "-out", filepath.Join(b.TempDir(), "out"))
	}
}

// child runs a process that prints an outcome.
func child(b *testing.B, in *strings.Reader, program string, args ...string) (o compaction.Outcome, err error) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), program, args...)
	var stdout, stderr bytes.Buffer
	if in != nil {
		cmd.Stdin = in
	}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return o, errors.New(strings.TrimSpace(stderr.String() + " " + err.Error()))
	}
	return o, json.Unmarshal(stdout.Bytes(), &o)
}

// duckDB is a plain COPY, by the wheel.
func duckDB(b *testing.B, m *made) (o compaction.Outcome, err error) {
	b.Helper()
	out := filepath.Join(b.TempDir(), "out.parquet")
	defer os.Remove(out)
	order := ""
	if m.sorted {
		order = "id"
	}
	job, err := json.Marshal(object{"paths": m.paths, "out": out, "order": order, "checks": checks})
	require.NoError(b, err)
	cmd := exec.CommandContext(b.Context(), harness.Python(b), filepath.Join(harness.Root(b), "integration", "bench", "compaction", "copy.py"))
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(job), &stderr
	printed, err := cmd.Output()
	if err != nil {
		return o, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var answer struct {
		compaction.Outcome
		Checks []string `json:"checks"`
	}
	if err := json.Unmarshal(printed, &answer); err != nil {
		return o, err
	}
	o = answer.Outcome
	if m.deletes != "" {
		o.Detail += ", deletes not applied"
		return o, nil
	}
	if err := compare(answer.Checks, m.left); err != nil {
		return o, err
	}
	if m.sorted {
		return o, inOrder(b, []string{out})
	}
	return o, nil
}

// settle waits until a process does nothing, up to ten seconds.
func settle(pid int) {
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	before := host.TreeCPU(pid)
	for range 30 {
		<-tick.C
		now := host.TreeCPU(pid)
		if now-before <= 10*time.Millisecond {
			return
		}
		before = now
	}
}

// observation is of a process and its children while they work.
type observation struct {
	pid    int
	begin  time.Time
	before time.Duration
	stop   chan struct{}
	peaks  chan [2]int64
}

// observe begins an observation: the memory of all together is looked at twenty
// times a second, of each child the kernel's own peak.
func observe(b *testing.B, pid int) *observation {
	b.Helper()
	w := &observation{pid: pid, stop: make(chan struct{}), peaks: make(chan [2]int64)}
	for _, p := range append(host.Children(pid), pid) {
		_ = host.ResetPeak(p) // a worker may have ended
	}
	go func() {
		var all, worker int64
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for done := false; !done; {
			sum := host.Resident(pid)
			for _, c := range host.Children(pid) {
				sum += host.Resident(c)
				worker = max(worker, host.Peak(c))
			}
			all = max(all, sum)
			select {
			case <-w.stop:
				done = true
			case <-tick.C:
			}
		}
		w.peaks <- [2]int64{max(all, host.Peak(pid)), worker}
	}()
	w.begin, w.before = time.Now(), host.TreeCPU(pid)
	return w
}

func (w *observation) outcome() (o compaction.Outcome) {
	o.Wall, o.CPU = time.Since(w.begin).Seconds(), (host.TreeCPU(w.pid) - w.before).Seconds()
	close(w.stop)
	peaks := <-w.peaks
	o.Peak, o.Worker = peaks[0], peaks[1]
	return o
}
