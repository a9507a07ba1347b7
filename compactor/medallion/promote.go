package medallion

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// attempts bounds how often a run starts again because the target or the
// source moved under it.
const attempts = 8

// Promote runs one model once: it takes what is new in its source, at most
// BatchRows, and commits. The answer's state is RunSucceeded or RunUpToDate; a
// run that failed is in the answer and in the error.
func (s *Service) Promote(ctx context.Context, model string) (Run, error) {
	return s.promote(ctx, model, nil)
}

// promote is Promote; started, if not nil, is told when the run begins.
func (s *Service) promote(ctx context.Context, model string, started func(Run)) (Run, error) {
	leave, err := s.enter(ctx, model)
	if err != nil {
		return Run{Model: model}, err
	}
	defer leave()
	d, err := s.definition(ctx, model)
	if err != nil {
		return Run{Model: model}, err
	}
	if d.Model == nil {
		return Run{Model: model}, fmt.Errorf("%s is a source, which ingestion writes: %w", model, ErrNoSuchModel)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return Run{Model: model}, err
	}
	run := &Run{ID: id.String(), Model: model, State: RunRunning, StartedAt: s.cfg.Now().UTC(), DefinitionHash: d.Model.Hashes.Definition}
	s.publishProgress(run)
	if started != nil {
		started(*run)
	}
	err = s.attempt(ctx, d, run)
	run.EndedAt = s.cfg.Now().UTC()
	if err != nil {
		run.State, run.Error = RunFailed, err.Error()
		s.keepFailure(ctx, run)
	}
	s.mu.Lock()
	delete(s.running, run.ID)
	s.mu.Unlock()
	s.metrics.observe(run)
	if err != nil {
		return *run, fmt.Errorf("promote %s: %w", model, err)
	}
	return *run, nil
}

// keepFailure records a run that failed. One that was called off because the
// process or the caller went away is no failure of the model: it published
// nothing, or its commit is under way and records it.
func (s *Service) keepFailure(ctx context.Context, run *Run) {
	if ctx.Err() != nil {
		return
	}
	err := s.saveRun(ctx, run)
	if _, committed := errors.AsType[*catalog.ConflictError](err); err != nil && !committed {
		s.cfg.Logger.WarnContext(ctx, "run record not kept", "model", run.Model, "run", run.ID, "error", err)
	}
}

func (s *Service) publishProgress(run *Run) {
	shown := *run
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[run.ID] = &shown
}

// attempt runs until it is committed, starting again from the new heads when
// another commit came first.
func (s *Service) attempt(ctx context.Context, d *definition, run *Run) error {
	for i := range attempts {
		fresh := Run{ID: run.ID, Model: run.Model, State: RunRunning, StartedAt: run.StartedAt, DefinitionHash: run.DefinitionHash, Steps: run.Steps}
		*run = fresh
		err := s.runOnce(ctx, d, run)
		if !errors.Is(err, catalog.ErrCommitConflict) || i == attempts-1 {
			return err
		}
		s.cfg.Logger.InfoContext(ctx, "promotion starts again: a table moved", "model", run.Model, "run", run.ID, "reason", err)
	}
	return nil
}

// runOnce is one attempt: read, transform, gate, write, commit.
func (s *Service) runOnce(ctx context.Context, d *definition, run *Run) (err error) {
	t := &timer{run: run, now: s.cfg.Now, last: s.cfg.Now()}
	m := d.Model
	w, version, err := s.watermark(ctx, m.Name)
	if err != nil {
		return err
	}
	delta, err := s.read(ctx, m, w)
	if err != nil {
		return err
	}
	run.Sources = []SourceRange{{Table: m.Source, From: delta.from, To: delta.to}}
	run.More = delta.more
	t.step("plan")
	if delta.upToDate {
		run.State = RunUpToDate
		return nil
	}
	if w.Snapshot == 0 && !delta.quiet {
		if err := s.pinFirst(ctx, m, delta); err != nil {
			return err
		}
	}
	dir := filepath.Join(s.cfg.TempDir, runFolder+run.ID)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the run's folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()

	// What is written below is spared from the removal of orphans until the
	// commit is known, which may be long after.
	hold := s.cfg.Bucket.NewHold()
	defer func() {
		if !errors.Is(err, catalog.ErrUnknownOutcome) { // otherwise until the process ends
			hold.Release()
		}
	}()
	ctx = hold.Context(ctx)
	g := &stage{c: m, dir: dir, runID: run.ID, snapshot: delta.to, at: s.cfg.Now().UTC().Format("2006-01-02 15:04:05.999999+00")}
	change := &publication{definition: d, delta: delta, watermark: w, version: version, run: run}
	switch {
	case delta.quiet:
		// Compaction only: the watermark moves, nothing else does.
	case m.Mode == ModeAggregate:
		err = s.runAggregate(ctx, g, change, t)
	default:
		err = s.runRows(ctx, g, change, t)
	}
	if err != nil {
		return err
	}
	if err := s.publish(ctx, change); err != nil {
		return err
	}
	t.step("commit")
	if !delta.quiet {
		s.afterCommit(ctx, run)
	}
	return nil
}

// RunOnce promotes the models named and what is upstream of them, in the order
// of the graph; all models when none is named. Each goes on until its source
// holds nothing new. observe, if not nil, is told each run as it begins and as
// it ends. A model
// downstream of one that failed is not run.
func (s *Service) RunOnce(ctx context.Context, observe func(Run), models ...string) ([]Run, error) {
	definitions, err := s.definitions(ctx, false)
	if err != nil {
		return nil, err
	}
	wanted, err := upstreamOf(definitions, models)
	if err != nil {
		return nil, err
	}
	var out []Run
	var failures []error
	failed := map[string]bool{}
	for _, d := range definitions {
		if d.Model == nil || !wanted[d.name()] {
			continue
		}
		if failed[d.Model.Source] {
			failed[d.name()] = true
			continue
		}
		for {
			run, err := s.promote(ctx, d.name(), observe)
			out = append(out, run)
			if observe != nil {
				observe(run)
			}
			if err != nil {
				failed[d.name()] = true
				failures = append(failures, err)
				break
			}
			if run.State == RunUpToDate || !run.More {
				break
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return out, errors.Join(failures...)
}

// upstreamOf closes the names over what they read.
func upstreamOf(definitions []*definition, models []string) (map[string]bool, error) {
	byName := map[string]*definition{}
	var names []string
	for _, d := range definitions {
		byName[d.name()] = d
		if d.Model != nil {
			names = append(names, d.name())
		}
	}
	if len(models) == 0 {
		models = names
	}
	wanted := map[string]bool{}
	for _, name := range models {
		d, ok := byName[name]
		if !ok || d.Model == nil {
			return nil, fmt.Errorf("%s: %w; %s", name, ErrNoSuchModel, cmpHelp(didYouMean(name, names)))
		}
		for d != nil && d.Model != nil && !wanted[d.name()] {
			wanted[d.name()] = true
			d = byName[d.Model.Source]
		}
	}
	return wanted, nil
}

func cmpHelp(help string) string {
	if help == "" {
		return "apply a project first"
	}
	return help
}

// Models answers the names of the applied models, in the order of the graph.
func (s *Service) Models(ctx context.Context) ([]string, error) {
	definitions, err := s.definitions(ctx, false)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range definitions {
		if d.Model != nil {
			out = append(out, d.name())
		}
	}
	return slices.Clip(out), nil
}
