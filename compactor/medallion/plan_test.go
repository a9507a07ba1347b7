package medallion_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"

	"github.com/firnlake/firn/compactor/medallion"
)

var rewrite = flag.Bool("rewrite", false, "rewrite the golden files")

// Each file of testdata/plan is a project and what plan says about it.
func TestPlanGolden(t *testing.T) {
	h := newHouse(t)
	paths, err := filepath.Glob("testdata/plan/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			require.NoError(t, err)
			var files []medallion.File
			want, at := "", -1
			for i, f := range archive.Files {
				if f.Name == "want" {
					want, at = string(f.Data), i
					continue
				}
				files = append(files, medallion.File{Path: f.Name, Text: string(f.Data)})
			}
			// Every case stands on the same source unless it brings its own.
			if !strings.Contains(fmt.Sprint(files), "kind: source") {
				files = append(files, medallion.File{Path: "bronze/raw.yml", Text: rawSource})
			}
			plan, err := h.service.Plan(t.Context(), files)
			require.NoError(t, err)
			got := planText(plan)
			if *rewrite {
				if at < 0 {
					archive.Files = append(archive.Files, txtar.File{Name: "want"})
					at = len(archive.Files) - 1
				}
				archive.Files[at].Data = []byte(got)
				require.NoError(t, os.WriteFile(path, txtar.Format(archive), 0o644))
				return
			}
			require.Equal(t, want, got)
		})
	}
}

const rawSource = `kind: source
name: bronze.raw
append_only: enforced
columns: { who: string not null, n: long, v: string, price: double, ts: timestamp }
`

func planText(p *medallion.ProjectPlan) string {
	var b strings.Builder
	for _, d := range p.Diagnostics {
		fmt.Fprintf(&b, "%s:%d:%d: %s\n    %s\n", d.Path, d.Line, d.Column, d.Message, d.Help)
	}
	for _, m := range p.Models {
		fmt.Fprintf(&b, "%s %s %s <- %s\n    %s\n", m.Change, m.Mode, m.Name, strings.Join(m.Inputs, ", "), m.Proof)
	}
	return b.String()
}

// What a new definition means for the rows of the old one.
func TestChangeClasses(t *testing.T) {
	h := newHouse(t)
	h.apply(events)
	plan := func(name, from, to string) map[string]string {
		t.Helper()
		files := append([]medallion.File(nil), events...)
		found := false
		for i, f := range files {
			if strings.Contains(f.Text, "name: "+name) {
				files[i].Text = strings.Replace(f.Text, from, to, 1)
				found = files[i].Text != f.Text
			}
		}
		require.True(t, found, "%q is not in %s", from, name)
		p, err := h.service.Plan(t.Context(), files)
		require.NoError(t, err)
		require.Empty(t, p.Diagnostics)
		out := map[string]string{}
		for _, m := range p.Models {
			out[m.Name] = m.Change
		}
		return out
	}
	same := plan("silver.last", "SELECT grp", "-- the same\nSELECT   grp")
	require.Equal(t, "metadata", same["silver.last"])
	require.Equal(t, "unchanged", same["gold.sums"])
	require.Equal(t, "metadata", plan("silver.last", "kind: model\n", "kind: model\nowner: payments\n")["silver.last"])
	rule := plan("silver.last", "v < 90", "v < 80")
	require.Equal(t, "forward-only", rule["silver.last"])
	require.Equal(t, "unchanged", rule["gold.sums"])
	query := plan("silver.last", "* 2 AS twice", "* 3 AS twice")
	require.Equal(t, "rebuild", query["silver.last"])
	require.Equal(t, "rebuild", query["gold.sums"], "what reads it is rebuilt too")
	require.Equal(t, "unchanged", query["silver.every"])
	require.Equal(t, "rebuild", plan("silver.last", "key: [grp, id]", "key: [id]")["silver.last"])
}

// A rebuild needs to be asked for; then the tables hold what the new definition
// says over all rows.
func TestRebuild(t *testing.T) {
	h, all := eventHouse(t, 90)
	h.append("bronze.raw", values(all, 0))
	_, err := h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	files := append([]medallion.File(nil), events...)
	for i := range files {
		files[i].Text = strings.Replace(files[i].Text, "upper(id) AS id", "lower(id) AS id", 1)
	}
	_, err = h.service.Apply(t.Context(), files, false)
	var rebuild *medallion.RebuildError
	require.ErrorAs(t, err, &rebuild)
	require.Equal(t, []string{"gold.who", "silver.every"}, rebuild.Models)
	_, err = h.service.Apply(t.Context(), files, true)
	require.NoError(t, err)
	_, err = h.service.RunOnce(t.Context(), nil)
	require.NoError(t, err)
	h.equal("silver.every", "SELECT n, id FROM $silver.every$", "SELECT n, lower(id) FROM ("+values(all, 0)+")", "silver.every")
	h.checkEvents(all)
	again, err := h.service.Apply(t.Context(), files, false)
	require.NoError(t, err)
	for _, m := range again.Models {
		require.Equal(t, "unchanged", m.Change, m.Name)
	}
}
