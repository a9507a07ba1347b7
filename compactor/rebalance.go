package compactor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// cooled bounds the hot partitions that one job works on.
const cooled = 4

// rebalance looks at the hot partitions of a table and does what the ladder has
// ready, or the step that was asked for.
func (s *Service) rebalance(ctx context.Context, task *jobs.Task, id uuid.UUID) (jobs.Outcome, error) {
	var sum rewrite.Result
	var did, left []string
	looked, laid, lost := map[string]bool{}, map[string]bool{}, map[string]bool{}
	var v *hotView
	var err error
	for range cooled {
		task.Progress("plan", 0, 0)
		if v, err = s.viewHot(ctx, id); err != nil {
			return outcome(sum, ""), err
		}
		if v.partition(task.Partition) == nil {
			done, err := s.fixOf(ctx, id, task.ID, remedy{plan.Step(task.Step), plan.Hot{Key: task.Partition}})
			if err != nil {
				return outcome(sum, ""), err
			}
			if done != nil {
				break // an earlier run has divided it
			}
		}
		c, why, err := v.choose(plan.Step(task.Step), task.Partition, looked)
		if err != nil {
			return outcome(sum, ""), jobs.Permanent(err)
		}
		left = append(left, why...)
		if c == nil {
			break
		}
		looked[c.hot.Key] = true
		res, text, err := s.cool(ctx, task, v, *c)
		if errors.Is(err, catalog.ErrCommitConflict) || err == nil && res.Lost > 0 {
			err = nil
			lost[c.hot.Key] = true
			left = append(left, plan.PartitionText(c.hot.Values)+": writers changed it meanwhile; the next rebalance tries again")
		}
		if err != nil {
			return outcome(sum, ""), err
		}
		sum = sum.Add(res)
		laid[c.hot.Key] = res.SnapshotID != 0 && (c.step == plan.StepCluster || c.step == plan.StepBucket)
		switch {
		case text == "":
		case res.SnapshotID == 0 && c.step != plan.StepPaths: // why nothing was done
			left = append(left, text)
		default:
			did = append(did, text)
		}
		if task.Step != "" {
			break
		}
	}
	for _, h := range v.hot {
		laid[h.Key] = laid[h.Key] || HotPartition{Ladder: h.rungs}.Rung(plan.StepCluster).State == plan.StateOn
	}
	for _, h := range v.Hot { // also those that are too many to look into
		looked[h.Key] = looked[h.Key] || task.Step == "" && !h.Held
	}
	s.balanced(id, v.columns, looked, laid, lost)
	if err := s.completeFixes(ctx, s.fixPrefix(id)); err != nil {
		return outcome(sum, ""), err
	}
	out := outcome(sum, strings.Join(left, "; "))
	if len(lost) > 0 { // and the planner waits a while
		out.Proof[proofLost] = fmt.Sprintf("hot partitions of which somebody replaced files meanwhile: %d", len(lost))
	}
	fixes, err := s.Fixes(ctx, id)
	if err != nil {
		return out, err
	}
	i := 0
	for _, f := range slices.Backward(fixes) {
		if f.JobID == task.ID {
			i++
			out.Proof[fmt.Sprintf("fix_%d", i)] = fixText(f)
		}
	}
	if i == 0 && len(did) > 0 {
		out.Proof["fix_1"] = strings.Join(did, "; ")
	}
	return out, nil
}

// balanced records which partitions were looked at, and in which of them rows are laid
// out by the columns. Where a job lost against writers, the planner tries again.
func (s *Service) balanced(id uuid.UUID, columns []string, looked, laid, lost map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[id]
	if t == nil || t.health == nil {
		return
	}
	for key, yes := range looked {
		if yes && !lost[key] {
			t.health.Balanced(key, columns, laid[key], s.cfg.Now())
		}
	}
	t.unsaved = true
}

// cool does one step.
func (s *Service) cool(ctx context.Context, task *jobs.Task, v *hotView, c remedy) (rewrite.Result, string, error) {
	if c.step == plan.StepPaths {
		return rewrite.Result{}, "new objects have hashed prefixes from now on", s.worker.SetProperty(ctx, v.table, plan.PropertyObjectPaths, "true")
	}
	if err := rewrite.Rewritable(v.scan.Schema); err != nil {
		return rewrite.Result{}, "", jobs.Permanent(err)
	}
	files, unread := rewrite.Files(v.table.Metadata, v.scan, nil)
	if unread != "" {
		return rewrite.Result{}, unread, nil
	}
	if c.step == plan.StepCoarsen {
		c.hot = plan.Hot{}
	}
	done, err := s.fixOf(ctx, v.table.ID, task.ID, c)
	if err != nil || done != nil && c.step == plan.StepCluster {
		return rewrite.Result{}, "", err // an earlier run of the job has committed it
	}
	fix := Fix{
		ID: fixID(), Table: v.table.ID, JobID: task.ID, At: s.cfg.Now().UTC(), Step: c.step,
		Key: c.hot.Key, Values: c.hot.Values, Signals: c.hot.Signals,
	}
	run := rewrite.Compaction{Table: v.table, Scan: v.scan, Policy: v.policy, JobID: task.ID, Progress: task}
	if fix.Probes, err = v.probes(ctx, s.worker, c.hot); err != nil {
		return rewrite.Result{}, "", err
	}
	if fix.Before, err = s.survey(v.table.Metadata, v.scan, fix); err != nil {
		return rewrite.Result{}, "", err
	}
	latency := s.cfg.Catalog.CommitLatency(v.table.ID, s.cfg.Now().Add(-latencyWindow))
	fix.Before.Commits, fix.Before.CommitP50, fix.Before.CommitP95 = latency.Commits, latency.P50, latency.P95
	var groups []plan.Group
	if c.step == plan.StepCluster {
		groups, err = s.planCluster(v, c, files, &run, &fix)
	} else {
		groups, err = s.planRespec(ctx, v, c, files, &run, &fix, done)
	}
	if err != nil {
		return rewrite.Result{}, "", err
	}
	if len(groups) == 0 {
		return rewrite.Result{}, fmt.Sprintf("%s of %s: nothing to move", c.step, plan.PartitionText(c.hot.Values)), nil
	}
	res, err := s.move(ctx, run, groups)
	return res, fixText(fix), err
}

// move carries out groups, as many in a commit as one job may read.
func (s *Service) move(ctx context.Context, run rewrite.Compaction, groups []plan.Group) (sum rewrite.Result, err error) {
	for len(groups) > 0 {
		n, bytes := 1, groups[0].Bytes
		for n < len(groups) && bytes+groups[n].Bytes <= run.Policy.MaxJobBytes {
			bytes += groups[n].Bytes
			n++
		}
		run.Groups = groups[:n]
		s.charge(ctx, run.Table, plan.Spent{Bytes: bytes}, true)
		began := s.cfg.Now()
		res, err := s.worker.Compact(ctx, run)
		s.charge(ctx, run.Table, plan.Spent{Seconds: s.cfg.Now().Sub(began).Seconds()}, true)
		sum = sum.Add(res)
		if err != nil {
			return sum, err
		}
		s.compacted(run.Table.ID, run.Groups, res)
		groups, run.Records = groups[n:], nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tables[run.Table.ID]; t != nil {
		t.unreachable = true
	}
	return sum, nil
}

// planCluster lays out all files of the partition; the record is of the commit that
// does it.
func (s *Service) planCluster(v *hotView, c remedy, files []plan.File, run *rewrite.Compaction, fix *Fix) ([]plan.Group, error) {
	if len(fix.Probes) == 0 {
		return nil, jobs.Permanent(fmt.Errorf("%w: cluster %s: %s", catalog.ErrInvalid, plan.PartitionText(c.hot.Values), v.noLookups()))
	}
	order := v.order(fix.Probes)
	fix.Detail = "by " + strings.Join(order, ", ")
	record, err := s.record(*fix)
	if err != nil {
		return nil, err
	}
	run.Policy.Sort, run.Records = order, []catalog.Record{record}
	var of []plan.File
	for _, f := range files {
		if plan.Key(f.SpecID, f.Partition) == c.hot.Key {
			of = append(of, f)
		}
	}
	return v.policy.Cluster(of, order, "hot partition: "+fix.Detail), nil
}

// planRespec changes the partition spec, and plans to move the files that it is
// about. The record is of the commit that changes the spec: a job that is run again
// finds it, and goes on with the files.
func (s *Service) planRespec(ctx context.Context, v *hotView, c remedy, files []plan.File, run *rewrite.Compaction, fix, done *Fix) ([]plan.Group, error) {
	if done != nil {
		*fix = *done
	} else {
		change, err := v.change(c, fix.Probes)
		if err != nil {
			return nil, jobs.Permanent(err)
		}
		fix.Detail = change.Text
		record, err := s.record(*fix)
		if err != nil {
			return nil, err
		}
		if run.Table, err = s.worker.Respec(ctx, v.table, change, record); err != nil {
			return nil, err
		}
	}
	run.Policy.Sort = v.order(fix.Probes)
	run.Policy.SpecID, run.Policy.Reshape = run.Table.Metadata.DefaultPartitionSpec(), true
	var of []plan.File
	for _, f := range files {
		if f.SpecID != run.Policy.SpecID && (c.step == plan.StepCoarsen || plan.Key(f.SpecID, f.Partition) == c.hot.Key) {
			of = append(of, f)
		}
	}
	return run.Policy.Regroup(of), nil
}

// fixID rises with time.
func fixID() string { return uuid.Must(uuid.NewV7()).String() }

// Rebalance queues a job on the hot partitions of a table: for what the ladder has
// ready, or for one step; in the partition with the given values, if there are any.
func (s *Service) Rebalance(ctx context.Context, table catalog.Ident, step plan.Step, values map[string]*string) (jobs.Job, error) {
	t, err := s.cfg.Catalog.LoadTable(ctx, table)
	if err != nil {
		return jobs.Job{}, fmt.Errorf("rebalance %s: %w", table, err)
	}
	if err := askable(step); err != nil {
		return jobs.Job{}, fmt.Errorf("rebalance %s: %w", table, err)
	}
	spec := jobs.Spec{
		Kind: KindRebalance, Table: t.ID, Ident: t.Ident, Trigger: "request", Reason: "asked for", Priority: 1e6, Full: true, Step: string(step),
	}
	if len(values) > 0 && (step == plan.StepCoarsen || step == plan.StepPaths) {
		return jobs.Job{}, fmt.Errorf("rebalance %s: %w: step %s is of the whole table: leave the partition out", table, catalog.ErrInvalid, step)
	}
	if len(values) > 0 {
		v, err := s.viewHot(ctx, t.ID)
		if err != nil {
			return jobs.Job{}, fmt.Errorf("rebalance %s: %w", table, err)
		}
		key, ok := v.keyOf(values)
		if !ok {
			return jobs.Job{}, fmt.Errorf("rebalance %s: %w: it has no partition %s; firn table hot %s shows them", table, catalog.ErrInvalid, plan.PartitionText(values), table)
		}
		spec.Partition = key
	}
	if step != "" {
		spec.Reason = fmt.Sprintf("asked for: %s", step)
	}
	if len(values) > 0 {
		spec.Reason += " of " + plan.PartitionText(values)
	}
	spec.Key = fmt.Sprintf("%s/%s/%s/%s", spec.Kind, t.ID, spec.Step, spec.Partition)
	j, _, err := s.queue.Submit(ctx, spec)
	return j, err
}
