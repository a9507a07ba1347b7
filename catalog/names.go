package catalog

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of names, in bytes and levels.
const (
	MaxNameBytes       = 255
	MaxNamespaceLevels = 16
)

// Namespace is a path of levels, outermost first. Levels are any UTF-8 without control characters.
type Namespace []string

// Ident names a table or a view.
type Ident struct {
	Namespace Namespace
	Name      string
}

// String joins the levels with dots; a level with a dot, a quote or nothing
// in it is put in double quotes. ParseNamespace reads it back. What is no name
// is shown without its control characters: it may be in an error.
func (n Namespace) String() string { return joinName(n) }

// Equal reports whether both name the same namespace.
func (n Namespace) Equal(o Namespace) bool { return slices.Equal(n, o) }

// Parent is the namespace around n, nil at the top.
func (n Namespace) Parent() Namespace {
	if len(n) <= 1 {
		return nil
	}
	return n[:len(n)-1]
}

// Validate reports ErrInvalid when n is empty or one of its levels is no name.
func (n Namespace) Validate() error {
	if len(n) == 0 {
		return fmt.Errorf("%w: a namespace needs at least one level", ErrInvalid)
	}
	if len(n) > MaxNamespaceLevels {
		return fmt.Errorf("%w: namespace has %d levels, the most is %d", ErrInvalid, len(n), MaxNamespaceLevels)
	}
	for _, level := range n {
		if err := validateName("namespace level", level); err != nil {
			return err
		}
	}
	return nil
}

// String is namespace.name, quoted like Namespace.String.
func (i Ident) String() string { return joinName(append(slices.Clone(i.Namespace), i.Name)) }

// Equal reports whether both name the same thing.
func (i Ident) Equal(o Ident) bool { return i.Name == o.Name && slices.Equal(i.Namespace, o.Namespace) }

// Validate reports ErrInvalid when the namespace or the name is not one.
func (i Ident) Validate() error {
	if err := i.Namespace.Validate(); err != nil {
		return err
	}
	return validateName("name", i.Name)
}

// ParseIdent reads "a.b.table"; levels with dots are written in double quotes.
func ParseIdent(s string) (Ident, error) {
	parts, err := splitName(s)
	if err != nil {
		return Ident{}, err
	}
	if len(parts) < 2 {
		return Ident{}, fmt.Errorf("%w: %q names no namespace; write namespace.table", ErrInvalid, s)
	}
	id := Ident{Namespace: parts[:len(parts)-1], Name: parts[len(parts)-1]}
	return id, id.Validate()
}

// ParseNamespace reads "a.b".
func ParseNamespace(s string) (Namespace, error) {
	parts, err := splitName(s)
	if err != nil {
		return nil, err
	}
	return parts, Namespace(parts).Validate()
}

func validateName(what, s string) error {
	switch {
	case s == "":
		return fmt.Errorf("%w: a %s is empty", ErrInvalid, what)
	case len(s) > MaxNameBytes:
		return fmt.Errorf("%w: a %s has %d bytes, the most is %d", ErrInvalid, what, len(s), MaxNameBytes)
	case !utf8.ValidString(s):
		return fmt.Errorf("%w: a %s is not valid UTF-8", ErrInvalid, what)
	case strings.ContainsFunc(s, unicode.IsControl):
		return fmt.Errorf("%w: %s %q has a control character", ErrInvalid, what, s)
	}
	return nil
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

func joinName(parts []string) string {
	var b strings.Builder
	for i, p := range parts {
		if i > 0 {
			b.WriteByte('.')
		}
		p = printable(p)
		if p == "" || strings.ContainsAny(p, `."`) {
			b.WriteString(`"` + strings.ReplaceAll(p, `"`, `""`) + `"`)
		} else {
			b.WriteString(p)
		}
	}
	return b.String()
}

func splitName(s string) ([]string, error) {
	var parts []string
	for {
		var part string
		if strings.HasPrefix(s, `"`) {
			rest := s[1:]
			for {
				i := strings.IndexByte(rest, '"')
				if i < 0 {
					return nil, fmt.Errorf("%w: name with an open quote", ErrInvalid)
				}
				part += rest[:i]
				rest = rest[i+1:]
				if !strings.HasPrefix(rest, `"`) {
					break
				}
				part += `"`
				rest = rest[1:]
			}
			if rest != "" && rest[0] != '.' {
				return nil, fmt.Errorf("%w: name has text after a closing quote", ErrInvalid)
			}
			parts = append(parts, part)
			if rest == "" {
				return parts, nil
			}
			s = rest[1:]
			continue
		}
		part, rest, more := strings.Cut(s, ".")
		parts = append(parts, part)
		if !more {
			return parts, nil
		}
		s = rest
	}
}
