// Package ddl reads the short text forms of a table's definition: column types
// (`decimal(12,3)`, `list<string>`), partition fields (`day(ts)`, `bucket(16,
// id)`, `country`) and sort fields (`ts desc nulls last`).
//
// Every error wraps catalog.ErrInvalid, names the text at fault and says what
// would be right.
package ddl

import (
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/catalog"
)

// Column is a column to create; the server chooses its field id.
type Column struct {
	Name, Type, Doc string
	Required        bool
}

// Schema makes a schema with field ids from 1 on: columns first, then what is
// nested in them, as Iceberg assigns them.
func Schema(columns []Column) (*iceberg.Schema, error) {
	if len(columns) == 0 {
		return nil, invalid("a table needs at least one column")
	}
	ids := counter(len(columns))
	fields := make([]iceberg.NestedField, len(columns))
	seen := make(map[string]bool, len(columns))
	for i, c := range columns {
		if c.Name == "" {
			return nil, invalid("column %d has no name", i+1)
		}
		if seen[c.Name] {
			return nil, invalid("column %q is named twice", c.Name)
		}
		seen[c.Name] = true
		typ, err := parseType(c.Type, &ids)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		fields[i] = iceberg.NestedField{ID: i + 1, Name: c.Name, Type: typ, Required: c.Required, Doc: c.Doc}
	}
	return iceberg.NewSchema(0, fields...), nil
}

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", catalog.ErrInvalid, fmt.Sprintf(format, args...))
}

// counter is the last field id given out.
type counter int

func (c *counter) next() int {
	*c++
	return int(*c)
}

// call splits "name(a, b)" into its name and arguments; a text without
// parentheses is a name alone. Column names may be in double quotes.
func call(text string) (name string, args []string, err error) {
	text = strings.TrimSpace(text)
	open := strings.IndexByte(text, '(')
	if open < 0 || strings.HasPrefix(text, `"`) {
		return text, nil, nil
	}
	if !strings.HasSuffix(text, ")") {
		return "", nil, invalid("%q has text after or lacks its closing parenthesis", text)
	}
	for a := range strings.SplitSeq(text[open+1:len(text)-1], ",") {
		args = append(args, strings.TrimSpace(a))
	}
	return strings.TrimSpace(text[:open]), args, nil
}

func unquote(name string) string {
	if len(name) >= 2 && name[0] == '"' && name[len(name)-1] == '"' {
		return strings.ReplaceAll(name[1:len(name)-1], `""`, `"`)
	}
	return name
}
