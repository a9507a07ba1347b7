package plan

import (
	"fmt"
	"strconv"
	"strings"
)

// The curves that rows can be laid along.
const (
	ZOrder  = "zorder"
	Hilbert = "hilbert"
)

// MaxCurve is the number of columns that one curve can take: beyond it each of
// them is cut so coarsely that none helps.
const MaxCurve = 4

// Order is what [Policy.Sort] says, taken apart: terms of an ORDER BY, or a
// space-filling curve over columns.
type Order struct {
	Terms []OrderTerm
	// Curve is ZOrder or Hilbert, over Columns; else Terms holds.
	Curve   string
	Columns []string
}

// OrderTerm is one term of an ORDER BY.
type OrderTerm struct {
	Column string
	// Transform is "" for the column itself, or year, month, day, hour, truncate;
	// Width belongs to truncate.
	Transform string
	Width     int64
	Desc      bool
	NullsLast bool
}

// String spells a term as it can be read again.
func (t OrderTerm) String() string {
	var b strings.Builder
	name := `"` + strings.ReplaceAll(t.Column, `"`, `""`) + `"`
	switch t.Transform {
	case "":
		b.WriteString(name)
	case "truncate":
		fmt.Fprintf(&b, "truncate(%s, %d)", name, t.Width)
	default:
		b.WriteString(t.Transform + "(" + name + ")")
	}
	if t.Desc {
		b.WriteString(" DESC")
	}
	if t.NullsLast {
		b.WriteString(" NULLS LAST")
	} else {
		b.WriteString(" NULLS FIRST")
	}
	return b.String()
}

// SplitSort divides the text of a sort policy into its terms: at commas outside
// of parentheses and quotes.
func SplitSort(s string) []string {
	var out []string
	depth, quoted, start := 0, false, 0
	add := func(end int) {
		if t := strings.TrimSpace(s[start:end]); t != "" {
			out = append(out, t)
		}
		start = end + 1
	}
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth <= 0:
			add(i)
		}
	}
	add(max(start, len(s)))
	return out
}

// ParseOrder takes the terms of a sort policy apart:
//
//	column | "any name" | year(c) | month(c) | day(c) | hour(c) | truncate(c, n)
//	    [ASC | DESC] [NULLS FIRST | NULLS LAST]
//	zorder(a, b) | hilbert(a, b)      two to four columns, and nothing beside it
//
// NULLs come first in ascending and last in descending order, as in Iceberg.
// The one term "none" is no order, also where the table has one of its own.
func ParseOrder(terms []string) (Order, error) {
	var o Order
	if len(terms) == 1 && strings.EqualFold(terms[0], "none") {
		return o, nil
	}
	for _, text := range terms {
		words, err := sortWords(text)
		if err != nil {
			return Order{}, err
		}
		fn, args, rest, err := call(text, words)
		if err != nil {
			return Order{}, err
		}
		if fn == ZOrder || fn == Hilbert {
			if len(terms) > 1 || len(rest) > 0 {
				return Order{}, fmt.Errorf("sort term %q: a curve stands alone", text)
			}
			if err := curve(text, args); err != nil {
				return Order{}, err
			}
			return Order{Curve: fn, Columns: args}, nil
		}
		t, err := orderTerm(text, fn, args)
		if err != nil {
			return Order{}, err
		}
		if err := t.direction(text, rest); err != nil {
			return Order{}, err
		}
		o.Terms = append(o.Terms, t)
	}
	return o, nil
}

// columnNames reads a list of columns, quoted where they need it.
func columnNames(s string) ([]string, error) {
	var out []string
	for _, term := range SplitSort(s) {
		words, err := sortWords(term)
		if err != nil {
			return nil, err
		}
		if len(words) != 1 || words[0].mark {
			return nil, fmt.Errorf("want columns with commas between them, not %q", term)
		}
		out = append(out, words[0].text)
	}
	return out, nil
}

func curve(text string, columns []string) error {
	if len(columns) < 2 || len(columns) > MaxCurve {
		return fmt.Errorf("sort term %q: a curve takes 2 to %d columns", text, MaxCurve)
	}
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c] {
			return fmt.Errorf("sort term %q: column %q is there twice", text, c)
		}
		seen[c] = true
	}
	return nil
}

func orderTerm(text, fn string, args []string) (OrderTerm, error) {
	t := OrderTerm{Column: args[0], Transform: fn}
	switch fn {
	case "", "year", "month", "day", "hour":
		if len(args) != 1 {
			return t, fmt.Errorf("sort term %q: %s takes one column", text, fn)
		}
	case "truncate":
		if len(args) == 2 {
			t.Width, _ = strconv.ParseInt(args[1], 10, 32)
		}
		if t.Width < 1 {
			return t, fmt.Errorf("sort term %q: truncate takes a column and a width of at least 1", text)
		}
	default:
		return t, fmt.Errorf("sort term %q: %q is not known; year, month, day, hour, truncate, zorder and hilbert are", text, fn)
	}
	return t, nil
}

func (t *OrderTerm) direction(text string, words []sortWord) error {
	is := func(i int, s string) bool { return i < len(words) && strings.EqualFold(words[i].text, s) }
	i := 0
	if is(i, "desc") {
		t.Desc = true
		i++
	} else if is(i, "asc") {
		i++
	}
	t.NullsLast = t.Desc
	if is(i, "nulls") && (is(i+1, "first") || is(i+1, "last")) {
		t.NullsLast = is(i+1, "last")
		i += 2
	}
	if i < len(words) {
		return fmt.Errorf("sort term %q: want a column, ASC or DESC, and NULLS FIRST or NULLS LAST", text)
	}
	return nil
}

// sortWord is a name, or one of ( ) and the comma.
type sortWord struct {
	text string
	mark bool
}

func sortWords(s string) ([]sortWord, error) {
	var out []sortWord
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		switch {
		case strings.ContainsRune("(),", rune(s[0])):
			out, s = append(out, sortWord{s[:1], true}), s[1:]
		case s[0] == '"':
			end := 1
			for end < len(s) && (s[end] != '"' || end+1 < len(s) && s[end+1] == '"') {
				if s[end] == '"' {
					end++
				}
				end++
			}
			if end >= len(s) {
				return nil, fmt.Errorf("sort term %q: a quoted name has no end", s)
			}
			out, s = append(out, sortWord{strings.ReplaceAll(s[1:end], `""`, `"`), false}), s[end+1:]
		default:
			end := strings.IndexAny(s, " \t\n(),\"")
			if end < 0 {
				end = len(s)
			}
			out, s = append(out, sortWord{s[:end], false}), s[end:]
		}
	}
	return out, nil
}

// call reads "name" or "fn(name, ...)" from the front of a term.
func call(text string, words []sortWord) (fn string, args []string, rest []sortWord, err error) {
	bad := fmt.Errorf("sort term %q: want a column, or a function of columns, and ASC or DESC", text)
	if len(words) == 0 || words[0].mark {
		return "", nil, nil, bad
	}
	if len(words) == 1 || !words[1].mark {
		return "", []string{words[0].text}, words[1:], nil
	}
	if words[1].text != "(" {
		return "", nil, nil, bad
	}
	for i := 2; i+1 < len(words); i += 2 {
		if words[i].mark || !words[i+1].mark || words[i+1].text == "(" {
			return "", nil, nil, bad
		}
		args = append(args, words[i].text)
		if words[i+1].text == ")" {
			return strings.ToLower(words[0].text), args, words[i+2:], nil
		}
	}
	return "", nil, nil, bad
}

// sortedTargets is how many files' worth of rows one sort takes: it spills a
// multiple of that.
const sortedTargets = 16

// runs divides the files that are to be rewritten. Sorted ones go together as far
// as a sort can take them, and come out as several files with a range each:
// otherwise each output would span all values.
func (p Policy) runs(files []File) [][]File {
	if len(p.Sort) > 0 {
		p.Target = max(p.Target, min(sortedTargets*p.Target, p.MaxJobBytes))
		return p.cut(files, p.MaxFilesAtOnce)
	}
	return p.cut(files, p.MaxGroupFiles)
}

// outputs of one run.
func (p Policy) outputs(files []File) int {
	if len(p.Sort) == 0 {
		return 1
	}
	var total int64
	for _, f := range files {
		total += f.Live()
	}
	return int((total + p.Target/2) / p.Target)
}
