package compactor

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/plan"
)

// The columns that a filter selects rows by, also where its values were replaced, as
// Iceberg's library does in its reports.
func TestSelectedColumns(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "country", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 2, Name: "id", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 3, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
	)
	for text, want := range map[string][]plan.Filter{
		`true`: nil,
		`{"type":"eq","term":"id","value":"(2-digit-int)"}`:                                                       {{Column: "id", Equal: true}},
		`{"type":"in","term":"country","values":["(hash-1234)","(hash-4321)"]}`:                                   {{Column: "country", Equal: true}},
		`{"type":"not","child":{"type":"lt","term":"at","value":"(timestamp-3-days-ago)"}}`:                       {{Column: "at"}},
		`{"type":"and","left":{"type":"gt","term":"id","value":1},"right":{"type":"eq","term":"gone","value":1}}`: {{Column: "id"}},
		`{"type":"or","left":{"type":"gt","term":"id","value":1},"right":{"type":"eq","term":"id","value":1}}`:    {{Column: "id", Equal: true}},
		`{"type":"is-null","term":"at"}`:                                                                          {{Column: "at"}},
	} {
		filter, err := iceberg.ParseExpr([]byte(text), nil)
		require.NoError(t, err, text)
		require.Equal(t, want, selected(schema, filter), text)
	}
	bound, err := iceberg.BindExpr(schema, iceberg.EqualTo(iceberg.Reference("id"), int64(1)), true)
	require.NoError(t, err)
	require.Equal(t, []plan.Filter{{Column: "id", Equal: true}}, selected(schema, bound))
	require.Empty(t, selected(schema, nil))
}
