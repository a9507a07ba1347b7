package config

import (
	"errors"
	"strings"
)

// Problem is one mistake in the configuration: what is wrong, why it is
// refused, and what to do.
type Problem struct {
	Key    string // the key concerned, "" when none
	Origin Origin // where its value came from
	What   string
	Why    string
	Do     string
}

func (p *Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.What)
	if p.Origin.Source != "" && p.Origin.Source != SourceDefault {
		b.WriteString(" (" + p.Origin.String() + ")")
	}
	if p.Why != "" {
		b.WriteString(": " + p.Why)
	}
	if p.Do != "" {
		b.WriteString("; " + p.Do)
	}
	return b.String()
}

// Problems returns every mistake that an error of [Load] holds, in order.
func Problems(err error) []*Problem {
	var all []*Problem
	var walk func(error)
	walk = func(err error) {
		if joined, ok := err.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				walk(e)
			}
			return
		}
		if p, ok := errors.AsType[*Problem](err); ok {
			all = append(all, p)
		}
	}
	walk(err)
	return all
}
