package config

import (
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// shown are the flags that --help lists, with their short names; every other
// key has a flag too (its dotted name), but is hidden.
var shown = []struct{ flag, key, usage string }{
	{"data", "data", "folder for everything this process keeps on disk"},
	{"role", "roles", "what this process does: all, or a list of " + joinRoles(AllRoles())},
	{"listen", "http.listen", "address of REST, Connect and page; no host is loopback, port 0 is any free one"},
	{"s3-listen", "gateway.listen", "address of the embedded S3 gateway"},
	{"metrics-listen", "metrics.listen", "address of metrics and profiles; empty for none"},
	{"insecure", "insecure", "listen beyond loopback although nothing is authenticated"},
}

const configFlag = "config"

// BindFlags adds --config and a flag for every key.
func BindFlags(fs *pflag.FlagSet) {
	fs.String(configFlag, "", "configuration file (YAML)")
	known := leaves()
	byKey := func(key string) leaf {
		return known[slices.IndexFunc(known, func(l leaf) bool { return l.key == key })]
	}
	for _, s := range shown {
		addFlag(fs, s.flag, s.usage, byKey(s.key))
	}
	for _, l := range known {
		if fs.Lookup(l.flag()) == nil {
			addFlag(fs, l.flag(), l.hint(), l)
			// The flag exists, so hiding it cannot fail.
			_ = fs.MarkHidden(l.flag())
		}
	}
}

func addFlag(fs *pflag.FlagSet, name, usage string, l leaf) {
	f := fs.VarPF(&flagValue{key: l.key, kind: flagType(l)}, name, "", usage)
	if l.kind.Kind() == reflect.Bool {
		f.NoOptDefVal = "true"
	}
}

func flagType(l leaf) string {
	if l.kind.Kind() == reflect.Bool {
		return "bool"
	}
	return "string"
}

// flagValue keeps the text of a flag; it is decoded with all other layers, so
// that mistakes are reported alike.
type flagValue struct{ key, kind, text string }

func (v *flagValue) String() string        { return v.text }
func (v *flagValue) Set(text string) error { v.text = text; return nil }
func (v *flagValue) Type() string          { return v.kind }

// flags returns what was set on the command line.
func flags(fs *pflag.FlagSet, known []leaf) (entries []entry, configFile string) {
	if fs == nil {
		return nil, ""
	}
	fs.Visit(func(f *pflag.Flag) {
		if f.Name == configFlag {
			configFile = f.Value.String()
		}
		if v, ok := f.Value.(*flagValue); ok {
			entries = append(entries, entry{v.key, v.text, Origin{Source: SourceFlag, Name: f.Name}})
		}
	})
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.origin.Name, b.origin.Name) })
	return entries, configFile
}
