package compactor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/internal/lake"
)

// A conflict is planned anew at once, so many times, before the job waits.
const replans = 4

// proofLost is where an outcome says that groups were not compacted, as writers
// were faster each time. That is no failure: nothing is wrong, and nothing is lost.
const proofLost = "lost_to_writers"

// A job that was asked for goes on until nothing is left, at most so often.
const rounds = 64

func (s *Service) handlers() map[jobs.Kind]jobs.Handler {
	h := map[jobs.Kind]jobs.Handler{
		KindCompact: s.watched(s.onTable(s.compact)),
		KindExpire:  s.watched(s.onTable(s.expire)),
		KindOrphans: s.watched(s.orphans),

		KindManifests: s.watched(s.onTable(s.tidy)),
		KindRebalance: s.watched(s.onTable(s.rebalance)),
	}
	if s.cfg.Promote != nil {
		h[KindPromote] = s.watched(s.promote)
	}
	return h
}

// watched counts a handler's runs and reacts to how they end.
func (s *Service) watched(h jobs.Handler) jobs.Handler {
	return func(ctx context.Context, t *jobs.Task) (jobs.Outcome, error) {
		began := s.cfg.Now()
		var out jobs.Outcome
		why, err := s.gate(ctx, t)
		switch {
		case err != nil:
		case why != "":
			out.Proof = map[string]string{"why_not_more": why}
		default:
			out, err = h(ctx, t)
		}
		err = classify(err)
		s.metrics.ran(t.Kind, out, err, s.cfg.Now().Sub(began))
		s.rest(t.Table, plan.Kind(t.Kind), (err != nil || out.Proof[proofLost] != "") && ctx.Err() == nil)
		if err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "job failed", "job", t.ID, "kind", t.Kind, "table", t.Ident.String(), "error", err)
		} else if err == nil {
			s.cfg.Logger.InfoContext(ctx, "job done", "job", t.ID, "kind", t.Kind, "table", t.Ident.String(), "tier", out.Tier, "files_in", out.FilesIn, "files_out", out.FilesOut, "bytes_in", out.BytesIn, "bytes_out", out.BytesOut)
		}
		s.signal()
		return out, err
	}
}

// classify sorts errors into the three classes of the queue.
func classify(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, catalog.ErrStoreFailed):
		return jobs.Fatal(err)
	case errors.Is(err, rewrite.ErrProof), errors.Is(err, rewrite.ErrTypes), errors.Is(err, rewrite.ErrBreaker), errors.Is(err, catalog.ErrNotFound), errors.Is(err, catalog.ErrInvalid):
		return jobs.Permanent(err)
	}
	return err
}

// rest holds the planner back from a kind of job that failed on a table, or lost
// against its writers, and lets it go on after one that did not.
func (s *Service) rest(id uuid.UUID, k plan.Kind, failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[id]
	if t == nil {
		return
	}
	delete(t.notBefore, k)
	if failed {
		if t.notBefore == nil {
			t.notBefore = map[plan.Kind]time.Time{}
		}
		t.notBefore[k] = s.cfg.Now().Add(restAfterFailure)
	}
}

// onTable gives a handler its table and the table's lock.
func (s *Service) onTable(h func(ctx context.Context, t *jobs.Task, id uuid.UUID) (jobs.Outcome, error)) jobs.Handler {
	return func(ctx context.Context, t *jobs.Task) (jobs.Outcome, error) {
		release, err := s.locks.lock(ctx, t.Table)
		if err != nil {
			return jobs.Outcome{}, err
		}
		defer release()
		return h(ctx, t, t.Table)
	}
}

// compact plans from the live files and carries the plan out.
func (s *Service) compact(ctx context.Context, task *jobs.Task, id uuid.UUID) (jobs.Outcome, error) {
	var sum rewrite.Result
	conflicts := 0
	first := ""
	outcome := func(r rewrite.Result, whyNot string) jobs.Outcome {
		out := outcome(r, whyNot)
		if first != "" {
			out.Proof["plan"] = first
		}
		return out
	}
	a := ask{full: task.Full, reshape: task.Reshape, planner: task.Trigger == triggerPlanner}
	for range rounds {
		task.Progress("plan", 0, 0)
		looked := s.cfg.Now()
		p, err := s.planCompaction(ctx, id, a)
		if err != nil {
			return outcome(sum, ""), err
		}
		if p.held != "" {
			return outcome(sum, p.held), nil
		}
		if len(p.Groups) == 0 {
			s.settle(id, p, looked)
			return outcome(sum, p.WhyNot), nil
		}
		first = cmp.Or(first, p.ID(p.snapshot()))
		var bytes int64
		for _, g := range p.Groups {
			bytes += g.Bytes
		}
		s.charge(ctx, p.table, plan.Spent{Bytes: bytes}, p.bounded)
		began := s.cfg.Now()
		res, err := s.worker.Compact(ctx, rewrite.Compaction{
			Table: p.table, Scan: p.scan, Groups: p.Groups, Policy: p.policy, JobID: task.ID, Progress: task,
		})
		took := s.cfg.Now().Sub(began)
		s.charge(ctx, p.table, plan.Spent{Seconds: took.Seconds()}, p.bounded)
		if err == nil && res.Lost == 0 && res.SnapshotID != 0 {
			s.measure(p.Groups, bytes, took)
		}
		if errors.Is(err, catalog.ErrCommitConflict) && conflicts < replans {
			conflicts++
			sum = sum.Add(res) // what was wasted
			s.metrics.wasted.Add(float64(res.Wasted))
			continue
		}
		if err != nil {
			return outcome(sum, ""), err
		}
		sum = sum.Add(res)
		s.compacted(id, p.Groups, res)
		if res.Lost > 0 {
			if conflicts++; conflicts <= replans {
				continue
			}
			out := outcome(sum, "")
			out.Proof[proofLost] = fmt.Sprintf("groups were rewritten %d times and not committed (%s), as somebody replaced their files each time", sum.Lost, plan.Size(sum.Wasted))
			return out, nil
		}
		if res.SnapshotID == 0 { // nothing could be done: the next round would find the same
			s.settle(id, p, looked)
			return outcome(sum, p.WhyNot), nil
		}
		s.mu.Lock()
		if t := s.tables[id]; t != nil {
			t.unreachable = true
		}
		s.mu.Unlock()
		// What writers added meanwhile is for the next job: this one does not
		// run after them.
		if p.complete {
			s.settle(id, p, looked)
			return outcome(sum, p.WhyNot), nil
		}
	}
	return outcome(sum, "the job has run for long enough; the next one goes on"), nil
}

func outcome(r rewrite.Result, whyNot string) jobs.Outcome {
	out := jobs.Outcome{
		Tier: r.Tier(), FilesIn: r.FilesIn, FilesOut: r.FilesOut, BytesIn: r.BytesIn, BytesOut: r.BytesOut,
		Rows: r.Rows, SnapshotID: r.SnapshotID, Carried: r.Carried, Wasted: r.Wasted, Proof: r.Proof(),
	}
	if len(r.Left) > 0 {
		whyNot = strings.Join(r.Left, "; ")
	}
	if whyNot != "" {
		out.Proof["why_not_more"] = whyNot
	}
	return out
}

// planned is a plan with what it was made from.
type planned struct {
	plan.Compaction
	table  *catalog.Table
	scan   *lake.Scan
	policy plan.Policy
	// heldBack are hot partitions in which only fragments are joined.
	heldBack map[string]bool
	// complete: nothing was left out for the size of the job.
	complete bool
	// held says why the job may not go on now.
	held string
	// bounded: limits hold for the table.
	bounded bool
}

// triggerPlanner marks the jobs that the planner makes, for the commits that it
// sees; only these are held back by limits and windows.
const triggerPlanner = "commit"

// ask is what a compaction is asked for.
type ask struct {
	// full is all there is to do; reshape moves files of old specs even where the
	// policy does not.
	full, reshape bool
	// planner: limits and windows hold.
	planner bool
	// whole: not only what one round does.
	whole bool
}

func (s *Service) planCompaction(ctx context.Context, id uuid.UUID, a ask) (planned, error) {
	t, err := s.cfg.Catalog.LoadTableID(ctx, id)
	if err != nil {
		return planned{}, err
	}
	e, err := s.above().table(ctx, t)
	if err != nil {
		return planned{}, err
	}
	if err := e.Err(plan.Compact); err != nil {
		return planned{}, fmt.Errorf("%w: compact %s: %w", catalog.ErrInvalid, t.Ident, err)
	}
	policy, held := e.Policy, ""
	if a.planner {
		var most int64
		most, held = s.room(ctx, e)
		policy.MaxJobBytes = min(policy.MaxJobBytes, most)
	}
	if a.reshape {
		policy.Reshape = true
	}
	if a.whole {
		policy.MaxJobBytes = math.MaxInt64
	}
	sc, err := s.cfg.Lake.Plan(ctx, t.Metadata, 0, nil)
	if err != nil {
		return planned{}, fmt.Errorf("plan compaction of %s: %w", t.Ident, err)
	}
	files, unread := rewrite.Files(t.Metadata, sc, policy.Sort)
	heldBack := s.heldBack(id, policy)
	c := plan.Groups(files, policy, plan.Scope{Full: a.full, QuietFor: s.quietFor(id), HeldBack: heldBack, Heat: s.heat(id)})
	if unread != "" {
		c.WhyNot = unread
	}
	if err := rewrite.Rewritable(sc.Schema); err != nil && sc.Schema != nil {
		before := len(c.Groups)
		c.Groups = slices.DeleteFunc(c.Groups, func(g plan.Group) bool { return g.Tier != plan.Fuse })
		if len(c.Groups) < before {
			c.WhyNot = err.Error()
		}
	}
	return planned{Compaction: c, table: t, scan: sc, policy: policy, heldBack: heldBack, complete: !c.Truncated, held: held, bounded: len(e.Bounds) > 0}, nil
}

func (s *Service) quietFor(id uuid.UUID) func(key string) time.Duration {
	now := s.cfg.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	changed := map[string]time.Time{}
	if t := s.tables[id]; t != nil && t.health != nil {
		for k, p := range t.health.Partitions {
			changed[k] = p.Changed
		}
	}
	return func(key string) time.Duration {
		if at, ok := changed[key]; ok {
			return now.Sub(at)
		}
		return 0
	}
}

func (s *Service) settle(id uuid.UUID, p planned, looked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[id]; t != nil && t.health != nil {
		t.health.Settle(p.policy, looked, p.heldBack)
		t.unsaved = true
	}
}

func (s *Service) expire(ctx context.Context, task *jobs.Task, id uuid.UUID) (jobs.Outcome, error) {
	for try := 0; ; try++ {
		t, err := s.cfg.Catalog.LoadTableID(ctx, id)
		if err != nil {
			return jobs.Outcome{}, err
		}
		policy, err := s.policyOf(ctx, t, plan.Expire)
		if err != nil {
			return jobs.Outcome{}, err
		}
		task.Progress("commit", 0, 0)
		e, err := s.worker.Expire(ctx, t, policy)
		if errors.Is(err, catalog.ErrCommitConflict) && try < replans {
			continue
		}
		if err != nil {
			return jobs.Outcome{}, err
		}
		proof := map[string]string{"snapshots": fmt.Sprintf("%d removed of %d", len(e.Remove), len(t.Metadata.Snapshots()))}
		if e.WhyNot != "" {
			proof["why_not_more"] = e.WhyNot
		}
		s.mu.Lock()
		if t := s.tables[id]; t != nil && len(e.Remove) > 0 {
			t.unreachable = true
		}
		s.mu.Unlock()
		return jobs.Outcome{Proof: proof}, nil
	}
}

// orphans removes the unreachable files of a table, and without a table those
// of tables that were dropped with purge.
func (s *Service) orphans(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
	var r rewrite.Removal
	var err error
	if task.Table == uuid.Nil {
		r, err = s.worker.Dropped(ctx, false, task)
	} else {
		r, err = s.onTableOrphans(ctx, task)
	}
	out := jobs.Outcome{FilesIn: int64(len(r.Delete)), BytesIn: r.Bytes, Proof: map[string]string{
		"deleted": fmt.Sprintf("%d of %d objects; %d are reachable, %d in flight or young, %d in quarantine", len(r.Delete), r.Listed, r.Reachable, r.Protected, r.Quarantined),
	}}
	if r.WhyNot != "" {
		out.Proof["why_not_more"] = r.WhyNot
	}
	return out, err
}

func (s *Service) onTableOrphans(ctx context.Context, task *jobs.Task) (rewrite.Removal, error) {
	release, err := s.locks.lock(ctx, task.Table)
	if err != nil {
		return rewrite.Removal{}, err
	}
	defer release()
	t, err := s.cfg.Catalog.LoadTableID(ctx, task.Table)
	if err != nil {
		return rewrite.Removal{}, err
	}
	policy, err := s.policyOf(ctx, t, plan.Orphans)
	if err != nil {
		return rewrite.Removal{}, err
	}
	r, err := s.worker.Orphans(ctx, t, policy.Grace, false, task)
	s.mu.Lock()
	defer s.mu.Unlock()
	if tr := s.tables[task.Table]; tr != nil && err == nil {
		tr.lastOrphans = s.cfg.Now()
		tr.unreachable = r.Quarantined+r.Protected > 0
	}
	return r, err
}

func (s *Service) promote(ctx context.Context, task *jobs.Task) (jobs.Outcome, error) {
	return s.cfg.Promote(ctx, task.Model, task.Progress)
}
