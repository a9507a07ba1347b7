package engines_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"connectrpc.com/connect"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/integration/engines"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/proto/firn/v1/firnv1connect"
	"github.com/firnlake/firn/writer/client"
)

// How long an engine and Firn work on the same tables.
const together = 50 * time.Second

// retained snapshots of each table; far more are made.
const retained = 60

// The rows are id, part and value. Part says who writes: Firn, the engine, and
// the engine that replaces the whole part. Ids of the engine begin at engineIDs.
const (
	engineIDs = 1 << 40
	batchRows = 40
)

var (
	events = []string{"bronze", "events"} // only appended to, and promoted to silver.events
	shared = []string{"bronze", "shared"} // changed in every way
)

// project promotes what Firn and the engine append.
var project = map[string]string{
	"firn.yml":          "project: together\nlayers: { bronze: bronze, silver: silver, gold: gold }\n",
	"bronze/events.yml": "kind: source\nname: bronze.events\nappend_only: enforced\nlane: part\nrow_id: id\npartition_by: [part]\ncolumns:\n  id: long not null\n  part: string not null\n  value: long\n",
	"silver/events.sql": "/*---\nkind: model\nname: silver.events\nmaterialize: { mode: upsert, key: [id], keep: latest, order_by: [value] }\nread: { bronze.events: { as: appends } }\ntrigger: { on: source_commit, min_interval: 1s }\n---*/\nSELECT id, part, value FROM bronze.events\n",
}

// operation is what an engine does to rows of its own, in its language. A nil
// one it cannot do.
type operations struct {
	// add appends rows [from, to) of part engine, with the value, to a table.
	add func(path []string, from, to, value int) string
	// remove deletes [from, to) of part engine from the shared table.
	remove func(from, to int) string
	// merge gives [from, to) of part engine a value, whether they are there or not.
	merge func(from, to, value int) string
	// replace overwrites part whole by [from, to).
	replace func(from, to, value int) string
	// conflicts are the words by which the engine reports one.
	conflicts []string
}

// book is what was acknowledged: the rows that have to be there at the end.
type book struct {
	mu     sync.Mutex
	tables map[string]map[int]string // table -> id -> part and value
	done   map[string]int            // by operation
	lost   map[string]int            // conflicts
	waited time.Duration             // the longest from the first try to success
}

func (b *book) apply(path []string, change func(rows map[int]string)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := strings.Join(path, ".")
	if b.tables[name] == nil {
		b.tables[name] = map[int]string{}
	}
	change(b.tables[name])
}

func fill(rows map[int]string, part string, from, to, value int) {
	for id := from; id < to; id++ {
		rows[id] = fmt.Sprintf("%q | %d", part, value)
	}
}

// pairing is Firn and an engine at work on the same tables.
type pairing struct {
	lake   *engines.Lake
	engine *engines.Session
	ops    operations
	book   *book
	until  time.Time
	broken context.CancelCauseFunc
}

// workTogether is the journey of an engine.
func workTogether(t *testing.T, lake *engines.Lake, engine *engines.Session, ops operations) {
	ctx, broken := context.WithCancelCause(t.Context())
	defer broken(nil)
	p := &pairing{lake: lake, engine: engine, ops: ops, broken: broken, book: &book{tables: map[string]map[int]string{}, done: map[string]int{}, lost: map[string]int{}}}
	p.prepare(t)
	p.until = time.Now().Add(together)
	var work sync.WaitGroup
	run := func(what string, f func(ctx context.Context) error) {
		work.Go(func() {
			if err := f(ctx); err != nil && ctx.Err() == nil {
				broken(fmt.Errorf("%s: %w", what, err))
			}
		})
	}
	run("ingest events", func(ctx context.Context) error { return p.ingest(ctx, events) })
	run("ingest shared", func(ctx context.Context) error { return p.ingest(ctx, shared) })
	run("maintain", p.maintain)
	run("engine", p.write)
	work.Wait()
	require.NoError(t, context.Cause(ctx))
	t.Logf("%s: done %v, conflicts %v, longest wait %s", engine.Engine, p.book.done, p.book.lost, p.book.waited.Round(time.Millisecond))
	p.judge(t)
}

func (p *pairing) prepare(t *testing.T) {
	t.Helper()
	var files []*firnv1.ModelFile
	for _, path := range slices.Sorted(maps.Keys(project)) {
		files = append(files, &firnv1.ModelFile{Path: path, Text: project[path]})
	}
	_, err := firnv1connect.NewModelServiceClient(http.DefaultClient, p.lake.HTTP).Apply(t.Context(), connect.NewRequest(&firnv1.ApplyRequest{Files: files}))
	require.NoError(t, err)
	_, err = firnv1connect.NewCatalogServiceClient(http.DefaultClient, p.lake.HTTP).CreateTable(t.Context(), connect.NewRequest(&firnv1.CreateTableRequest{
		Table:       &firnv1.TableRef{Namespace: shared[:1], Name: shared[1]},
		Columns:     []*firnv1.Column{{Name: "id", Type: "long", Required: true}, {Name: "part", Type: "string", Required: true}, {Name: "value", Type: "long"}},
		PartitionBy: []string{"part"},
	}))
	require.NoError(t, err)
	for _, path := range [][]string{events, shared, {"silver", "events"}} {
		// A statement that lasts longer than its first snapshot is retained has to
		// fail, and engines do not call that a conflict: 60 are some 15 s.
		commitUpdates(t, p.lake, path, map[string]any{"action": "set-properties", "updates": map[string]string{
			"firn.expire.max-snapshots": strconv.Itoa(retained), "firn.compact.min-input-files": "3", "firn.compact.row-hash": "true",
			"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "write.merge.mode": "merge-on-read",
			"write.delete.isolation-level": "snapshot", "write.merge.isolation-level": "snapshot", "commit.retry.num-retries": "8",
		}})
	}
}

// ingest sends batches until the time is over, each acknowledged.
func (p *pairing) ingest(ctx context.Context, path []string) error {
	c, err := client.Open(ctx, client.Config{
		Ingest: firnv1connect.NewIngestServiceClient(http.DefaultClient, p.lake.HTTP), Channel: "firn", Table: &firnv1.TableRef{Namespace: path[:1], Name: path[1]},
	})
	if err != nil {
		return err
	}
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for from := 0; time.Now().Before(p.until); from += batchRows {
		<-tick.C
		lines := make([]string, batchRows)
		for i := range lines {
			lines[i] = fmt.Sprintf(`{"id": %d, "part": "firn", "value": %d}`, from+i, 1)
		}
		if _, err := c.SendLines(ctx, lines, ""); err != nil {
			return err
		}
		p.book.apply(path, func(rows map[int]string) { fill(rows, "firn", from, from+batchRows, 1) })
		p.book.count(p.book.done, "ingest "+path[1])
	}
	return nil
}

func (b *book) count(in map[string]int, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	in[what]++
}

// maintain asks for all kinds of maintenance, again and again.
func (p *pairing) maintain(ctx context.Context) error {
	jobs := firnv1connect.NewMaintenanceServiceClient(http.DefaultClient, p.lake.HTTP)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for time.Now().Before(p.until) {
		<-tick.C
		for _, path := range [][]string{events, shared} {
			for _, kind := range []firnv1.JobKind{firnv1.JobKind_JOB_KIND_COMPACT, firnv1.JobKind_JOB_KIND_EXPIRE, firnv1.JobKind_JOB_KIND_ORPHANS} {
				answer, err := jobs.SubmitJob(ctx, connect.NewRequest(&firnv1.SubmitJobRequest{Kind: kind, Table: &firnv1.TableRef{Namespace: path[:1], Name: path[1]}}))
				if err != nil {
					return err
				}
				if err := p.finish(ctx, jobs, answer.Msg.GetJob().GetId()); err != nil {
					return err
				}
				p.book.count(p.book.done, strings.ToLower(strings.TrimPrefix(kind.String(), "JOB_KIND_"))+" "+path[1])
			}
		}
	}
	return nil
}

// finish waits for a job, which must succeed: an engine's commits cost it work, but
// never its end.
func (p *pairing) finish(ctx context.Context, jobs firnv1connect.MaintenanceServiceClient, id string) error {
	stream, err := jobs.WatchJob(ctx, connect.NewRequest(&firnv1.WatchJobRequest{Id: id}))
	if err != nil {
		return err
	}
	defer stream.Close()
	for stream.Receive() {
		switch j := stream.Msg().GetJob(); j.GetState() {
		case firnv1.JobState_JOB_STATE_SUCCEEDED:
			return nil
		case firnv1.JobState_JOB_STATE_FAILED, firnv1.JobState_JOB_STATE_CANCELLED:
			return fmt.Errorf("%s of %s: %s", j.GetKind(), j.GetTable().GetName(), j.GetError())
		}
	}
	return errors.Join(stream.Err(), ctx.Err())
}

// write has the engine change the tables, one operation after another; one that
// loses is tried again at once.
func (p *pairing) write(ctx context.Context) error {
	const rows = 20
	from := engineIDs
	for round := 0; time.Now().Before(p.until); round++ {
		at, to, old := from, from+rows, from-rows
		from = to
		steps := []struct {
			what, statement string
			path            []string
			change          func(map[int]string)
		}{
			{"append events", p.ops.add(events, at, to, round), events, func(r map[int]string) { fill(r, "engine", at, to, round) }},
			{"append shared", p.ops.add(shared, at, to, round), shared, func(r map[int]string) { fill(r, "engine", at, to, round) }},
		}
		if round > 0 {
			steps = append(steps, []struct {
				what, statement string
				path            []string
				change          func(map[int]string)
			}{
				{"delete", p.ops.remove(old, old+5), shared, func(r map[int]string) {
					for id := old; id < old+5; id++ {
						delete(r, id)
					}
				}},
				{"merge", p.ops.merge(old+3, old+8, -round), shared, func(r map[int]string) { fill(r, "engine", old+3, old+8, -round) }},
			}...)
		}
		if p.ops.replace != nil {
			steps = append(steps, struct {
				what, statement string
				path            []string
				change          func(map[int]string)
			}{"overwrite", p.ops.replace(2*engineIDs+round, 2*engineIDs+round+3, round), shared, func(r map[int]string) {
				maps.DeleteFunc(r, func(id int, _ string) bool { return id >= 2*engineIDs })
				fill(r, "whole", 2*engineIDs+round, 2*engineIDs+round+3, round)
			}})
		}
		for _, s := range steps {
			if err := p.insist(ctx, s.what, s.statement); err != nil {
				return err
			}
			p.book.apply(s.path, s.change)
		}
	}
	return nil
}

// insist runs a statement until it succeeds; only conflicts may come before.
func (p *pairing) insist(ctx context.Context, what, statement string) error {
	begin := time.Now()
	for {
		err := p.engine.TryExec(ctx, statement)
		if err == nil {
			break
		}
		if !slices.ContainsFunc(p.ops.conflicts, func(words string) bool { return strings.Contains(err.Error(), words) }) {
			return fmt.Errorf("%s: no conflict, as the engine tells it: %w", what, err)
		}
		p.book.count(p.book.lost, what)
		if time.Since(begin) > time.Minute {
			return fmt.Errorf("%s starves: for a minute it has met nothing but conflicts: %w", what, err)
		}
	}
	p.book.count(p.book.done, what)
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	p.book.waited = max(p.book.waited, time.Since(begin))
	return nil
}

// judge compares what is there with the book.
func (p *pairing) judge(t *testing.T) {
	t.Helper()
	kinds := []string{"append events", "append shared", "delete", "merge"}
	if p.ops.replace != nil {
		kinds = append(kinds, "overwrite")
	}
	for _, kind := range kinds {
		assert.GreaterOrEqual(t, p.book.done[kind], 3, kind)
	}
	for _, kind := range []string{"compact", "expire", "orphans"} {
		assert.NotZero(t, p.book.done[kind+" events"], kind)
		assert.NotZero(t, p.book.done[kind+" shared"], kind)
	}
	p.promoteAll(t)
	p.expireAll(t)
	p.book.tables["silver.events"] = p.book.tables["bronze.events"]
	firn := p.lake.On(t, engines.Firn)
	for name, rows := range p.book.tables {
		path := strings.Split(name, ".")
		want := engines.Rows{Columns: []string{"id", "part", "value"}}
		for _, id := range slices.Sorted(maps.Keys(rows)) {
			part, value, _ := strings.Cut(rows[id], " | ")
			want.Values = append(want.Values, []string{strconv.Itoa(id), part, value})
		}
		got := p.lake.Independent(t, path...).Only(want.Columns...)
		assert.True(t, engines.Same(t, want, got), "nothing lost, nothing twice, by the files of "+name)
		assert.True(t, engines.Same(t, want, p.engine.Read(t, path...).Only(want.Columns...)), "the engine, "+name)
		assert.True(t, engines.Same(t, want, firn.Read(t, path...).Only(want.Columns...)), "Firn, "+name)
		p.snapshots(t, path)
	}
}

// snapshots reads every retained snapshot: complete, and no row twice. Of the
// table that is changed in every way they are computed from its files, of the
// others Firn reads them.
func (p *pairing) snapshots(t *testing.T, path []string) {
	t.Helper()
	f := &foreign{lake: p.lake, path: path, firn: p.lake.On(t, engines.Firn)}
	m := f.metadata(t)
	made := map[string]int{}
	for _, s := range m.Snapshots {
		made[s.Summary["operation"]]++
		if !slices.Equal(path, shared) {
			n := f.firn.Query(t, fmt.Sprintf("SELECT count(*), count(DISTINCT id) FROM %s AT (VERSION => %d)", f.firn.Table(path...), s.ID))
			assert.Equal(t, n.Cell(0, 0), n.Cell(0, 1), "snapshot %d of %s", s.ID, f.name())
			assert.Equal(t, n.Cell(0, 0), s.Summary["total-records"], "snapshot %d of %s", s.ID, f.name())
			continue
		}
		seen := map[string]bool{}
		for _, row := range p.lake.IndependentAt(t, s.ID, path...).Only("id").Values {
			if seen[row[0]] {
				t.Errorf("row %s is twice in snapshot %d of %s", row[0], s.ID, f.name())
			}
			seen[row[0]] = true
		}
	}
	t.Logf("%s: retained snapshots %v", f.name(), made)
	assert.LessOrEqual(t, len(m.Snapshots), retained, "snapshots have expired")
}

// expireAll expires what was committed after the last expiry; nobody writes now.
func (p *pairing) expireAll(t *testing.T) {
	t.Helper()
	jobs := firnv1connect.NewMaintenanceServiceClient(http.DefaultClient, p.lake.HTTP)
	for _, path := range [][]string{events, shared, {"silver", "events"}} {
		answer, err := jobs.SubmitJob(t.Context(), connect.NewRequest(&firnv1.SubmitJobRequest{Kind: firnv1.JobKind_JOB_KIND_EXPIRE, Table: &firnv1.TableRef{Namespace: path[:1], Name: path[1]}}))
		require.NoError(t, err)
		require.NoError(t, p.finish(t.Context(), jobs, answer.Msg.GetJob().GetId()))
	}
}

// promoteAll runs the model until it has nothing to do.
func (p *pairing) promoteAll(t *testing.T) {
	t.Helper()
	models := firnv1connect.NewModelServiceClient(http.DefaultClient, p.lake.HTTP)
	for range 100 {
		stream, err := models.Run(t.Context(), connect.NewRequest(&firnv1.RunRequest{}))
		require.NoError(t, err)
		moved := false
		for stream.Receive() {
			run := stream.Msg().GetRun()
			require.NotEqual(t, firnv1.RunState_RUN_STATE_FAILED, run.GetState(), run.GetError())
			moved = moved || run.GetState() == firnv1.RunState_RUN_STATE_SUCCEEDED
		}
		require.NoError(t, stream.Err())
		if !moved {
			return
		}
	}
	t.Fatal("the model is not up to date after 100 runs")
}
