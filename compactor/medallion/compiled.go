package medallion

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// Compiled is a model that was proved to be incremental, in the form in which
// it is stored and run. Its SQL texts are Firn's own rendering of the model's
// expressions: columns of the source are written s.name, values inside rules
// r.o<i> (output i) and r.s<i> (source column i).
type Compiled struct {
	Name   string `json:"name"`
	Mode   string `json:"mode"`
	File   File   `json:"file"`
	SQL    string `json:"sql"`
	Layer  string `json:"layer"`
	Proof  string `json:"proof"`
	Source string `json:"source"`
	// SourceMode is the mode of the source: source, append, upsert.
	SourceMode    string         `json:"source_mode"`
	SourceColumns []Column       `json:"source_columns,omitempty"`
	Columns       []Column       `json:"columns"`
	Outputs       []Output       `json:"outputs"`
	Where         string         `json:"where,omitempty"`
	Rules         []CompiledRule `json:"rules,omitempty"`
	Key           []int          `json:"key,omitempty"` // outputs
	Order         []OrderColumn  `json:"order,omitempty"`
	Lane          int            `json:"lane"`            // source column, or -1
	RowID         int            `json:"row_id"`          // source column, or -1
	Grain         []int          `json:"grain,omitempty"` // outputs
	Having        string         `json:"having,omitempty"`
	PartitionBy   []string       `json:"partition_by,omitempty"`
	SortBy        []string       `json:"sort_by,omitempty"`
	Unique        []string       `json:"unique,omitempty"` // names of relation rules over key or grain
	Trigger       Trigger        `json:"trigger"`
	Properties    Properties     `json:"properties,omitempty"`
	Hashes        Hashes         `json:"hashes"`
}

// Properties of a table to create.
type Properties = map[string]string

// Output is one column of a model's SELECT.
type Output struct {
	Name string `json:"name"`
	SQL  string `json:"sql"`
	// Ref is the source column that the output is without any change, or -1.
	// Such an output cannot fail.
	Ref int `json:"ref"`
	// Reason is what a row is quarantined for when the expression fails.
	Reason string `json:"reason,omitempty"`
	// Day is the source column that the output is the date of, or -1; grain
	// columns of that form prune the source's files.
	Day int `json:"day"`
}

// CompiledRule is a rule with its expression over r.
type CompiledRule struct {
	Name     string `json:"name"`
	SQL      string `json:"sql"`
	OnFail   string `json:"on_fail"`
	NullPass bool   `json:"null_pass,omitempty"`
}

// OrderColumn is one column of an upsert's order. Source columns that are no
// outputs are stored in the target as _order_<name>.
type OrderColumn struct {
	Output int    `json:"output"` // or -1
	Source int    `json:"source"` // or -1
	Column Column `json:"column"` // in the target
}

// Columns that an upsert's target carries beside the model's own: they make the
// order of a stored row total.
const (
	orderPrefix    = "_order_"
	sequenceColumn = "_source_sequence"
	positionColumn = "_source_position"
)

// Hashes of a definition. Comments, layout, owner, description and tests are
// in none of them.
type Hashes struct {
	// Definition names the definition in runs and quarantined rows.
	Definition string `json:"definition"`
	// Rebuild covers what the rows already published depend on.
	Rebuild string `json:"rebuild"`
	// Forward covers what only rows still to come depend on.
	Forward string `json:"forward"`
	// Metadata covers the rest of the file.
	Metadata string `json:"metadata"`
}

// Change classes of a definition against the one applied before.
const (
	ChangeNew         = "new"
	ChangeUnchanged   = "unchanged"
	ChangeMetadata    = "metadata"
	ChangeForwardOnly = "forward-only"
	ChangeRebuild     = "rebuild"
)

// changeClass says what a new definition means for the rows of the old one.
func changeClass(before, after *Compiled) string {
	switch {
	case before == nil:
		return ChangeNew
	case before.Hashes.Rebuild != after.Hashes.Rebuild:
		return ChangeRebuild
	case before.Hashes.Forward != after.Hashes.Forward:
		return ChangeForwardOnly
	case before.Hashes.Metadata != after.Hashes.Metadata:
		return ChangeMetadata
	}
	return ChangeUnchanged
}

// hashes fills in c.Hashes; query is the canonical form of the SELECT.
func (c *Compiled) hashes(query []byte) {
	rebuild := digest(c.Mode, string(query), c.Source, c.SourceMode, c.Columns, c.Key, c.Order, c.Grain, c.PartitionBy, c.SortBy)
	forward := digest(c.Rules, c.Unique)
	c.Hashes = Hashes{
		Rebuild: rebuild, Forward: forward,
		Definition: digest(rebuild, forward),
		Metadata:   digest(c.File.Text),
	}
}

func digest(parts ...any) string {
	b, err := json.Marshal(parts)
	if err != nil {
		panic(err) // plain values of this package
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// tableColumns are the columns of the target: the model's own, then those that
// keep an upsert's order.
func (c *Compiled) tableColumns() []Column {
	out := append([]Column(nil), c.Columns...)
	if c.Mode != ModeUpsert {
		return out
	}
	for _, o := range c.Order {
		if o.Output < 0 {
			out = append(out, o.Column)
		}
	}
	return append(out, Column{Name: sequenceColumn, Type: "long"}, Column{Name: positionColumn, Type: "long"})
}

func marshal(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}
