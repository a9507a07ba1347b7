package medallion

import (
	"fmt"
	"strings"

	"github.com/firnlake/firn/internal/lake"
)

func (c *Compiled) grainNames() []string {
	out := make([]string, len(c.Grain))
	for i, g := range c.Grain {
		out[i] = c.Columns[g].Name
	}
	return out
}

func (c *Compiled) grainSQL() string {
	out := make([]string, len(c.Grain))
	for i, g := range c.Grain {
		out[i] = c.Outputs[g].SQL + " AS " + ident(c.Columns[g].Name)
	}
	return strings.Join(out, ", ")
}

func (c *Compiled) where() string {
	if c.Where == "" {
		return ""
	}
	return " WHERE " + c.Where
}

// bodySQL is the model's own SELECT over a relation named s.
func (c *Compiled) bodySQL(from string) string {
	items := make([]string, len(c.Outputs))
	for i, o := range c.Outputs {
		items[i] = o.SQL + " AS " + ident(o.Name)
	}
	groups := make([]string, len(c.Grain))
	for i, g := range c.Grain {
		groups[i] = c.Outputs[g].SQL
	}
	having := ""
	if c.Having != "" {
		having = " HAVING " + c.Having
	}
	return fmt.Sprintf("SELECT %s FROM %s AS s%s GROUP BY %s%s", strings.Join(items, ", "), from, c.where(), strings.Join(groups, ", "), having)
}

// affectedJob finds the groups that changed rows are or were in.
func (g *stage) affectedJob() (setup []string, count string) {
	c := g.c
	setup = append(setup, g.relation.Setup...)
	setup = append(setup, copyTo(fmt.Sprintf("SELECT DISTINCT %s FROM %s AS s%s", c.grainSQL(), g.relation.SQL, c.where()), g.path(fileAffected)))
	columns := []string{"count(*) AS affected"}
	for _, i := range c.Grain {
		if !prunable(c.Columns[i]) {
			continue
		}
		name := ident(c.Columns[i].Name)
		columns = append(columns, fmt.Sprintf("min(%s) AS min%d, max(%s) AS max%d, count(*) FILTER (%s IS NULL) AS null%d", name, i, name, i, name, i))
	}
	return setup, "SELECT " + strings.Join(columns, ", ") + " FROM " + readFile(g.path(fileAffected))
}

// recomputeJob computes the affected groups from the source's head and compares
// them with the stored rows. affected false means all groups. stored nil means
// that no stored row can be of these groups.
func (g *stage) recomputeJob(source, stored *lake.Relation, affected bool) (setup []string, count string) {
	c := g.c
	setup = append(setup, source.Setup...)
	from := source.SQL
	if affected {
		on := make([]string, len(c.Grain))
		for i, k := range c.Grain {
			on[i] = fmt.Sprintf("(%s) IS NOT DISTINCT FROM a.%s", c.Outputs[k].SQL, ident(c.Columns[k].Name))
		}
		setup = append(setup, "CREATE TEMP TABLE affected AS SELECT * FROM "+readFile(g.path(fileAffected)))
		from = fmt.Sprintf("(SELECT s.* FROM %s AS s SEMI JOIN affected AS a ON %s)", source.SQL, strings.Join(on, " AND "))
	}
	setup = append(setup, "CREATE TEMP TABLE fresh AS "+c.bodySQL(from), copyTo("SELECT * FROM fresh", g.path(fileFresh)))
	names := columnNames(c.Columns)
	if stored == nil {
		setup = append(setup, copyTo("SELECT * FROM fresh", g.path(fileFinal)),
			copyTo("SELECT CAST(NULL AS VARCHAR) AS file, CAST(NULL AS BIGINT) AS pos WHERE FALSE", g.path(fileDeletes)))
	} else {
		restrict := ""
		if affected {
			restrict = " SEMI JOIN affected AS a ON " + same(c.grainNames(), "e", "a")
		}
		setup = append(setup, stored.Setup...)
		setup = append(setup,
			fmt.Sprintf("CREATE TEMP TABLE stored AS SELECT e.* FROM %s AS e%s", stored.SQL, restrict),
			copyTo(fmt.Sprintf("SELECT f.* FROM fresh AS f ANTI JOIN stored AS e ON %s", same(names, "f", "e")), g.path(fileFinal)),
			copyTo(fmt.Sprintf("SELECT e._file AS file, e._pos AS pos FROM stored AS e ANTI JOIN fresh AS f ON %s", same(names, "f", "e")), g.path(fileDeletes)))
	}
	count = fmt.Sprintf("SELECT (SELECT count(*) FROM fresh) AS fresh, (SELECT count(*) FROM %s) AS added, (SELECT count(*) FROM %s) AS deletes, (SELECT count(*) - count(DISTINCT (%s)) FROM fresh) AS repeated",
		readFile(g.path(fileFinal)), readFile(g.path(fileDeletes)), visibleNames(c.grainNames()))
	return setup, count
}

func visibleNames(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = ident(n)
	}
	if len(out) == 1 {
		return "struct_pack(v := " + out[0] + ")"
	}
	return "row(" + strings.Join(out, ", ") + ")"
}

// gateSQL counts the rows in which the staged target differs from the
// recomputed groups, both ways. staged is the target as it will be.
func (g *stage) gateSQL(staged *lake.Relation, affected bool) string {
	c := g.c
	restrict := ""
	if affected {
		restrict = fmt.Sprintf(" SEMI JOIN %s AS a ON %s", readFile(g.path(fileAffected)), same(c.grainNames(), "e", "a"))
	}
	after := fmt.Sprintf("SELECT %s FROM %s AS e%s", visible(c.Columns, "e."), staged.SQL, restrict)
	fresh := fmt.Sprintf("SELECT %s FROM %s", visible(c.Columns, ""), readFile(g.path(fileFresh)))
	return fmt.Sprintf("SELECT (SELECT count(*) FROM (%s EXCEPT ALL %s)) AS surplus, (SELECT count(*) FROM (%s EXCEPT ALL %s)) AS missing", after, fresh, fresh, after)
}
