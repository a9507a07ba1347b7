package ddl_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/ddl"
)

func TestParseType(t *testing.T) {
	for text, want := range map[string]string{
		"long":                    "long",
		"BIGINT":                  "long",
		"varchar":                 "string",
		"decimal(12,3)":           "decimal(12, 3)",
		"decimal(12, 3)":          "decimal(12, 3)",
		"fixed[16]":               "fixed[16]",
		"timestamptz":             "timestamptz",
		"list<string>":            "list<string>",
		"map<string, list<long>>": "map<string, list<long>>",
		"struct<a: int, b: required list<decimal(9,2)>>":  "struct<1: a: optional int, 2: b: required list<decimal(9, 2)>>",
		"struct<7: a: optional int, 9: b: required long>": "struct<1: a: optional int, 2: b: required long>",
		"list<struct<x: double, y: map<string, double>>>": "list<struct<2: x: optional double, 3: y: optional map<string, double>>>",
	} {
		got, err := ddl.ParseType(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got.String(), text)
		// What is printed is read back.
		again, err := ddl.ParseType(got.String())
		require.NoError(t, err, text)
		assert.Equal(t, got.String(), again.String())
	}
}

func TestParseTypeRefuses(t *testing.T) {
	for _, text := range []string{
		"", "strin", "decimal", "decimal(99,2)", "decimal(5)", "list<>", "list<string", "list<a,b>", "map<string>",
		"struct<>", "struct<a>", "struct<: int>", "fixed[-1]", "list<string>>", "enum<a>", `"; drop table`,
		strings.Repeat("list<", 40) + "int" + strings.Repeat(">", 40),
	} {
		_, err := ddl.ParseType(text)
		assert.ErrorIs(t, err, catalog.ErrInvalid, text)
	}
}

func TestSchema(t *testing.T) {
	schema, err := ddl.Schema([]ddl.Column{
		{Name: "id", Type: "long", Required: true},
		{Name: "tags", Type: "list<string>"},
		{Name: "at", Type: "timestamptz", Doc: "when"},
	})
	require.NoError(t, err)
	ids := map[int]string{}
	for _, f := range schema.Fields() {
		ids[f.ID] = f.Name
	}
	assert.Equal(t, map[int]string{1: "id", 2: "tags", 3: "at"}, ids)
	element, ok := schema.FindFieldByName("tags.element")
	require.True(t, ok)
	assert.Equal(t, 4, element.ID)

	for _, columns := range [][]ddl.Column{nil, {{Name: "", Type: "int"}}, {{Name: "a", Type: "int"}, {Name: "a", Type: "int"}}, {{Name: "a", Type: "huge"}}} {
		_, err := ddl.Schema(columns)
		assert.ErrorIs(t, err, catalog.ErrInvalid)
	}
}

func TestSpecAndSort(t *testing.T) {
	schema, err := ddl.Schema([]ddl.Column{
		{Name: "id", Type: "long"}, {Name: "ts", Type: "timestamptz"}, {Name: "country", Type: "string"}, {Name: "odd, name", Type: "string"},
	})
	require.NoError(t, err)

	spec, err := ddl.Spec(schema, []string{"country", "day(ts)", "bucket(16, id)", "truncate(country, 2)", `"odd, name"`})
	require.NoError(t, err)
	var got []string
	for _, f := range spec.Fields() {
		got = append(got, f.Name+"="+f.Transform.String())
	}
	assert.Equal(t, []string{"country=identity", "ts_day=day", "id_bucket=bucket[16]", "country_trunc=truncate[2]", "odd, name=identity"}, got)

	order, err := ddl.Sort(schema, []string{"ts desc", "bucket(4, id) asc nulls last", "country"})
	require.NoError(t, err)
	assert.Equal(t, 3, order.Len())

	for _, bad := range []string{"", "nope", "day(country)", "bucket(0, id)", "bucket(id)", "sha(id)", "day(ts", "day(ts) x", "year()"} {
		_, err := ddl.Spec(schema, []string{bad})
		assert.ErrorIs(t, err, catalog.ErrInvalid, bad)
		_, err = ddl.Sort(schema, []string{bad})
		assert.ErrorIs(t, err, catalog.ErrInvalid, bad)
	}
	_, err = ddl.Spec(schema, []string{"country", "identity(country)"})
	assert.ErrorIs(t, err, catalog.ErrInvalid)
}
