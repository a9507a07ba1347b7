package compactor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// OriginWarehouse is the level above all namespaces: a record in the store.
const OriginWarehouse = "warehouse"

// warehousePolicy is that record.
type warehousePolicy struct {
	V          int               `json:"v"`
	Properties map[string]string `json:"properties"`
}

func (s *Service) policyKey() string { return "policy/" + s.cfg.Catalog.Warehouse() }

// Target is what a policy is asked of or set for: a table, a namespace, or the
// warehouse when both are empty.
type Target struct {
	Table     catalog.Ident
	Namespace catalog.Namespace
}

// String is the name that the command line knows it by.
func (t Target) String() string {
	switch {
	case t.Table.Name != "":
		return t.Table.String()
	case len(t.Namespace) > 0:
		return t.Namespace.String()
	}
	return OriginWarehouse
}

// warehouse reads the warehouse's own properties, and the version of the record.
func (s *Service) warehouse(ctx context.Context) (map[string]string, catalog.Version, error) {
	kv, err := s.cfg.Store.Get(ctx, s.policyKey())
	if errors.Is(err, catalog.ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("read the policy of the warehouse: %w", err)
	}
	var rec warehousePolicy
	if err := json.Unmarshal(kv.Value, &rec); err != nil {
		return nil, 0, fmt.Errorf("read the policy of the warehouse: %w", err)
	}
	return rec.Properties, kv.Version, nil
}

// above reads the levels above tables, and remembers them: it is for one round of
// decisions, or one call.
type above struct {
	s    *Service
	memo map[string][]plan.Level
}

func (s *Service) above() above { return above{s: s, memo: map[string][]plan.Level{}} }

// of answers the levels from a namespace on, the nearest first.
func (a above) of(ctx context.Context, ns catalog.Namespace) ([]plan.Level, error) {
	if levels, ok := a.memo[ns.String()]; ok {
		return levels, nil
	}
	var own plan.Level
	var rest []plan.Level
	if len(ns) == 0 {
		props, _, err := a.s.warehouse(ctx)
		if err != nil {
			return nil, err
		}
		own = plan.Level{Origin: OriginWarehouse, Scope: OriginWarehouse, Properties: props}
		rest = []plan.Level{{Origin: plan.OriginConfiguration, Scope: plan.OriginConfiguration, Properties: a.s.cfg.Properties}}
	} else {
		props, err := a.s.cfg.Catalog.LoadNamespace(ctx, ns)
		// Its tables may just have been moved away from it, or it is being dropped.
		if err != nil && !errors.Is(err, catalog.ErrNoSuchNamespace) {
			return nil, fmt.Errorf("read the policy of namespace %s: %w", ns, err)
		}
		own = plan.Level{Origin: "namespace " + ns.String(), Scope: scopeOf(ns), Properties: props}
		if rest, err = a.of(ctx, ns.Parent()); err != nil {
			return nil, err
		}
	}
	levels := append([]plan.Level{own}, rest...)
	a.memo[ns.String()] = levels
	return levels, nil
}

func scopeOf(ns catalog.Namespace) string { return "namespace " + ns.String() }

func tableScope(id uuid.UUID) string { return "table " + id.String() }

// scopes are the levels that a table lies in, itself among them.
func scopes(id uuid.UUID, ns catalog.Namespace) []string {
	out := []string{tableScope(id), OriginWarehouse, plan.OriginConfiguration}
	for ; len(ns) > 0; ns = ns.Parent() {
		out = append(out, scopeOf(ns))
	}
	return out
}

// table answers what holds for a table.
func (a above) table(ctx context.Context, t *catalog.Table) (plan.Effective, error) {
	levels, err := a.of(ctx, t.Ident.Namespace)
	if err != nil {
		return plan.Effective{}, err
	}
	own := plan.Level{Origin: plan.OriginTable, Scope: tableScope(t.ID), Properties: t.Metadata.Properties()}
	e := a.s.resolve(append([]plan.Level{own}, levels...))
	e.Policy.FormatVersion, e.Policy.SpecID = t.Metadata.Version(), t.Metadata.DefaultPartitionSpec()
	for i, x := range e.Settings {
		if x.Key == plan.PropertySort && x.Origin == plan.OriginDefault && len(e.Policy.Sort) == 0 {
			if e.Policy.Sort = rewrite.TableSort(t.Metadata); len(e.Policy.Sort) > 0 {
				e.Settings[i].Value, e.Settings[i].Origin = strings.Join(e.Policy.Sort, ", "), "sort order of the table"
			}
		}
	}
	return e, nil
}

// policyOf is what holds for a table; ErrInvalid when what governs a kind of job
// cannot be read.
func (s *Service) policyOf(ctx context.Context, t *catalog.Table, kind plan.Kind) (plan.Policy, error) {
	e, err := s.above().table(ctx, t)
	if err != nil {
		return plan.Policy{}, err
	}
	if err := e.Err(kind); err != nil {
		return plan.Policy{}, fmt.Errorf("%w: %s %s: %w", catalog.ErrInvalid, kind, t.Ident, err)
	}
	return e.Policy, nil
}

// EffectivePolicy answers what holds for a table, or for all tables of a namespace
// or the warehouse that say nothing themselves.
func (s *Service) EffectivePolicy(ctx context.Context, of Target) (plan.Effective, error) {
	if of.Table.Name != "" {
		t, err := s.cfg.Catalog.LoadTable(ctx, of.Table)
		if err != nil {
			return plan.Effective{}, fmt.Errorf("policy of %s: %w", of, err)
		}
		return s.above().table(ctx, t)
	}
	if len(of.Namespace) > 0 {
		if _, err := s.cfg.Catalog.LoadNamespace(ctx, of.Namespace); err != nil {
			return plan.Effective{}, fmt.Errorf("policy of %s: %w", of, err)
		}
	}
	levels, err := s.above().of(ctx, of.Namespace)
	if err != nil {
		return plan.Effective{}, err
	}
	return s.resolve(levels), nil
}

// resolve is what holds where levels speak over the service's own policy.
func (s *Service) resolve(levels []plan.Level) plan.Effective {
	e := plan.Resolve(s.policy, levels)
	for i, x := range e.Settings {
		if x.Key == plan.PropertyGrace && e.Policy.Grace == 0 && x.Problem == "" {
			e.Settings[i].Value = cmp.Or(s.cfg.Grace, time.Hour).String()
			if s.cfg.Grace != 0 && s.cfg.Grace != time.Hour {
				e.Settings[i].Origin = plan.OriginConfiguration
			}
		}
	}
	return e
}

// SetPolicy sets and removes properties of a level, all or nothing; a value that
// cannot be read is ErrInvalid. Its tables are looked at again at once.
func (s *Service) SetPolicy(ctx context.Context, of Target, set map[string]string, remove []string) error {
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if err := plan.Check(k, set[k]); err != nil {
			return fmt.Errorf("%w: %w", catalog.ErrInvalid, err)
		}
		if slices.Contains(remove, k) {
			return fmt.Errorf("%w: property %s is both set and removed", catalog.ErrInvalid, k)
		}
	}
	for _, k := range remove {
		if !slices.Contains(plan.Keys(), k) {
			return fmt.Errorf("%w: %s is no property of a policy; these are: %s", catalog.ErrInvalid, k, strings.Join(plan.Keys(), ", "))
		}
	}
	ctx = catalog.WithActor(ctx, "policy")
	var err error
	switch {
	case of.Table.Name != "":
		err = s.setTable(ctx, of.Table, set, remove)
	case len(of.Namespace) > 0:
		_, err = s.cfg.Catalog.UpdateNamespace(ctx, of.Namespace, set, remove)
	default:
		err = s.setWarehouse(ctx, set, remove)
	}
	if err != nil {
		return fmt.Errorf("set the policy of %s: %w", of, err)
	}
	s.mu.Lock()
	for _, t := range s.tables {
		t.touched = true
	}
	s.mu.Unlock()
	s.signal()
	return nil
}

func (s *Service) setTable(ctx context.Context, id catalog.Ident, set map[string]string, remove []string) error {
	t, err := s.cfg.Catalog.LoadTable(ctx, id)
	if err != nil {
		return err
	}
	if err := columnsOf(set, t.Metadata.CurrentSchema()); err != nil {
		return fmt.Errorf("%w: %w", catalog.ErrInvalid, err)
	}
	var updates []table.Update
	if len(set) > 0 {
		updates = append(updates, table.NewSetPropertiesUpdate(iceberg.Properties(set)))
	}
	remove = slices.DeleteFunc(slices.Clone(remove), func(k string) bool {
		_, has := t.Metadata.Properties()[k]
		return !has
	})
	if len(remove) > 0 {
		updates = append(updates, table.NewRemovePropertiesUpdate(remove))
	}
	if len(updates) == 0 {
		return nil
	}
	_, err = s.cfg.Catalog.Commit(ctx, catalog.Transaction{ID: uuid.NewString(), Actor: "policy", Tables: []catalog.TableChange{{Table: t.ID, Updates: updates}}})
	return err
}

// columnsOf says whether rows of a table can be laid out by what properties name.
func columnsOf(set map[string]string, schema *iceberg.Schema) error {
	p, err := plan.PolicyOf(plan.Policy{}, set)
	if err != nil {
		return err
	}
	order, err := plan.ParseOrder(p.Sort)
	if err != nil {
		return err
	}
	columns := slices.Concat(p.HotColumns, order.Columns)
	for _, term := range order.Terms {
		columns = append(columns, term.Column)
	}
	for _, c := range columns {
		if _, err := rewrite.Column(c, schema); err != nil {
			return err
		}
	}
	return nil
}

// setWarehouse changes the record by compare-and-swap. To do it twice changes
// nothing more, so that an unknown outcome may simply be tried again.
func (s *Service) setWarehouse(ctx context.Context, set map[string]string, remove []string) error {
	for {
		have, version, err := s.warehouse(ctx)
		if err != nil {
			return err
		}
		props := map[string]string{}
		maps.Copy(props, have)
		for _, k := range remove {
			delete(props, k)
		}
		maps.Copy(props, set)
		value, err := json.Marshal(warehousePolicy{V: 1, Properties: props})
		if err != nil {
			return err
		}
		_, err = s.cfg.Store.Apply(ctx, catalog.Batch{
			If:   []catalog.Cond{{Key: s.policyKey(), Version: version}},
			Then: []catalog.Op{{Key: s.policyKey(), Value: value}},
		})
		if _, lost := errors.AsType[*catalog.ConflictError](err); !lost {
			return err
		}
	}
}
