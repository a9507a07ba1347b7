package medallion

import (
	"fmt"
	"slices"
	"strings"
)

const laterHelp = "remove it; Firn refuses what it would not do"

// check finds what is wrong with a head before its SQL is looked at.
func (m *ModelFile) check() Diagnostics {
	var faults Diagnostics
	add := func(at, message, help string) { faults = append(faults, m.doc.fault(at, message, help)) }

	if m.Kind != "model" {
		add("$.kind", fmt.Sprintf("kind %q in an .sql file", m.Kind), `write "kind: model"`)
	}
	if _, _, ok := splitName(m.Name); !ok {
		add("$.name", fmt.Sprintf("%q is no name of a table", m.Name), "write layer.table; "+nameHelp)
	}
	if m.SQL == "" {
		faults = append(faults, m.sqlFault(0, "no SELECT after the head", "write the SELECT that defines the table"))
	}
	faults = append(faults, m.checkMaterialize()...)
	faults = append(faults, m.checkRules()...)

	for name, r := range m.Read {
		at := fmt.Sprintf("$.read.'%s'", name)
		switch r.As {
		case "", "changes", "appends":
		case "latest":
			add(at, "as: latest is not served yet", "join in the next layer, or ask the query service")
		default:
			add(at, fmt.Sprintf("as: %s is unknown", r.As), didYouMean(r.As, []string{"changes", "appends", "latest"}))
		}
	}
	t := m.Trigger
	if t.On != "" && t.On != "source_commit" {
		add("$.trigger.on", fmt.Sprintf("trigger on %q is unknown", t.On), `write "source_commit"`)
	}
	if t.Cron != "" {
		if _, err := parseCron(t.Cron); err != nil {
			add("$.trigger.cron", err.Error(), `write five fields, for example "0 2 * * *"; times are UTC`)
		}
	}
	for at, present := range map[string]bool{
		"$.quarantine": m.Quarantine != nil, "$.accept_late": m.AcceptLate != nil, "$.slo": m.SLO != nil,
		"$.materialize.delete_when": m.Materialize.DeleteWhen != "", "$.materialize.tombstones": m.Materialize.Tombstones != nil,
	} {
		if present {
			key := at[strings.LastIndexByte(at, '.')+1:]
			add(at, key+" is not served yet", laterHelp)
		}
	}
	if m.Engine != "" && m.Engine != "duckdb" {
		add("$.engine", fmt.Sprintf("engine %q is not served yet", m.Engine), `remove it, or write "duckdb"`)
	}
	for i, test := range m.Tests {
		if test.Name == "" {
			add(fmt.Sprintf("$.tests[%d]", i), "a test without a name", "give it one: failures are reported by it")
		}
	}
	return faults
}

func (m *ModelFile) checkMaterialize() Diagnostics {
	var faults Diagnostics
	add := func(at, message, help string) {
		faults = append(faults, m.doc.fault("$.materialize"+at, message, help))
	}
	z := m.Materialize
	only := func(key string, set bool, mode string) {
		if set && z.Mode != mode {
			add("."+key, fmt.Sprintf("%s belongs to mode %s, and this model is %s", key, mode, z.Mode), "remove one of them")
		}
	}
	switch z.Mode {
	case ModeAppend:
	case ModeUpsert:
		if len(z.Key) == 0 {
			add("", "upsert needs a key", "name the output columns that identify a row: key: [...]")
		}
		if z.Keep != "" && z.Keep != "latest" {
			add(".keep", fmt.Sprintf("keep %q is unknown", z.Keep), `write "latest"`)
		}
		if len(z.OrderBy) == 0 {
			add("", "upsert needs an order", "name the columns that tell the later of two rows: order_by: [...]")
		}
	case ModeAggregate:
		if len(z.Grain) == 0 {
			add("", "aggregate needs a grain", "name the output columns that are grouped by: grain: [...]")
		}
		if len(m.Rules) > 0 {
			faults = append(faults, m.doc.fault("$.rules", "row rules of an aggregate are not served yet", "put them on the model it reads"))
		}
	case "history", "full":
		add(".mode", fmt.Sprintf("mode %s is not served yet", z.Mode), "served are append, upsert and aggregate")
	case "":
		add("", "no mode", "write materialize: { mode: append | upsert | aggregate }")
	default:
		add(".mode", fmt.Sprintf("mode %q is unknown", z.Mode), didYouMean(z.Mode, []string{ModeAppend, ModeUpsert, ModeAggregate}))
	}
	only("key", len(z.Key) > 0, ModeUpsert)
	only("keep", z.Keep != "", ModeUpsert)
	only("order_by", len(z.OrderBy) > 0, ModeUpsert)
	only("grain", len(z.Grain) > 0, ModeAggregate)
	for _, l := range []struct {
		key   string
		names []string
	}{{"key", z.Key}, {"grain", z.Grain}, {"order_by", z.OrderBy}} {
		for _, d := range duplicates(l.names) {
			add("."+l.key, fmt.Sprintf("%s names %s twice", l.key, d), "name it once")
		}
	}
	return faults
}

func (m *ModelFile) checkRules() Diagnostics {
	var faults Diagnostics
	var names []string
	for i, r := range m.Rules {
		at := fmt.Sprintf("$.rules[%d]", i)
		add := func(message, help string) { faults = append(faults, m.doc.fault(at, message, help)) }
		if !namePart.MatchString(r.Name) {
			add(fmt.Sprintf("rule name %q", r.Name), nameHelp)
		}
		if slices.Contains(names, r.Name) {
			add(fmt.Sprintf("two rules are named %s", r.Name), "counts are kept by name: give one another name")
		}
		names = append(names, r.Name)
		if strings.TrimSpace(r.Expr) == "" {
			add(fmt.Sprintf("rule %s has no expr", r.Name), "write the condition that a good row satisfies")
		}
		switch r.OnFail {
		case OnFailWarn, OnFailDrop, OnFailQuarantine, OnFailFail:
		case "hold":
			add("on_fail: hold is not served yet", "served are warn, drop, quarantine and fail")
		default:
			add(fmt.Sprintf("on_fail %q is unknown", r.OnFail), didYouMean(r.OnFail, []string{OnFailWarn, OnFailDrop, OnFailQuarantine, OnFailFail}))
		}
		if r.Null != "" && r.Null != "pass" {
			add(fmt.Sprintf("null: %q is unknown", r.Null), `write "pass", or nothing: then NULL violates the rule`)
		}
	}
	identity := m.Materialize.Key
	if m.Materialize.Mode == ModeAggregate {
		identity = m.Materialize.Grain
	}
	for i, r := range m.RelationRules {
		at := fmt.Sprintf("$.relation_rules[%d]", i)
		switch {
		case r.Volume != nil || r.Per != "":
			faults = append(faults, m.doc.fault(at, "volume rules are not served yet", laterHelp))
		case len(r.Unique) == 0:
			faults = append(faults, m.doc.fault(at, fmt.Sprintf("relation rule %s has no condition", r.Name), "write unique: [...]"))
		case !sameSet(r.Unique, identity):
			faults = append(faults, m.doc.fault(at, "unique over other columns than the key or grain is not served yet", laterHelp))
		case r.OnFail != OnFailFail:
			faults = append(faults, m.doc.fault(at, "a relation rule can only fail the run yet", "write on_fail: fail"))
		}
	}
	return faults
}

// check finds what is wrong with a source.
func (s *SourceFile) check() Diagnostics {
	var faults Diagnostics
	add := func(at, message, help string) { faults = append(faults, s.doc.fault(at, message, help)) }
	if _, _, ok := splitName(s.Name); !ok {
		add("$.name", fmt.Sprintf("%q is no name of a table", s.Name), "write layer.table; "+nameHelp)
	}
	if s.AppendOnly != "enforced" {
		add("$.append_only", "sources that are not append-only are not served yet", `write "append_only: enforced": changes are rows with an order column`)
	}
	if len(s.Columns) == 0 {
		add("$.columns", "no columns", "write columns: { name: type, ... }")
	}
	for _, c := range s.Columns {
		name, _ := c.Key.(string)
		text, _ := c.Value.(string)
		column, err := parseColumn(name, text)
		if err != nil {
			add(fmt.Sprintf("$.columns.'%s'", name), err.Error(), typeHelp)
			continue
		}
		s.columns = append(s.columns, column)
	}
	has := func(name string) bool {
		return slices.ContainsFunc(s.columns, func(c Column) bool { return c.Name == name })
	}
	for at, name := range map[string]string{"$.lane": s.Lane, "$.row_id": s.RowID} {
		if name != "" && !has(name) {
			add(at, fmt.Sprintf("there is no column %q", name), didYouMean(name, columnNames(s.columns)))
		}
	}
	for at, present := range map[string]bool{
		"$.contract": s.Contract != "", "$.contributors": s.Contributors != nil, "$.retention": s.Retention != nil,
		"$.idempotency_key": len(s.IdempotencyKey) > 0,
	} {
		if present {
			add(at, at[2:]+" is not served yet", laterHelp)
		}
	}
	if len(faults) == 0 {
		if _, err := tableLayout(s.columns, s.PartitionBy, s.SortBy); err != nil {
			add("$.partition_by", err.Error(), layoutHelp)
		}
	}
	return faults
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}
