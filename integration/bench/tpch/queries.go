package tpch

import (
	"embed"
	"fmt"
	"regexp"
)

// The queries with the validation parameters of the specification, in words that
// all engines understand: dates are computed, averages are taken of doubles and
// rounded, names stand alone.
//
//go:embed queries/*.sql
var texts embed.FS

// Queries is how many there are; they are numbered from 1.
const Queries = 22

// Text is a query.
func Text(number int) (string, error) {
	text, err := texts.ReadFile(fmt.Sprintf("queries/q%02d.sql", number))
	return string(text), err
}

var large = regexp.MustCompile(`\b(lineitem|orders)\b`)

// ScansSmallFiles says whether a query reads a table that has a thousand files.
func ScansSmallFiles(number int) bool {
	text, err := Text(number)
	return err == nil && large.MatchString(text)
}
