package catalog_test

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
	"github.com/firnlake/firn/internal/objstore"
)

// history gives a table a past of n snapshots without making n commits: the
// metadata is put and registered anew. Its last snapshot is real.
func (k *kit) history(tbl *catalog.Table, n int) *catalog.Table {
	k.t.Helper()
	tbl = k.load(tbl)
	real := *tbl.CurrentSnapshot()
	b, err := table.MetadataBuilderFromBase(tbl.Metadata, tbl.MetadataLocation)
	require.NoError(k.t, err)
	for i := range n {
		s := real
		s.SnapshotID = int64(1_000_000 + i)
		s.SequenceNumber = real.SequenceNumber + int64(i) + 1
		s.TimestampMs = real.TimestampMs + int64(i) + 1
		s.ParentSnapshotID = new(tbl.Metadata.CurrentSnapshot().SnapshotID)
		if i > 0 {
			s.ParentSnapshotID = new(s.SnapshotID - 1)
		}
		require.NoError(k.t, b.AddSnapshot(&s))
		require.NoError(k.t, b.SetSnapshotRef(table.MainBranch, s.SnapshotID, table.BranchRef))
	}
	meta, err := b.Build()
	require.NoError(k.t, err)
	data, err := catalog.EncodeMetadata(meta)
	require.NoError(k.t, err)
	location := tbl.Location() + fmt.Sprintf("/metadata/history-%d.metadata.json", n)
	key, err := k.bucket.Key(location)
	require.NoError(k.t, err)
	require.NoError(k.t, k.bucket.PutBytes(k.ctx(), key, data, objstore.PutOptions{}))
	out, err := k.RegisterTable(k.ctx(), tbl.Ident, location, true)
	require.NoError(k.t, err)
	return out
}

// BenchmarkCommitBySnapshots is the cost of a commit to a table that retains so
// many snapshots, manifests being equal. Bar: 1.5 times at 10,000 commits, with
// the default bound of retained snapshots.
func BenchmarkCommitBySnapshots(b *testing.B) {
	for _, n := range []int{10, 200, 1000, 9000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			k := newKit(b, memstore.New(), nil)
			tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: strconv.Itoa(n)})
			k.append(tbl, k.file(tbl, "first", "c", 1))
			tbl = k.history(tbl, n)
			i := 0
			commit := func() { i++; k.append(tbl, k.file(tbl, strconv.Itoa(i), "c", 1)) }
			for range 3 {
				commit()
			}
			stop := cpu(b)
			for b.Loop() {
				commit()
			}
			stop()
			b.ReportMetric(float64(len(k.load(tbl).JSON)), "metadata-bytes")
		})
	}
}
