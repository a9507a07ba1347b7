package catalog_test

import (
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

// TestPatience: after an engine's append has lost, the next group commit waits until it comes again.
func TestPatience(t *testing.T) {
	k := newKit(t, memstore.New(), func(c *catalog.Config) { c.ForeignPatience = time.Minute })
	e := &engine{k: k, tbl: k.table("db.t", nil)}
	_, err := e.open().AppendTable(k.ctx(), rows(t, 0, 1, "c"), 100, nil)
	require.NoError(t, err)
	e.before = func() { e.before = nil; k.append(e.tbl, k.file(e.tbl, "ours", "c", 1)) }
	_, err = e.open().AppendTable(k.ctx(), rows(t, 1, 1, "c"), 100, nil)
	require.ErrorIs(t, err, catalog.ErrCommitConflict)

	ours := make(chan int64)
	go func() {
		done, err := k.Commit(context.Background(), appendOf(e.tbl, k.file(e.tbl, "ours 2", "c", 1)))
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
			k.ForgetCache()
			again := k.load(tbl)
			require.Equal(t, string(cur.JSON), string(again.JSON))
			require.True(t, again.Metadata.Equals(cur.Metadata))
			require.False(t, strings.Contains(string(cur.JSON), "null,"))
		}
	}
}
