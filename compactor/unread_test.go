package compactor_test

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
)

// Data files of a format that is not read, and data files with deletes of such,
// stay as they are, with the reason; the others are compacted.
func TestFilesThatAreNotReadStay(t *testing.T) {
	h := newHouse(t)
	h.Run(h.service.Run)
	tbl := h.create("bronze.lines", nil)
	foreign := func(content iceberg.ManifestEntryContent, format iceberg.FileFormat, country string) catalog.FileEntry {
		f, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), content, h.Catalog.DataPath(tbl)+"/"+uuid.NewString(), format, map[int]any{1000: country}, nil, nil, 3, 300)
		require.NoError(t, err)
		return catalog.FileEntry{File: f.Build()}
	}
	h.append(tbl, "France", 0, 10)
	h.append(tbl, "France", 10, 10)
	h.Commit(tbl, table.OpAppend, foreign(iceberg.EntryContentData, iceberg.AvroFile, "France"))
	h.append(tbl, "Spain", 20, 10)
	h.append(tbl, "Spain", 30, 10)
	h.Commit(tbl, table.OpDelete, foreign(iceberg.EntryContentPosDeletes, iceberg.OrcFile, "Spain"))

	j := h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.EqualValues(t, 2, j.Outcome.FilesIn)
	require.Contains(t, j.Outcome.Proof["why_not_more"], "3 files are left as they are")
	require.Contains(t, j.Outcome.Proof["why_not_more"], "only Parquet is read")
	require.Len(t, h.live(tbl), 4)

	head := h.load(tbl).CurrentSnapshot().SnapshotID
	j = h.job(compactor.KindCompact, tbl)
	require.Equal(t, jobs.Succeeded, j.State, j.Error)
	require.Equal(t, head, h.load(tbl).CurrentSnapshot().SnapshotID)
}
