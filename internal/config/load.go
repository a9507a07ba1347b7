package config

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Options say where to look. The zero value reads the environment of the
// process over the defaults.
type Options struct {
	// File is the YAML file; empty is the flag --config, then FIRN_CONFIG, then
	// none. A file that is named and missing is an error.
	File string
	// Environ is "KEY=value" pairs; nil is os.Environ().
	Environ []string
	// Flags were prepared by BindFlags and parsed; nil for none.
	Flags *pflag.FlagSet
	// Defaults replace Default().
	Defaults *Config
}

// Loaded is a checked configuration.
type Loaded struct {
	Config
	File    string // the file that was read, "" when none
	k       *koanf.Koanf
	origins map[string]Origin
}

// entry is one value of one layer, not decoded yet.
type entry struct {
	key    string
	value  any
	origin Origin
}

// Load reads all layers and checks the result. The error joins every mistake
// found (see [Problems]).
func Load(o Options) (*Loaded, error) {
	l := &Loaded{k: koanf.New("."), origins: map[string]Origin{}}
	defaults := Default()
	if o.Defaults != nil {
		defaults = *o.Defaults
	}
	var errs []error
	known := leaves()
	errs = append(errs, l.layer(known, defaultEntries(defaults))...)

	environ := o.Environ
	if environ == nil {
		environ = os.Environ()
	}
	fromEnv, configFile, envErrs := environment(environ, known)
	errs = append(errs, envErrs...)
	fromFlags, flagFile := flags(o.Flags, known)

	if l.File = cmp.Or(o.File, flagFile, configFile); l.File != "" {
		fromFile, fileErrs := file(l.File, known)
		errs = append(errs, fileErrs...)
		errs = append(errs, l.layer(known, fromFile)...)
	}
	errs = append(errs, l.layer(known, fromEnv)...)
	errs = append(errs, l.layer(known, fromFlags)...)
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	if err := l.k.Unmarshal("", &l.Config); err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if abs, err := filepath.Abs(l.Data); err == nil && l.Data != "" {
		l.Data = abs
	}
	l.normalise()
	return l, l.check()
}

// layer decodes entries and puts them over what is there.
func (l *Loaded) layer(known []leaf, entries []entry) []error {
	var errs []error
	values := map[string]any{}
	for _, e := range entries {
		i := slices.IndexFunc(known, func(k leaf) bool { return k.key == e.key })
		v, err := known[i].decode(e.value)
		if err != nil {
			errs = append(errs, &Problem{
				Key: e.key, Origin: e.origin,
				What: fmt.Sprintf("%s is not valid", e.key), Why: err.Error(), Do: "give " + known[i].hint(),
			})
			continue
		}
		nest(values, strings.Split(e.key, "."), v)
		l.origins[e.key] = e.origin
	}
	if err := l.k.Load(layerMap(values), nil); err != nil {
		errs = append(errs, fmt.Errorf("configuration: %w", err))
	}
	return errs
}

func nest(m map[string]any, path []string, v any) {
	if len(path) == 1 {
		m[path[0]] = v
		return
	}
	child, ok := m[path[0]].(map[string]any)
	if !ok {
		child = map[string]any{}
		m[path[0]] = child
	}
	nest(child, path[1:], v)
}

// layerMap is a koanf provider of decoded values.
type layerMap map[string]any

func (m layerMap) Read() (map[string]any, error) { return m, nil }
func (m layerMap) ReadBytes() ([]byte, error)    { return nil, errors.New("no bytes") }

// normalise completes listen addresses: no host means loopback.
func (l *Loaded) normalise() {
	for _, addr := range []*string{&l.HTTP.Listen, &l.Metrics.Listen, &l.Gateway.Listen} {
		if strings.HasPrefix(*addr, ":") {
			*addr = "127.0.0.1" + *addr
		}
	}
}
