package config

import (
	"encoding/json"
	"fmt"
)

// Source is a layer of the configuration.
type Source string

// The layers; later ones win.
const (
	SourceDefault     Source = "default"
	SourceFile        Source = "file"
	SourceEnvironment Source = "environment"
	SourceFlag        Source = "flag"
)

// Origin is where a value came from.
type Origin struct {
	Source Source
	Name   string // path of the file, name of the variable or flag
	Line   int    // in the file
}

func (o Origin) String() string {
	switch o.Source {
	case SourceFile:
		return fmt.Sprintf("%s:%d", o.Name, o.Line)
	case SourceFlag:
		return "flag --" + o.Name
	case SourceEnvironment:
		return "environment " + o.Name
	}
	return string(o.Source)
}

// Value is one key as it stands after all layers.
type Value struct {
	Key    string
	Value  string // as one would write it; secrets read "(redacted)"
	Origin Origin
}

// Values lists every key with its value and origin, in the order of [Config].
// It holds no secret.
func (l *Loaded) Values() []Value {
	var all []Value
	for _, leaf := range leaves() {
		v := Value{Key: leaf.key, Value: show(l.k.Get(leaf.key)), Origin: l.origins[leaf.key]}
		if leaf.secret && v.Value != "" {
			v.Value = "(redacted)"
		}
		all = append(all, v)
	}
	return all
}

// Origin tells where the value of a key came from.
func (l *Loaded) Origin(key string) Origin { return l.origins[key] }

func show(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case fmt.Stringer:
		return v.String()
	case []Role:
		return joinRoles(v)
	case []any, []string, []Schedule, map[string]any:
		text, err := json.Marshal(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(text)
	}
	return fmt.Sprint(v)
}
