package compactor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
	"github.com/firnlake/firn/internal/lake"
)

// Fix is the proof record of what was done about a hot partition: what it was like
// before, and after. It is written by the commit that does it, so that there is a
// record if and only if something was done, and completed when the effect was
// measured.
type Fix struct {
	ID    string    `json:"id"` // rises with time
	Table uuid.UUID `json:"table"`
	JobID string    `json:"job_id"`
	At    time.Time `json:"at"`
	Step  plan.Step `json:"step"`
	// Detail is the order, or the change of the partition spec.
	Detail string `json:"detail"`
	// Partition by its key, spec and values; of a step that concerns all of the
	// table's, empty.
	Key     string             `json:"key,omitempty"`
	Values  map[string]*string `json:"values,omitempty"`
	Signals []plan.Signal      `json:"signals,omitempty"`
	// Probes are the lookups that both measures are of.
	Probes []rewrite.Probe `json:"probes,omitempty"`
	Before Measure         `json:"before"`
	After  *Measure        `json:"after,omitempty"`
}

// Measure is a partition at a snapshot.
type Measure struct {
	At         time.Time        `json:"at"`
	SnapshotID int64            `json:"snapshot_id"`
	Files      int64            `json:"files"`
	Bytes      int64            `json:"bytes"`
	Rows       int64            `json:"rows"`
	Lookups    []rewrite.Lookup `json:"lookups,omitempty"`
	// Skew and Gini of the bytes in the table's partitions.
	Skew float64 `json:"skew"`
	Gini float64 `json:"gini"`
	// Commits of writers and how long they took: up to the fix, and after it as far
	// as they were seen.
	Commits   int           `json:"commits,omitempty"`
	CommitP50 time.Duration `json:"commit_p50,omitempty"`
	CommitP95 time.Duration `json:"commit_p95,omitempty"`
}

const (
	// keptFixes bounds the records of a table.
	keptFixes = 50
	// latencySample is how many commits after a fix are waited for before their
	// latency is recorded, and latencyWindow how far back one looks before it.
	latencySample = 20
	latencyWindow = 30 * time.Minute
)

func (s *Service) fixesPrefix() string { return "hot/" + s.cfg.Catalog.Warehouse() + "/" }

func (s *Service) fixPrefix(id uuid.UUID) string { return s.fixesPrefix() + id.String() + "/" }

// record is a fix as the commit that does it writes it.
func (s *Service) record(f Fix) (catalog.Record, error) {
	value, err := json.Marshal(f)
	return catalog.Record{Key: s.fixPrefix(f.Table) + f.ID, Value: value}, err
}

// Fixes answers the records of a table, newest first.
func (s *Service) Fixes(ctx context.Context, id uuid.UUID) ([]Fix, error) {
	kept, err := s.fixes(ctx, s.fixPrefix(id))
	out := make([]Fix, 0, len(kept))
	for _, k := range slices.Backward(kept) {
		out = append(out, k.Fix)
	}
	return out, err
}

type keptFix struct {
	Fix
	key     string
	version catalog.Version
}

// fixes reads the records below a prefix, the oldest of a table first.
func (s *Service) fixes(ctx context.Context, prefix string) ([]keptFix, error) {
	_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: prefix})
	if err != nil {
		return nil, fmt.Errorf("read records of hot partitions: %w", err)
	}
	var out []keptFix
	for _, kv := range kvs {
		f := keptFix{key: kv.Key, version: kv.Version}
		if err := json.Unmarshal(kv.Value, &f.Fix); err != nil {
			return nil, fmt.Errorf("record of a hot partition %s: %w", kv.Key, err)
		}
		out = append(out, f)
	}
	return out, nil
}

// completeFixes measures what the fixes did that have no measure yet, or none of
// the commits after them, and forgets the oldest beyond the bound: of one table, or
// of all.
func (s *Service) completeFixes(ctx context.Context, prefix string) error {
	all, err := s.fixes(ctx, prefix)
	if err != nil {
		return err
	}
	byTable := map[uuid.UUID][]keptFix{}
	for _, f := range all {
		byTable[f.Table] = append(byTable[f.Table], f)
	}
	for id, fixes := range byTable {
		err = errors.Join(err, s.completeTable(ctx, id, fixes))
	}
	return err
}

func (s *Service) completeTable(ctx context.Context, id uuid.UUID, fixes []keptFix) error {
	for over := len(fixes) - keptFixes; over > 0; over-- {
		if err := s.forgetFix(ctx, fixes[0]); err != nil {
			return err
		}
		fixes = fixes[1:]
	}
	for _, f := range fixes {
		err := s.completeFix(ctx, id, f)
		if errors.Is(err, catalog.ErrNotFound) {
			return nil // dropped: its records go with its event
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) forgetFix(ctx context.Context, f keptFix) error {
	_, err := s.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: f.key, Version: f.version}}, Then: []catalog.Op{{Key: f.key, Delete: true}}})
	return err
}

func (s *Service) completeFix(ctx context.Context, id uuid.UUID, f keptFix) error {
	latency := s.cfg.Catalog.CommitLatency(id, f.At)
	missing := f.After == nil || f.After.Commits < latencySample && latency.Commits > f.After.Commits && f.Before.Commits > 0
	if !missing {
		return nil
	}
	if f.After == nil {
		t, err := s.cfg.Catalog.LoadTableID(ctx, id)
		if err != nil {
			return fmt.Errorf("measure a fix: %w", err)
		}
		if err := s.compare(ctx, t, &f.Fix); err != nil {
			return fmt.Errorf("measure a fix of %s: %w", t.Ident, err)
		}
	}
	f.After.Commits, f.After.CommitP50, f.After.CommitP95 = latency.Commits, latency.P50, latency.P95
	value, err := json.Marshal(f.Fix)
	if err != nil {
		return err
	}
	_, err = s.cfg.Store.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: f.key, Version: f.version}}, Then: []catalog.Op{{Key: f.key, Value: value}}})
	return err
}

// compare surveys the partition after a fix, and once more before it: what writers
// added while the fix was at work is in both, so that they differ by the fix alone.
func (s *Service) compare(ctx context.Context, t *catalog.Table, f *Fix) error {
	before, after := snapshotsOf(t.Metadata, f.JobID)
	at := func(snapshot int64) (Measure, error) {
		sc, err := s.cfg.Lake.Plan(ctx, t.Metadata, snapshot, nil)
		if err != nil {
			return Measure{}, err
		}
		return s.survey(t.Metadata, sc, *f)
	}
	now, err := at(after)
	if err != nil {
		return err
	}
	f.After = &now
	if before == 0 || before == f.Before.SnapshotID {
		return nil
	}
	m, err := at(before)
	if err != nil {
		return err
	}
	m.At, m.Commits, m.CommitP50, m.CommitP95 = f.Before.At, f.Before.Commits, f.Before.CommitP50, f.Before.CommitP95
	f.Before = m
	return nil
}

// snapshotsOf are the one before the first that a job made, and the last that it
// made; 0 where they have expired.
func snapshotsOf(meta table.Metadata, job string) (before, last int64) {
	var mine []table.Snapshot
	for _, snap := range meta.Snapshots() {
		if snap.Summary != nil && snap.Summary.Properties["firn.job"] == job {
			mine = append(mine, snap)
		}
	}
	if len(mine) == 0 {
		return 0, 0
	}
	slices.SortFunc(mine, func(a, b table.Snapshot) int { return cmp.Compare(a.SequenceNumber, b.SequenceNumber) })
	if parent := mine[0].ParentSnapshotID; parent != nil && meta.SnapshotByID(*parent) != nil {
		before = *parent
	}
	return before, mine[len(mine)-1].SnapshotID
}

// survey plans a fix's lookups over the files of its partition in a snapshot.
func (s *Service) survey(meta table.Metadata, sc *lake.Scan, f Fix) (Measure, error) {
	m := Measure{At: s.cfg.Now().UTC(), SnapshotID: sc.SnapshotID}
	files := within(meta, sc, f.Values)
	for _, file := range files {
		m.Files++
		m.Bytes += file.Data.FileSizeBytes()
		m.Rows += file.Data.Count()
	}
	var err error
	if m.Lookups, err = rewrite.Cost(meta, files, f.Probes); err != nil {
		return m, err
	}
	h := plan.NewHealth(f.Table)
	names := rewrite.NewPartitions(meta)
	for _, file := range sc.Files {
		h.Add(int(file.Data.SpecID()), names.Values(file.Data), file.Data.FileSizeBytes(), file.Data.Count(), false, m.At)
	}
	d := h.Hot(s.policy, m.At)
	m.Skew, m.Gini = d.Skew, d.Gini
	return m, nil
}

// within are the files of a partition, and of those that it was divided into: they
// have its values, and maybe more. A field that was replaced is found under the
// name that it had.
func within(meta table.Metadata, sc *lake.Scan, values map[string]*string) []lake.File {
	names := rewrite.NewPartitions(meta)
	var out []lake.File
next:
	for _, f := range sc.Files {
		has := names.Values(f.Data)
		for k, v := range values {
			w, ok := has[k]
			if !ok || (v == nil) != (w == nil) || v != nil && *v != *w {
				continue next
			}
		}
		out = append(out, f)
	}
	return out
}

// fixText is a record for people.
func fixText(f Fix) string {
	where := plan.PartitionText(f.Values)
	if len(f.Values) == 0 {
		where = "all partitions"
	}
	var parts []string
	if f.After != nil {
		for i, b := range f.Before.Lookups {
			if i < len(f.After.Lookups) && f.After.Lookups[i].Column == b.Column {
				a := f.After.Lookups[i]
				parts = append(parts, fmt.Sprintf("a lookup by %s opens %.1f files instead of %.1f and reads %s instead of %s",
					b.Column, a.Files, b.Files, plan.Size(int64(a.Bytes)), plan.Size(int64(b.Bytes))))
			}
		}
	}
	return strings.TrimSuffix(fmt.Sprintf("%s of %s, %s: %s", f.Step, where, f.Detail, strings.Join(parts, "; ")), ": ")
}
