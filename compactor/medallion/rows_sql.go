package medallion

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/lake"
)

// Names of the temporary files of a run, in its folder.
const (
	fileWinners    = "winners.parquet"    // rows that win within the batch, with the target's columns
	fileQuarantine = "quarantine.parquet" // rows of the quarantine table
	fileFinal      = "final.parquet"      // rows to insert, with the target's columns
	fileDeletes    = "deletes.parquet"    // file, pos of stored rows to remove
	fileChanges    = "changes.parquet"    // rows of the change table
	fileAffected   = "affected.parquet"   // groups to recompute
	fileFresh      = "fresh.parquet"      // groups recomputed
)

// stage is what the SQL of a run is made from.
type stage struct {
	c            *Compiled
	dir          string
	runID        string
	snapshot     int64
	at           string // timestamp literal
	relation     *lake.Relation
	changeIDs    string   // field ids of the change table, as COPY takes them
	fileOrdinals []string // "('location', ordinal)" for each source file
}

func (g *stage) path(name string) string { return filepath.Join(g.dir, name) }

func copyTo(sql, path string) string {
	return fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, COMPRESSION snappy)", sql, quote(path))
}

// copyFinal writes a file that becomes a data file as it is: with the table's
// field ids.
func copyFinal(sql, path, fieldIDs string) string {
	return fmt.Sprintf("COPY (%s) TO %s (FORMAT parquet, COMPRESSION zstd, FIELD_IDS %s)", sql, quote(path), fieldIDs)
}

// fieldIDs names the ids of a table's columns as COPY takes them.
func fieldIDs(schema *iceberg.Schema) string {
	fields := schema.Fields()
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = fmt.Sprintf("%s: %d", ident(f.Name), f.ID)
	}
	return "{" + strings.Join(out, ", ") + "}"
}

func readFile(path string) string { return "read_parquet(" + quote(path) + ")" }

// stagedSQL evaluates the model and its rules for every source row. Columns:
// s<i> source, o<i> output (unless it is a source column as it stands), keep, bad<i> (output i failed), v<i> (rule i is
// violated), q (quarantined), d (dropped), seq and pos (the order of arrival).
//
// An expression that fails makes its own column NULL and the row quarantined,
// not the run fail: TRY answers NULL for a failed expression, and a struct is
// never NULL otherwise.
func (g *stage) stagedSQL() string {
	c := g.c
	var inner, middle, outer []string
	for i, col := range c.SourceColumns {
		inner = append(inner, fmt.Sprintf("s.%s AS s%d", ident(col.Name), i))
		middle = append(middle, fmt.Sprintf("s%d", i))
		outer = append(outer, fmt.Sprintf("r.s%d", i))
	}
	inner = append(inner, "s._file AS file", "s._pos AS file_pos", "s._seq AS seq", "f.ordinal * 1099511627776 + s._pos AS pos")
	middle = append(middle, "file", "file_pos", "seq", "pos")
	outer = append(outer, "r.file", "r.file_pos", "r.seq", "r.pos")
	var quarantined, dropped []string
	for i, o := range c.Outputs {
		if o.Ref >= 0 {
			middle = append(middle, fmt.Sprintf("s%d AS o%d", o.Ref, i))
		} else {
			inner = append(inner, fmt.Sprintf("TRY(struct_pack(v := %s)) AS x%d", o.SQL, i))
			middle = append(middle, fmt.Sprintf("(x%d).v AS o%d", i, i), fmt.Sprintf("x%d IS NULL AS bad%d", i, i))
			outer = append(outer, fmt.Sprintf("r.bad%d", i))
			quarantined = append(quarantined, fmt.Sprintf("bad%d", i))
		}
		if o.Ref < 0 {
			outer = append(outer, fmt.Sprintf("r.o%d", i))
		}
	}
	if c.Where != "" {
		inner = append(inner, fmt.Sprintf("TRY(struct_pack(v := %s)) AS xw", c.Where))
		middle = append(middle, "xw IS NULL AS badw", "(xw IS NULL OR coalesce((xw).v, FALSE)) AS keep")
		quarantined = append(quarantined, "badw")
	} else {
		middle = append(middle, "FALSE AS badw", "TRUE AS keep")
	}
	outer = append(outer, "r.badw", "r.keep")
	for i, rule := range c.Rules {
		violated := fmt.Sprintf("(TRY(struct_pack(v := %s))).v IS NOT TRUE AS v%d", rule.SQL, i)
		if rule.NullPass {
			violated = fmt.Sprintf("NOT coalesce((TRY(struct_pack(v := coalesce(%s, TRUE)))).v, FALSE) AS v%d", rule.SQL, i)
		}
		outer = append(outer, violated)
		switch rule.OnFail {
		case OnFailQuarantine:
			quarantined = append(quarantined, fmt.Sprintf("v%d", i))
		case OnFailDrop:
			dropped = append(dropped, fmt.Sprintf("v%d", i))
		}
	}
	return fmt.Sprintf(`SELECT *, (%s) AS q, (%s) AS d
FROM (SELECT %s
FROM (SELECT %s
FROM (SELECT %s
FROM %s AS s JOIN (VALUES %s) AS f(location, ordinal) ON f.location = s._file)) AS r)`,
		anyOf(quarantined), anyOf(dropped), strings.Join(outer, ", "), strings.Join(middle, ", "), strings.Join(inner, ",\n  "),
		g.relation.SQL, strings.Join(g.fileOrdinals, ", "))
}

func anyOf(flags []string) string {
	if len(flags) == 0 {
		return "FALSE"
	}
	return strings.Join(flags, " OR ")
}

// stagedOutput names output i in staged, which holds no column twice.
func (c *Compiled) stagedOutput(i int) string {
	if ref := c.Outputs[i].Ref; ref >= 0 {
		return fmt.Sprintf("s%d", ref)
	}
	return fmt.Sprintf("o%d", i)
}

// stagedOrder names a column of an upsert's order in staged.
func (c *Compiled) stagedOrder(o OrderColumn) string {
	if o.Output >= 0 {
		return c.stagedOutput(o.Output)
	}
	return fmt.Sprintf("s%d", o.Source)
}

// rankedSQL numbers the publishable rows of each key, the winner first, under
// the target's column names.
func (g *stage) rankedSQL() string {
	c := g.c
	var columns []string
	for i, col := range c.Columns {
		columns = append(columns, c.stagedOutput(i)+" AS "+ident(col.Name))
	}
	if c.Mode != ModeUpsert {
		return fmt.Sprintf("SELECT %s, 1 AS __rank FROM staged WHERE keep AND NOT q AND NOT d", strings.Join(columns, ", "))
	}
	var key, order []string
	for _, i := range c.Key {
		key = append(key, c.stagedOutput(i))
	}
	for _, o := range c.Order {
		order = append(order, c.stagedOrder(o)+" DESC NULLS LAST")
		if o.Output < 0 {
			columns = append(columns, c.stagedOrder(o)+" AS "+ident(o.Column.Name))
		}
	}
	columns = append(columns, "seq AS "+ident(sequenceColumn), "pos AS "+ident(positionColumn))
	return fmt.Sprintf("SELECT %s, row_number() OVER (PARTITION BY %s ORDER BY %s, seq DESC, pos DESC) AS __rank FROM staged WHERE keep AND NOT q AND NOT d",
		strings.Join(columns, ", "), strings.Join(key, ", "), strings.Join(order, ", "))
}

// quarantineSQL makes the rows of the quarantine table.
func (g *stage) quarantineSQL() string {
	c := g.c
	var reasons, payload []string
	for i, o := range c.Outputs {
		if o.Ref < 0 {
			reasons = append(reasons, fmt.Sprintf("CASE WHEN bad%d THEN %s END", i, quote(o.Reason)))
		}
	}
	reasons = append(reasons, "CASE WHEN badw THEN 'where:error' END")
	for i, r := range c.Rules {
		if r.OnFail == OnFailQuarantine {
			reasons = append(reasons, fmt.Sprintf("CASE WHEN v%d THEN %s END", i, quote(r.Name)))
		}
	}
	for i, col := range c.SourceColumns {
		payload = append(payload, fmt.Sprintf("%s := s%d", ident(col.Name), i))
	}
	rowID := "file || ':' || file_pos"
	if c.RowID >= 0 {
		rowID = fmt.Sprintf("coalesce(CAST(s%d AS VARCHAR), file || ':' || file_pos)", c.RowID)
	}
	lane := "CAST(NULL AS VARCHAR)"
	if c.Lane >= 0 {
		lane = fmt.Sprintf("CAST(s%d AS VARCHAR)", c.Lane)
	}
	return fmt.Sprintf(`SELECT list_filter([%s], lambda x: x IS NOT NULL) AS _reasons, %s AS _source_table, CAST(%d AS BIGINT) AS _source_snapshot_id,
%s AS _source_row_id, %s AS _run_id, %s AS _model_hash, 'open' AS _status, %s AS _lane,
CAST(to_json(struct_pack(%s)) AS VARCHAR) AS _payload, CAST(%s AS TIMESTAMPTZ) AS _quarantined_at
FROM staged WHERE keep AND q`,
		strings.Join(reasons, ", "), quote(c.Source), g.snapshot, rowID, quote(g.runID), quote(c.Hashes.Definition), lane,
		strings.Join(payload, ", "), quote(g.at))
}

// countsSQL counts what became of the rows, each on its own, and the range of
// the winners' keys, which says where stored rows of the same keys can be.
func (g *stage) countsSQL() string {
	c := g.c
	var warned []string
	columns := []string{
		"(SELECT count(*) FROM staged) AS staged",
		"(SELECT count(*) FROM staged WHERE NOT keep) AS filtered",
		"(SELECT count(*) FROM staged WHERE keep AND q) AS quarantined",
		"(SELECT count(*) FROM staged WHERE keep AND d AND NOT q) AS dropped",
		"(SELECT count(*) FROM ranked WHERE __rank > 1) AS superseded",
		"(SELECT count(*) FROM ranked WHERE __rank = 1) AS winners",
	}
	for i, r := range c.Rules {
		condition := "keep"
		switch r.OnFail {
		case OnFailWarn:
			condition = "keep AND NOT q AND NOT d"
			warned = append(warned, fmt.Sprintf("v%d", i))
		case OnFailDrop:
			condition = "keep AND NOT q"
		}
		columns = append(columns, fmt.Sprintf("(SELECT count(*) FROM staged WHERE %s AND v%d) AS rule%d", condition, i, i))
	}
	for i, o := range c.Outputs {
		if o.Ref < 0 {
			columns = append(columns, fmt.Sprintf("(SELECT count(*) FROM staged WHERE keep AND bad%d) AS bad%d", i, i))
		}
	}
	columns = append(columns, "(SELECT count(*) FROM staged WHERE badw) AS badw",
		fmt.Sprintf("(SELECT count(*) FROM staged WHERE keep AND NOT q AND NOT d AND (%s)) AS warned", anyOf(warned)))
	for _, i := range c.Key {
		name := ident(c.Columns[i].Name)
		if !prunable(c.Columns[i]) {
			continue
		}
		columns = append(columns,
			fmt.Sprintf("(SELECT min(%s) FROM ranked WHERE __rank = 1) AS min%d", name, i),
			fmt.Sprintf("(SELECT max(%s) FROM ranked WHERE __rank = 1) AS max%d", name, i),
			fmt.Sprintf("(SELECT count(*) FROM ranked WHERE __rank = 1 AND %s IS NULL) AS null%d", name, i))
	}
	return "SELECT " + strings.Join(columns, ",\n  ")
}

// noSharing keeps the engine from computing an expression that occurs twice
// ahead of both: it would do so outside of TRY, and one bad value would fail the
// whole run.
const noSharing = "SET disabled_optimizers = 'common_subexpressions'"

// transformJob answers the statements that stage a batch and the one that
// counts it.
func (g *stage) transformJob() (setup []string, count string) {
	setup = append(setup, noSharing)
	setup = append(setup, g.relation.Setup...)
	setup = append(setup,
		"CREATE TEMP TABLE staged AS "+g.stagedSQL(),
		"CREATE TEMP TABLE ranked AS "+g.rankedSQL(),
		copyTo("SELECT * EXCLUDE (__rank) FROM ranked WHERE __rank = 1", g.path(fileWinners)),
		copyTo(g.quarantineSQL(), g.path(fileQuarantine)),
	)
	return setup, g.countsSQL()
}
