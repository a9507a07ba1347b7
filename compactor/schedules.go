package compactor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/schedule"
)

// Schedules gives access to the schedules of the warehouse.
func (s *Service) Schedules() *schedule.Book { return s.schedules }

// PutSchedule makes or changes a schedule, as [schedule.Book.Put] does, if its kind
// is one and has what it needs.
func (s *Service) PutSchedule(ctx context.Context, d schedule.Definition, dry bool) (schedule.Schedule, error) {
	var fault *schedule.Invalid
	switch d.Kind {
	case KindCompact, KindRebalance, KindExpire, KindManifests, KindOrphans:
	case KindPromote:
		if d.Model == "" {
			fault = &schedule.Invalid{Field: "model", What: "a promotion needs a model", Why: "schedule " + d.Name + " names none", Help: "--kind promote --model silver.lines"}
		}
	default:
		fault = &schedule.Invalid{
			Field: "kind", What: fmt.Sprintf("kind %q is unknown", d.Kind), Why: "a schedule makes jobs of one of the kinds compact, rebalance, expire, manifests, orphans, promote", Help: "--kind compact",
		}
	}
	if fault != nil {
		faults := schedule.Invalids{fault}
		if others, ok := errors.AsType[schedule.Invalids](d.Check(s.cfg.Now())); ok {
			faults = append(faults, others...)
		}
		return schedule.Schedule{}, faults
	}
	return s.schedules.Put(ctx, d, dry)
}

func (s *Service) scheduleLoop(ctx context.Context) error {
	tick := time.NewTicker(s.cfg.Tick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.schedules.Fire(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "fire schedules", "error", err)
		}
	}
}

// scheduledJobs are the jobs of one firing. They share their keys with those that
// somebody asked for, which do the same work, and not with the smaller ones that the
// planner makes.
func (s *Service) scheduledJobs(ctx context.Context, d schedule.Definition) ([]jobs.Spec, error) {
	spec := jobs.Spec{Kind: d.Kind, Model: d.Model, Trigger: "schedule", Schedule: d.Name, Reason: "schedule " + d.Name, Full: true}
	if d.Kind == KindPromote {
		return []jobs.Spec{spec}, nil
	}
	tables, err := s.cfg.Catalog.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []jobs.Spec
	for _, t := range tables {
		if d.Table != "" && t.Ident.Name != d.Table || len(d.Namespace) > 0 && !equal(t.Ident.Namespace, d.Namespace) {
			continue
		}
		one := spec
		one.Table, one.Ident, one.Key = t.ID, t.Ident, fullKey(d.Kind, t.ID)
		out = append(out, one)
	}
	if d.Kind == KindOrphans && d.Table == "" && len(d.Namespace) == 0 {
		out = append(out, spec) // tables that were dropped
	}
	return out, nil
}

func equal(a, b catalog.Namespace) bool { return a.String() == b.String() }
