package lake

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/internal/duck"
)

// Relation makes the scan's files local and answers a SELECT over them.
//
// Files are read in groups: those without deletes plainly; those with position
// deletes or deletion vectors with an anti-join over (file, position); those
// with equality deletes with an anti-join over the columns, younger deletes
// only. How a column is found in a file, and what stands for one that a file
// lacks, is in [projector].
func (l *Lake) Relation(ctx context.Context, scan *Scan, o RelationOptions) (_ *Relation, err error) {
	b := &relationBuilder{lake: l, scan: scan, opts: o, scopes: map[string]int32{}}
	defer func() {
		if err != nil {
			b.release()
		}
	}()
	if err := b.columns(); err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	if len(scan.Files) == 0 {
		return b.empty(), nil
	}
	if err := b.group(ctx); err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	sql, err := b.sql(ctx)
	if err != nil {
		return nil, fmt.Errorf("read table: %w", err)
	}
	slices.Sort(b.paths)
	return &Relation{SQL: sql, Paths: slices.Compact(b.paths), Release: sync.OnceFunc(b.release)}, nil
}

// relationBuilder holds what one relation needs while it is made.
type relationBuilder struct {
	lake *Lake
	scan *Scan
	opts RelationOptions

	fields     []iceberg.NestedField // selected, and read
	cols       []column              // selected
	groups     []*fileGroup
	projection *projector
	scopes     map[string]int32 // partition -> number, for equality deletes

	paths    []string
	releases []func()
}

// fileGroup are data files that are read by one read_parquet.
type fileGroup struct {
	files     []File
	paths     []string
	written   fileColumns
	positions bool
	equality  [][]int // sets of field ids
}

// rows of the files, before deletes: the joins that apply those are estimated by
// DuckDB.
func (g *fileGroup) rows() (n int64) {
	for _, f := range g.files {
		n += f.Data.Count()
	}
	return n
}

func (b *relationBuilder) release() {
	for _, f := range b.releases {
		f()
	}
	b.releases = nil
}

func (b *relationBuilder) columns() error {
	all := b.scan.Schema.Fields()
	if b.opts.Columns == nil {
		b.fields = all
	} else {
		for _, name := range b.opts.Columns {
			i := slices.IndexFunc(all, func(f iceberg.NestedField) bool { return f.Name == name })
			if i < 0 {
				return fmt.Errorf("there is no column %q; the table has %s", name, fieldNames(all))
			}
			b.fields = append(b.fields, all[i])
		}
	}
	for _, f := range b.fields {
		c, err := newColumn(f)
		if b.opts.Unread && errors.Is(err, ErrUnsupported) {
			c, err = column{id: f.ID, name: f.Name, typ: "VARCHAR", unread: err}, nil
		}
		if err != nil {
			return err
		}
		b.cols = append(b.cols, c)
	}
	b.fields = slices.DeleteFunc(slices.Clone(b.fields), func(f iceberg.NestedField) bool {
		return slices.ContainsFunc(b.cols, func(c column) bool { return c.id == f.ID && c.unread != nil })
	})
	markPlain(b.cols)
	return nil
}

func fieldNames(fields []iceberg.NestedField) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return strings.Join(names, ", ")
}

// empty is the relation of a scan without files: its columns and no row.
func (b *relationBuilder) empty() *Relation {
	var list []string
	for _, c := range b.cols {
		list = append(list, "NULL::"+c.typ+" AS "+duck.QuoteName(c.name))
	}
	if b.opts.WithFile {
		list = append(list, "NULL::VARCHAR AS _file", "NULL::BIGINT AS _pos")
	}
	if b.opts.WithSequence {
		list = append(list, "NULL::BIGINT AS _seq")
	}
	if b.opts.WithRowID {
		list = append(list, "NULL::BIGINT AS _row_id", "NULL::BIGINT AS _last_updated_sequence_number")
	}
	if len(list) == 0 {
		list = []string{"NULL"}
	}
	return &Relation{SQL: "(SELECT " + strings.Join(list, ", ") + " WHERE false)", Release: func() {}}
}

// group makes the files local and sorts them into groups.
func (b *relationBuilder) group(ctx context.Context) error {
	files := b.scan.Files
	locations := make([]string, len(files))
	for i, f := range files {
		if !strings.EqualFold(string(f.Data.FileFormat()), "parquet") {
			return fmt.Errorf("%w: %s is %s; only Parquet is read", ErrUnsupported, f.Data.FilePath(), f.Data.FileFormat())
		}
		locations[i] = f.Data.FilePath()
	}
	paths, err := b.local(ctx, locations)
	if err != nil {
		return err
	}
	written, err := b.project(ctx, paths)
	if err != nil {
		return err
	}
	byKey := map[string]*fileGroup{}
	for i, f := range files {
		g := fileGroup{written: written[i]}
		for _, d := range f.Deletes {
			if d.Data.ContentType() != iceberg.EntryContentEqDeletes {
				g.positions = true
				continue
			}
			ids := slices.Sorted(slices.Values(d.Data.EqualityFieldIDs()))
			if !slices.ContainsFunc(g.equality, func(have []int) bool { return slices.Equal(have, ids) }) {
				g.equality = append(g.equality, ids)
			}
		}
		slices.SortFunc(g.equality, slices.Compare)
		key := fmt.Sprint(g.positions, g.equality, g.written.key())
		have := byKey[key]
		if have == nil {
			have = &g
			byKey[key] = have
			b.groups = append(b.groups, have)
		}
		have.files = append(have.files, f)
		have.paths = append(have.paths, paths[i])
	}
	return nil
}

// local answers the paths of locations on this machine, and keeps them there
// until the relation is released.
func (b *relationBuilder) local(ctx context.Context, locations []string) ([]string, error) {
	paths, release, err := b.lake.local(ctx, locations)
	if err != nil {
		return nil, err
	}
	b.releases = append(b.releases, release)
	b.paths = append(b.paths, paths...)
	return paths, nil
}

// sql joins the groups.
func (b *relationBuilder) sql(ctx context.Context) (string, error) {
	parts := make([]string, len(b.groups))
	for i, g := range b.groups {
		part, err := b.groupSQL(ctx, i, g)
		if err != nil {
			return "", err
		}
		parts[i] = part
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")", nil
}

// groupSQL is the SELECT over one group. Inside, _i and _p are file number and
// position.
func (b *relationBuilder) groupSQL(ctx context.Context, n int, g *fileGroup) (string, error) {
	var read []column // all that is needed of a row
	for _, c := range b.cols {
		if c.unread == nil {
			read = append(read, c)
		}
	}
	for _, ids := range g.equality {
		for _, id := range ids {
			if slices.ContainsFunc(read, func(c column) bool { return c.id == id }) {
				continue
			}
			f, ok := b.scan.fieldByID(id)
			if !ok {
				return "", fmt.Errorf("%w: an equality delete names the unknown field %d", ErrUnsupported, id)
			}
			c, err := newColumn(f)
			if err != nil {
				return "", err
			}
			read = append(read, c)
		}
	}
	if b.opts.WithRowID {
		read = append(read, column{id: rowIDField, typ: "BIGINT"}, column{id: lastUpdatedField, typ: "BIGINT"})
	}

	// What the file gives, and the defaults of what it lacks.
	inner := make([]string, 0, len(read)+2)
	source := make([]column, 0, len(read))
	for _, c := range read {
		if slices.Contains(g.written.constants, c.id) {
			continue // comes with the details
		}
		expr, absent, err := b.expression(g, &c)
		if err != nil {
			return "", err
		}
		inner = append(inner, expr+" AS "+c.inner())
		if !absent {
			source = append(source, c)
		}
	}
	details := len(g.written.constants) > 0 || b.opts.WithFile || b.opts.WithSequence || b.opts.WithRowID || len(g.equality) > 0
	if details || g.positions {
		inner = append(inner, "file_index AS _i", "file_row_number AS _p")
	}
	if len(inner) == 0 {
		inner = []string{"1 AS _none"}
	}
	if len(source) == 0 {
		// read_parquet wants a column; one that no file has costs nothing.
		source = []column{{id: 0, typ: "BOOLEAN"}}
		if g.written.names != nil {
			g.written.names[0] = "no such column"
		}
	}
	paths, err := b.shared(g)
	if err != nil {
		return "", err
	}
	from := "(SELECT " + strings.Join(inner, ", ") + " FROM " + readParquet(paths, source, g.written.names, g.rows()) + ") t"

	if g.positions {
		deleted, err := b.positions(ctx, n, g)
		if err != nil {
			return "", err
		}
		from += " ANTI JOIN " + deleted + " d ON d.i = t._i AND d.p = t._p"
	}
	if details {
		path, err := b.details(n, g)
		if err != nil {
			return "", err
		}
		list := []string{"t.*", "m.loc", "m.seq", "m.first_row_id", "m.scope"}
		for _, id := range g.written.constants {
			c := read[slices.IndexFunc(read, func(c column) bool { return c.id == id })]
			list = append(list, fmt.Sprintf("CAST(m.c%d AS %s) AS %s", id, c.typ, c.inner()))
		}
		from = "(SELECT " + strings.Join(list, ", ") + " FROM " + from +
			" JOIN read_parquet(" + duck.Quote(path) + ", hive_partitioning=false) m ON m.i = t._i) t"
	}
	for k, ids := range g.equality {
		for _, where := range []reach{everywhere, inPartition} {
			deleted, err := b.equality(ctx, g, ids, where)
			if err != nil {
				return "", err
			}
			if deleted == "" {
				continue
			}
			alias := fmt.Sprintf("e%d%s", k, where)
			on := make([]string, 0, len(ids)+2)
			for _, id := range ids {
				c := read[slices.IndexFunc(read, func(c column) bool { return c.id == id })]
				on = append(on, fmt.Sprintf("t.%s IS NOT DISTINCT FROM %s.f%d", c.inner(), alias, id))
			}
			if where == inPartition {
				on = append(on, alias+".scope = t.scope")
			}
			on = append(on, alias+".seq > t.seq")
			from += fmt.Sprintf(" ANTI JOIN %s %s ON %s", deleted, alias, strings.Join(on, " AND "))
		}
	}
	return "SELECT " + b.outputs() + " FROM " + from, nil
}

// More rows than DuckDB gives one thread at a time.
const oneThread = 122_880

// shared are the files of a group for read_parquet. Told the columns, DuckDB 1.5
// does not look how many row groups a single file has, and reads it with one
// thread; an empty file beside it brings all of them.
func (b *relationBuilder) shared(g *fileGroup) ([]string, error) {
	if len(g.paths) > 1 || g.rows() <= oneThread {
		return g.paths, nil
	}
	schema := arrow.NewSchema([]arrow.Field{{Name: "no such column", Type: arrow.FixedWidthTypes.Boolean, Nullable: true}}, nil)
	empty, err := b.side(schema, func(*array.RecordBuilder, func() error) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("file without rows: %w", err)
	}
	return append(slices.Clip(g.paths), empty), nil
}

// expression is a column of the table made of the same column of the group's
// files, whose type it gives to c; absent: they lack it and this is its default.
func (b *relationBuilder) expression(g *fileGroup, c *column) (expr string, absent bool, err error) {
	from, nested := g.written.nested[c.id]
	_, named := g.written.names[c.id]
	if absent = nested && from == nil || g.written.names != nil && !named; absent {
		field, ok := b.scan.fieldByID(c.id)
		if !ok { // of row lineage
			return "NULL::" + c.typ, true, nil
		}
		expr, err = defaultSQL(field)
		return expr, true, err
	}
	if !nested {
		return c.inner(), false, nil
	}
	field, _ := b.scan.fieldByID(c.id)
	if c.typ, err = duckType(from); err != nil {
		return "", false, err
	}
	expr, err = convert(c.inner(), from, field.Type, 0)
	return expr, false, err
}

// outputs are the columns of the relation, made of inner ones.
func (b *relationBuilder) outputs() string {
	var list []string
	for _, c := range b.cols {
		value := "t." + c.inner()
		if c.unread != nil {
			value = "error(" + duck.Quote(fmt.Sprintf("%v; leave it out: name other columns, or SELECT * EXCLUDE (%s)", c.unread, duck.QuoteName(c.name))) + ")::" + c.typ
		}
		list = append(list, value+" AS "+duck.QuoteName(c.name))
	}
	if b.opts.WithFile {
		list = append(list, "t.loc AS _file", "t._p AS _pos")
	}
	if b.opts.WithSequence {
		list = append(list, "t.seq AS _seq")
	}
	if b.opts.WithRowID {
		list = append(list,
			fmt.Sprintf("coalesce(t.f%d, t.first_row_id + t._p) AS _row_id", rowIDField),
			fmt.Sprintf("CASE WHEN t.first_row_id IS NULL AND t.f%d IS NULL THEN NULL ELSE coalesce(t.f%d, t.seq) END AS _last_updated_sequence_number", rowIDField, lastUpdatedField))
	}
	if len(list) == 0 {
		list = []string{"1 AS _none"}
	}
	return strings.Join(list, ", ")
}
