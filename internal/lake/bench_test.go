package lake_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
)

// Planning a table of 40 manifests, with the manifest cache and without.
func BenchmarkPlan(b *testing.B) {
	f := laketest.New(b, simpleSchema(), nil, nil)
	for i := range 40 {
		f.Append(simpleRows(i*10, i*10+10, "a"))
	}
	filter := iceberg.EqualTo(iceberg.Reference("id"), int64(7))
	for name, bytes := range map[string]int64{"cached": 0, "uncached": -1} {
		b.Run(name, func(b *testing.B) {
			l, err := lake.New(lake.Config{Bucket: f.Bucket, CacheDir: b.TempDir(), MetadataCacheBytes: bytes})
			require.NoError(b, err)
			defer l.Close()
			for b.Loop() {
				scan, err := l.Plan(b.Context(), f.Meta, 0, filter)
				require.NoError(b, err)
				require.Len(b, scan.Files, 1)
			}
		})
	}
}

func BenchmarkRelation(b *testing.B) {
	f := laketest.New(b, simpleSchema(), nil, mergeOnRead)
	for i := range 20 {
		f.Append(simpleRows(i*10, i*10+10, "a"))
	}
	f.Delete(iceberg.EqualTo(iceberg.Reference("id"), int64(7)))
	for b.Loop() {
		scan, err := f.Lake.Plan(b.Context(), f.Meta, 0, nil)
		require.NoError(b, err)
		rel, err := f.Lake.Relation(b.Context(), scan, lake.RelationOptions{})
		require.NoError(b, err)
		_, err = f.Pool.Exec(b.Context(), duck.Job{SQL: "SELECT count(*) FROM " + rel.SQL, Read: rel.Paths})
		require.NoError(b, err)
		rel.Release()
	}
}
