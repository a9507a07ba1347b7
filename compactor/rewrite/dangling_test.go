package rewrite

import (
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/internal/lake"
)

// Of two vectors in one Puffin file the one whose data file is compacted goes;
// a file of positions goes with the last data file that it applies to.
func TestDeletesGoWithTheirFiles(t *testing.T) {
	file := func(content iceberg.ManifestEntryContent, path string, format iceberg.FileFormat) *iceberg.DataFileBuilder {
		b, err := iceberg.NewDataFileBuilder(*iceberg.UnpartitionedSpec, content, path, format, nil, nil, nil, 10, 100)
		require.NoError(t, err)
		return b
	}
	vector := func(of string, at int64) lake.DeleteFile {
		return lake.DeleteFile{Data: file(iceberg.EntryContentPosDeletes, "s3://lake/p.puffin", iceberg.PuffinFile).ReferencedDataFile(of).ContentOffset(at).ContentSizeInBytes(40).Build()}
	}
	positions := lake.DeleteFile{Data: file(iceberg.EntryContentPosDeletes, "s3://lake/d.parquet", iceberg.ParquetFile).Build()}
	data := func(path string, deletes ...lake.DeleteFile) lake.File {
		return lake.File{Data: file(iceberg.EntryContentData, path, iceberg.ParquetFile).Build(), Deletes: deletes}
	}
	scan := &lake.Scan{Files: []lake.File{data("a", vector("a", 4), positions), data("b", vector("b", 44), positions), data("c", positions)}}
	for _, c := range []struct{ removed, goes []string }{
		{[]string{"a"}, []string{"s3://lake/p.puffin#4"}},
		{[]string{"a", "b"}, []string{"s3://lake/p.puffin#4", "s3://lake/p.puffin#44"}},
		{[]string{"a", "b", "c"}, []string{"s3://lake/d.parquet", "s3://lake/p.puffin#4", "s3://lake/p.puffin#44"}},
		{nil, []string{}},
	} {
		removed := map[string]bool{}
		for _, path := range c.removed {
			removed[path] = true
		}
		got := dangling(scan, removed, 0)
		slices.Sort(got)
		require.Equal(t, c.goes, got)
	}
}
