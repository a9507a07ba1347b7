package rewrite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/compactor/plan"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	firnparquet "github.com/firnlake/firn/internal/parquet"
)

// rewrite reads the rows of a group with deletes applied and writes them anew:
// into one file, in order, which is then cut at its row groups into files of the
// target size. So each of them covers a range of its own, and has the size that
// it should have whatever the rows compress to.
func (c *compaction) rewrite(ctx context.Context, dir string, index int, g plan.Group, files []lake.File) (output, error) {
	out := output{tier: plan.Rewrite}
	if c.cfg.Pool == nil {
		return out, fmt.Errorf("rewrite: %w", duck.ErrNotBuiltIn)
	}
	how := c.atOnce
	if len(files) > c.atMost() {
		how = c.inBatches
	}
	paths, order, err := how(ctx, dir, g, files, &out)
	if err != nil {
		return out, err
	}
	o := c.fileOptions(g, files)
	o.SortOrderID = order.id
	if c.lineage() {
		o.Schema = withLineage(o.Schema)
	}
	for part, path := range paths {
		if err := c.keep(ctx, o, path, c.location(index, part), &out); err != nil {
			return out, err
		}
	}
	c.Progress.Advance(g.Bytes - g.Bytes/2)
	return out, nil
}

// atOnce writes and proves a group by one statement.
func (c *compaction) atOnce(ctx context.Context, dir string, g plan.Group, files []lake.File, out *output) ([]string, ordering, error) {
	src, err := c.source(ctx, g, files)
	if err != nil {
		return nil, ordering{}, err
	}
	defer src.rel.Release()
	paths, err := c.write(ctx, dir, src, g, out)
	if err != nil {
		return nil, ordering{}, err
	}
	c.Progress.Advance(g.Bytes / 2) // to prove it takes as long, more or less
	return paths, src.order, c.prove(ctx, src, g, files, paths, out)
}

// prove compares what was written with what was read.
func (c *compaction) prove(ctx context.Context, src *source, g plan.Group, files []lake.File, paths []string, out *output) error {
	proof := &prover{pool: c.cfg.Pool, columns: src.columns, hash: c.Policy.RowHash}
	rows, err := proof.compare(ctx, src.rel, paths)
	if err != nil {
		return err
	}
	deleted, err := deletedRows(g, files, rows)
	out.proofCPU += proof.cpu
	out.rows, out.deleted = out.rows+rows, out.deleted+deleted
	out.columns, out.hashed = len(src.columns), c.Policy.RowHash
	return err
}

// keep describes a finished file and puts it at its location; one without rows,
// since all are deleted, is left out.
func (c *compaction) keep(ctx context.Context, o firnparquet.FileOptions, path, location string, out *output) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("look at output: %w", err)
	}
	df, err := firnparquet.DataFileFromPath(ctx, o, path, location)
	if err != nil || df.Count() == 0 {
		return err
	}
	if err := c.put(ctx, path, location, info.Size()); err != nil {
		return err
	}
	out.files = append(out.files, df)
	return nil
}

// deletedRows checks what is missing against what the delete files can explain.
func deletedRows(g plan.Group, files []lake.File, rows int64) (int64, error) {
	deleted := g.Rows - rows
	most, exact := int64(0), true
	seen := map[string]bool{}
	for _, f := range files {
		for _, d := range f.Deletes {
			if d.Data.ContentType() != iceberg.EntryContentPosDeletes {
				exact = false // an equality delete may remove any number
			} else if k := deleteKey(d); !seen[k] {
				seen[k] = true
				most += d.Data.Count()
			}
		}
	}
	if deleted < 0 || exact && deleted > most {
		return 0, fmt.Errorf("%w: the files hold %d rows, %d came out, and deletes explain at most %d", ErrProof, g.Rows, rows, most)
	}
	return deleted, nil
}

// zstdLevel is that of rewrites where the table does not ask for one. DuckDB's
// own, 3, costs a rewrite a fifth more CPU time for files that are smaller by 2 %,
// or larger (docs/decisions/0029).
const zstdLevel = 2

// codecOf is the codec that the table asks for, as options of DuckDB's COPY. Its
// level can be chosen for zstd only.
func codecOf(props iceberg.Properties) (string, error) {
	codec := firnparquet.Zstd
	if name := props[firnparquet.PropertyCodec]; name != "" {
		var err error
		if codec, err = firnparquet.ParseCodec(name); err != nil {
			return "", err
		}
	}
	switch codec {
	case firnparquet.LZ4:
		return "COMPRESSION lz4_raw", nil
	case firnparquet.Zstd:
		level := cmp.Or(props.GetInt(firnparquet.PropertyCodecLevel, 0), zstdLevel)
		return fmt.Sprintf("COMPRESSION zstd, COMPRESSION_LEVEL %d", min(max(level, 1), 22)), nil
	}
	return "COMPRESSION " + string(codec), nil
}

// column is one column of the output.
type column struct {
	name string
	id   int
	typ  iceberg.Type
}

type columns []column

// columnsOf are the columns of a schema, and those of row lineage.
func columnsOf(s *iceberg.Schema, lineage bool) (columns, error) {
	var out columns
	for _, f := range s.Fields() {
		if _, ok := f.Type.(iceberg.UnknownType); ok {
			continue // is in no file
		}
		if err := carried(f.Type); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		out = append(out, column{f.Name, f.ID, f.Type})
	}
	if lineage {
		out = append(out, column{rowIDName, rowIDField, iceberg.PrimitiveTypes.Int64}, column{updatedName, updatedField, iceberg.PrimitiveTypes.Int64})
	}
	return out, nil
}

// ErrTypes: the table has a column that a rewrite cannot carry faithfully. Its
// files can still be fused.
var ErrTypes = errors.New("files with this column cannot be rewritten")

// Rewritable says whether the columns of a table survive a rewrite.
func Rewritable(s *iceberg.Schema) error {
	_, err := columnsOf(s, false)
	return err
}

// carried refuses types that DuckDB does not read, or would write as another
// Parquet type.
func carried(t iceberg.Type) error {
	if err := lake.Reads(t); err != nil {
		return fmt.Errorf("%w: %w", ErrTypes, err)
	}
	switch t := t.(type) {
	case iceberg.UnknownType:
		return fmt.Errorf("%w: type %s inside of another has no place in a file", ErrTypes, t)
	case iceberg.FixedType:
		return fmt.Errorf("%w: DuckDB writes type %s as binary", ErrTypes, t)
	case *iceberg.StructType:
		for _, f := range t.FieldList {
			if err := carried(f.Type); err != nil {
				return err
			}
		}
	case *iceberg.ListType:
		return carried(t.Element)
	case *iceberg.MapType:
		if err := carried(t.KeyType); err != nil {
			return err
		}
		return carried(t.ValueType)
	}
	return nil
}

func (cs columns) list() string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = "r." + duck.QuoteName(c.name)
	}
	return strings.Join(names, ", ")
}

// fieldIDs is DuckDB's FIELD_IDS value.
func (cs columns) fieldIDs() string {
	parts := make([]string, len(cs))
	for i, c := range cs {
		parts[i] = duck.QuoteName(c.name) + ": " + fieldID(c.id, c.typ)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func fieldID(id int, t iceberg.Type) string {
	own := "__duckdb_field_id: " + strconv.Itoa(id)
	switch t := t.(type) {
	case *iceberg.StructType:
		parts := []string{own}
		for _, f := range t.FieldList {
			parts = append(parts, duck.QuoteName(f.Name)+": "+fieldID(f.ID, f.Type))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case *iceberg.ListType:
		return "{" + own + ", element: " + fieldID(t.ElementID, t.Element) + "}"
	case *iceberg.MapType:
		return "{" + own + ", key: " + fieldID(t.KeyID, t.KeyType) + ", value: " + fieldID(t.ValueID, t.ValueType) + "}"
	}
	return strconv.Itoa(id)
}
