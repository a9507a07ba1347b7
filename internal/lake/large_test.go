package lake_test

import (
	"fmt"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/lake/laketest"
	"github.com/firnlake/firn/internal/objstore"
)

// many is a scan of n mentions of one small file, under n names.
func many(t testing.TB, f *laketest.Table, n int) *lake.Scan {
	f.Append(simpleRows(0, 3, "a"))
	scan, err := f.Lake.Plan(t.Context(), f.Meta, 0, nil)
	require.NoError(t, err)
	first := scan.Files[0]
	key, err := f.Bucket.Key(first.Data.FilePath())
	require.NoError(t, err)
	data, err := f.Bucket.Get(t.Context(), key)
	require.NoError(t, err)
	scan.Files = nil
	puts, ctx := errgroup.WithContext(t.Context())
	puts.SetLimit(32)
	for i := range n {
		key := fmt.Sprintf("default/many/%05d.parquet", i)
		loc := f.Bucket.Location(key)
		if path, ok := f.Bucket.LocalPath(loc); ok {
			writeFile(t, path, data)
		} else {
			puts.Go(func() error { return f.Bucket.PutBytes(ctx, key, data, objstore.PutOptions{}) })
		}
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, iceberg.EntryContentData, loc, iceberg.ParquetFile, nil, nil, nil, first.Data.Count(), first.Data.FileSizeBytes())
		require.NoError(t, err)
		scan.Files = append(scan.Files, lake.File{Data: b.Build(), Sequence: int64(i + 1)})
	}
	require.NoError(t, puts.Wait())
	return scan
}

func TestTwentyThousandFiles(t *testing.T) {
	f := laketest.New(t, simpleSchema(), nil, nil)
	scan := many(t, f, 20000)
	rows := f.Query(scan, lake.RelationOptions{}, "SELECT count(*) AS n, sum(id)::BIGINT AS s FROM t")
	require.Equal(t, []map[string]any{{"n": int64(60000), "s": int64(60000)}}, rows)
	rows = f.Query(scan, lake.RelationOptions{WithFile: true, WithSequence: true}, "SELECT count(DISTINCT _file) AS n, max(_seq) AS s FROM t")
	require.Equal(t, []map[string]any{{"n": int64(20000), "s": int64(20000)}}, rows)
}
