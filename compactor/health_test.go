package compactor_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/compactor"
	"github.com/firnlake/firn/compactor/jobs"
	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/compactor/rewrite"
)

// foreign is iceberg-go as another engine: it makes its own snapshots, and sends
// requirements and updates, as over REST.
type foreign struct {
	h   *house
	tbl *catalog.Table
}

func (f foreign) open() *table.Table {
	cur := f.h.load(f.tbl)
	return table.New([]string{"x", "t"}, cur.Metadata, cur.MetadataLocation, func(context.Context) (iceio.IO, error) { return f.h.Bucket.FileIO(), nil }, f)
}

func (f foreign) LoadTable(context.Context, table.Identifier) (*table.Table, error) {
	return f.open(), nil
}

func (f foreign) CommitTable(ctx context.Context, _ table.Identifier, reqs []table.Requirement, updates []table.Update) (table.Metadata, string, error) {
	raw, err := json.Marshal(updates)
	if err != nil {
		return nil, "", err
	}
	var sent table.Updates
	if err := json.Unmarshal(raw, &sent); err != nil {
		return nil, "", err
	}
	done, err := f.h.Catalog.Commit(ctx, catalog.Transaction{Actor: "rest", Tables: []catalog.TableChange{{Table: f.tbl.ID, Requirements: reqs, Updates: sent}}})
	if err != nil {
		return nil, "", err
	}
	return done.Tables[0].Metadata, done.Tables[0].MetadataLocation, nil
}

func (f foreign) append(country string, from, n int) {
	f.h.T.Helper()
	tx := f.open().NewTransaction()
	d := tx.NewRowDelta(nil)
	for _, e := range f.h.Write(f.h.load(f.tbl), rowsSQL(country, from, n)) {
		d.AddRows(e.File)
	}
	require.NoError(f.h.T, d.Commit(f.h.T.Context()))
	_, err := tx.Commit(f.h.T.Context())
	require.NoError(f.h.T, err)
}

// counted is the health of a table from its manifests.
func (h *house) counted(t *catalog.Table) *plan.Health {
	h.T.Helper()
	cur := h.load(t)
	out := plan.NewHealth(t.ID)
	out.Position = cur.Version.String() + ".9999"
	if snap := cur.CurrentSnapshot(); snap != nil {
		out.SnapshotID = snap.SnapshotID
		names := rewrite.NewPartitions(cur.Metadata)
		for e, err := range h.Lake.Entries(context.Background(), cur.Metadata, 0) {
			require.NoError(h.T, err)
			out.Add(int(e.Data.SpecID()), names.Values(e.Data), e.Data.FileSizeBytes(), e.Data.Count(), e.Data.ContentType() != iceberg.EntryContentData, time.Time{})
		}
	}
	return out
}

// sums are a health as far as files tell it, for people who look for a difference.
func sums(h *plan.Health) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(h.Partitions)) {
		p := h.Partitions[key]
		out = append(out, fmt.Sprintf("%s: %d files, %d bytes, %d rows, %d deletes, sizes %v", key, p.Files, p.Bytes, p.Rows, p.Deletes, p.Sizes))
	}
	return append(out, fmt.Sprint("snapshot ", h.SnapshotID))
}

// Health that is kept from the commit log is what a count of the manifests would
// be, after whatever happened; and only a moved main needs such a count.
func TestHealthFromEventsIsWhatACountWouldBe(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(seed, 11))
			h := newHouse(t, func(c *compactor.Config) { c.Workers = 1 })
			h.Run(h.service.Run)
			tbl := h.create("bronze.lines", nil)
			kept := plan.NewHealth(tbl.ID)
			position, recounts, moves := "", 0, 0
			follow := func(what string) {
				t.Helper()
				events, err := h.Catalog.Events(t.Context(), position, 0)
				require.NoError(t, err)
				for _, e := range events {
					position = e.Position
					if e.Table == tbl.ID && !kept.Apply(e) {
						recounts++
						kept = h.counted(tbl)
					}
				}
				require.Equal(t, sums(h.counted(tbl)), sums(kept), what)
			}
			countries := []string{"France", "Italy", "NULL", "null", "Österreich"}
			country := func() string { return countries[rng.IntN(len(countries))] }
			partitioned := "country"
			for i := range 60 {
				what := ""
				live := h.live(tbl)
				switch n := rng.IntN(20); {
				case n < 6 || len(live) == 0:
					what = "append"
					h.append(h.load(tbl), country(), i*1000, 1+rng.IntN(200))
				case n < 8:
					what = "foreign append"
					foreign{h, tbl}.append(country(), i*1000, 1+rng.IntN(50))
				case n < 10 && partitioned == "country":
					f := live[rng.IntN(len(live))]
					if int(f.Data.SpecID()) != 0 {
						continue
					}
					what = "position delete"
					h.deletePositions(h.load(tbl), f.Data, 0)
				case n < 11 && partitioned == "country":
					what = "equality delete"
					h.deleteEqual(h.load(tbl), "France", "1, 2, 3")
				case n < 13:
					f := live[rng.IntN(len(live))]
					what = "copy on write"
					h.replace(h.load(tbl), f.Data, rowsSQL(country(), i*1000, 5))
				case n < 14:
					what = "drop of a file"
					h.drop(h.load(tbl), live[rng.IntN(len(live))])
				case n < 16:
					what = "compaction"
					j := h.job(compactor.KindCompact, tbl)
					require.Equal(t, jobs.Succeeded, j.State, j.Error)
				case n < 17:
					what = "manifests"
					h.job(compactor.KindManifests, tbl)
				case n < 18:
					what = "rollback"
					snaps := h.load(tbl).Metadata.Snapshots()
					to := snaps[rng.IntN(len(snaps))].SnapshotID
					if to != h.load(tbl).CurrentSnapshot().SnapshotID {
						moves++
					}
					h.change(tbl, table.NewSetSnapshotRefUpdate(table.MainBranch, to, table.BranchRef, 0, 0, 0))
				case n < 19:
					what = "branch"
					h.change(tbl, table.NewSetSnapshotRefUpdate(fmt.Sprint("b", i), h.load(tbl).CurrentSnapshot().SnapshotID, table.BranchRef, 0, 0, 0))
					change := &catalog.SnapshotChange{Operation: table.OpAppend, Branch: fmt.Sprint("b", i), Added: h.Write(h.load(tbl), rowsSQL("Malta", i*1000, 9))}
					_, err := h.Catalog.Commit(t.Context(), catalog.Transaction{Tables: []catalog.TableChange{{Table: tbl.ID, Snapshot: change}}})
					require.NoError(t, err)
				default:
					if i < 20 {
						continue
					}
					what = "another spec"
					partitioned = "id"
					h.respec(tbl, "id/bucket[3]")
				}
				follow(fmt.Sprintf("%d: %s", i, what))
			}
			require.LessOrEqual(t, recounts, moves, "counted again without need")
			require.Positive(t, moves)
		})
	}
}
