package rewrite

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet/fuse"
)

// changed is a data file of which a manifest says another first row id.
type changed struct {
	iceberg.DataFile
	first *int64
}

func (c changed) FirstRowID() *int64 { return c.first }

// Ids and sequence numbers other than those of the inputs are found before
// anything is committed, of files that inherit them and of those that hold them.
func TestProofOfLineage(t *testing.T) {
	g := newCarryGround(t, "3")
	w, c := g.compaction(g.Catalog, plan.Fuse)
	c.Groups[0].Files = c.Groups[0].Files[:3]
	c.Groups[0].Rows = 150
	_, err := w.Compact(t.Context(), c)
	require.NoError(t, err)
	_, scan := g.scan()
	require.Len(t, scan.Files, 2) // one of them holds ids
	dir := t.TempDir()
	paths, err := w.local(t.Context(), dir, scan.Files)
	require.NoError(t, err)
	sources, done, err := fuse.OpenFiles(fuse.Inputs(paths...))
	require.NoError(t, err)
	defer done()
	for i, f := range scan.Files {
		sources[i].FirstRowID, sources[i].Sequence = f.Data.FirstRowID(), f.Sequence
	}
	p, err := fuse.NewPlan(t.Context(), sources, fuse.Options{Lineage: true})
	require.NoError(t, err)
	res, err := p.WriteFile(t.Context(), filepath.Join(dir, "out"))
	require.NoError(t, err)
	require.NoError(t, proveLineage(t.Context(), scan.Files, paths, res))
	for _, f := range scan.Files {
		held, err := heldLineage(t.Context(), paths[indexOf(scan.Files, f)])
		require.NoError(t, err)
		files := append([]lake.File(nil), scan.Files...)
		at := &files[indexOf(scan.Files, f)]
		at.Data = changed{f.Data, new(*f.Data.FirstRowID() + 1)}
		at.Sequence++
		err = proveLineage(t.Context(), files, paths, res)
		if len(held) > 0 { // what the file holds wins
			require.NoError(t, err)
			continue
		}
		require.ErrorIs(t, err, ErrProof, "another first row id")
		at.Data = f.Data
		require.ErrorIs(t, proveLineage(t.Context(), files, paths, res), ErrProof, "another sequence number")
		at.Data, at.Sequence = changed{f.Data, nil}, f.Sequence
		require.ErrorIs(t, proveLineage(t.Context(), files, paths, res), ErrProof, "no ids")
	}
	for i := range res.Lineage {
		bad := *res
		bad.Lineage[i].Sum++
		require.ErrorIs(t, proveLineage(t.Context(), scan.Files, paths, &bad), ErrProof)
		bad = *res
		bad.Lineage[i].Rows--
		require.ErrorIs(t, proveLineage(t.Context(), scan.Files, paths, &bad), ErrProof)
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "out")))
}

func indexOf(files []lake.File, f lake.File) int {
	for i := range files {
		if files[i].Data.FilePath() == f.Data.FilePath() {
			return i
		}
	}
	return -1
}
