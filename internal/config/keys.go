package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// leaf is one known key.
type leaf struct {
	key    string
	kind   reflect.Type
	secret bool
}

// leaves lists the keys of [Config] in the order of the struct.
func leaves() []leaf {
	var all []leaf
	var walk func(prefix string, t reflect.Type)
	walk = func(prefix string, t reflect.Type) {
		for f := range t.Fields() {
			key := prefix + f.Tag.Get("koanf")
			if f.Type.Kind() == reflect.Struct {
				walk(key+".", f.Type)
				continue
			}
			all = append(all, leaf{key, f.Type, f.Tag.Get("secret") == "true"})
		}
	}
	walk("", reflect.TypeFor[Config]())
	return all
}

func (l leaf) flag() string { return strings.ReplaceAll(l.key, "_", "-") }

func (l leaf) env() string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(l.key, ".", "__"))
}

// hint says what a value of the key looks like.
func (l leaf) hint() string {
	switch {
	case l.kind == reflect.TypeFor[time.Duration]():
		return "a duration, for example 500ms or 2m"
	case l.kind == reflect.TypeFor[ByteSize]():
		return "a byte size, for example 512MiB"
	case l.key == "roles":
		return "a list of " + joinRoles(AllRoles())
	case l.kind == reflect.TypeFor[[]Schedule]():
		return "a list of {name, cron, time_zone, kind, table}"
	case l.kind == reflect.TypeFor[[]Property]():
		return "a map of table properties, as {firn.compact.quiet: 30s}"
	case l.kind.Kind() == reflect.Bool:
		return "true or false"
	case l.kind.Kind() == reflect.Int, l.kind.Kind() == reflect.Int64:
		return "a whole number"
	}
	return "text"
}

func joinRoles(roles []Role) string {
	var names []string
	for _, r := range roles {
		names = append(names, string(r))
	}
	return strings.Join(names, ", ")
}

// nearest finds the candidate that a mistyped word most likely meant.
func nearest(word string, candidates []string) (string, bool) {
	best, distance := "", len(word)/3+2
	for _, c := range candidates {
		if d := editDistance(word, c); d < distance {
			best, distance = c, d
		}
	}
	if best != "" {
		return best, true
	}
	// The right last part in the wrong place: "bucket" for "s3.bucket".
	last := word[strings.LastIndexByte(word, '.')+1:]
	i := slices.IndexFunc(candidates, func(c string) bool { return c == last || strings.HasSuffix(c, "."+last) })
	if i >= 0 {
		return candidates[i], true
	}
	return "", false
}

// editDistance counts insertions, deletions, replacements and swaps of
// neighbours.
func editDistance(a, b string) int {
	prev2, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], prev2[j-2]+1)
			}
		}
		prev2, prev, cur = prev, cur, prev2
	}
	return prev[len(b)]
}

func unknown(key string, origin Origin, candidates []string) *Problem {
	p := &Problem{
		Key: key, Origin: origin,
		What: fmt.Sprintf("unknown configuration key %q", key),
		Why:  "a key that nobody reads would be silently without effect",
		Do:   "see `firn config print` for all keys",
	}
	if near, ok := nearest(key, candidates); ok {
		p.Do = fmt.Sprintf("did you mean %q?", near)
	}
	return p
}
