package compactor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
)

// A process that shares its store with others reads what they took this often.
const usageRefresh = 10 * time.Second

// ledger is what compactions took in the last day, by level. It is right again
// after a restart: each process writes records of its own, whole, so that a write
// whose outcome is unknown is simply done again.
type ledger struct {
	owner string // of this process's records

	// saving is held through a save: an older state must not follow a newer one.
	saving sync.Mutex

	mu sync.Mutex
	// own are this process's records, by table; unsaved those that the store has
	// older, and stale those of earlier processes that own took over.
	own     map[uuid.UUID]*taken
	unsaved map[uuid.UUID]bool
	stale   map[uuid.UUID][]string
	sums    map[string]plan.Usage // by scope, over all processes
	loaded  time.Time
}

// taken is a record: what compactions of one table took in one process.
type taken struct {
	V         int               `json:"v"`
	Namespace catalog.Namespace `json:"namespace"`
	Name      string            `json:"name"`
	Used      plan.Usage        `json:"used"`
}

func (s *Service) usagePrefix() string { return "usage/" + s.cfg.Catalog.Warehouse() + "/" }

func (s *Service) usageKey(id uuid.UUID) string {
	return s.usagePrefix() + id.String() + "/" + s.usage.owner
}

// loadUsage reads all records. Those of processes that are gone become this
// process's where it is alone, and go when nothing in them counts any more.
func (s *Service) loadUsage(ctx context.Context) error {
	_, kvs, err := s.cfg.Store.Scan(ctx, catalog.Range{Prefix: s.usagePrefix()})
	if err != nil {
		return fmt.Errorf("read what compactions took: %w", err)
	}
	now := s.cfg.Now()
	l := &s.usage
	var gone catalog.Batch
	l.mu.Lock()
	l.loaded, l.sums = now, map[string]plan.Usage{}
	for _, kv := range kvs {
		table, owner, _ := strings.Cut(strings.TrimPrefix(kv.Key, s.usagePrefix()), "/")
		id, err := uuid.Parse(table)
		var rec taken
		if err != nil || json.Unmarshal(kv.Value, &rec) != nil || owner == l.owner {
			continue
		}
		rec.Used = rec.Used.Add(now)
		switch {
		case len(rec.Used) == 0:
			gone.Then = append(gone.Then, catalog.Op{Key: kv.Key, Delete: true})
		case s.cfg.Alone:
			have := l.record(id, catalog.Ident{Namespace: rec.Namespace, Name: rec.Name})
			have.Used = have.Used.Add(now, rec.Used...)
			l.unsaved[id] = true
			l.stale[id] = append(l.stale[id], kv.Key)
		default:
			l.add(now, id, rec.Namespace, rec.Used...)
		}
	}
	for id, rec := range l.own {
		l.add(now, id, rec.Namespace, rec.Used...)
	}
	l.mu.Unlock()
	if len(gone.Then) > 0 {
		if _, err := s.cfg.Store.Apply(ctx, gone); err != nil {
			return fmt.Errorf("remove what compactions took long ago: %w", err)
		}
	}
	return nil
}

func (l *ledger) record(id uuid.UUID, ident catalog.Ident) *taken {
	rec := l.own[id]
	if rec == nil {
		rec = &taken{V: 1}
		l.own[id] = rec
	}
	rec.Namespace, rec.Name = ident.Namespace, ident.Name
	return rec
}

func (l *ledger) add(now time.Time, id uuid.UUID, ns catalog.Namespace, spent ...plan.Spent) {
	for _, scope := range scopes(id, ns) {
		l.sums[scope] = l.sums[scope].Add(now, spent...)
	}
}

// charge books what a compaction takes. The bytes are booked before they are
// read: a process that is killed has not read them for nothing. When limits hold
// for the table, it is durable when charge returns.
func (s *Service) charge(ctx context.Context, t *catalog.Table, spent plan.Spent, bounded bool) {
	now := s.cfg.Now()
	spent.At = now.UTC()
	l := &s.usage
	l.mu.Lock()
	rec := l.record(t.ID, t.Ident)
	rec.Used = rec.Used.Add(now, spent)
	l.unsaved[t.ID] = true
	l.add(now, t.ID, t.Ident.Namespace, spent)
	l.mu.Unlock()
	if !bounded {
		return // saved with the health
	}
	if err := s.saveUsage(ctx); err != nil {
		// It counts here all the same, and is saved with the health.
		s.cfg.Logger.WarnContext(ctx, "save what compactions took", "error", err)
	}
}

// saveUsage writes the records that changed.
func (s *Service) saveUsage(ctx context.Context) error {
	l := &s.usage
	l.saving.Lock()
	defer l.saving.Unlock()
	l.mu.Lock()
	var b catalog.Batch
	var saved []uuid.UUID
	for id := range l.unsaved {
		value, err := json.Marshal(l.own[id])
		if err != nil {
			l.mu.Unlock()
			return err
		}
		b.Then = append(b.Then, catalog.Op{Key: s.usageKey(id), Value: value})
		for _, key := range l.stale[id] {
			b.Then = append(b.Then, catalog.Op{Key: key, Delete: true})
		}
		saved = append(saved, id)
	}
	clear(l.unsaved)
	l.mu.Unlock()
	if len(saved) == 0 {
		return nil
	}
	_, err := s.cfg.Store.Apply(ctx, b)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range saved {
		if err != nil {
			l.unsaved[id] = true
		} else {
			delete(l.stale, id)
		}
	}
	if err != nil {
		return fmt.Errorf("save what compactions took: %w", err)
	}
	return nil
}

// pruneUsage removes the records in which nothing counts any more, and tables with
// them that were dropped long ago.
func (s *Service) pruneUsage(ctx context.Context) error {
	now := s.cfg.Now()
	l := &s.usage
	l.saving.Lock()
	defer l.saving.Unlock()
	var b catalog.Batch
	l.mu.Lock()
	for id, rec := range l.own {
		if rec.Used = rec.Used.Add(now); len(rec.Used) == 0 {
			delete(l.own, id)
			delete(l.unsaved, id)
			b.Then = append(b.Then, catalog.Op{Key: s.usageKey(id), Delete: true})
		}
	}
	for scope, u := range l.sums {
		if l.sums[scope] = u.Add(now); len(l.sums[scope]) == 0 {
			delete(l.sums, scope)
		}
	}
	l.mu.Unlock()
	if len(b.Then) == 0 {
		return nil
	}
	// One that stays for want of a store is removed when it is read again.
	if _, err := s.cfg.Store.Apply(ctx, b); err != nil {
		return fmt.Errorf("remove what compactions took long ago: %w", err)
	}
	return nil
}

// used answers what was taken of a scope.
func (s *Service) used(ctx context.Context, scope string) plan.Usage {
	l := &s.usage
	l.mu.Lock()
	old := !s.cfg.Alone && s.cfg.Now().Sub(l.loaded) >= usageRefresh
	l.mu.Unlock()
	if old {
		if err := s.loadUsage(ctx); err != nil {
			s.cfg.Logger.WarnContext(ctx, "read what other processes took", "error", err)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(plan.Usage(nil), l.sums[scope]...)
}

// accounts opens the accounts of bounds that are not yet in into.
func (s *Service) accounts(ctx context.Context, bounds []plan.Bound, active map[string]int64, into map[string]plan.Account) {
	for _, b := range bounds {
		if _, ok := into[b.Scope]; !ok {
			into[b.Scope] = plan.Account{Bound: b, Used: s.used(ctx, b.Scope), Active: active[b.Scope]}
		}
	}
}

// activeByScope counts the jobs below each level.
func activeByScope(active []jobs.Job) map[string]int64 {
	out := map[string]int64{}
	for _, j := range active {
		if j.Table != uuid.Nil && j.Kind != KindPromote {
			for _, scope := range scopes(j.Table, j.Ident.Namespace) {
				out[scope]++
			}
		}
	}
	return out
}

// room is how many bytes a compaction that the planner made may read now; or why
// none.
func (s *Service) room(ctx context.Context, e plan.Effective) (int64, string) {
	now := s.cfg.Now()
	if open, opens := e.Policy.Windows.Open(now); !open {
		return 0, fmt.Sprintf("its window has closed (%s); the next one opens at %s", e.Policy.Windows, opens.UTC().Format("Mon 15:04 UTC"))
	}
	var accounts []plan.Account
	for _, b := range e.Bounds {
		// This job is one of the active ones: that limit was for its making.
		b.Jobs = 0
		accounts = append(accounts, plan.Account{Bound: b, Used: s.used(ctx, b.Scope)})
	}
	most, hold := plan.Allowance(accounts, now)
	if hold != nil {
		return 0, hold.Text
	}
	return most, ""
}

// gate says why a job that the planner made may not begin now: since it was made
// its window may have closed, or others have used the budget up.
func (s *Service) gate(ctx context.Context, task *jobs.Task) (string, error) {
	if task.Trigger != triggerPlanner || task.Table == uuid.Nil {
		return "", nil
	}
	t, err := s.cfg.Catalog.LoadTableID(ctx, task.Table)
	if errors.Is(err, catalog.ErrNotFound) {
		return "", nil // the handler says so
	}
	if err != nil {
		return "", err
	}
	e, err := s.above().table(ctx, t)
	if err != nil {
		return "", err
	}
	if task.Kind != KindCompact && task.Kind != KindRebalance {
		e.Bounds = nil // limits are of what rewrites
	}
	_, why := s.room(ctx, e)
	return why, nil
}

func (s *Service) ratesKey() string { return "rates/" + s.cfg.Catalog.Warehouse() }

func (s *Service) loadRates(ctx context.Context) {
	kv, err := s.cfg.Store.Get(ctx, s.ratesKey())
	var r plan.Rates
	if err == nil && json.Unmarshal(kv.Value, &r) == nil {
		s.mu.Lock()
		s.rates = r
		s.mu.Unlock()
	}
}

// measure learns from what a compaction took, when all its groups were of one
// tier.
func (s *Service) measure(groups []plan.Group, bytes int64, took time.Duration) {
	for _, g := range groups {
		if g.Tier != groups[0].Tier {
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rates = s.rates.Observe(groups[0].Tier, bytes, took)
	s.newRates = true
}

func (s *Service) saveRates(ctx context.Context) error {
	s.mu.Lock()
	value, err := json.Marshal(s.rates)
	changed := s.newRates
	s.newRates = false
	s.mu.Unlock()
	if err != nil || !changed {
		return err
	}
	if _, err := s.cfg.Store.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: s.ratesKey(), Value: value}}}); err != nil {
		s.mu.Lock()
		s.newRates = true
		s.mu.Unlock()
		return fmt.Errorf("save rates: %w", err)
	}
	return nil
}
