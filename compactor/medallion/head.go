package medallion

import (
	"time"

	"github.com/goccy/go-yaml"
)

// Modes of a model.
const (
	ModeSource    = "source"
	ModeAppend    = "append"
	ModeUpsert    = "upsert"
	ModeAggregate = "aggregate"
)

// What happens to a row that violates a rule.
const (
	OnFailWarn       = "warn"
	OnFailDrop       = "drop"
	OnFailQuarantine = "quarantine"
	OnFailFail       = "fail"
)

// Head is the YAML that stands before a model's SELECT. docs/schema/model.json
// describes it to editors. A key that is not here is refused; one that is here
// and not served yet is refused with that reason.
type Head struct {
	Kind        string          `yaml:"kind"`
	Name        string          `yaml:"name"`
	Description string          `yaml:"description"`
	Owner       string          `yaml:"owner"`
	Materialize Materialize     `yaml:"materialize"`
	Read        map[string]Read `yaml:"read"`
	Rules       []Rule          `yaml:"rules"`
	// RelationRules hold for the target as a whole.
	RelationRules []RelationRule `yaml:"relation_rules"`
	Trigger       Trigger        `yaml:"trigger"`
	Tests         []Test         `yaml:"tests"`

	// Not served yet: their presence is refused.
	Quarantine *notServed `yaml:"quarantine"`
	AcceptLate *notServed `yaml:"accept_late"`
	SLO        *notServed `yaml:"slo"`
	Engine     string     `yaml:"engine"`
}

// Materialize says how the target is kept.
type Materialize struct {
	Mode string `yaml:"mode"`
	// Key names output columns; upsert only.
	Key []string `yaml:"key"`
	// Keep is "latest"; upsert only.
	Keep string `yaml:"keep"`
	// OrderBy names output or source columns. It is made total with the
	// sequence number and the position of the source row.
	OrderBy []string `yaml:"order_by"`
	// Grain names the output columns that are grouped by; aggregate only.
	Grain       []string `yaml:"grain"`
	PartitionBy []string `yaml:"partition_by"`
	SortBy      []string `yaml:"sort_by"`

	DeleteWhen string     `yaml:"delete_when"`
	Tombstones *notServed `yaml:"tombstones"`
}

// Read says how a source is read.
type Read struct {
	As string `yaml:"as"`
}

// Rule is a condition on single rows.
type Rule struct {
	Name   string `yaml:"name"`
	Expr   string `yaml:"expr"`
	OnFail string `yaml:"on_fail"`
	// Null is "pass" when NULL does not violate the rule.
	Null string `yaml:"null"`
}

// RelationRule is a condition on the target as a whole.
type RelationRule struct {
	Name   string     `yaml:"name"`
	Unique []string   `yaml:"unique"`
	OnFail string     `yaml:"on_fail"`
	Volume *notServed `yaml:"volume"`
	Per    string     `yaml:"per"`
}

// Trigger says when a model runs without being asked. None of it: only when
// asked.
type Trigger struct {
	// On is "source_commit" or empty.
	On string `yaml:"on"`
	// MinInterval is the shortest time between two runs.
	MinInterval Duration `yaml:"min_interval"`
	// OrEvery runs the model at least that often.
	OrEvery Duration `yaml:"or_every"`
	// Cron is a five-field schedule in UTC.
	Cron string `yaml:"cron"`
}

// Test is an example that the model must satisfy: given rows of its source, the
// target holds exactly the expected rows, compared in the columns they name.
type Test struct {
	Name   string               `yaml:"name"`
	Given  map[string][]testRow `yaml:"given"`
	Expect []testRow            `yaml:"expect"`
	// Quarantined lists, if given, the reasons of the quarantined rows.
	Quarantined []string `yaml:"quarantined"`
}

type testRow = map[string]any

// Source is the YAML of a source: a table that ingestion writes and no model.
type Source struct {
	Kind        string        `yaml:"kind"`
	Name        string        `yaml:"name"`
	Description string        `yaml:"description"`
	Owner       string        `yaml:"owner"`
	AppendOnly  string        `yaml:"append_only"`
	Columns     yaml.MapSlice `yaml:"columns"`
	PartitionBy []string      `yaml:"partition_by"`
	SortBy      []string      `yaml:"sort_by"`
	// Lane names the column that tells the contributor of a row.
	Lane string `yaml:"lane"`
	// RowID names the column that tells a row from all others of its lane;
	// absent: file and position.
	RowID string `yaml:"row_id"`
	// Properties of the table to create.
	Properties map[string]string `yaml:"properties"`

	IdempotencyKey []string   `yaml:"idempotency_key"`
	Contract       string     `yaml:"contract"`
	Contributors   *notServed `yaml:"contributors"`
	Retention      *notServed `yaml:"retention"`
}

// ProjectFile is firn.yml.
type ProjectFile struct {
	Project  string            `yaml:"project"`
	Layers   map[string]string `yaml:"layers"`
	Engine   ProjectEngine     `yaml:"engine"`
	Defaults ProjectDefaults   `yaml:"defaults"`
}

// ProjectEngine says what runs the models.
type ProjectEngine struct {
	Default string `yaml:"default"`
	Memory  string `yaml:"memory"`
	Threads int    `yaml:"threads"`
}

// ProjectDefaults apply to models that do not say otherwise.
type ProjectDefaults struct {
	OnSchemaChange string `yaml:"on_schema_change"`
}

// notServed takes any YAML; the checks refuse its presence.
type notServed struct{}

// UnmarshalYAML accepts anything.
func (*notServed) UnmarshalYAML([]byte) error { return nil }

// Duration is a duration as YAML writes it: 10s, 5m, 2h, 7d.
type Duration time.Duration

// UnmarshalYAML reads "10s" and "7d".
func (d *Duration) UnmarshalYAML(text []byte) error {
	var s string
	if err := yaml.Unmarshal(text, &s); err != nil {
		return err
	}
	v, err := ParseDuration(s)
	*d = Duration(v)
	return err
}
