package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

// engine is iceberg-go as a foreign engine: it makes its own snapshots and
// sends requirements and updates, as over REST.
type engine struct {
	k      *kit
	tbl    *catalog.Table
	before func() // runs between its work and its commit
}

func (e *engine) open() *table.Table {
	cur := e.k.load(e.tbl)
	return table.New([]string{"db", "t"}, cur.Metadata, cur.MetadataLocation,
		func(context.Context) (iceio.IO, error) { return e.k.bucket.FileIO(), nil }, e)
}

func (e *engine) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return e.open(), nil
}

func (e *engine) CommitTable(ctx context.Context, _ table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	if e.before != nil {
		e.before()
	}
	raw, err := json.Marshal(updates) // over the wire and back
	if err != nil {
		return nil, "", err
	}
	var sent table.Updates
	if err := json.Unmarshal(raw, &sent); err != nil {
		return nil, "", err
	}
	done, err := e.k.Commit(ctx, catalog.Transaction{Actor: "rest", Tables: []catalog.TableChange{{Table: e.tbl.ID, Requirements: reqs, Updates: sent}}})
	if err != nil {
		return nil, "", err
	}
	return done.Tables[0].Metadata, done.Tables[0].MetadataLocation, nil
}

func rows(t testing.TB, from, n int64, who string) arrow.Table {
	schema, err := table.SchemaToArrowSchema(testSchema, nil, false, false)
	require.NoError(t, err)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range n {
		b.Field(0).(*array.Int64Builder).Append(from + i)
		b.Field(1).(*array.StringBuilder).Append(who)
		b.Field(2).AppendNull()
	}
	rec := b.NewRecordBatch()
	defer rec.Release()
	return array.NewTableFromRecords(schema, []arrow.RecordBatch{rec})
}

func (e *engine) count() int64 {
	out, err := e.open().Scan().ToArrowTable(context.Background())
	require.NoError(e.k.t, err)
	defer out.Release()
	return out.NumRows()
}

func TestForeignEngine(t *testing.T) {
	for _, version := range []string{"1", "2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			e := &engine{k: k, tbl: k.table("db.t", iceberg.Properties{"format-version": version})}
			ctx := k.ctx()
			for i := range int64(5) {
				_, err := e.open().AppendTable(ctx, rows(t, i*10, 10, "c"), 100, nil)
				require.NoError(t, err)
			}
			require.Equal(t, int64(50), e.count())
			events, err := k.Latest(ctx, 1)
			require.NoError(t, err)
			require.Equal(t, "append", events[0].Operation)
			require.Equal(t, "rest", events[0].Actor)
			require.Equal(t, int64(10), events[0].Partitions[0].AddedRows)
			require.Equal(t, "c", *events[0].Partitions[0].Partition["contributor"])

			_, err = e.open().OverwriteTable(ctx, rows(t, 0, 3, "c"), 100, nil)
			require.NoError(t, err)
			require.Equal(t, int64(3), e.count())
			events, err = k.Latest(ctx, 1)
			require.NoError(t, err)
			var removed, added int64
			for _, p := range events[0].Partitions {
				removed += p.RemovedRows
				added += p.AddedRows
			}
			require.Equal(t, []int64{50, 3}, []int64{removed, added})
			require.Len(t, k.check(e.tbl), 1)
			k.spliced(e.tbl)
			if version == "3" {
				k.checkRowIDs(k.load(e.tbl))
			}
		})
	}
}

func TestForeignAppendThatLostIsAConflict(t *testing.T) {
	k := newKit(t, memstore.New(), func(c *catalog.Config) { c.ForeignPatience = -1 })
	e := &engine{k: k, tbl: k.table("db.t", nil)}
	_, err := e.open().AppendTable(k.ctx(), rows(t, 0, 1, "c"), 100, nil)
	require.NoError(t, err)
	e.before = func() { e.before = nil; k.append(e.tbl, k.file(e.tbl, "ours", "c", 1)) }
	_, err = e.open().AppendTable(k.ctx(), rows(t, 1, 1, "c"), 100, nil)
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	_, is := errors.AsType[*catalog.RequirementError](err)
	require.True(t, is)
	require.Len(t, k.check(e.tbl), 2)
}

// TestPatience: after an engine's append has lost, the next group commit waits
// until it comes again; and so each time, as long as it comes.
func TestPatience(t *testing.T) {
	k := newKit(t, memstore.New(), func(c *catalog.Config) { c.ForeignPatience = time.Minute })
	e := &engine{k: k, tbl: k.table("db.t", nil)}
	_, err := e.open().AppendTable(k.ctx(), rows(t, 0, 1, "c"), 100, nil)
	require.NoError(t, err)
	for round := range 3 {
		e.before = func() { e.before = nil; k.append(e.tbl, k.file(e.tbl, fmt.Sprint("ours ", round), "c", 1)) }
		_, err = e.open().AppendTable(k.ctx(), rows(t, 1, 1, "c"), 100, nil)
		require.ErrorIs(t, err, catalog.ErrCommitConflict)

		ours := make(chan int64)
		go func() {
			done, err := k.Commit(context.Background(), appendOf(e.tbl, k.file(e.tbl, fmt.Sprint("ours again ", round), "c", 1)))
			if err != nil {
				close(ours)
				return
			}
			ours <- done.Tables[0].SequenceNumber
		}()
		k.waitPending(1)
		next, err := e.open().AppendTable(k.ctx(), rows(t, 2, 1, "c"), 100, nil)
		require.NoError(t, err, "it comes first now")
		require.Equal(t, next.CurrentSnapshot().SequenceNumber+1, <-ours)
	}
}

func TestRebasedRequirements(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	reqs := []table.Requirement{table.AssertTableUUID(tbl.ID), table.AssertCurrentSchemaID(0)}
	k.append(tbl, k.file(tbl, "1", "c", 1)) // the head moves
	_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Requirements: reqs, Updates: []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{"a": "1"})},
	}}})
	require.NoError(t, err)
	cur := k.load(tbl)
	require.Equal(t, "1", cur.Metadata.Properties()["a"])
	require.NotNil(t, cur.CurrentSnapshot())
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Requirements: []table.Requirement{table.AssertCurrentSchemaID(7)},
	}}})
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Requirements: []table.Requirement{table.AssertCreate()},
	}}})
	require.ErrorIs(t, err, catalog.ErrCommitConflict)
}

func TestHostileUpdates(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	other := k.table("db.other", nil)
	k.append(tbl, k.file(tbl, "1", "c", 1))
	k.append(other, k.file(other, "1", "c", 1))
	head := k.load(tbl).CurrentSnapshot()
	_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Updates: []table.Update{table.NewSetSnapshotRefUpdate("pin", head.SnapshotID, table.TagRef, 0, 0, 0)},
	}}})
	require.NoError(t, err)
	k.append(tbl, k.file(tbl, "2", "c", 1))
	head2 := k.load(tbl).CurrentSnapshot()
	snap := func(change func(*table.Snapshot)) []table.Update {
		s := *head2
		s.SnapshotID, s.SequenceNumber, s.ParentSnapshotID, s.TimestampMs = 77, head2.SequenceNumber+1, &head2.SnapshotID, head2.TimestampMs+1
		change(&s)
		return []table.Update{table.NewAddSnapshotUpdate(&s), table.NewSetSnapshotRefUpdate("main", 77, table.BranchRef, 0, 0, 0)}
	}
	for name, c := range map[string]struct {
		updates []table.Update
		want    error
	}{
		"location":            {[]table.Update{setLocation(t, other.Location())}, catalog.ErrInvalid},
		"uuid":                {[]table.Update{table.NewAssignUUIDUpdate(other.ID)}, catalog.ErrInvalid},
		"steering":            {[]table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{"s3.endpoint": "http://evil"})}, catalog.ErrInvalid},
		"data path":           {[]table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{"write.data.path": other.Location()})}, catalog.ErrInvalid},
		"pinned snapshot":     {[]table.Update{table.NewRemoveSnapshotsUpdate([]int64{head.SnapshotID}, false)}, catalog.ErrInvalid},
		"current snapshot":    {[]table.Update{table.NewRemoveSnapshotsUpdate([]int64{head2.SnapshotID}, false)}, catalog.ErrInvalid},
		"statistics":          {[]table.Update{table.NewSetStatisticsUpdate(table.StatisticsFile{SnapshotID: head2.SnapshotID, StatisticsPath: "s3://x/y", BlobMetadata: []table.BlobMetadata{}})}, catalog.ErrInvalid},
		"list of another":     {snap(func(s *table.Snapshot) { s.ManifestList = k.load(other).CurrentSnapshot().ManifestList }), catalog.ErrInvalid},
		"list in /etc":        {snap(func(s *table.Snapshot) { s.ManifestList = "file:///etc/passwd" }), catalog.ErrInvalid},
		"list that is absent": {snap(func(s *table.Snapshot) { s.ManifestList += "x" }), catalog.ErrInvalid},
		"no list":             {snap(func(s *table.Snapshot) { s.ManifestList = "" }), catalog.ErrInvalid},
		"lost files":          {snap(func(s *table.Snapshot) { s.ManifestList = head.ManifestList }), catalog.ErrInvalid},
		"stale sequence":      {snap(func(s *table.Snapshot) { s.SequenceNumber-- }), catalog.ErrCommitConflict},
		"stale parent":        {snap(func(s *table.Snapshot) { s.ParentSnapshotID = &head.SnapshotID; s.ManifestList = head.ManifestList }), catalog.ErrCommitConflict},
		"unknown parent":      {snap(func(s *table.Snapshot) { s.ParentSnapshotID = new(int64(5)) }), catalog.ErrCommitConflict},
		"schema that is not":  {[]table.Update{table.NewSetCurrentSchemaUpdate(9)}, catalog.ErrInvalid},
	} {
		_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Updates: c.updates}}})
		require.ErrorIs(t, err, c.want, name)
	}
	require.Len(t, k.check(tbl), 2)
	_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{
		Table: tbl.ID, Updates: []table.Update{table.NewSetSnapshotRefUpdate("main", head.SnapshotID, table.BranchRef, 0, 0, 0)},
	}}})
	require.NoError(t, err, "a rollback is no attack")
	require.Equal(t, []string{"1"}, names(k.check(tbl)))
}

func TestEncodeMetadataIsWhatIcebergGoReads(t *testing.T) {
	for _, version := range []string{"1", "2", "3"} {
		k := newKit(t, memstore.New(), nil)
		tbl := k.table("db.t", iceberg.Properties{"format-version": version, "x": "é\"<"})
		for i := range 3 {
			k.append(tbl, k.file(tbl, fmt.Sprint(i), "c", 1))
			cur := k.load(tbl)
			theirs, err := json.Marshal(cur.Metadata)
			require.NoError(t, err)
			require.JSONEq(t, string(theirs), string(cur.JSON))
			k.spliced(tbl)
			k.ForgetCache()
			again := k.load(tbl)
			require.Equal(t, string(cur.JSON), string(again.JSON))
			require.True(t, again.Metadata.Equals(cur.Metadata))
			require.False(t, strings.Contains(string(cur.JSON), "null,"))
		}
	}
}

// TestForeignManifestsAreRead: a manifest in the right place that names a file
// of another table, or of another bucket, is refused.
func TestForeignManifestsAreRead(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl, other := k.table("db.t", nil), k.table("db.other", nil)
	for name, c := range map[string]struct {
		path string
		want error
	}{
		"own":          {k.DataPath(tbl) + "/x.parquet", nil},
		"other table":  {k.DataPath(other) + "/x.parquet", catalog.ErrInvalid},
		"sibling":      {tbl.Location() + "-evil/x.parquet", catalog.ErrInvalid},
		"other bucket": {"s3://elsewhere/x.parquet", catalog.ErrInvalid},
		"dots":         {k.DataPath(tbl) + "/../../" + other.ID.String() + "/data/x.parquet", catalog.ErrInvalid},
		"local file":   {"/etc/passwd", catalog.ErrInvalid},
	} {
		b, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentData, c.path, iceberg.ParquetFile,
			map[int]any{1000: "c"}, nil, nil, 1, 1)
		require.NoError(t, err)
		_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Updates: k.foreignAppend(tbl, b.Build())}}})
		if c.want == nil {
			require.NoError(t, err, name)
			continue
		}
		require.ErrorIs(t, err, c.want, name)
	}
	require.Len(t, k.check(tbl), 1)
}

// TestTotalsAreCounted: an engine's totals that are not what its manifests hold
// are not gone on from.
func TestTotalsAreCounted(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	for name, c := range map[string]struct {
		stated iceberg.Properties
		size   string // total-files-size of the commit that follows
	}{
		"true":                   {iceberg.Properties{"total-data-files": "1", "total-delete-files": "0", "total-records": "4", "total-files-size": "50", "total-position-deletes": "0", "total-equality-deletes": "0"}, "551"},
		"surplus of deletes":     {iceberg.Properties{"total-data-files": "1", "total-delete-files": "7", "total-records": "4", "total-files-size": "50", "total-position-deletes": "9", "total-equality-deletes": "0"}, ""},
		"rows are counted wrong": {iceberg.Properties{"total-data-files": "1", "total-records": "40"}, ""},
		"nothing is stated":      {iceberg.Properties{}, ""},
	} {
		tbl := k.table("db."+strings.ReplaceAll(name, " ", "_"), nil)
		b, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentData, k.DataPath(tbl)+"/f", iceberg.ParquetFile, map[int]any{1000: "c"}, nil, nil, 4, 50)
		require.NoError(t, err)
		updates := k.foreignAppend(tbl, b.Build())
		updates[0] = stating(t, updates[0], c.stated)
		_, err = k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Updates: updates}}})
		require.NoError(t, err, name)
		require.False(t, catalog.Made(k.load(tbl).CurrentSnapshot().Summary))
		k.append(tbl, k.file(tbl, "g", "c", 5))
		got := k.load(tbl).CurrentSnapshot().Summary
		require.True(t, catalog.Made(got))
		require.Equal(t, "2", got.Properties["total-data-files"], name)
		require.Equal(t, "9", got.Properties["total-records"], name)
		require.Equal(t, "0", got.Properties["total-delete-files"], name)
		require.Equal(t, c.size, got.Properties["total-files-size"], name)
		if name == "true" {
			require.Equal(t, "0", got.Properties["total-position-deletes"])
		} else {
			require.Empty(t, got.Properties["total-position-deletes"], name)
		}
	}
}

// TestRemovedTwice: an engine that rewrites a manifest and removes once more what an
// earlier snapshot had removed balances; one that leaves files out without removing
// them does not.
func TestRemovedTwice(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	a, b, c := k.file(tbl, "a", "c", 1).File, k.file(tbl, "b", "c", 2).File, k.file(tbl, "c", "c", 4).File
	k.append(tbl, catalog.FileEntry{File: a}, catalog.FileEntry{File: b}, catalog.FileEntry{File: c})
	entry := func(status iceberg.ManifestEntryStatus, snapshot int64, f iceberg.DataFile) iceberg.ManifestEntry {
		return iceberg.NewManifestEntry(status, &snapshot, new(int64(1)), new(int64(1)), f)
	}
	commit := func(id int64, entries ...iceberg.ManifestEntry) error {
		_, err := k.Commit(k.ctx(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Updates: k.foreignSnapshot(tbl, id, table.OpDelete, nil, entries...)}}})
		return err
	}
	first := k.load(tbl).CurrentSnapshot().SnapshotID
	require.NoError(t, commit(2001, entry(iceberg.EntryStatusDELETED, 2001, a), entry(iceberg.EntryStatusEXISTING, first, b), entry(iceberg.EntryStatusEXISTING, first, c)))
	require.Len(t, k.live(*k.load(tbl).CurrentSnapshot()), 2)
	err := commit(2002, entry(iceberg.EntryStatusEXISTING, first, c))
	require.ErrorIs(t, err, catalog.ErrInvalid, "b is left out and not removed")
	require.ErrorContains(t, err, "does not balance")
	require.NoError(t, commit(2003, entry(iceberg.EntryStatusDELETED, 2003, a), entry(iceberg.EntryStatusDELETED, 2003, b), entry(iceberg.EntryStatusEXISTING, first, c)))
	require.Equal(t, map[string]int64{"c": 4}, k.live(*k.load(tbl).CurrentSnapshot()))
	events, err := k.Latest(k.ctx(), 2)
	require.NoError(t, err)
	for i, rows := range []int64{2, 1} { // newest first
		require.Len(t, events[i].Partitions, 1)
		require.EqualValues(t, 1, events[i].Partitions[0].RemovedFiles)
		require.Equal(t, rows, events[i].Partitions[0].RemovedRows)
	}
}

// stating is an update that adds a snapshot with another summary.
func stating(t *testing.T, u table.Update, p iceberg.Properties) table.Update {
	t.Helper()
	text, err := json.Marshal(u)
	require.NoError(t, err)
	var add struct {
		Snapshot table.Snapshot `json:"snapshot"`
	}
	require.NoError(t, json.Unmarshal(text, &add))
	add.Snapshot.Summary = &table.Summary{Operation: table.OpAppend, Properties: p}
	return table.NewAddSnapshotUpdate(&add.Snapshot)
}

// foreignAppend writes manifest and list as an engine does, and returns its updates.
func (k *kit) foreignAppend(tbl *catalog.Table, f iceberg.DataFile) []table.Update {
	k.t.Helper()
	cur := k.load(tbl)
	id := int64(len(cur.Metadata.Snapshots()) + 1000)
	var old []iceberg.ManifestFile
	if head := cur.CurrentSnapshot(); head != nil {
		var err error
		old, err = head.Manifests(k.bucket.FileIO())
		require.NoError(k.t, err)
	}
	return k.foreignSnapshot(tbl, id, table.OpAppend, old, iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &id, nil, nil, f))
}

// foreignSnapshot writes a manifest of entries, and a list of it and of others, as an
// engine does, and returns its updates.
func (k *kit) foreignSnapshot(tbl *catalog.Table, id int64, op table.Operation, others []iceberg.ManifestFile, entries ...iceberg.ManifestEntry) []table.Update {
	k.t.Helper()
	cur := k.load(tbl)
	io := k.bucket.FileIO()
	var buf bytes.Buffer
	m, err := iceberg.WriteManifest(tbl.Location()+"/metadata/"+newID()+".avro", &buf, 2, cur.Metadata.PartitionSpec(), cur.Metadata.CurrentSchema(), id, entries)
	require.NoError(k.t, err)
	require.NoError(k.t, io.WriteFile(m.FilePath(), buf.Bytes()))
	s := table.Snapshot{
		SnapshotID: id, SequenceNumber: cur.Metadata.LastSequenceNumber() + 1, TimestampMs: time.Now().UnixMilli(),
		ManifestList: tbl.Location() + "/metadata/" + newID() + ".avro", Summary: &table.Summary{Operation: op, Properties: iceberg.Properties{"total-data-files": "1"}},
	}
	if head := cur.CurrentSnapshot(); head != nil {
		s.ParentSnapshotID = &head.SnapshotID
	}
	buf.Reset()
	require.NoError(k.t, iceberg.WriteManifestList(2, &buf, id, s.ParentSnapshotID, &s.SequenceNumber, 0, append([]iceberg.ManifestFile{m}, others...)))
	require.NoError(k.t, io.WriteFile(s.ManifestList, buf.Bytes()))
	return []table.Update{table.NewAddSnapshotUpdate(&s), table.NewSetSnapshotRefUpdate("main", id, table.BranchRef, 0, 0, 0)}
}

// TestUnknownFieldsSurvive: what another engine, or a newer one, wrote into the metadata
// and this program does not know is in every later version, also of the snapshots.
func TestUnknownFieldsSurvive(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", iceberg.Properties{catalog.PropertyMaxSnapshots: "3"})
	for i := range 3 {
		k.append(tbl, k.file(tbl, fmt.Sprint(i), "c", 1))
	}
	cur := k.load(tbl)
	var doc map[string]any
	dec := json.NewDecoder(bytes.NewReader(cur.JSON))
	dec.UseNumber()
	require.NoError(t, dec.Decode(&doc))
	for i, s := range doc["snapshots"].([]any) {
		s.(map[string]any)["signed-by"] = map[string]any{"n": i}
	}
	location := k.rewritten(cur.MetadataLocation, map[string]any{"snapshots": doc["snapshots"], "z-future": []any{"<é>", nil}, "a-future": json.Number("12345678901234567890")})
	_, err := k.RegisterTable(k.ctx(), tbl.Ident, location, true)
	require.NoError(t, err)
	for i := range 2 {
		k.append(tbl, k.file(tbl, fmt.Sprint("more", i), "c", 1))
		if i == 1 {
			k.ForgetCache()
		}
		now := k.load(tbl)
		var got struct {
			Z         []any       `json:"z-future"`
			A         json.Number `json:"a-future"`
			Snapshots []struct {
				Signed struct {
					N *int `json:"n"`
				} `json:"signed-by"`
			} `json:"snapshots"`
		}
		require.NoError(t, json.Unmarshal(now.JSON, &got))
		require.Equal(t, []any{"<é>", nil}, got.Z)
		require.Equal(t, "12345678901234567890", string(got.A))
		require.Len(t, got.Snapshots, 3)
		require.Equal(t, i+1, *got.Snapshots[0].Signed.N, "the oldest left, the others are as they were signed")
		require.Nil(t, got.Snapshots[2].Signed.N)

		var refs map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(now.RefsJSON(), &refs))
		var all map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(now.JSON, &all))
		var kept []table.Snapshot
		require.NoError(t, json.Unmarshal(refs["snapshots"], &kept))
		require.Len(t, kept, 1)
		require.Equal(t, now.CurrentSnapshot().SnapshotID, kept[0].SnapshotID)
		delete(refs, "snapshots")
		delete(all, "snapshots")
		require.Equal(t, all, refs, "every other byte is the same")
	}
	require.Len(t, k.check(tbl), 5)
}
