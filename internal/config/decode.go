package config

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// decode turns a value of any layer (text from environment and flags, anything
// from YAML) into the type of the key.
func (l leaf) decode(v any) (any, error) {
	if reflect.TypeOf(v) == l.kind {
		return v, nil
	}
	text, isText := v.(string)
	switch l.kind {
	case reflect.TypeFor[time.Duration]():
		if !isText {
			return nil, fmt.Errorf("%v has no unit", v)
		}
		d, err := time.ParseDuration(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%q is not a duration", text)
		}
		return d, nil
	case reflect.TypeFor[ByteSize]():
		if !isText {
			n, err := integer(v)
			return ByteSize(n), err
		}
		return ParseByteSize(text)
	case reflect.TypeFor[[]Role]():
		return decodeRoles(v)
	case reflect.TypeFor[[]Schedule]():
		return decodeSchedules(v)
	case reflect.TypeFor[[]Property]():
		return decodeProperties(v)
	}
	switch l.kind.Kind() {
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("%v is neither true nor false", quote(v))
		}
		return b, nil
	case reflect.Int:
		n, err := integer(v)
		return int(n), err
	case reflect.Int64:
		return integer(v)
	case reflect.String:
		return nil, fmt.Errorf("%v is not text; put it in quotes", v)
	}
	return nil, fmt.Errorf("a %T cannot be used here", v)
}

func quote(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v)
}

func integer(v any) (int64, error) {
	switch v := v.(type) {
	case int:
		return int64(v), nil
	case int64:
		return v, nil
	case uint64:
		if v > math.MaxInt64 {
			return 0, fmt.Errorf("%d is too large", v)
		}
		return int64(v), nil
	case string:
		n, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%q is not a whole number", v)
		}
		return n, nil
	}
	return 0, fmt.Errorf("%v is not a whole number", quote(v))
}

func decodeRoles(v any) ([]Role, error) {
	var names []string
	switch v := v.(type) {
	case string:
		for name := range strings.SplitSeq(v, ",") {
			names = append(names, strings.TrimSpace(name))
		}
	case []any:
		for _, e := range v {
			names = append(names, fmt.Sprint(e))
		}
	default:
		return nil, fmt.Errorf("%v is not a list", quote(v))
	}
	if slices.Equal(names, []string{"all"}) {
		return AllRoles(), nil
	}
	var roles []Role
	for _, name := range names {
		r := Role(name)
		if !slices.Contains(AllRoles(), r) {
			known := strings.Split(joinRoles(AllRoles()), ", ")
			if near, ok := nearest(name, known); ok {
				return nil, fmt.Errorf("there is no role %q; did you mean %q?", name, near)
			}
			return nil, fmt.Errorf("there is no role %q", name)
		}
		if !slices.Contains(roles, r) {
			roles = append(roles, r)
		}
	}
	return roles, nil
}

// decodeSchedules reads a list of schedules strictly; text is YAML or JSON.
func decodeSchedules(v any) ([]Schedule, error) {
	var text []byte
	switch v := v.(type) {
	case string:
		text = []byte(v)
	default:
		var err error
		if text, err = yaml.Marshal(v); err != nil {
			return nil, err
		}
	}
	var all []Schedule
	if err := yaml.UnmarshalWithOptions(text, &all, yaml.Strict()); err != nil {
		if unknown, ok := errors.AsType[*yaml.UnknownFieldError](err); ok {
			return nil, errors.New(unknown.Message)
		}
		return nil, fmt.Errorf("not a list of schedules: %s", firstLine(err.Error()))
	}
	for i := range all {
		if all[i].TimeZone == "" {
			all[i].TimeZone = "UTC"
		}
	}
	return all, nil
}

// decodeProperties reads a map of properties; text is YAML or JSON.
func decodeProperties(v any) ([]Property, error) {
	if text, ok := v.(string); ok {
		var m map[string]any
		if err := yaml.Unmarshal([]byte(text), &m); err != nil {
			return nil, fmt.Errorf("not a map of properties: %s", firstLine(err.Error()))
		}
		v = m
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is not a map of properties", quote(v))
	}
	var all []Property
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch m[k].(type) {
		case string, bool, int, int64, uint64, float64:
			all = append(all, Property{k, fmt.Sprint(m[k])})
		default:
			return nil, fmt.Errorf("%s is not text", k)
		}
	}
	return all, nil
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}
