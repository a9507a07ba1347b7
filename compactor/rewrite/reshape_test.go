package rewrite

import (
	"errors"
	"testing"

	"github.com/apache/iceberg-go"

	firnparquet "github.com/firnlake/firn/internal/parquet"
)

// A file whose rows belong elsewhere is found, whatever the transform.
func TestRowsInAWrongPartitionAreFound(t *testing.T) {
	schema := iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "n", Type: iceberg.PrimitiveTypes.Int64},
		iceberg.NestedField{ID: 2, Name: "s", Type: iceberg.PrimitiveTypes.String},
		iceberg.NestedField{ID: 3, Name: "at", Type: iceberg.PrimitiveTypes.Timestamp},
		iceberg.NestedField{ID: 4, Name: "in", Type: &iceberg.StructType{FieldList: []iceberg.NestedField{{ID: 5, Name: "a b", Type: iceberg.PrimitiveTypes.Int32}}}})
	rows := columns{{"n", 1, schema.Field(0).Type}, {"s", 2, schema.Field(1).Type}, {"at", 3, schema.Field(2).Type}, {"in", 4, schema.Field(3).Type}}
	saved := proofColumns
	proofColumns = rows
	defer func() { proofColumns = saved }()
	base := "SELECT i::BIGINT AS n, 'ab' || i AS s, TIMESTAMP '2026-03-01 10:00:00' + INTERVAL (i) SECOND AS \"at\", {'a b': 7} AS \"in\" FROM range(40, 50) t(i)"
	one := func(f string) string { return base + " UNION ALL SELECT " + f }
	c := &compaction{Worker: &Worker{cfg: Config{Pool: pool}}}
	for _, x := range []struct {
		name      string
		source    int
		transform iceberg.Transform
		value     any
		stray     string // a row that does not belong
	}{
		{"identity", 5, iceberg.IdentityTransform{}, int32(7), "40, 'ab', NULL, {'a b': 8}"},
		{"NULL", 5, iceberg.IdentityTransform{}, int32(7), "40, 'ab', NULL, NULL"},
		{"truncate", 1, iceberg.TruncateTransform{Width: 10}, int64(40), "50, 'ab', NULL, NULL"},
		{"text", 2, iceberg.TruncateTransform{Width: 2}, "ab", "40, 'aB', NULL, NULL"},
		{"day", 3, iceberg.DayTransform{}, iceberg.Date(20513), "40, 'ab', TIMESTAMP '2026-03-02', NULL"},
		{"hour", 3, iceberg.HourTransform{}, int32(20513*24 + 10), "40, 'ab', TIMESTAMP '2026-03-01 09:59:59.999999', NULL"},
		{"month", 3, iceberg.MonthTransform{}, int32(56*12 + 2), "40, 'ab', TIMESTAMP '2026-02-28', NULL"},
		{"bucket", 5, iceberg.BucketTransform{NumBuckets: 1000}, bucketOf(1000, 7), "40, 'ab', NULL, {'a b': 8}"},
	} {
		o := firnparquet.FileOptions{Schema: schema, PartitionValues: map[int]any{1000: x.value}}
		o.Spec = iceberg.NewPartitionSpecID(1, iceberg.PartitionField{SourceIDs: []int{x.source}, FieldID: 1000, Name: "p", Transform: x.transform})
		if err := c.checkPartition(t.Context(), o, []string{write(t, base)}); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		if err := c.checkPartition(t.Context(), o, []string{write(t, one(x.stray))}); !errors.Is(err, ErrProof) {
			t.Errorf("%s: a stray row is not found: %v", x.name, err)
		}
		o.PartitionValues = map[int]any{}
		if err := c.checkPartition(t.Context(), o, []string{write(t, base)}); !errors.Is(err, ErrProof) {
			t.Errorf("%s: rows in the partition of NULL are not found: %v", x.name, err)
		}
	}
}

func bucketOf(n int, v int32) any {
	return iceberg.BucketTransform{NumBuckets: n}.Apply(iceberg.Optional[iceberg.Literal]{Valid: true, Val: iceberg.NewLiteral(v)}).Val.Any()
}
