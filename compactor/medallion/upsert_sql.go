package medallion

import (
	"fmt"
	"slices"
	"strings"

	"github.com/firnlake/firn/internal/lake"
)

// visible is the list of the model's own columns, each with a prefix.
func visible(columns []Column, prefix string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = prefix + ident(c.Name)
	}
	return strings.Join(out, ", ")
}

// same is the condition that two rows agree in columns; NULL agrees with NULL.
func same(columns []string, a, b string) string {
	parts := make([]string, len(columns))
	for i, c := range columns {
		parts[i] = fmt.Sprintf("%s.%s IS NOT DISTINCT FROM %s.%s", a, ident(c), b, ident(c))
	}
	return strings.Join(parts, " AND ")
}

// later is the condition that row a is after row b in a total order: by each
// column in turn, NULL before everything.
func later(columns []string, a, b string) string {
	var s strings.Builder
	s.WriteString("CASE")
	for _, c := range columns {
		x, y := a+"."+ident(c), b+"."+ident(c)
		fmt.Fprintf(&s, " WHEN %s IS DISTINCT FROM %s THEN coalesce(%s > %s, %s IS NULL)", x, y, x, y, y)
	}
	s.WriteString(" ELSE FALSE END")
	return s.String()
}

func (c *Compiled) keyNames() []string {
	out := make([]string, len(c.Key))
	for i, k := range c.Key {
		out[i] = c.Columns[k].Name
	}
	return out
}

// orderNames are the target's columns that tell the later of two rows.
func (c *Compiled) orderNames() []string {
	var out []string
	for _, o := range c.Order {
		out = append(out, o.Column.Name)
	}
	return append(out, sequenceColumn, positionColumn)
}

// lookupJob compares the winners of a batch with the stored rows of the same
// keys. A winner that is not later than a stored row is stale; the others are
// inserted, and the stored rows of their keys leave. A winner that repeats the
// stored row in every column and in its order is superseded by it: writing it
// again would change nothing. Rows that come back equal in every column of the
// model are no change for who reads the model.
func (g *stage) lookupJob(stored *lake.Relation) (setup []string, count string) {
	c := g.c
	names := columnNames(c.Columns)
	setup = append(setup, stored.Setup...)
	setup = append(setup,
		fmt.Sprintf("CREATE TEMP TABLE winners AS SELECT *, row_number() OVER () AS __w FROM %s", readFile(g.path(fileWinners))),
		fmt.Sprintf("CREATE TEMP TABLE hits AS SELECT w.__w, e._file AS __file, e._pos AS __pos, %s AS __wins, (%s) AS __equal, (%s) AS __repeated, %s FROM %s AS e JOIN winners AS w ON %s",
			later(c.orderNames(), "w", "e"), same(names, "w", "e"), same(slices.Concat(names, c.orderNames()[:len(c.Order)]), "w", "e"), visible(c.Columns, "e."), stored.SQL, same(c.keyNames(), "w", "e")),
		"CREATE TEMP TABLE stale AS SELECT __w, bool_or(__repeated) AS repeated FROM hits WHERE NOT __wins OR __repeated GROUP BY __w",
		"CREATE TEMP TABLE leaving AS SELECT h.* FROM hits AS h ANTI JOIN stale USING (__w)",
		copyTo("SELECT w.* EXCLUDE (__w) FROM winners AS w ANTI JOIN stale USING (__w)", g.path(fileFinal)),
		copyTo("SELECT DISTINCT __file AS file, __pos AS pos FROM leaving", g.path(fileDeletes)),
		copyFinal(fmt.Sprintf(`SELECT 'before' AS _change, %s AS _run_id, %s FROM leaving WHERE NOT __equal
UNION ALL SELECT 'after', %s, %s FROM winners AS w ANTI JOIN stale USING (__w) ANTI JOIN (SELECT __w FROM leaving WHERE __equal) USING (__w)`,
			quote(g.runID), visible(c.Columns, ""), quote(g.runID), visible(c.Columns, "w.")), g.path(fileChanges), g.changeIDs),
	)
	count = fmt.Sprintf(`SELECT (SELECT count(*) FROM stale WHERE NOT repeated) AS stale, (SELECT count(*) FROM stale WHERE repeated) AS repeated, (SELECT count(*) FROM %s) AS deletes,
(SELECT count(*) FROM %s) AS added, (SELECT count(*) FROM %s) AS changes`,
		readFile(g.path(fileDeletes)), readFile(g.path(fileFinal)), readFile(g.path(fileChanges)))
	return setup, count
}

// newChanges writes the change rows of a batch whose keys are all new.
func (g *stage) newChanges() string {
	sql := fmt.Sprintf("SELECT 'after' AS _change, %s AS _run_id, %s FROM %s", quote(g.runID), visible(g.c.Columns, ""), readFile(g.path(fileFinal)))
	return copyFinal(sql, g.path(fileChanges), g.changeIDs)
}
