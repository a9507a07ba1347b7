package plan

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
)

// Level is a place where properties of a policy can be set.
type Level struct {
	// Origin names the level for people: "table property", "namespace sales",
	// "warehouse", "configuration".
	Origin string
	// Scope tells levels apart, where origins do not: those of several tables.
	Scope      string
	Properties map[string]string
}

// OriginDefault is the origin of what nobody has set.
const OriginDefault = "default"

// Setting is one property as it holds for a table, or for all tables below a
// level.
type Setting struct {
	Key, Value string
	// Origin is the level that has set it, or [OriginDefault].
	Origin string
	// Problem says why Value cannot be read, or is empty. The kinds that the
	// property governs then wait.
	Problem string
}

// Bound is the limits that one level sets.
type Bound struct {
	Origin, Scope string
	Limits
}

// Effective is what holds for a table in view of all levels above it.
type Effective struct {
	Policy Policy
	// Settings are all properties in their order. Of limits there is one for each
	// level that has set it, as all of them hold, and none where nobody has.
	Settings []Setting
	// Bounds are the limits, the nearest level first.
	Bounds []Bound
	// waits says why kinds of jobs cannot be made.
	waits map[Kind]string
}

// Resolve finds what holds where several levels speak, the nearest first, over a
// base. Of each property the nearest level that sets it wins; limits bound each
// its own level, and all of them hold. A value that cannot be read is not
// guessed, nor is that of the next level taken for it: what it governs waits
// until it is mended, and nothing else does.
func Resolve(base Policy, levels []Level) Effective {
	e := Effective{Policy: base, waits: map[Kind]string{}}
	standard := DefaultPolicy()
	for _, l := range levels {
		e.Bounds = append(e.Bounds, Bound{Origin: l.Origin, Scope: l.Scope})
	}
	for _, k := range keys {
		found := false
		for i, l := range levels {
			v, set := l.Properties[k.name]
			if !set {
				continue
			}
			found = true
			s := Setting{Key: k.name, Value: v, Origin: l.Origin}
			if err := k.read(&e.Policy, &e.Bounds[i].Limits, v); err != nil {
				s.Problem = err.Error()
				for _, kind := range k.governs {
					if e.waits[kind] == "" {
						e.waits[kind] = s.problem()
					}
				}
			}
			e.Settings = append(e.Settings, s)
			if k.limit == nil {
				break
			}
		}
		if !found && k.limit == nil {
			s := Setting{Key: k.name, Value: k.text(&e.Policy), Origin: OriginDefault}
			if s.Value != k.text(&standard) {
				s.Origin = OriginConfiguration
			}
			e.Settings = append(e.Settings, s)
		}
	}
	e.Bounds = slices.DeleteFunc(e.Bounds, func(b Bound) bool { return b.Limits == Limits{} })
	return e
}

// OriginConfiguration is the origin of what the service's configuration says.
const OriginConfiguration = "configuration"

// problem is the setting's problem for people.
func (s Setting) problem() string {
	where := s.Key + " of " + s.Origin
	if s.Origin == OriginTable {
		where = "table property " + s.Key
	}
	return fmt.Sprintf("%s = %q: %s; nothing is guessed, so it waits until that is mended", where, s.Value, s.Problem)
}

// OriginTable is the origin of a table's own properties.
const OriginTable = "table property"

// Err is why jobs of a kind cannot be made, or nil.
func (e Effective) Err(k Kind) error {
	if why := e.waits[k]; why != "" {
		return errors.New(why)
	}
	return nil
}

// Waits says for each kind of job that cannot be made why not.
func (e Effective) Waits() map[Kind]string { return e.waits }

// Fingerprint changes with whatever could make the planner answer otherwise for
// the same files: what it has left alone is then looked at again.
func (p Policy) Fingerprint() string {
	h := fnv.New64a()
	q := p
	q.Windows, q.Grace, q.MaxSnapshots, q.MaxAge, q.MinKeep = Windows{}, 0, 0, 0, 0
	q.Sort = []string{strings.Join(p.Sort, ",")}
	fmt.Fprintf(h, "%+v", q)
	return fmt.Sprintf("%016x", h.Sum64())
}

// PolicyOf reads a policy from the properties of a table over a base.
func PolicyOf(base Policy, props map[string]string) (Policy, error) {
	e := Resolve(base, []Level{{Origin: OriginTable, Properties: props}})
	for _, s := range e.Settings {
		if s.Problem != "" {
			return base, errors.New(s.problem())
		}
	}
	return e.Policy, nil
}
