package medallion

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
)

// ModelPlan says what applying a project would do to one source or model.
type ModelPlan struct {
	Name        string
	Mode        string
	Inputs      []string
	Change      string
	Proof       string
	PendingRows int64
}

// ProjectPlan is what applying a project would do. With Diagnostics nothing
// can be applied.
type ProjectPlan struct {
	Models      []ModelPlan // in the order of the graph
	Diagnostics Diagnostics

	definitions []*definition
}

// Plan parses a project, proves its models and compares it with what is
// applied. Nothing is stored.
func (s *Service) Plan(ctx context.Context, files []File) (*ProjectPlan, error) {
	plan := &ProjectPlan{}
	project, faults := ParseProject(files)
	if len(faults) > 0 {
		plan.Diagnostics = faults
		return plan, nil
	}
	if len(project.Sources)+len(project.Models) == 0 {
		plan.Diagnostics = Diagnostics{{Path: "firn.yml", Message: "the project has no sources and no models", Help: "give the folder that holds firn.yml, the sources (.yml) and the models (.sql)"}}
		return plan, nil
	}
	definitions, faults, err := s.compileProject(ctx, project)
	if err != nil {
		return nil, err
	}
	if len(faults) > 0 {
		plan.Diagnostics = faults.sorted()
		return plan, nil
	}
	before, err := s.definitions(ctx, true)
	if err != nil {
		return nil, err
	}
	plan.definitions = definitions
	for _, d := range definitions {
		p := ModelPlan{Name: d.name(), Mode: ModeSource}
		i := slices.IndexFunc(before, func(b *definition) bool { return b.name() == d.name() })
		if d.Source != nil {
			p.Change = ChangeNew
			if i >= 0 && before[i].Source != nil {
				p.Change = sourceChange(before[i].Source, d.Source)
			}
			p.Proof = "append-only: rows are never changed, so what was added since a snapshot is all that is new"
		} else {
			var old *Compiled
			if i >= 0 {
				old = before[i].Model
			}
			p.Mode, p.Inputs, p.Proof = d.Model.Mode, []string{d.Model.Source}, d.Model.Proof
			p.Change = changeClass(old, d.Model)
			p.PendingRows = s.pendingRows(ctx, d.Model)
		}
		plan.Models = append(plan.Models, p)
	}
	plan.rebuildDownstream()
	return plan, nil
}

// rebuildDownstream marks the models whose source is rebuilt.
func (p *ProjectPlan) rebuildDownstream() {
	rebuilt := map[string]bool{}
	for i := range p.Models {
		m := &p.Models[i]
		if len(m.Inputs) == 1 && rebuilt[m.Inputs[0]] && m.Change != ChangeNew {
			m.Change = ChangeRebuild
		}
		rebuilt[m.Name] = m.Change == ChangeRebuild
	}
}

func sourceChange(before, after *applied) string {
	switch {
	case digest(before.Columns, before.PartitionBy, before.SortBy) != digest(after.Columns, after.PartitionBy, after.SortBy):
		return ChangeRebuild
	case digest(before) != digest(after):
		return ChangeMetadata
	}
	return ChangeUnchanged
}

// compileProject orders the graph and compiles every model over what it reads.
func (s *Service) compileProject(ctx context.Context, p *Project) ([]*definition, Diagnostics, error) {
	fs, err := s.functions.load(ctx, s.cfg.Pool)
	if err != nil {
		return nil, nil, err
	}
	var faults Diagnostics
	var out []*definition
	known := map[string]upstream{}
	for _, src := range sortedBy(p.Sources, func(s *SourceFile) string { return s.Name }) {
		known[src.Name] = upstream{name: src.Name, mode: ModeSource, columns: src.columns, lane: src.Lane, rowID: src.RowID}
		out = append(out, &definition{Format: 1, Layer: p.layer(src.Name), Source: &applied{
			Name: src.Name, File: src.File, Columns: src.columns, PartitionBy: src.PartitionBy, SortBy: src.SortBy,
			Lane: src.Lane, RowID: src.RowID, Properties: src.Properties,
		}})
	}
	type parsed struct {
		m      *ModelFile
		query  node
		source string
	}
	var waiting []parsed
	for _, m := range sortedBy(p.Models, func(m *ModelFile) string { return m.Name }) {
		query, bad, err := parseModel(ctx, s.cfg.Pool, m)
		if err != nil {
			return nil, nil, err
		}
		if len(bad) > 0 {
			faults = append(faults, bad...)
			continue
		}
		pr := prover{m: m, functions: fs}
		source := pr.shape(query)
		faults = append(faults, pr.faults...)
		if len(pr.faults) == 0 {
			faults = append(faults, checkRead(m, source)...)
			waiting = append(waiting, parsed{m, query, source})
		}
	}
	for len(waiting) > 0 {
		var blocked []parsed
		for _, w := range waiting {
			up, ok := known[w.source]
			if !ok {
				blocked = append(blocked, w)
				continue
			}
			if up.mode == ModeAggregate {
				faults = append(faults, w.m.sqlFault(0, fmt.Sprintf("reading the aggregate %s is not served yet", w.source), "read the model that it aggregates"))
				continue
			}
			if up.mode == ModeUpsert && w.m.Materialize.Mode != ModeAggregate {
				faults = append(faults, w.m.sqlFault(0, fmt.Sprintf("mode %s over the upsert %s is not served yet: its rows change", w.m.Materialize.Mode, w.source), "use mode: aggregate, or read its source"))
				continue
			}
			c, bad, err := compile(ctx, s.cfg.Pool, fs, w.m, w.query, up, p.layer(w.m.Name))
			if err != nil {
				return nil, nil, err
			}
			if len(bad) > 0 {
				faults = append(faults, bad...)
				continue
			}
			known[w.m.Name] = upstream{name: c.Name, mode: c.Mode, columns: c.Columns}
			out = append(out, &definition{Format: 1, Layer: c.Layer, Model: c})
		}
		if len(blocked) == len(waiting) {
			if len(faults) == 0 {
				faults = append(faults, blockedFaults(p, func(yield func(*ModelFile, string)) {
					for _, b := range blocked {
						yield(b.m, b.source)
					}
				})...)
			}
			break
		}
		waiting = blocked
	}
	for i, d := range out {
		d.Order = i
		d.Downstream = slices.ContainsFunc(out, func(o *definition) bool { return o.Model != nil && o.Model.Source == d.name() })
	}
	return out, faults, nil
}

// checkRead compares read: with what the SELECT reads.
func checkRead(m *ModelFile, source string) Diagnostics {
	var faults Diagnostics
	for name := range m.Read {
		if name != source {
			faults = append(faults, m.doc.fault(fmt.Sprintf("$.read.'%s'", name), fmt.Sprintf("the SELECT does not read %s", name), fmt.Sprintf("it reads %s", source)))
		}
	}
	return faults
}

// blockedFaults explains models whose source never came up: it does not exist,
// or they read each other.
func blockedFaults(p *Project, each func(func(*ModelFile, string))) Diagnostics {
	var names []string
	for _, s := range p.Sources {
		names = append(names, s.Name)
	}
	for _, m := range p.Models {
		names = append(names, m.Name)
	}
	var faults, cycles Diagnostics
	each(func(m *ModelFile, source string) {
		if slices.Contains(names, source) {
			cycles = append(cycles, m.sqlFault(0, fmt.Sprintf("%s reads %s, which in turn depends on it", m.Name, source), "a graph of models has no cycles"))
			return
		}
		at := max(0, strings.Index(strings.ToLower(m.SQL), strings.ToLower(source)))
		faults = append(faults, m.sqlFault(at, fmt.Sprintf("there is no source or model %s", source), didYouMean(source, names)))
	})
	if len(faults) > 0 {
		return faults
	}
	return cycles
}

func sortedBy[T any](in []T, key func(T) string) []T {
	return slices.SortedFunc(slices.Values(in), func(a, b T) int { return cmp.Compare(key(a), key(b)) })
}

func sortDefinitions(ds []*definition) {
	slices.SortFunc(ds, func(a, b *definition) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.name(), b.name()))
	})
}

func sortRuns(rs []Run) {
	slices.SortFunc(rs, func(a, b Run) int { return cmp.Compare(b.ID, a.ID) })
}
