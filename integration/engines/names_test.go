package engines_test

import (
	"strconv"
	"strings"
)

// oddValues are values of a partition's column that engines escape, each in its
// own way, into the names of folders.
var oddValues = []string{
	"a/b", "x%y", "ü=❄", "..", "../x", ".", "", "a b", "what?", "a*b", "[ab]", "{a,b}", "it's", `"q"`, `a\b`, "a\nb", "\t", "#", "null", "+", "a&b;c", "a=b", "100%2F",
}

// oddNames are names that need escaping somewhere: in addresses, in SQL, in
// paths.
var oddNames = []string{"with space", "dot.ted", "ünï❄", "per%cent", "sla/sh", `quo"te'd`, "Upper", "select", "a+b&c=d?e#f", "semi;colon --", "1digit", `back\slash`}

func pythonList(values []string) string {
	var b strings.Builder
	b.WriteString("[None")
	for _, v := range values {
		b.WriteString(", " + strconv.QuoteToASCII(v))
	}
	return b.String() + "]"
}
