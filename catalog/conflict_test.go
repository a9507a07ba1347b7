package catalog_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/memstore"
)

func (k *kit) change(tbl *catalog.Table, s catalog.SnapshotChange) (catalog.Committed, error) {
	return k.Commit(k.ctx(), catalog.Transaction{Actor: "test", Tables: []catalog.TableChange{{Table: tbl.ID, Snapshot: &s}}})
}

func (k *kit) head(tbl *catalog.Table) *int64 {
	s := k.load(tbl).CurrentSnapshot()
	if s == nil {
		return nil
	}
	return &s.SnapshotID
}

func path(k *kit, tbl *catalog.Table, names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, k.DataPath(tbl)+"/"+n)
	}
	return out
}

func TestReplaceKeepsWhatItDoesNotName(t *testing.T) {
	for _, version := range []string{"1", "2", "3"} {
		t.Run("v"+version, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.table("db.t", iceberg.Properties{"format-version": version})
			for i := range 20 {
				k.append(tbl, k.file(tbl, fmt.Sprintf("a%d", i), "a", 10), k.file(tbl, fmt.Sprintf("b%d", i), "b", 10))
			}
			base := k.head(tbl)
			k.append(tbl, k.file(tbl, "late", "a", 5)) // an append never matters
			seq := int64(3)
			out := k.file(tbl, "packed", "a", 30)
			out.DataSequence = &seq
			done, err := k.change(tbl, catalog.SnapshotChange{
				Operation: table.OpReplace, Base: base, Added: []catalog.FileEntry{out}, Removed: path(k, tbl, "a0", "a7", "a19"),
			})
			require.NoError(t, err)
			live := k.check(tbl)
			require.Len(t, live, 39)
			require.Equal(t, int64(30), live["packed"])
			require.NotContains(t, live, "a7")
			events, err := k.Latest(k.ctx(), 1)
			require.NoError(t, err)
			require.Equal(t, done.Tables[0].SnapshotID, events[0].SnapshotID)
			require.Equal(t, "replace", events[0].Operation)
			require.Len(t, events[0].Partitions, 1)
			p := events[0].Partitions[0]
			require.Equal(t, int64(3), p.RemovedFiles)
			require.Equal(t, int64(30), p.RemovedRows)
			require.Equal(t, int64(1), p.AddedFiles)
			require.Equal(t, map[int]int64{9: -3, 11: 1}, p.Sizes)
			if version == "3" {
				k.checkRowIDs(k.load(tbl))
			}
			if version != "1" {
				k.checkSequence(tbl, "packed", seq)
			}

			_, err = k.change(tbl, catalog.SnapshotChange{
				Operation: table.OpReplace, Base: base, Added: []catalog.FileEntry{k.file(tbl, "again", "a", 10)}, Removed: path(k, tbl, "a1", "a7"),
			})
			require.ErrorIs(t, err, catalog.ErrCommitConflict, "a7 has gone")
			_, is := errors.AsType[*catalog.RequirementError](err)
			require.True(t, is)
			require.Equal(t, live, k.check(tbl), "nothing of the loser stays")
			k.append(tbl, k.file(tbl, "after", "", 1))
			require.Len(t, k.check(tbl), 40)
		})
	}
}

func (k *kit) checkSequence(tbl *catalog.Table, name string, want int64) {
	k.t.Helper()
	manifests, err := k.load(tbl).CurrentSnapshot().Manifests(k.bucket.FileIO())
	require.NoError(k.t, err)
	for _, m := range manifests {
		for e, err := range m.Entries(k.bucket.FileIO(), true) {
			require.NoError(k.t, err)
			if e.DataFile().FilePath() == k.DataPath(tbl)+"/"+name {
				require.Equal(k.t, want, e.SequenceNum())
				return
			}
		}
	}
	k.t.Errorf("%s is not live", name)
}

func TestDeletesThatLandDuringARewrite(t *testing.T) {
	for _, c := range []struct {
		name     string
		del      func(k *kit, tbl *catalog.Table) catalog.FileEntry
		conflict bool
	}{
		{"of the removed file", func(k *kit, tbl *catalog.Table) catalog.FileEntry {
			return k.posDelete(tbl, "d", "a", k.DataPath(tbl)+"/a0", 1)
		}, true},
		{"of another file", func(k *kit, tbl *catalog.Table) catalog.FileEntry {
			return k.posDelete(tbl, "d", "a", k.DataPath(tbl)+"/a1", 1)
		}, false},
		{"of the partition", func(k *kit, tbl *catalog.Table) catalog.FileEntry {
			return k.posDelete(tbl, "d", "a", "", 1)
		}, true},
		{"of another partition", func(k *kit, tbl *catalog.Table) catalog.FileEntry {
			return k.posDelete(tbl, "d", "b", "", 1)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.table("db.t", nil)
			k.append(tbl, k.file(tbl, "a0", "a", 10), k.file(tbl, "a1", "a", 10), k.file(tbl, "b0", "b", 10))
			base := k.head(tbl)
			_, err := k.change(tbl, catalog.SnapshotChange{Operation: table.OpDelete, Base: base, Added: []catalog.FileEntry{c.del(k, tbl)}})
			require.NoError(t, err)
			rewrite := catalog.SnapshotChange{
				Operation: table.OpReplace, Base: base,
				Added: []catalog.FileEntry{k.file(tbl, "new", "a", 10)}, Removed: path(k, tbl, "a0"),
			}
			_, err = k.change(tbl, rewrite)
			if !c.conflict {
				require.NoError(t, err)
				require.Equal(t, []string{"a1", "b0", "d", "new"}, names(k.check(tbl)))
				return
			}
			require.ErrorIs(t, err, catalog.ErrCommitConflict)
			require.Equal(t, []string{"a0", "a1", "b0", "d"}, names(k.check(tbl)))
			// Done over from the new head, it folds the delete in.
			rewrite.Base = k.head(tbl)
			rewrite.Removed = append(rewrite.Removed, path(k, tbl, "d")...)
			rewrite.Added = []catalog.FileEntry{k.file(tbl, "new2", "a", 9)}
			_, err = k.change(tbl, rewrite)
			require.NoError(t, err)
			require.Equal(t, []string{"a1", "b0", "new2"}, names(k.check(tbl)))
		})
	}
}

// Equality deletes that land during a rewrite are none of its business if they
// still apply to what it wrote.
func TestEqualityDeletesThatLandDuringARewrite(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(s *catalog.SnapshotChange, base int64)
		conflict bool
	}{
		{"with the sequence number of its base", func(s *catalog.SnapshotChange, base int64) { s.Added[0].DataSequence = &base }, false},
		{"with a fresh sequence number", func(*catalog.SnapshotChange, int64) {}, true},
		{"with that of the delete", func(s *catalog.SnapshotChange, base int64) { s.Added[0].DataSequence = new(base + 1) }, true},
		{"as an overwrite", func(s *catalog.SnapshotChange, base int64) {
			s.Added[0].DataSequence, s.Operation = &base, table.OpOverwrite
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.table("db.t", nil)
			k.append(tbl, k.file(tbl, "a0", "a", 10))
			head := k.load(tbl).CurrentSnapshot()
			del, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentEqDeletes,
				k.DataPath(tbl)+"/d", iceberg.ParquetFile, map[int]any{1000: "a"}, nil, nil, 1, 50)
			require.NoError(t, err)
			_, err = k.change(tbl, catalog.SnapshotChange{Operation: table.OpDelete, Base: &head.SnapshotID, Added: []catalog.FileEntry{{File: del.EqualityFieldIDs([]int{1}).Build()}}})
			require.NoError(t, err)
			s := catalog.SnapshotChange{
				Operation: table.OpReplace, Base: &head.SnapshotID,
				Added: []catalog.FileEntry{k.file(tbl, "new", "a", 10)}, Removed: path(k, tbl, "a0"),
			}
			c.change(&s, head.SequenceNumber)
			_, err = k.change(tbl, s)
			if c.conflict {
				require.ErrorIs(t, err, catalog.ErrCommitConflict)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []string{"d", "new"}, names(k.check(tbl)))
			k.checkSequence(tbl, "new", head.SequenceNumber)
		})
	}
}

func TestRewriteThatLandsDuringADelete(t *testing.T) {
	for _, ref := range []bool{true, false} {
		t.Run(fmt.Sprintf("referenced=%v", ref), func(t *testing.T) {
			k := newKit(t, memstore.New(), nil)
			tbl := k.table("db.t", nil)
			k.append(tbl, k.file(tbl, "a0", "a", 10))
			base := k.head(tbl)
			_, err := k.change(tbl, catalog.SnapshotChange{
				Operation: table.OpReplace, Base: base, Added: []catalog.FileEntry{k.file(tbl, "new", "a", 10)}, Removed: path(k, tbl, "a0"),
			})
			require.NoError(t, err)
			del := k.posDelete(tbl, "d", "a", "", 1)
			if ref {
				del = k.posDelete(tbl, "d", "a", k.DataPath(tbl)+"/a0", 1)
			}
			_, err = k.change(tbl, catalog.SnapshotChange{Operation: table.OpDelete, Base: base, Added: []catalog.FileEntry{del}})
			require.ErrorIs(t, err, catalog.ErrCommitConflict, "or the deleted row would return")
			require.Equal(t, []string{"new"}, names(k.check(tbl)))
		})
	}
}

func TestPin(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	pin := func(base *int64, name string) error {
		_, err := k.change(tbl, catalog.SnapshotChange{Operation: table.OpAppend, Pin: true, Base: base, Added: []catalog.FileEntry{k.file(tbl, name, "c", 1)}})
		return err
	}
	require.NoError(t, pin(nil, "1"))
	require.ErrorIs(t, pin(nil, "2"), catalog.ErrCommitConflict)
	old := k.head(tbl)
	require.NoError(t, pin(old, "3"))
	require.ErrorIs(t, pin(old, "4"), catalog.ErrCommitConflict)
	require.Equal(t, []string{"1", "3"}, names(k.check(tbl)))
}

func TestRefusedChanges(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tbl := k.table("db.t", nil)
	v1 := k.table("db.v1", iceberg.Properties{"format-version": "1"})
	v3 := k.table("db.v3", iceberg.Properties{"format-version": "3"})
	k.append(tbl, k.file(tbl, "a", "a", 1))
	base := k.head(tbl)
	outside, err := iceberg.NewDataFileBuilder(tbl.Metadata.PartitionSpec(), iceberg.EntryContentData,
		"s3://other/default/x.parquet", iceberg.ParquetFile, nil, nil, nil, 1, 1)
	require.NoError(t, err)
	for name, s := range map[string]struct {
		tbl *catalog.Table
		s   catalog.SnapshotChange
	}{
		"append removes":       {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Base: base, Removed: path(k, tbl, "a")}},
		"no base":              {tbl, catalog.SnapshotChange{Operation: table.OpOverwrite, Removed: path(k, tbl, "a")}},
		"nothing":              {tbl, catalog.SnapshotChange{Operation: table.OpAppend}},
		"operation":            {tbl, catalog.SnapshotChange{Operation: "merge", Added: []catalog.FileEntry{k.file(tbl, "x", "a", 1)}}},
		"twice":                {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{k.file(tbl, "x", "a", 1), k.file(tbl, "x", "a", 1)}}},
		"outside":              {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{{File: outside.Build()}}}},
		"other table":          {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{k.file(v1, "x", "a", 1)}}},
		"dot dot":              {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{k.file(tbl, "../../x", "a", 1)}}},
		"nil file":             {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{{}}}},
		"deletes in an append": {tbl, catalog.SnapshotChange{Operation: table.OpAppend, Added: []catalog.FileEntry{k.posDelete(tbl, "d", "a", "", 1)}}},
		"deletes on v1":        {v1, catalog.SnapshotChange{Operation: table.OpDelete, Added: []catalog.FileEntry{k.posDelete(v1, "d", "a", "", 1)}}},
		"old deletes on v3":    {v3, catalog.SnapshotChange{Operation: table.OpDelete, Added: []catalog.FileEntry{k.posDelete(v3, "d", "a", "", 1)}}},
	} {
		_, err := k.change(s.tbl, s.s)
		require.ErrorIs(t, err, catalog.ErrInvalid, name)
	}
	require.Equal(t, []string{"a"}, names(k.check(tbl)))
}

// TestConflictsAgainstAModel: random appends, rewrites and deletes, some from
// an old base. The model is the set of live files; the table must agree after
// each step, and a refused change must have had a reason.
func TestConflictsAgainstAModel(t *testing.T) {
	k := newKit(t, memstore.New(), nil)
	tables := 0
	rapid.Check(t, func(rt *rapid.T) {
		tables++
		tbl := k.table(fmt.Sprintf("db.t%d", tables), iceberg.Properties{catalog.PropertyMergeCount: "3", catalog.PropertyMaxSnapshots: "8"})
		live := map[string]int64{}
		partition := map[string]string{}
		type base struct {
			id   *int64
			live []string
		}
		bases := []base{}
		n := 0
		fresh := func() string { n++; return fmt.Sprintf("f%03d", n) }
		for range rapid.IntRange(1, 15).Draw(rt, "steps") {
			who := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "who")
			if len(bases) == 0 || rapid.Bool().Draw(rt, "append") {
				name := fresh()
				k.append(tbl, k.file(tbl, name, who, 7))
				live[name], partition[name] = 7, who
				bases = append(bases, base{k.head(tbl), names(live)})
				continue
			}
			b := rapid.SampledFrom(bases).Draw(rt, "base")
			if len(b.live) == 0 {
				continue
			}
			removed := rapid.SliceOfNDistinct(rapid.SampledFrom(b.live), 1, min(3, len(b.live)), rapid.ID[string]).Draw(rt, "removed")
			name := fresh()
			s := catalog.SnapshotChange{
				Operation: rapid.SampledFrom([]table.Operation{table.OpReplace, table.OpOverwrite}).Draw(rt, "op"),
				Base:      b.id, Removed: path(k, tbl, removed...), Added: []catalog.FileEntry{k.file(tbl, name, who, 7)},
				Pin: rapid.IntRange(0, 4).Draw(rt, "pin") == 0,
			}
			moved := *b.id != *k.head(tbl)
			gone := slices.ContainsFunc(removed, func(f string) bool { _, ok := live[f]; return !ok })
			_, err := k.change(tbl, s)
			if gone || s.Pin && moved {
				require.ErrorIs(rt, err, catalog.ErrCommitConflict)
				continue
			}
			require.NoError(rt, err)
			for _, f := range removed {
				delete(live, f)
			}
			live[name], partition[name] = 7, who
			bases = append(bases, base{k.head(tbl), names(live)})
		}
		require.Equal(rt, live, k.check(tbl))
	})
}
