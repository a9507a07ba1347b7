package rewrite

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
)

// carry is what was deleted by position from the inputs of a group since it was
// planned, and where these rows lie in its outputs.
type carry struct {
	inputs []lake.File // as they were planned, in the order they were written
	looked []string    // of each input the deletes that were looked at
	gone   places      // in the inputs
	out    places      // the same rows, in the outputs; those that earlier deletes had removed are not there
	placed string      // file (i, p, oi, op): where each row of the inputs lies; made when it is needed
	lists  int         // temporary files made
}

// translate finds rows of the inputs in the outputs.
func (c *compaction) translate(ctx context.Context, index int, o *output, gone places) (places, error) {
	if o.tier == plan.Fuse {
		return o.carry.joined(o.files, gone), nil
	}
	dir := filepath.Join(c.dir, fmt.Sprintf("carry-%d", index))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("temporary folder: %w", err)
	}
	if o.carry.placed == "" {
		path, err := c.place(ctx, dir, o)
		if err != nil {
			return nil, err
		}
		o.carry.placed = path
	}
	list, err := c.list(dir, &o.carry, gone, locationsOf(o.carry.inputs))
	if err != nil {
		return nil, err
	}
	defer os.Remove(list)
	out, met := places{}, places{}
	sql := "SELECT m.i, m.p, m.oi, m.op FROM read_parquet(" + duck.Quote(o.carry.placed) + ") AS m SEMI JOIN read_parquet(" + duck.Quote(list) + ") AS d ON m.i = d.i AND m.p = d.p"
	for row, err := range c.numbers(ctx, duck.Job{SQL: sql, Read: []string{o.carry.placed, list}}) {
		if err != nil {
			return nil, fmt.Errorf("look up deleted rows: %w", err)
		}
		if !met.add(int(row[0]), row[1]) || !out.add(int(row[2]), row[3]) || o.carry.out.has(int(row[2]), row[3]) {
			return nil, fmt.Errorf("%w: row %d of %s does not lie in one place of the output", ErrProof, row[1], o.carry.inputs[row[0]].Data.FilePath())
		}
	}
	return out, nil
}

// joined finds rows in files that hold the inputs one after the other.
func (k *carry) joined(files []iceberg.DataFile, gone places) places {
	starts := make([]int64, len(k.inputs))
	for i := 1; i < len(starts); i++ {
		starts[i] = starts[i-1] + k.inputs[i-1].Data.Count()
	}
	out := places{}
	for input, pos := range gone.all() {
		at := starts[input] + pos
		for i, f := range files {
			if at < f.Count() {
				out.add(i, at)
				break
			}
			at -= f.Count()
		}
	}
	return out
}

// place finds every row of the inputs, with the deletes that were applied, in the
// outputs: by its row id, and on tables without them by what is in it. Which of
// several equal rows is taken for which is all the same then.
func (c *compaction) place(ctx context.Context, dir string, o *output) (string, error) {
	lineage := c.Table.Metadata.Version() >= 3
	all, err := columnsOf(c.Scan.Schema, lineage)
	if err != nil {
		return "", err
	}
	in, err := c.numbered(ctx, dir, "in", o.carry.inputs, lineage)
	if err != nil {
		return "", err
	}
	defer in.Release()
	out, err := c.numbered(ctx, dir, "out", c.written(o), lineage)
	if err != nil {
		return "", err
	}
	defer out.Release()
	type way struct{ key, number, on string }
	ways := []way{{all.content(), "row_number() OVER (PARTITION BY k)", "k = b.k AND a.n = b.n"}}
	if lineage {
		// Files that were written before the table had row ids have none.
		ways = slices.Insert(ways, 0, way{"r." + rowIDName, "0", "k = b.k"})
	}
	for i, w := range ways {
		path := filepath.Join(dir, fmt.Sprintf("placed-%d.parquet", i))
		side := func(rel *lake.Relation) string {
			return fmt.Sprintf("(SELECT *, %s AS n FROM (SELECT %s AS k, f.i, r._pos AS p FROM %s))", w.number, w.key, rel.SQL)
		}
		_, err := c.cfg.Pool.Exec(ctx, duck.Job{
			Setup: slices.Concat(in.Setup, out.Setup), Read: slices.Concat(in.Paths, out.Paths), WriteDir: dir, TempBytes: 256*c.rowsOf(o) + 1<<30,
			SQL: fmt.Sprintf("COPY (SELECT a.i, a.p, b.i AS oi, b.p AS op FROM %s AS a JOIN %s AS b ON a.%s ORDER BY a.i, a.p) TO %s (FORMAT parquet, COMPRESSION snappy)", side(in), side(out), w.on, duck.Quote(path)),
		})
		if err != nil {
			return "", fmt.Errorf("find rows in the output: %w", err)
		}
		for row, err := range c.numbers(ctx, duck.Job{SQL: "SELECT count(*) FROM read_parquet(" + duck.Quote(path) + ")", Read: []string{path}}) {
			if err != nil {
				return "", err
			}
			if row[0] == o.rows {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("%w: not every row can be told from the others in the output", errLost)
}

func (c *compaction) rowsOf(o *output) int64 { return o.rows + o.deleted }

// content is an expression that is equal for equal rows, and hardly ever for others.
func (cs columns) content() string {
	list := make([]string, 0, len(cs))
	for _, c := range cs {
		name := "r." + duck.QuoteName(c.name)
		list = append(list, name)
		switch c.typ.(type) {
		case iceberg.Float32Type, iceberg.Float64Type:
			list = append(list, "signbit("+name+")") // the hashes of 0 and -0 are equal
		case iceberg.PrimitiveType:
		default:
			list = append(list, name+"::VARCHAR")
		}
	}
	return "hash(" + strings.Join(list, ", ") + ")"
}

// written are the outputs as a scan would have them.
func (c *compaction) written(o *output) []lake.File {
	files := make([]lake.File, len(o.files))
	for i, f := range o.files {
		files[i] = lake.File{Data: f, Sequence: c.Scan.Sequence}
	}
	return files
}

func locationsOf(files []lake.File) []string {
	out := make([]string, len(files))
	for i, f := range files {
		out[i] = f.Data.FilePath()
	}
	return out
}

// numbered is a FROM clause: the rows of files as r, and the number of the file
// that each is of as f.i.
func (c *compaction) numbered(ctx context.Context, dir, name string, files []lake.File, lineage bool) (*lake.Relation, error) {
	path := filepath.Join(dir, name+".parquet")
	if err := writeNumbers(path, locationsOf(files)); err != nil {
		return nil, err
	}
	scan := *c.Scan
	scan.Files = files
	rel, err := c.cfg.Lake.Relation(ctx, &scan, lake.RelationOptions{WithFile: true, WithRowID: lineage})
	if err != nil {
		return nil, err
	}
	rel.SQL += " AS r JOIN read_parquet(" + duck.Quote(path) + ") AS f ON f.loc = r._file"
	rel.Paths = append(rel.Paths, path)
	return rel, nil
}

// list writes rows down for a statement.
func (c *compaction) list(dir string, k *carry, rows places, locations []string) (string, error) {
	k.lists++
	path := filepath.Join(dir, fmt.Sprintf("list-%d.parquet", k.lists))
	return path, rows.write(path, locations)
}

// proveCarried compares the rows that were deleted from the inputs with those
// that are to be deleted from the outputs: how many they are, a sum over each
// column, and the multiset hash. What is left of both is then equal, as the
// whole was proven to be.
func (c *compaction) proveCarried(ctx context.Context, o *output, gone, out places) error {
	dir, err := os.MkdirTemp(c.dir, "prove-")
	if err != nil {
		return fmt.Errorf("temporary folder: %w", err)
	}
	defer os.RemoveAll(dir)
	p := &prover{pool: c.cfg.Pool, columns: c.readable()}
	p.hash = len(p.columns) > 0
	want, err := c.sumsOf(ctx, dir, p, &o.carry, o.carry.inputs, gone)
	if err != nil {
		return fmt.Errorf("sum up deleted rows: %w", err)
	}
	got, err := c.sumsOf(ctx, dir, p, &o.carry, c.written(o), out)
	if err != nil {
		return fmt.Errorf("sum up deleted rows of the output: %w", err)
	}
	o.proofCPU += p.cpu
	for name, w := range want {
		if g := got[name]; g != w {
			return fmt.Errorf("%w: deletes are carried over to other rows: %s is %v of the rows found, %v of the rows deleted", ErrProof, name, text(g), text(w))
		}
	}
	if n := want["count of rows"]; n != fmt.Sprint(out.count()) {
		return fmt.Errorf("%w: %v rows were deleted, %d of them found in the output", ErrProof, n, out.count())
	}
	return nil
}

// sumsOf sums up single rows of files.
func (c *compaction) sumsOf(ctx context.Context, dir string, p *prover, k *carry, files []lake.File, rows places) (map[string]any, error) {
	scan := *c.Scan
	scan.Files = nil
	for i, f := range files {
		if rows[i] != nil {
			scan.Files = append(scan.Files, f)
		}
	}
	list, err := c.list(dir, k, rows, locationsOf(files))
	if err != nil {
		return nil, err
	}
	o := lake.RelationOptions{WithFile: true, Columns: []string{}}
	for _, col := range p.columns {
		if col.id == rowIDField || col.id == updatedField {
			o.WithRowID = true
		} else {
			o.Columns = append(o.Columns, col.name)
		}
	}
	rel, err := c.cfg.Lake.Relation(ctx, &scan, o)
	if err != nil {
		return nil, err
	}
	defer rel.Release()
	from := "(SELECT t.* FROM " + rel.SQL + " AS t JOIN read_parquet(" + duck.Quote(list) + ") AS l ON l.p = t._pos AND l.loc = t._file)"
	return p.sums(ctx, rel.Setup, from, append(rel.Paths, list))
}

// readable are the columns that DuckDB reads: files with others are fused too.
func (c *compaction) readable() columns {
	var out columns
	for _, f := range c.Scan.Schema.Fields() {
		if _, unknown := f.Type.(iceberg.UnknownType); unknown || lake.Reads(f.Type) != nil {
			continue
		}
		out = append(out, column{f.Name, f.ID, f.Type})
	}
	if c.Table.Metadata.Version() >= 3 {
		out = append(out, column{rowIDName, rowIDField, iceberg.PrimitiveTypes.Int64})
	}
	return out
}
