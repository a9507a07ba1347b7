package engines

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestRendering has the same values as Arrow and as Trino's JSON: one text.
func TestRendering(t *testing.T) {
	micros := &arrow.TimestampType{Unit: arrow.Microsecond}
	zoned := &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	nanos := &arrow.TimestampType{Unit: arrow.Nanosecond}
	for _, c := range []struct {
		kind      arrow.DataType
		arrow     string // as array.FromJSON reads it
		signature string
		trino     string
		want      string
	}{
		{kind: arrow.PrimitiveTypes.Int64, arrow: `9223372036854775807`, signature: "bigint", trino: `9223372036854775807`, want: "9223372036854775807"},
		{kind: arrow.PrimitiveTypes.Int32, arrow: `-1`, signature: "integer", trino: `-1`, want: "-1"},
		{kind: arrow.FixedWidthTypes.Boolean, arrow: `true`, signature: "boolean", trino: `true`, want: "true"},
		{kind: arrow.PrimitiveTypes.Float32, arrow: `0.1`, signature: "real", trino: `0.1`, want: "0.1"},
		{kind: arrow.PrimitiveTypes.Float64, arrow: `1e300`, signature: "double", trino: `1.0E300`, want: "1e+300"},
		{kind: arrow.PrimitiveTypes.Float64, arrow: `"+Inf"`, signature: "double", trino: `"Infinity"`, want: "Infinity"},
		{kind: &arrow.Decimal128Type{Precision: 9, Scale: 3}, arrow: `"-1.100"`, signature: "decimal", trino: `"-1.100"`, want: "-1.100"},
		{kind: arrow.BinaryTypes.String, arrow: `"a\"b\n❄"`, signature: "varchar", trino: `"a\"b\n❄"`, want: `"a\"b\n❄"`},
		{kind: arrow.BinaryTypes.Binary, arrow: `"AP8="`, signature: "varbinary", trino: `"AP8="`, want: "x'00ff'"},
		{kind: arrow.PrimitiveTypes.Date32, arrow: `"1969-12-31"`, signature: "date", trino: `"1969-12-31"`, want: "1969-12-31"},
		{kind: arrow.FixedWidthTypes.Time64us, arrow: `"12:30:00.500"`, signature: "time", trino: `"12:30:00.500000"`, want: "12:30:00.5"},
		{kind: micros, arrow: `"1969-12-31 23:59:59.000001"`, signature: "timestamp", trino: `"1969-12-31 23:59:59.000001"`, want: "1969-12-31T23:59:59.000001"},
		{kind: nanos, arrow: `"1969-12-31 23:59:59.000000001"`, signature: "timestamp", trino: `"1969-12-31 23:59:59.000000001"`, want: "1969-12-31T23:59:59.000000001"},
		{kind: zoned, arrow: `"2026-11-21 12:30:00Z"`, signature: "timestamp with time zone", trino: `"2026-11-21 12:30:00.000000 UTC"`, want: "2026-11-21T12:30:00Z"},
		{kind: extensions.NewUUIDType(), arrow: `"f79c3e09-677c-4bbd-a479-3f349cb785e7"`, signature: "uuid", trino: `"f79c3e09-677c-4bbd-a479-3f349cb785e7"`, want: `"f79c3e09-677c-4bbd-a479-3f349cb785e7"`},
		{kind: arrow.BinaryTypes.String, arrow: `null`, signature: "varchar", trino: `null`, want: "null"},
	} {
		a, _, err := array.FromJSON(memory.DefaultAllocator, c.kind, strings.NewReader("["+c.arrow+"]"))
		require.NoError(t, err, "%s %s", c.kind, c.arrow)
		got, err := render(a, 0)
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "arrow %s", c.kind)
		got, err = trinoType{RawType: c.signature}.render(json.RawMessage(c.trino))
		require.NoError(t, err)
		assert.Equal(t, c.want, got, "trino %s", c.signature)
	}
}

// TestNestedRendering has lists, maps and structs of both.
func TestNestedRendering(t *testing.T) {
	row := arrow.StructOf(arrow.Field{Name: "at", Type: arrow.PrimitiveTypes.Date32}, arrow.Field{Name: "n", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)})
	a, _, err := array.FromJSON(memory.DefaultAllocator, row, strings.NewReader(`[{"at": "2026-11-21", "n": [1, null]}, {"at": null, "n": null}]`))
	require.NoError(t, err)
	const signature = `{"rawType":"row","arguments":[
		{"kind":"NAMED_TYPE","value":{"fieldName":{"name":"at"},"typeSignature":{"rawType":"date","arguments":[]}}},
		{"kind":"NAMED_TYPE","value":{"fieldName":{"name":"n"},"typeSignature":{"rawType":"array","arguments":[{"kind":"TYPE","value":{"rawType":"bigint","arguments":[]}}]}}}]}`
	var kind trinoType
	require.NoError(t, json.Unmarshal([]byte(signature), &kind))
	for i, c := range []struct{ trino, want string }{
		{`["2026-11-21",[1,null]]`, "{at: 2026-11-21, n: [1, null]}"},
		{`[null,null]`, "{at: null, n: null}"},
	} {
		got, err := render(a, i)
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
		got, err = kind.render(json.RawMessage(c.trino))
		require.NoError(t, err)
		assert.Equal(t, c.want, got)
	}
	m, _, err := array.FromJSON(memory.DefaultAllocator, arrow.MapOf(arrow.PrimitiveTypes.Int32, arrow.BinaryTypes.String),
		strings.NewReader(`[[{"key": 2, "value": "b"}, {"key": 1, "value": null}]]`))
	require.NoError(t, err)
	got, err := render(m, 0)
	require.NoError(t, err)
	assert.Equal(t, `{1 => null, 2 => "b"}`, got)
	require.NoError(t, json.Unmarshal([]byte(`{"rawType":"map","arguments":[{"kind":"TYPE","value":{"rawType":"integer"}},{"kind":"TYPE","value":{"rawType":"varchar"}}]}`), &kind))
	got, err = kind.render(json.RawMessage(`{"2":"b","1":null}`))
	require.NoError(t, err)
	assert.Equal(t, `{1 => null, 2 => "b"}`, got)

	_, err = trinoType{RawType: "hyperloglog"}.render(json.RawMessage(`"x"`))
	assert.ErrorContains(t, err, "not defined")
}

// TestDifferencesShow plants differences that a comparison has to see.
func TestDifferencesShow(t *testing.T) {
	rows := func(values ...string) Rows {
		r := Rows{Columns: []string{"a", "b"}}
		for _, v := range values {
			r.Values = append(r.Values, strings.Split(v, "|"))
		}
		return r
	}
	want := rows("1|x", "2|y", "2|y")
	assert.Empty(t, difference(want, rows("2|y", "1|x", "2|y")), "the order of rows does not count")
	for _, planted := range []Rows{
		rows("1|x", "2|y"), rows("1|x", "2|y", "2|y", "2|y"), rows("1|x", "1|x", "2|y"), rows("1|x", "2|y", "2|z"), rows("1|x", "2|y", "y|2"),
		rows(), rows("1x|", "2|y", "2|y"),
	} {
		text := difference(want, planted)
		assert.Contains(t, text, "rows differ")
		assert.NotEqual(t, want.Checksum(), planted.Checksum())
	}
	other := rows("1|x", "2|y", "2|y")
	other.Columns = []string{"a", "c"}
	assert.Contains(t, difference(want, other), "columns differ")
	assert.NotEqual(t, want.Only("b", "a").Checksum(), want.Checksum())
	assert.Equal(t, [][]string{{"", "1"}, {"", "2"}, {"", "2"}}, want.Only("none", "a").Values)
}
