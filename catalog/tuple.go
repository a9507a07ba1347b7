package catalog

import (
	"bytes"
	"cmp"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// comparePartitions orders partition values by the fields of a spec, NULL first.
func comparePartitions(spec iceberg.PartitionSpec, a, b map[int]any) int {
	for _, f := range spec.Fields() {
		if c := compareValues(a[f.FieldID], b[f.FieldID]); c != 0 {
			return c
		}
	}
	return 0
}

// compareValues orders two values of one type of a partition field. Any order would
// do for what is equal to be together; this is the one of bounds, by which
// manifests are left out.
func compareValues(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a == nil && b == nil:
			return 0
		case a == nil:
			return -1
		}
		return 1
	}
	switch a := a.(type) {
	case int32:
		return ordered(a, b)
	case int64:
		return ordered(a, b)
	case float32:
		return ordered(a, b)
	case float64:
		return ordered(a, b)
	case iceberg.Date:
		return ordered(a, b)
	case iceberg.Time:
		return ordered(a, b)
	case iceberg.Timestamp:
		return ordered(a, b)
	case iceberg.TimestampNano:
		return ordered(a, b)
	case string:
		return ordered(a, b)
	case []byte:
		if b, ok := b.([]byte); ok {
			return bytes.Compare(a, b)
		}
	case uuid.UUID:
		if b, ok := b.(uuid.UUID); ok {
			return bytes.Compare(a[:], b[:])
		}
	case iceberg.Decimal:
		if b, ok := b.(iceberg.Decimal); ok {
			return a.Val.Cmp(b.Val)
		}
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) // false before true, too
}

func ordered[T cmp.Ordered](a T, b any) int {
	if b, ok := b.(T); ok {
		return cmp.Compare(a, b)
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
