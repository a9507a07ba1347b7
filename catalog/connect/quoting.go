package connect

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"unicode"
)

// quoting makes literals. A name from a client may hold quotes, newlines and
// anything else that Iceberg allows, so no template writes one bare.
var quoting = template.FuncMap{
	"py":       python,
	"pytuple":  pythonTuple,
	"sql":      sqlString,
	"sqlname":  sqlName,
	"tickname": tickName,
	"tickpath": tickPath,
	"sh":       shell,
	"prop":     property,
	"comment":  comment,
}

// python makes a Python string literal. JSON strings are Python strings, apart
// from surrogate pairs, which the encoder does not write.
func python(s string) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return "", err
	}
	return strings.TrimSpace(b.String()), nil
}

func pythonTuple(levels []string) (string, error) {
	parts := make([]string, len(levels))
	for i, l := range levels {
		p, err := python(l)
		if err != nil {
			return "", err
		}
		parts[i] = p
	}
	return "(" + strings.Join(parts, ", ") + ",)", nil
}

func sqlString(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

func sqlName(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

// tickName quotes an identifier for Spark.
func tickName(s string) string { return "`" + strings.ReplaceAll(s, "`", "``") + "`" }

func tickPath(levels []string) string {
	parts := make([]string, len(levels))
	for i, l := range levels {
		parts[i] = tickName(l)
	}
	return strings.Join(parts, ".")
}

// shell makes one word of a POSIX shell.
func shell(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// property is a value of a Java properties file: one line, backslash escapes.
func property(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\\':
			b.WriteString(`\\`)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// comment keeps a name on the line of its comment.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' {
			return ' '
		}
		return r
	}, s)
}
