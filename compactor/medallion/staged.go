package medallion

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/duck"
	"github.com/firnlake/firn/internal/lake"
	"github.com/firnlake/firn/internal/parquet"
)

// rewriteShare is the share of a file's rows beyond which the file is written
// anew instead of having positions deleted from it.
const rewriteShare = 0.3

// staged is the change of a target: files that are in the bucket and in no
// snapshot yet.
type staged struct {
	target *catalog.Table
	// inserted is the number of rows to insert, as the engine counted them.
	inserted int64
	added    []iceberg.DataFile // data files
	deletes  []iceberg.DataFile // position delete files
	removed  []string           // paths of data and delete files that leave
	// rewritten are the rows of files that leave which stay in the table.
	rewritten int64
	// positions are the rows to remove from files that stay, by file.
	positions map[string][]int64
}

func (c *staged) empty() bool {
	return len(c.added) == 0 && len(c.deletes) == 0 && len(c.removed) == 0
}

// stageTarget writes the rows of fileFinal, and removes those of fileDeletes
// from the files of scan: by position where few of a file's rows go, by writing
// the rest of the file anew where many do. scan must hold every file that a
// deleted row is in.
func (s *Service) stageTarget(ctx context.Context, g *stage, target *catalog.Table, scan *lake.Scan, deletes, inserts int64) (*staged, error) {
	st := &staged{target: target, inserted: inserts, positions: map[string][]int64{}}
	gone := map[string][]int64{}
	if deletes > 0 {
		var err error
		if gone, err = s.readPositions(ctx, g.path(fileDeletes)); err != nil {
			return nil, err
		}
	}
	byPath := map[string]lake.File{}
	if scan != nil {
		for _, f := range scan.Files {
			byPath[f.Data.FilePath()] = f
		}
	}
	rewrite := &lake.Scan{}
	if scan != nil {
		*rewrite = *scan
		rewrite.Files = nil
	}
	for _, path := range slices.Sorted(maps.Keys(gone)) {
		f, ok := byPath[path]
		if !ok {
			return nil, fmt.Errorf("stage %s: a row to remove is in %s, which was not read", target.Ident, path)
		}
		before, err := s.deletedRows(ctx, f)
		if err != nil {
			return nil, err
		}
		left := f.Data.Count() - int64(len(before))
		switch {
		case int64(len(gone[path])) == left:
			st.removed = append(st.removed, path)
		case target.Metadata.Version() >= 3 || float64(f.Data.Count()-left+int64(len(gone[path]))) > rewriteShare*float64(f.Data.Count()):
			st.removed = append(st.removed, path)
			st.rewritten += left - int64(len(gone[path]))
			rewrite.Files = append(rewrite.Files, f)
		default:
			st.positions[path] = gone[path]
		}
	}
	if inserts > 0 || len(rewrite.Files) > 0 {
		if err := s.writeRows(ctx, g, st, rewrite, inserts); err != nil {
			return nil, err
		}
	}
	if err := s.writeDeletes(ctx, st, byPath); err != nil {
		return nil, err
	}
	return st, nil
}

// writeRows writes the rows to insert and what stays of rewritten files, in the
// target's order.
func (s *Service) writeRows(ctx context.Context, g *stage, st *staged, rewrite *lake.Scan, inserts int64) error {
	columns := g.c.tableColumns()
	list := visible(columns, "")
	var parts, setup, read []string
	if inserts > 0 {
		parts = append(parts, fmt.Sprintf("SELECT %s FROM %s", list, readFile(g.path(fileFinal))))
		read = append(read, g.path(fileFinal))
	}
	if len(rewrite.Files) > 0 {
		rel, err := s.cfg.Lake.Relation(ctx, rewrite, lake.RelationOptions{Columns: columnNames(columns), WithFile: true})
		if err != nil {
			return err
		}
		defer rel.Release()
		setup, read = rel.Setup, append(append(read, rel.Paths...), g.path(fileDeletes))
		parts = append(parts, fmt.Sprintf("SELECT %s FROM %s AS e ANTI JOIN %s AS d ON e._file = d.file AND e._pos = d.pos",
			visible(columns, "e."), rel.SQL, readFile(g.path(fileDeletes))))
	}
	sql := strings.Join(parts, " UNION ALL ")
	if order := orderBy(g.c.SortBy); order != "" {
		sql = fmt.Sprintf("SELECT %s FROM (%s)%s", list, sql, order)
	}
	files, err := s.writeQuery(ctx, duck.Job{Setup: setup, SQL: sql, Read: read, PreserveOrder: len(g.c.SortBy) > 0}, st.target)
	st.added = files
	return err
}

func orderBy(sortBy []string) string {
	if len(sortBy) == 0 {
		return ""
	}
	out := make([]string, len(sortBy))
	for i, text := range sortBy {
		column, desc := strings.CutSuffix(text, " desc")
		out[i] = ident(column) + " ASC NULLS FIRST"
		if desc {
			out[i] = ident(column) + " DESC NULLS LAST"
		}
	}
	return " ORDER BY " + strings.Join(out, ", ")
}

// writeQuery writes the result of a job into data files of a table.
func (s *Service) writeQuery(ctx context.Context, job duck.Job, t *catalog.Table) ([]iceberg.DataFile, error) {
	job.Timeout = s.cfg.StepTimeout
	res, err := s.cfg.Pool.Query(ctx, job)
	if err != nil {
		return nil, fmt.Errorf("write rows of %s: %w", t.Ident, err)
	}
	defer res.Release()
	files, err := parquet.WriteFiles(ctx, s.cfg.Bucket, t.Metadata, s.cfg.Catalog.DataPath(t), parquet.Records(res), parquet.WriteOptions{})
	if err != nil {
		return nil, fmt.Errorf("write rows of %s: %w", t.Ident, err)
	}
	return files, nil
}

// readPositions reads file and pos of a temporary file.
func (s *Service) readPositions(ctx context.Context, path string) (map[string][]int64, error) {
	res, err := s.cfg.Pool.Query(ctx, duck.Job{SQL: "SELECT file, pos FROM " + readFile(path), Read: []string{path}, Timeout: s.cfg.StepTimeout})
	if err != nil {
		return nil, fmt.Errorf("read positions: %w", err)
	}
	defer res.Release()
	out := map[string][]int64{}
	for res.Next() {
		b := res.RecordBatch()
		files, ok1 := b.Column(0).(array.StringLike)
		positions, ok2 := b.Column(1).(*array.Int64)
		if !ok1 || !ok2 {
			return nil, fmt.Errorf("read positions: columns are %s", b.Schema())
		}
		for i := range int(b.NumRows()) {
			file := strings.Clone(files.Value(i))
			out[file] = append(out[file], positions.Value(i))
		}
	}
	for _, p := range out {
		slices.Sort(p)
	}
	return out, res.Err()
}

// writeDeletes writes one position delete file for each partition.
func (s *Service) writeDeletes(ctx context.Context, st *staged, byPath map[string]lake.File) error {
	type group struct {
		spec   int32
		values map[int]any
		paths  []string
		rows   int
	}
	groups := map[string]*group{}
	for _, path := range slices.Sorted(maps.Keys(st.positions)) {
		df := byPath[path].Data
		key := fmt.Sprintf("%d %v", df.SpecID(), partitionText(df.Partition()))
		g := groups[key]
		if g == nil {
			g = &group{spec: df.SpecID(), values: df.Partition()}
			groups[key] = g
		}
		g.paths = append(g.paths, path)
		g.rows += len(st.positions[path])
	}
	for _, key := range slices.Sorted(maps.Keys(groups)) {
		g := groups[key]
		spec, err := specByID(st.target.Metadata, int(g.spec))
		if err != nil {
			return err
		}
		rows := make([]position64, 0, g.rows)
		for _, path := range g.paths {
			for _, pos := range st.positions[path] {
				rows = append(rows, position64{path, pos})
			}
		}
		df, err := s.writeDeleteFile(ctx, st.target, spec, g.values, rows)
		if err != nil {
			return fmt.Errorf("write deletes of %s: %w", st.target.Ident, err)
		}
		st.deletes = append(st.deletes, df)
	}
	return nil
}

func partitionText(values map[int]any) string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(&b, "%d=%T:%v;", id, values[id], values[id])
	}
	return b.String()
}

func specByID(meta table.Metadata, id int) (iceberg.PartitionSpec, error) {
	for _, spec := range meta.PartitionSpecs() {
		if spec.ID() == id {
			return spec, nil
		}
	}
	return iceberg.PartitionSpec{}, fmt.Errorf("the table has no partition spec %d", id)
}

type position64 struct {
	file string
	pos  int64
}

// writeDeleteFile writes positions, which must be sorted, as one delete file.
func (s *Service) writeDeleteFile(ctx context.Context, t *catalog.Table, spec iceberg.PartitionSpec, values map[int]any, rows []position64) (iceberg.DataFile, error) {
	slices.SortFunc(rows, func(a, b position64) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.pos, b.pos)) })
	schema, err := parquet.ArrowSchema(iceberg.PositionalDeleteSchema)
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.StringBuilder).Append(r.file)
		b.Field(1).(*array.Int64Builder).Append(r.pos)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()

	f, err := os.CreateTemp(s.cfg.TempDir, "deletes-*.parquet")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	defer f.Close()
	opts := parquet.FileOptions{Schema: iceberg.PositionalDeleteSchema, FormatVersion: t.Metadata.Version(), Codec: parquet.Zstd}
	encoded, err := parquet.Encode(ctx, f, []arrow.RecordBatch{batch}, opts)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	location := parquet.Location(t.Metadata.Properties(), s.cfg.Catalog.DataPath(t), uuid.NewString()+"-deletes.parquet")
	key, err := s.cfg.Bucket.Key(location)
	if err != nil {
		return nil, err
	}
	if err := s.cfg.Bucket.PutFile(ctx, key, f.Name()); err != nil {
		return nil, err
	}
	return table.DataFileFromMetadata(table.DataFileArgs{
		Schema: iceberg.PositionalDeleteSchema, Spec: spec, Format: iceberg.ParquetFile, Metadata: encoded.Metadata,
		FilePath: location, FileSize: encoded.Bytes, Content: iceberg.EntryContentPosDeletes,
		PartitionValues: values, FormatVersion: t.Metadata.Version(),
	})
}
