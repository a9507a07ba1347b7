package intake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonKind says what a JSON value is.
type jsonKind byte

const (
	jsonNull jsonKind = iota
	jsonBool
	jsonNumber
	jsonString
	jsonArray
	jsonObject
)

func (k jsonKind) String() string {
	return [...]string{"null", "a boolean", "a number", "text", "an array", "an object"}[k]
}

// jsonValue is a parsed value. Numbers keep their text, so that 64-bit integers
// and decimals stay exact.
type jsonValue struct {
	kind  jsonKind
	text  string // of a string or number; "true" or "false"
	keys  []string
	items []jsonValue
}

// jsonParser reads one line (RFC 8259, duplicate keys refused).
type jsonParser struct {
	s     string
	at    int
	depth int // levels that may still be entered
	// values were read; most is how many may be.
	values, most int
}

func parseJSON(line string, depth, most int) (jsonValue, error) {
	p := &jsonParser{s: line, depth: depth, most: most}
	v, err := p.value()
	if err != nil {
		return jsonValue{}, err
	}
	p.space()
	if p.at < len(p.s) {
		return jsonValue{}, p.fail("text after the value")
	}
	return v, nil
}

func (p *jsonParser) fail(format string, args ...any) error {
	return fmt.Errorf("not valid JSON at byte %d: %s", p.at, fmt.Sprintf(format, args...))
}

func (p *jsonParser) space() {
	for p.at < len(p.s) {
		switch p.s[p.at] {
		case ' ', '\t', '\r', '\n':
			p.at++
		default:
			return
		}
	}
}

func (p *jsonParser) value() (jsonValue, error) {
	if p.values++; p.values > p.most {
		return jsonValue{}, fmt.Errorf("the row has more than %d values; send such rows as Arrow", p.most)
	}
	p.space()
	if p.at >= len(p.s) {
		return jsonValue{}, p.fail("a value is missing")
	}
	switch c := p.s[p.at]; {
	case c == '{':
		return p.object()
	case c == '[':
		return p.array()
	case c == '"':
		s, err := p.str()
		return jsonValue{kind: jsonString, text: s}, err
	case c == '-' || c >= '0' && c <= '9':
		return p.number()
	}
	for _, w := range [...]struct {
		word string
		kind jsonKind
	}{{"null", jsonNull}, {"true", jsonBool}, {"false", jsonBool}} {
		if strings.HasPrefix(p.s[p.at:], w.word) {
			p.at += len(w.word)
			return jsonValue{kind: w.kind, text: w.word}, nil
		}
	}
	return jsonValue{}, p.fail("unexpected %q", p.s[p.at])
}

func (p *jsonParser) enter() error {
	if p.depth--; p.depth < 0 {
		return p.fail("nested too deeply")
	}
	p.at++
	return nil
}

func (p *jsonParser) object() (jsonValue, error) {
	v := jsonValue{kind: jsonObject}
	if err := p.enter(); err != nil {
		return v, err
	}
	defer func() { p.depth++ }()
	for first := true; ; first = false {
		p.space()
		if p.at < len(p.s) && p.s[p.at] == '}' && first {
			p.at++
			return v, nil
		}
		if p.at >= len(p.s) || p.s[p.at] != '"' {
			return v, p.fail("a key in quotes is missing")
		}
		key, err := p.str()
		if err != nil {
			return v, err
		}
		p.space()
		if p.at >= len(p.s) || p.s[p.at] != ':' {
			return v, p.fail("a colon is missing after key %q", key)
		}
		p.at++
		item, err := p.value()
		if err != nil {
			return v, err
		}
		v.keys = append(v.keys, key)
		v.items = append(v.items, item)
		p.space()
		if p.at >= len(p.s) {
			return v, p.fail("the object does not end")
		}
		switch p.s[p.at] {
		case ',':
			p.at++
		case '}':
			p.at++
			return v, p.unique(v.keys)
		default:
			return v, p.fail("a comma or } is missing")
		}
	}
}

// unique refuses an object that has a key twice: which one counts is anybody's
// guess.
func (p *jsonParser) unique(keys []string) error {
	if len(keys) <= 16 {
		for i, k := range keys {
			if slices.Contains(keys[:i], k) {
				return p.fail("key %q occurs twice", k)
			}
		}
		return nil
	}
	seen := make(map[string]struct{}, len(keys))
	for _, k := range keys {
		if _, ok := seen[k]; ok {
			return p.fail("key %q occurs twice", k)
		}
		seen[k] = struct{}{}
	}
	return nil
}

func (p *jsonParser) array() (jsonValue, error) {
	v := jsonValue{kind: jsonArray}
	if err := p.enter(); err != nil {
		return v, err
	}
	defer func() { p.depth++ }()
	for first := true; ; first = false {
		p.space()
		if p.at < len(p.s) && p.s[p.at] == ']' && first {
			p.at++
			return v, nil
		}
		item, err := p.value()
		if err != nil {
			return v, err
		}
		v.items = append(v.items, item)
		p.space()
		if p.at >= len(p.s) {
			return v, p.fail("the array does not end")
		}
		switch p.s[p.at] {
		case ',':
			p.at++
		case ']':
			p.at++
			return v, nil
		default:
			return v, p.fail("a comma or ] is missing")
		}
	}
}

func (p *jsonParser) number() (jsonValue, error) {
	start := p.at
	digits := func() bool {
		from := p.at
		for p.at < len(p.s) && p.s[p.at] >= '0' && p.s[p.at] <= '9' {
			p.at++
		}
		return p.at > from
	}
	if p.s[p.at] == '-' {
		p.at++
	}
	lead := p.at
	if !digits() || (p.s[lead] == '0' && p.at-lead > 1) {
		return jsonValue{}, p.fail("a number is malformed")
	}
	if p.at < len(p.s) && p.s[p.at] == '.' {
		p.at++
		if !digits() {
			return jsonValue{}, p.fail("a number is malformed")
		}
	}
	if p.at < len(p.s) && (p.s[p.at] == 'e' || p.s[p.at] == 'E') {
		p.at++
		if p.at < len(p.s) && (p.s[p.at] == '+' || p.s[p.at] == '-') {
			p.at++
		}
		if !digits() {
			return jsonValue{}, p.fail("a number is malformed")
		}
	}
	return jsonValue{kind: jsonNumber, text: p.s[start:p.at]}, nil
}

// str reads a string; one without escapes is not copied.
func (p *jsonParser) str() (string, error) {
	p.at++
	start := p.at
	for p.at < len(p.s) {
		switch c := p.s[p.at]; {
		case c == '"':
			p.at++
			return p.s[start : p.at-1], nil
		case c == '\\':
			return p.escaped(start)
		case c < 0x20:
			return "", p.fail("a control character in text must be escaped")
		}
		p.at++
	}
	return "", p.fail("the text does not end")
}

func (p *jsonParser) escaped(start int) (string, error) {
	out := append(make([]byte, 0, p.at-start+64), p.s[start:p.at]...)
	for p.at < len(p.s) {
		c := p.s[p.at]
		switch {
		case c == '"':
			p.at++
			return string(out), nil
		case c < 0x20:
			return "", p.fail("a control character in text must be escaped")
		case c != '\\':
			out = append(out, c)
			p.at++
			continue
		}
		if p.at+1 >= len(p.s) {
			break
		}
		c = p.s[p.at+1]
		if c == 'u' {
			r, err := p.unicode()
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			continue
		}
		i := strings.IndexByte(`"\/bfnrt`, c)
		if i < 0 {
			return "", p.fail("unknown escape \\%c", c)
		}
		out = append(out, "\"\\/\b\f\n\r\t"[i])
		p.at += 2
	}
	return "", p.fail("the text does not end")
}

func (p *jsonParser) unicode() (rune, error) {
	unit := func() (rune, bool) {
		if p.at+6 > len(p.s) || p.s[p.at] != '\\' || p.s[p.at+1] != 'u' {
			return 0, false
		}
		n, err := strconv.ParseUint(p.s[p.at+2:p.at+6], 16, 16)
		if err != nil {
			return 0, false
		}
		p.at += 6
		return rune(n), true
	}
	r, ok := unit()
	if !ok {
		return 0, p.fail("a \\u escape is malformed")
	}
	if !utf16.IsSurrogate(r) {
		return r, nil
	}
	low, ok := unit()
	if r = utf16.DecodeRune(r, low); !ok || r == utf8.RuneError {
		return 0, p.fail("half of a surrogate pair stands alone")
	}
	return r, nil
}
