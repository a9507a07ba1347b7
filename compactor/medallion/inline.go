package medallion

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// TestResult is the outcome of one test of a model's head.
type TestResult struct {
	Model, Test string
	Passed      bool
	Detail      string // what differs
}

// Test runs the tests that stand in the heads of a project's models, through
// the same SQL that promotes rows. Nothing is stored. With Diagnostics nothing
// was run.
func (s *Service) Test(ctx context.Context, files []File) ([]TestResult, Diagnostics, error) {
	project, faults := ParseProject(files)
	if len(faults) > 0 {
		return nil, faults, nil
	}
	definitions, faults, err := s.compileProject(ctx, project)
	if err != nil || len(faults) > 0 {
		return nil, faults, err
	}
	var out []TestResult
	for _, m := range sortedBy(project.Models, func(m *ModelFile) string { return m.Name }) {
		i := slices.IndexFunc(definitions, func(d *definition) bool { return d.name() == m.Name })
		for j, test := range m.Tests {
			c := definitions[i].Model
			if bad := checkTest(m, c, j); len(bad) > 0 {
				return nil, bad, nil
			}
			detail, err := s.runTest(ctx, c, test)
			if err != nil {
				return nil, nil, fmt.Errorf("test %s of %s: %w", test.Name, m.Name, err)
			}
			out = append(out, TestResult{m.Name, test.Name, detail == "", detail})
		}
	}
	return out, nil, nil
}

func checkTest(m *ModelFile, c *Compiled, i int) Diagnostics {
	var faults Diagnostics
	at := fmt.Sprintf("$.tests[%d]", i)
	for source, rows := range m.Tests[i].Given {
		if source != c.Source {
			faults = append(faults, m.doc.fault(at, fmt.Sprintf("the model does not read %s", source), "it reads "+c.Source))
		}
		faults = append(faults, checkRowNames(m, at, rows, c.SourceColumns, c.Source)...)
	}
	return append(faults, checkRowNames(m, at, m.Tests[i].Expect, c.Columns, c.Name)...)
}

func checkRowNames(m *ModelFile, at string, rows []testRow, columns []Column, table string) Diagnostics {
	var faults Diagnostics
	for _, row := range rows {
		for name := range row {
			if _, ok := findColumn(columns, name); !ok {
				faults = append(faults, m.doc.fault(at, fmt.Sprintf("%s has no column %q", table, name), didYouMean(name, columnNames(columns))))
			}
		}
	}
	return faults
}

// literalRows is a SELECT of rows given in YAML. A column that a row does not
// name is NULL.
func literalRows(rows []testRow, columns []Column) (string, error) {
	exact := make([]map[string]any, len(rows))
	for i, row := range rows {
		exact[i] = map[string]any{}
		for name, v := range row {
			j, _ := findColumn(columns, name)
			if t, ok := v.(time.Time); ok {
				v = t.UTC().Format("2006-01-02 15:04:05.999999")
			}
			exact[i][columns[j].Name] = v
		}
	}
	b, err := json.Marshal(exact)
	if err != nil {
		return "", err
	}
	items := make([]string, len(columns))
	for i, c := range columns {
		items[i] = fmt.Sprintf("CAST(json_extract_string(j, %s) AS %s) AS %s", quote(`$."`+c.Name+`"`), c.duckType(), ident(c.Name))
	}
	return fmt.Sprintf("SELECT %s, row_number() OVER () - 1 AS _pos FROM (SELECT unnest(CAST(%s AS JSON[])) AS j)", strings.Join(items, ", "), quote(string(b))), nil
}

func (s *Service) runTest(ctx context.Context, c *Compiled, test Test) (string, error) {
	given, err := literalRows(test.Given[c.Source], c.SourceColumns)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp(s.cfg.TempDir, "test-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	const file = "given"
	g := &stage{
		c: c, dir: dir, runID: "test", snapshot: 0, at: s.cfg.Now().UTC().Format("2006-01-02 15:04:05"),
		relation:     &lake.Relation{SQL: "(SELECT *, '" + file + "' AS _file, CAST(1 AS BIGINT) AS _seq FROM given)"},
		fileOrdinals: []string{"('" + file + "', CAST(0 AS BIGINT))"},
	}
	setup := []string{noSharing, "CREATE TEMP TABLE given AS " + given}
	if c.Mode == ModeAggregate {
		setup = append(setup, "CREATE TEMP TABLE result AS "+c.bodySQL("given"), "CREATE TEMP TABLE staged AS SELECT FALSE AS q, FALSE AS keep WHERE FALSE")
	} else {
		setup = append(setup, "CREATE TEMP TABLE staged AS "+g.stagedSQL(), "CREATE TEMP TABLE ranked AS "+g.rankedSQL(),
			"CREATE TEMP TABLE result AS SELECT * FROM ranked WHERE __rank = 1",
			copyTo(g.quarantineSQL(), g.path(fileQuarantine)))
	}
	if len(test.Quarantined) > 0 && c.Mode != ModeAggregate {
		rows, err := s.cfg.Pool.Exec(ctx, duck.Job{
			Setup: setup, WriteDir: dir, Timeout: time.Minute,
			SQL: fmt.Sprintf("SELECT DISTINCT unnest(_reasons) AS reason FROM %s ORDER BY 1", readFile(g.path(fileQuarantine))),
		})
		if err != nil {
			return "", err
		}
		var got []string
		for _, r := range rows {
			got = append(got, text(r, "reason"))
		}
		want := slices.Sorted(slices.Values(test.Quarantined))
		if !slices.Equal(got, want) {
			return fmt.Sprintf("quarantined for %v, expected %v", got, want), nil
		}
	}
	return s.compareExpected(ctx, c, test, setup, dir)
}

// compareExpected compares the result with the expected rows in the columns
// that those name.
func (s *Service) compareExpected(ctx context.Context, c *Compiled, test Test, setup []string, dir string) (string, error) {
	var columns []Column
	for _, col := range c.Columns {
		if slices.ContainsFunc(test.Expect, func(r testRow) bool {
			for name := range r {
				if strings.EqualFold(name, col.Name) {
					return true
				}
			}
			return false
		}) {
			columns = append(columns, col)
		}
	}
	if len(test.Expect) == 0 {
		columns = c.Columns
	}
	expected, err := literalRows(test.Expect, columns)
	if err != nil {
		return "", err
	}
	list := visible(columns, "")
	rows, err := s.cfg.Pool.Exec(ctx, duck.Job{Setup: setup, WriteDir: dir, Timeout: time.Minute, SQL: fmt.Sprintf(
		`SELECT what, CAST(to_json(r) AS VARCHAR) AS row FROM (
SELECT 'missing' AS what, r FROM (SELECT struct_pack(%[1]s) AS r FROM (%[2]s) EXCEPT ALL SELECT struct_pack(%[1]s) FROM result)
UNION ALL SELECT 'not expected', r FROM (SELECT struct_pack(%[1]s) AS r FROM result EXCEPT ALL SELECT struct_pack(%[1]s) FROM (%[2]s)))
ORDER BY 1, 2 LIMIT 5`, packed(columns), "SELECT "+list+" FROM ("+expected+")")})
	if err != nil {
		return "", err
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, text(r, "what")+": "+text(r, "row"))
	}
	return strings.Join(lines, "\n"), nil
}

func packed(columns []Column) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = fmt.Sprintf("%s := %s", ident(c.Name), ident(c.Name))
	}
	return strings.Join(out, ", ")
}
