package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
)

// Schedule makes jobs at times. Overlap: while a job it made is still active,
// no second one is made for the same table. Missed runs: after a time in which
// nothing ran, it fires once, however many due times have passed.
type Schedule struct {
	Name     string    `json:"name"`
	Cron     string    `json:"cron"` // five fields, or six with seconds, or @daily
	TimeZone string    `json:"time_zone,omitempty"`
	Kind     jobs.Kind `json:"kind"`
	// Namespace and Table choose tables: one, all of a namespace, all.
	Namespace catalog.Namespace `json:"namespace,omitempty"`
	Table     string            `json:"table,omitempty"`
	Model     string            `json:"model,omitempty"`
	Created   time.Time         `json:"created"`
	// LastFired is the latest due time that it fired for.
	LastFired time.Time `json:"last_fired,omitzero"`

	version catalog.Version
}

var parser = cron.NewParser(cron.SecondOptional | cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

func (s *Schedule) parse() (cron.Schedule, *time.Location, error) {
	zone, err := time.LoadLocation(s.TimeZone) // "" is UTC
	if err != nil {
		return nil, nil, fmt.Errorf("%w: time zone %q is unknown: use an IANA name like Europe/Berlin", catalog.ErrInvalid, s.TimeZone)
	}
	c, err := parser.Parse(s.Cron)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: cron %q: %w", catalog.ErrInvalid, s.Cron, err)
	}
	return c, zone, nil
}

// Next is the first due time after the last firing; zero when there is none.
func (s *Schedule) Next() time.Time {
	c, zone, err := s.parse()
	if err != nil {
		return time.Time{}
	}
	from := s.LastFired
	if from.IsZero() {
		from = s.Created
	}
	return c.Next(from.In(zone))
}

// dueAt is the latest due time that has come, zero when none has.
func (s *Schedule) dueAt(now time.Time) time.Time {
	next := s.Next()
	if next.IsZero() || next.After(now) {
		return time.Time{}
	}
	c, _, err := s.parse()
	if err != nil {
		return time.Time{}
	}
	for range 100_000 { // bounded: a long silence of a schedule by the second
		later := c.Next(next)
		if later.IsZero() || later.After(now) {
			return next
		}
		next = later
	}
	return now.Truncate(time.Second)
}

func (s *Service) scheduleKey(name string) string {
	return "sched/" + s.cfg.Catalog.Warehouse() + "/" + name
}

// Schedules answers all schedules by name.
func (s *Service) Schedules(ctx context.Context) ([]Schedule, error) {
	_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.scheduleKey("")})
	if err != nil {
		return nil, fmt.Errorf("read schedules: %w", err)
	}
	var out []Schedule
	for _, kv := range kvs {
		var c Schedule
		if err := json.Unmarshal(kv.Value, &c); err != nil {
			return nil, fmt.Errorf("schedule %s: %w", kv.Key, err)
		}
		c.version = kv.Version
		out = append(out, c)
	}
	return out, nil
}

// PutSchedule makes or changes a schedule. A changed one begins anew: what was
// due before is not fired.
func (s *Service) PutSchedule(ctx context.Context, c Schedule) (Schedule, error) {
	if !validName(c.Name) {
		return c, fmt.Errorf("%w: schedule name %q: use 1 to 100 letters, digits, '-', '_' and '.'", catalog.ErrInvalid, c.Name)
	}
	if _, _, err := c.parse(); err != nil {
		return c, err
	}
	switch c.Kind {
	case KindCompact, KindExpire, KindManifests, KindOrphans:
	case KindPromote:
		if c.Model == "" {
			return c, fmt.Errorf("%w: schedule %s: a promotion needs a model", catalog.ErrInvalid, c.Name)
		}
	default:
		return c, fmt.Errorf("%w: schedule %s: kind %q is unknown: use compact, expire, manifests, orphans or promote", catalog.ErrInvalid, c.Name, c.Kind)
	}
	c.Created, c.LastFired = s.cfg.Now().UTC(), time.Time{}
	value, err := json.Marshal(c)
	if err != nil {
		return c, err
	}
	if _, err := s.cfg.Store.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: s.scheduleKey(c.Name), Value: value}}}); err != nil {
		return c, fmt.Errorf("write schedule %s: %w", c.Name, err)
	}
	return c, nil
}

func validName(s string) bool {
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' || r == '.') {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 100
}

// DeleteSchedule removes a schedule; jobs that it made stay.
func (s *Service) DeleteSchedule(ctx context.Context, name string) error {
	if !validName(name) {
		return fmt.Errorf("schedule %q: %w", name, catalog.ErrNotFound)
	}
	key := s.scheduleKey(name)
	kv, err := s.cfg.Store.Get(ctx, key)
	if errors.Is(err, catalog.ErrNotFound) {
		return fmt.Errorf("schedule %q: %w", name, catalog.ErrNotFound)
	}
	if err != nil {
		return err
	}
	_, err = s.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: key, Version: kv.Version}}, Then: []catalog.Op{{Key: key, Delete: true}}})
	return err
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
		if err := s.FireSchedules(ctx); err != nil && ctx.Err() == nil {
			s.cfg.Logger.WarnContext(ctx, "fire schedules", "error", err)
		}
	}
}

// FireSchedules queues the jobs of every schedule that is due. The jobs and
// the record of the firing are one batch of the store, under the condition
// that nobody else has fired: so a due time is fired for once, through
// restarts and by any number of processes.
func (s *Service) FireSchedules(ctx context.Context) error {
	all, err := s.Schedules(ctx)
	if err != nil {
		return err
	}
	now := s.cfg.Now()
	for _, c := range all {
		due := c.dueAt(now)
		if due.IsZero() {
			continue
		}
		specs, err := s.scheduledJobs(ctx, c)
		if err != nil {
			return err
		}
		was := c.version
		c.LastFired = due.UTC()
		value, err := json.Marshal(c)
		if err != nil {
			return err
		}
		key := s.scheduleKey(c.Name)
		_, err = s.queue.SubmitWith(ctx, specs, catalog.Batch{
			If:   []catalog.Cond{{Key: key, Version: was}},
			Then: []catalog.Op{{Key: key, Value: value}},
		})
		if _, lost := errors.AsType[*catalog.ConflictError](err); lost {
			continue // another process fired, or the schedule was changed
		}
		if err != nil {
			return fmt.Errorf("fire schedule %s: %w", c.Name, err)
		}
		s.metrics.firings.Inc()
	}
	return nil
}

// scheduledJobs are the jobs of one firing.
func (s *Service) scheduledJobs(ctx context.Context, c Schedule) ([]jobs.Spec, error) {
	spec := jobs.Spec{Kind: c.Kind, Model: c.Model, Trigger: "schedule", Reason: "schedule " + c.Name, Full: true}
	if c.Kind == KindPromote {
		return []jobs.Spec{spec}, nil
	}
	tables, err := s.cfg.Catalog.Tables(ctx)
	if err != nil {
		return nil, err
	}
	var out []jobs.Spec
	for _, t := range tables {
		if c.Table != "" && t.Ident.Name != c.Table || len(c.Namespace) > 0 && !equal(t.Ident.Namespace, c.Namespace) {
			continue
		}
		one := spec
		one.Table, one.Ident = t.ID, t.Ident
		out = append(out, one)
	}
	if c.Kind == KindOrphans && c.Table == "" && len(c.Namespace) == 0 {
		out = append(out, spec) // tables that were dropped
	}
	return out, nil
}

func equal(a, b catalog.Namespace) bool { return a.String() == b.String() }
