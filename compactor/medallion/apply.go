package medallion

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
)

// propertyModel names, on a target and its side tables, the model they belong
// to.
const propertyModel = "firn.model"

// RebuildError says that applying would throw published rows away and compute
// them anew, and was not told to.
type RebuildError struct{ Models []string }

func (e *RebuildError) Error() string {
	return fmt.Sprintf("the new definition of %s changes rows already published: apply with --rebuild to drop the tables and compute them anew from their sources, or give the changed model a new name", strings.Join(e.Models, ", "))
}

// Apply stores the models of a project and creates the tables that are
// missing. Models that are no longer part of it stop running; their tables
// stay. Where a change is a rebuild, rebuild must say so: the tables of these
// models are then dropped and made anew. Applying the same project again does
// nothing.
func (s *Service) Apply(ctx context.Context, files []File, rebuild bool) (*ProjectPlan, error) {
	plan, err := s.Plan(ctx, files)
	if err != nil {
		return nil, err
	}
	if len(plan.Diagnostics) > 0 {
		return plan, plan.Diagnostics
	}
	again := map[string]bool{}
	for i, p := range plan.Models {
		if p.Change != ChangeRebuild {
			continue
		}
		if plan.definitions[i].Source != nil {
			return plan, fmt.Errorf("%w: source %s has other columns or another layout than its table: evolve the table, or give the source a new name", catalog.ErrInvalid, p.Name)
		}
		again[p.Name] = true
	}
	if len(again) > 0 && !rebuild {
		e := &RebuildError{}
		for name := range again {
			e.Models = append(e.Models, name)
		}
		slices.Sort(e.Models)
		return plan, e
	}
	for i, d := range plan.definitions {
		if err := s.applyOne(ctx, d, plan.Models[i].Change, again[d.name()]); err != nil {
			return plan, fmt.Errorf("apply %s: %w", d.name(), err)
		}
	}
	return plan, s.retire(ctx, plan.definitions)
}

// applyOne makes one definition current. The order is safe to be cut anywhere:
// dropped tables make runs fail until Apply is repeated, and the watermark goes
// in the same batch that stores the definition.
func (s *Service) applyOne(ctx context.Context, d *definition, change string, rebuild bool) error {
	if d.Model != nil {
		leave, err := s.enter(ctx, d.name())
		if err != nil {
			return err
		}
		defer leave()
	}
	if rebuild {
		for _, side := range []string{"", sideQuarantine, sideChanges} {
			id, err := catalog.ParseIdent(d.name() + side)
			if err != nil {
				return err
			}
			if err := s.cfg.Catalog.DropTable(ctx, id, true); err != nil && !errors.Is(err, catalog.ErrNotFound) {
				return fmt.Errorf("drop %s: %w", id, err)
			}
		}
	}
	if change == ChangeNew {
		// A model of this name may have left a watermark behind with a table
		// that was dropped since.
		if err := s.dropStaleWatermark(ctx, d); err != nil {
			return err
		}
	}
	d.AppliedAt = s.cfg.Now().UTC()
	if err := s.store(ctx, d, rebuild); err != nil {
		return err
	}
	return s.createTables(ctx, d)
}

func (s *Service) dropStaleWatermark(ctx context.Context, d *definition) error {
	if d.Model == nil {
		return nil
	}
	id, err := catalog.ParseIdent(d.name())
	if err != nil {
		return err
	}
	if _, err := s.cfg.Catalog.LoadTable(ctx, id); !errors.Is(err, catalog.ErrNotFound) {
		return err
	}
	_, err = s.cfg.Store.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: s.watermarkKey(d.name()), Delete: true}}})
	return err
}

func (s *Service) store(ctx context.Context, d *definition, forgetWatermark bool) error {
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	batch := catalog.Batch{Then: []catalog.Op{{Key: s.modelKey(d.name()), Value: b}}}
	if forgetWatermark {
		batch.Then = append(batch.Then, catalog.Op{Key: s.watermarkKey(d.name()), Delete: true})
	}
	_, err = s.cfg.Store.Apply(ctx, batch)
	return err
}

// retire marks the definitions that are no longer part of the project.
func (s *Service) retire(ctx context.Context, current []*definition) error {
	all, err := s.definitions(ctx, false)
	if err != nil {
		return err
	}
	for _, d := range all {
		if slices.ContainsFunc(current, func(c *definition) bool { return c.name() == d.name() }) {
			continue
		}
		d.Retired = true
		if err := s.store(ctx, d, false); err != nil {
			return fmt.Errorf("retire %s: %w", d.name(), err)
		}
	}
	return nil
}

// tableOf is a table that a definition needs.
type tableOf struct {
	name       string
	columns    []Column
	partition  []string
	sort       []string
	properties iceberg.Properties
}

func (d *definition) tables() []tableOf {
	if d.Source != nil {
		props := iceberg.Properties{parquet.PropertyMergeReady: "true"}
		maps.Copy(props, d.Source.Properties)
		return []tableOf{{d.Source.Name, d.Source.Columns, d.Source.PartitionBy, d.Source.SortBy, props}}
	}
	m := d.Model
	props := iceberg.Properties{propertyModel: m.Name}
	out := []tableOf{{m.Name, m.tableColumns(), m.PartitionBy, m.SortBy, props}}
	if m.Mode != ModeAggregate {
		out = append(out, tableOf{m.Name + sideQuarantine, quarantineColumns(), nil, nil, props})
	}
	if m.Mode == ModeUpsert {
		out = append(out, tableOf{m.Name + sideChanges, changeColumns(m.Columns), nil, nil, props})
	}
	return out
}

func (s *Service) createTables(ctx context.Context, d *definition) error {
	for _, t := range d.tables() {
		id, err := catalog.ParseIdent(t.name)
		if err != nil {
			return err
		}
		existing, err := s.cfg.Catalog.LoadTable(ctx, id)
		if err == nil {
			if err := checkExisting(existing, t); err != nil {
				return err
			}
			continue
		}
		if !errors.Is(err, catalog.ErrNotFound) {
			return err
		}
		if err := s.cfg.Catalog.EnsureNamespace(ctx, id.Namespace); err != nil {
			return fmt.Errorf("namespace %s: %w", id.Namespace, err)
		}
		l, err := tableLayout(t.columns, t.partition, t.sort)
		if err != nil {
			return err
		}
		spec := l.spec
		_, err = s.cfg.Catalog.CreateTable(ctx, catalog.NewTable{Ident: id, Schema: l.schema, Spec: &spec, SortOrder: l.order, Properties: t.properties})
		if err != nil && !errors.Is(err, catalog.ErrAlreadyExists) {
			return fmt.Errorf("create table %s: %w", id, err)
		}
	}
	return nil
}

// checkExisting accepts a table that has the columns wanted.
func checkExisting(have *catalog.Table, want tableOf) error {
	if owner := want.properties[propertyModel]; owner != "" && have.Metadata.Properties()[propertyModel] != owner {
		return fmt.Errorf("%w: table %s exists and was not made by the model: drop or rename it, or give the model another name", catalog.ErrAlreadyExists, have.Ident)
	}
	schema := have.Metadata.CurrentSchema()
	for _, c := range want.columns {
		f, ok := schema.FindFieldByName(c.Name)
		if !ok {
			return fmt.Errorf("%w: table %s has no column %s: add it to the table, or take it out of the definition", catalog.ErrInvalid, have.Ident, c.Name)
		}
		if c.Type == reasonsType {
			continue
		}
		t, err := icebergType(c.Type)
		if err != nil {
			return err
		}
		if !f.Type.Equals(t) {
			return fmt.Errorf("%w: column %s of table %s is %s, and the definition says %s", catalog.ErrInvalid, c.Name, have.Ident, f.Type, t)
		}
	}
	return nil
}
