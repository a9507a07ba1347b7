package kills

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/cmd/firn/cli"
	"github.com/firnlake/firn/integration/harness"
	"github.com/firnlake/firn/integration/retail"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// lake is a process with the retail models, and a load that waits for its
// gate.
type lake struct {
	process *process
	source  *source
	keyed   *source
	load    *load
	ledger  string
	seed    uint64
	sent    chan error // of the load
	// ctx ends when the load has failed.
	ctx context.Context
}

// open starts a lake and its senders; of each contributor at most limit rows
// are sent, 0 means all.
func open(t *testing.T, limit int) *lake {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("FIRN_SEED"); text != "" {
		var err error
		seed, err = strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
	}
	t.Logf("repeat with FIRN_SEED=%d", seed)
	dir := t.TempDir()
	if keep := os.Getenv("FIRN_KEEP"); keep != "" {
		dir = filepath.Join(keep, t.Name())
		require.NoError(t, os.MkdirAll(dir, 0o755))
	}
	l := &lake{ledger: filepath.Join(dir, "ledger.jsonl"), seed: seed, keyed: keyedSource(10_000), sent: make(chan error, 1)}
	var err error
	l.source, err = readSource(t.Context(), harness.Source(t), limit)
	require.NoError(t, err)
	l.process, err = newProcess(harness.Binary(t), filepath.Join(dir, "lake"))
	require.NoError(t, err)
	if os.Getenv("S3") == "minio" {
		l.process.keepIn(harness.StartMinIO(t))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("end of the log:\n%s", l.process.tail())
		}
		l.process.stop()
	})
	took, err := l.process.start(t.Context())
	require.NoError(t, err)
	t.Logf("first start: %s", took.Round(time.Millisecond))
	files, err := cli.ReadProject(filepath.Join(harness.Root(t), "docs", "examples", "retail"))
	require.NoError(t, err)
	_, err = connectTo(l.process.base()).models.Apply(t.Context(), connect.NewRequest(&firnv1.ApplyRequest{Files: files}))
	require.NoError(t, err)
	_, err = connectTo(l.process.base()).catalog.CreateTable(t.Context(), connect.NewRequest(&firnv1.CreateTableRequest{
		Table: keyed, Columns: []*firnv1.Column{{Name: "id", Type: "long", Required: true}},
	}))
	require.NoError(t, err)

	book, err := openLedger(l.ledger)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, book.close()) })
	l.load = newLoad(append(slices.Clone(l.source.feeds), l.keyed.feeds...), book, l.process.base())
	ended := make(chan struct{})
	var failed context.CancelCauseFunc
	l.ctx, failed = context.WithCancelCause(t.Context())
	go func() {
		defer close(ended)
		err := l.load.run(t.Context())
		l.sent <- err
		failed(err)
	}()
	t.Cleanup(func() { <-ended }) // runs before the ledger is closed; the test's context has ended
	return l
}

// checkpoint brings the lake to rest and checks all of it.
func (l *lake) checkpoint(t *testing.T) *verdict {
	t.Helper()
	require.NoError(t, drain(t.Context(), connectTo(l.process.base())))
	v, err := judge(t.Context(), l.process, l.source, l.keyed, l.ledger)
	require.NoError(t, err)
	v.log(t, l)
	require.Empty(t, v.problems)
	require.Equal(t, l.source.rows, v.account.Rows)
	require.Equal(t, l.keyed.rows, v.keyed.Rows)
	require.NotZero(t, v.account.Duplicates)
	require.NotZero(t, v.keyed.Duplicates)
	return v
}

// acknowledged counts the rows of the source that were acknowledged so far.
func (l *lake) acknowledged() (rows uint64) {
	acked := l.load.ledger.acknowledged()
	for _, f := range l.source.feeds {
		rows += acked[f.channel]
	}
	return rows
}

// stillSending fails the test when the load has ended.
func (l *lake) stillSending(t *testing.T) {
	t.Helper()
	select {
	case err := <-l.sent:
		t.Fatalf("the load ended before its time: %v", err)
	default:
	}
}

// finish lets the load come to its end.
func (l *lake) finish(t *testing.T) {
	t.Helper()
	l.load.gate.advance(1)
	select {
	case err := <-l.sent:
		require.NoError(t, err)
	case <-time.After(4 * time.Minute):
		t.Fatal("the load has not ended 4 minutes after the last kill")
	}
}

// TestKills sends the whole published file while the process is killed in all
// phases of its work, and then compares everything with everything.
func TestKills(t *testing.T) {
	begin := time.Now()
	kills := 20
	if text := os.Getenv("FIRN_KILLS"); text != "" {
		var err error
		kills, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	l := open(t, 0)
	s := &storm{process: l.process, load: l.load, rng: rand.New(rand.NewPCG(l.seed, 1)), crashes: rand.New(rand.NewPCG(l.seed, 2)), pace: time.Duration(kills) * 1200 * time.Millisecond}
	require.NoError(t, l.process.kill(true)) // before the first row
	// A worker's folder whose process id is taken again, as in a container.
	require.NoError(t, os.MkdirAll(filepath.Join(l.process.data, "tmp", "duck-1-spilled"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(l.process.data, "tmp", "duck-1-spilled", "spill"), []byte("spilled"), 0o644))
	for i, a := range aims(s.rng, kills) {
		s.rng = rand.New(rand.NewPCG(l.seed, uint64(3+i))) // what one kill took does not sway the next
		err := s.life(l.ctx, a)
		l.stillSending(t)
		require.NoError(t, err)
		t.Logf("%6.1fs %s", time.Since(begin).Seconds(), s.strikes[len(s.strikes)-1])
	}
	report(t, s.strikes)
	t.Logf("%6.1fs rows acknowledged under kills: %d of %d", time.Since(begin).Seconds(), l.acknowledged(), l.source.rows)

	took, err := l.process.start(t.Context())
	require.NoError(t, err)
	t.Logf("%6.1fs last start: %s", time.Since(begin).Seconds(), took.Round(time.Millisecond))
	l.finish(t)
	t.Logf("%6.1fs all rows acknowledged", time.Since(begin).Seconds())
	v := l.checkpoint(t)
	t.Logf("%6.1fs at rest; files and ledger checked", time.Since(begin).Seconds())
	differences, err := retail.CheckLake(t.Context(), l.process.base(), harness.Source(t))
	require.NoError(t, err)
	require.Empty(t, differences)
	t.Logf("%6.1fs equal to plain SQL over the published file", time.Since(begin).Seconds())

	plant(t, l, v)
	_, err = l.process.terminate()
	require.NoError(t, err)
	leftovers(t, l.process.data)
}

func (v *verdict) log(t *testing.T, l *lake) {
	a := v.account
	t.Logf("%d answers were lost on their way", l.load.lost.Load())
	t.Logf("by idempotency keys: %d batches acknowledged, %d after retries, %d as duplicates", v.keyed.Acked, v.keyed.Retried, v.keyed.Duplicates)
	t.Logf("by channels: %d batches sent, %d acknowledged (%d after retries, %d as duplicates), %d left unknown by a crash: %d found present, %d absent; %d crashes, %d retries",
		a.Sent, a.Acked, a.Retried, a.Duplicates, a.Unknown, a.FoundPresent, a.FoundAbsent, l.load.crashes.Load(), l.load.retries.Load())
	t.Logf("lake: %d tables, %d retained snapshots, %d manifests, %d files with %d rows read; %d objects reachable, %d not (yet to be collected); %d commits, %d promotions",
		v.tables, v.snapshots, v.manifests, v.files, v.rows, v.reachable, v.unreachable, v.commits, v.promotions)
}

// report prints what the kills hit, and fails when a phase was missed.
func report(t *testing.T, strikes []strike) {
	t.Helper()
	hits := map[string]int{}
	var startups []time.Duration
	for _, k := range strikes {
		if k.inFlight > 0 {
			hits["requests in flight"]++
		}
		if len(k.activity.promotions) > 0 {
			hits["promotion running"]++
		}
		if k.activity.working() {
			hits["compaction at work"]++
		}
		if k.startup == 0 {
			hits["start-up"]++
		} else {
			startups = append(startups, k.startup)
		}
	}
	t.Logf("%d kills hit: %v", len(strikes), hits)
	if len(startups) > 0 {
		slices.Sort(startups)
		t.Logf("start-up after a kill: median %s, longest %s", startups[len(startups)/2].Round(time.Millisecond), startups[len(startups)-1].Round(time.Millisecond))
	}
	if len(strikes) >= 9 {
		for _, phase := range []string{"requests in flight", "promotion running", "compaction at work"} {
			require.GreaterOrEqual(t, hits[phase], 3, phase)
		}
	}
}

// leftovers: what the killed processes had in temporary folders is gone.
func leftovers(t *testing.T, data string) {
	t.Helper()
	var found []string
	var bytes int64
	require.NoError(t, filepath.WalkDir(filepath.Join(data, "tmp"), func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			found, bytes = append(found, path), bytes+info.Size()
		}
		return err
	}))
	require.Empty(t, found, fmt.Sprintf("%d bytes of temporary files stay for ever", bytes))
}

// plant shows that the checks turn red: a data file that is gone, one that is
// cut short, an acknowledged batch that the table has not, a row that it has
// twice.
func plant(t *testing.T, l *lake, v *verdict) {
	t.Helper()
	ctx := t.Context()
	store, err := openObjects(l.process.store)
	require.NoError(t, err)
	location, err := connectTo(l.process.base()).metadata(ctx, bronze)
	require.NoError(t, err)
	check := func() []string {
		c := &fsck{objects: store, column: "row_no"}
		snapshots, _, err := c.check(ctx, location)
		require.NoError(t, err)
		return append(c.problems, v.account.compare(snapshots)...)
	}
	whole, err := store.get(ctx, v.bronzeFile)
	require.NoError(t, err)

	require.NoError(t, store.put(ctx, v.bronzeFile, whole[:len(whole)-1]))
	require.NotEmpty(t, check(), "a file lost a byte")
	require.NoError(t, store.remove(ctx, v.bronzeFile))
	require.NotEmpty(t, check(), "a file is gone")
	require.NoError(t, store.put(ctx, v.bronzeFile, whole))
	require.Empty(t, check(), "the file is back")

	head := v.bronze[len(v.bronze)-1]
	lost := head
	lost.files = head.files[1:]
	require.Contains(t, fmt.Sprint(v.account.compare([]snapshot{lost})), "I1: ")
	twice := head
	twice.files = append(slices.Clone(head.files), head.files[0])
	require.Contains(t, fmt.Sprint(v.account.compare([]snapshot{twice})), "I2: ")
}
