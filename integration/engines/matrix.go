package engines

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// headings of the engines in the matrix.
var headings = map[Name]string{Spark: "Spark", Trino: "Trino", PyIceberg: "PyIceberg", DuckDB: "DuckDB", Polars: "polars", Firn: "Firn SQL"}

// layout is the matrix without its cells, for the page: lines and columns in
// order.
type layout struct {
	Features []Feature `json:"features"`
	Engines  []heading `json:"engines"`
}

type heading struct {
	Name    Name   `json:"name"`
	Heading string `json:"heading"`
}

func layoutText() ([]byte, error) {
	l := layout{Features: Features()}
	for _, name := range order {
		l.Engines = append(l.Engines, heading{name, headings[name]})
	}
	text, err := json.MarshalIndent(l, "", " ")
	return append(text, '\n'), err
}

// layoutHeld: the page draws the features and engines of today.
func layoutHeld(docs string) error {
	want, err := layoutText()
	if err != nil {
		return err
	}
	path := filepath.Join(docs, "compatibility", "layout.json")
	got, err := os.ReadFile(path)
	if err == nil && !bytes.Equal(got, want) {
		err = fmt.Errorf("%s is not of today's features and engines; renew it with `make test-engines RUN=TestRendering RECORD=1`", path)
	}
	return err
}

// writeMatrix makes docs/compatibility.md of the results under
// docs/compatibility, and the layout beside them.
func writeMatrix(docs string) error {
	text, err := layoutText()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(docs, "compatibility", "layout.json"), text, 0o644); err != nil {
		return err
	}
	embedded, err := readResults(filepath.Join(docs, "compatibility", "embedded.json"))
	if err != nil {
		return err
	}
	minio, err := readResults(filepath.Join(docs, "compatibility", "minio.json"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(docs, "compatibility.md"), []byte(matrix(embedded, minio)), 0o644)
}

// matrix is the page: one table, features down, engines across, and the
// reasons below it.
func matrix(embedded, minio []Result) string {
	var columns []Name
	versions := map[Name]string{}
	for _, r := range embedded {
		if !slices.Contains(columns, r.Engine) {
			columns = append(columns, r.Engine)
		}
		versions[r.Engine] = r.Version
	}
	slices.SortFunc(columns, func(a, b Name) int { return slices.Index(order, a) - slices.Index(order, b) })
	var b strings.Builder
	b.WriteString("# Compatibility\n\nWritten by `make test-engines RECORD=1` from what real engines did; do not edit.\n" +
		"A run whose findings differ from this page fails. A cell names the table formats\n" +
		"(v1, v2, v3) with which a test proves the feature, or \"yes\" where the format makes\n" +
		"no difference; a number is a reason below the table; an empty cell says that no\n" +
		"test asks it.\n\n| |")
	for _, c := range columns {
		fmt.Fprintf(&b, " %s |", strings.TrimSuffix(headings[c]+" "+versions[c], " head"))
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(columns)) + "\n")
	var reasons []string
	for _, feature := range Features() {
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = cell(embedded, c, feature, &reasons)
		}
		if strings.Join(cells, "") == "" {
			continue
		}
		fmt.Fprintf(&b, "| %s | %s |\n", feature, strings.Join(cells, " | "))
	}
	if len(reasons) > 0 {
		b.WriteString("\n")
		for i, reason := range reasons {
			fmt.Fprintf(&b, "%d. %s\n", i+1, reason)
		}
	}
	if len(minio) > 0 {
		var same int
		var other []string
		for _, m := range minio {
			i := slices.IndexFunc(embedded, func(e Result) bool { return e.key() == m.key() })
			switch {
			case i >= 0 && embedded[i].status() == m.status():
				same++
			default:
				other = append(other, fmt.Sprintf("- %s: %s", m.key(), m.status()))
			}
		}
		fmt.Fprintf(&b, "\nThe table is for the embedded object store. On MinIO %d of %d checks say the same.\n", same, len(minio))
		if len(other) > 0 {
			b.WriteString("\n" + strings.Join(other, "\n") + "\n")
		}
	}
	return b.String()
}

func cell(results []Result, engine Name, feature Feature, reasons *[]string) string {
	var parts []string
	for _, r := range results {
		if r.Engine != engine || r.Feature != feature {
			continue
		}
		name := "yes"
		if r.Format > 0 {
			name = fmt.Sprintf("v%d", r.Format)
		}
		if !r.Passes {
			i := slices.Index(*reasons, r.Reason)
			if i < 0 {
				*reasons = append(*reasons, r.Reason)
				i = len(*reasons) - 1
			}
			if r.Format == 0 {
				name = "no"
			} else {
				name = "not " + name
			}
			name += fmt.Sprintf(" (%d)", i+1)
		}
		parts = append(parts, name)
	}
	return strings.Join(parts, ", ")
}
