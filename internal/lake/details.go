package lake

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table/dv"

	"github.com/firnlake/firn/internal/duck"
)

// What DuckDB cannot see in the data files is handed over as small Parquet
// files beside them: which file has which location, sequence number and first
// row id; which positions a deletion vector holds. They go with the relation.

// side creates a side file and fills it.
func (b *relationBuilder) side(schema *arrow.Schema, fill func(*array.RecordBuilder, func() error) error) (string, error) {
	f, err := os.CreateTemp(b.lake.tempDir, "side-*.parquet")
	if err != nil {
		return "", err
	}
	path := f.Name()
	b.releases = append(b.releases, func() { _ = os.Remove(path) })
	b.paths = append(b.paths, path)
	w, err := pqarrow.NewFileWriter(schema, f, parquet.NewWriterProperties(parquet.WithCompression(compress.Codecs.Lz4Raw)), pqarrow.DefaultWriterProps())
	if err != nil {
		f.Close()
		return "", err
	}
	rb := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rb.Release()
	flush := func() error {
		rec := rb.NewRecordBatch()
		defer rec.Release()
		if rec.NumRows() == 0 {
			return nil
		}
		return w.Write(rec)
	}
	if err := fill(rb, flush); err != nil {
		_ = w.Close()
		return "", err
	}
	if err := flush(); err != nil {
		_ = w.Close()
		return "", err
	}
	if err := w.Close(); err != nil { // closes f
		return "", err
	}
	return path, nil
}

// details writes one row a file of a group: its number in read_parquet's list,
// location, data sequence number, first row id, the partition's number, and the
// values of columns that are in the partition only (c and the field id).
func (b *relationBuilder) details(n int, g *fileGroup) (string, error) {
	fields := []arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "loc", Type: arrow.BinaryTypes.String},
		{Name: "seq", Type: arrow.PrimitiveTypes.Int64},
		{Name: "first_row_id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "scope", Type: arrow.PrimitiveTypes.Int32},
	}
	own := len(fields)
	for _, id := range g.written.constants {
		fields = append(fields, arrow.Field{Name: fmt.Sprintf("c%d", id), Type: arrow.BinaryTypes.String, Nullable: true})
	}
	return b.side(arrow.NewSchema(fields, nil), func(rb *array.RecordBuilder, _ func() error) error {
		for i, f := range g.files {
			rb.Field(0).(*array.Uint64Builder).Append(uint64(i))
			rb.Field(1).(*array.StringBuilder).Append(f.Data.FilePath())
			rb.Field(2).(*array.Int64Builder).Append(f.Sequence)
			if id := f.Data.FirstRowID(); id != nil {
				rb.Field(3).(*array.Int64Builder).Append(*id)
			} else {
				rb.Field(3).AppendNull()
			}
			rb.Field(4).(*array.Int32Builder).Append(b.scope(f.Data))
			for k, id := range g.written.constants {
				text, err := b.constant(f.Data, id)
				if err != nil {
					return err
				}
				if text == nil {
					rb.Field(own + k).AppendNull()
				} else {
					rb.Field(own + k).(*array.StringBuilder).Append(*text)
				}
			}
		}
		return nil
	})
}

// scope numbers partitions.
func (b *relationBuilder) scope(f iceberg.DataFile) int32 {
	key := partitionKey(f)
	n, ok := b.scopes[key]
	if !ok {
		n = int32(len(b.scopes))
		b.scopes[key] = n
	}
	return n
}

// deleted are the distinct delete files of a group that want picks.
func (g *fileGroup) deleted(want func(iceberg.DataFile) bool) []DeleteFile {
	seen := map[string]bool{}
	var out []DeleteFile
	for _, f := range g.files {
		for _, d := range f.Deletes {
			if key := vectorKey(d.Data); want(d.Data) && !seen[key] {
				seen[key] = true
				out = append(out, d)
			}
		}
	}
	return out
}

// vectorKey tells delete files apart; a Puffin file holds many.
func vectorKey(f iceberg.DataFile) string {
	if off := f.ContentOffset(); off != nil {
		return fmt.Sprintf("%s#%d", f.FilePath(), *off)
	}
	return f.FilePath()
}

// inPuffin is a deletion vector, whose format writers spell in their own case:
// DuckDB says "puffin", and iceberg-go takes only "PUFFIN".
type inPuffin struct{ iceberg.DataFile }

func (inPuffin) FileFormat() iceberg.FileFormat { return iceberg.PuffinFile }

// positions is a relation (i, p): the deleted positions of a group's files.
func (b *relationBuilder) positions(ctx context.Context, n int, g *fileGroup) (string, error) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "p", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	var parts []string
	vectors := g.deleted(isVector)
	if len(vectors) > 0 {
		path, err := b.side(schema, func(rb *array.RecordBuilder, flush func() error) error {
			number := map[string]uint64{}
			for i, f := range g.files {
				number[f.Data.FilePath()] = uint64(i)
			}
			fs := b.lake.bucket.FileIO()
			is, ps := rb.Field(0).(*array.Uint64Builder), rb.Field(1).(*array.Int64Builder)
			byPuffin := map[string][]iceberg.DataFile{} // one Puffin file holds many vectors
			for _, d := range vectors {
				byPuffin[d.Data.FilePath()] = append(byPuffin[d.Data.FilePath()], inPuffin{d.Data})
			}
			for _, files := range byPuffin {
				if err := ctx.Err(); err != nil {
					return err
				}
				maps, err := dv.ReadDVs(fs, files)
				if err != nil {
					return fmt.Errorf("read deletion vectors: %w", err)
				}
				for i, m := range maps {
					file := number[*files[i].ReferencedDataFile()]
					for pos := range m.Positions() {
						is.Append(file)
						ps.Append(int64(pos))
						if is.Len() >= 1<<18 {
							if err := flush(); err != nil {
								return err
							}
						}
					}
				}
			}
			return nil
		})
		if err != nil {
			return "", err
		}
		parts = append(parts, "SELECT i, p FROM read_parquet("+duck.Quote(path)+", hive_partitioning=false)")
	}
	files := g.deleted(func(f iceberg.DataFile) bool {
		return f.ContentType() == iceberg.EntryContentPosDeletes && !isVector(f)
	})
	if len(files) > 0 {
		locations := make([]string, len(files))
		for i, d := range files {
			if !strings.EqualFold(string(d.Data.FileFormat()), "parquet") {
				return "", fmt.Errorf("%w: position deletes %s are %s", ErrUnsupported, d.Data.FilePath(), d.Data.FileFormat())
			}
			locations[i] = d.Data.FilePath()
		}
		paths, err := b.local(ctx, locations)
		if err != nil {
			return "", err
		}
		which, err := b.pathNumbers(g)
		if err != nil {
			return "", err
		}
		parts = append(parts, "SELECT m.i, x.pos AS p FROM read_parquet("+duck.QuoteList(paths)+", hive_partitioning=false) x JOIN read_parquet("+
			duck.Quote(which)+", hive_partitioning=false) m ON m.loc = x.file_path")
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")", nil
}

// pathNumbers writes (location, number) of those files of a group to which
// position delete files apply: where a deletion vector took their place they
// count no more.
func (b *relationBuilder) pathNumbers(g *fileGroup) (string, error) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "loc", Type: arrow.BinaryTypes.String},
	}, nil)
	return b.side(schema, func(rb *array.RecordBuilder, _ func() error) error {
		for i, f := range g.files {
			if slices.ContainsFunc(f.Deletes, func(d DeleteFile) bool { return isVector(d.Data) }) {
				continue
			}
			rb.Field(0).(*array.Uint64Builder).Append(uint64(i))
			rb.Field(1).(*array.StringBuilder).Append(f.Data.FilePath())
		}
		return nil
	})
}

// reach is where an equality delete applies. The two are joined one after the
// other: told "everywhere or in the partition" in one condition, DuckDB compares
// each row with each delete.
type reach string

const (
	everywhere  reach = "w"
	inPartition reach = "p"
)

func reachOf(f iceberg.DataFile) reach {
	if len(f.Partition()) > 0 {
		return inPartition
	}
	return everywhere
}

// equality is a relation of the deleted values of one set of columns, with the
// greatest sequence number that a delete of them has, and its partition; empty if
// none reaches so far.
func (b *relationBuilder) equality(ctx context.Context, g *fileGroup, ids []int, where reach) (string, error) {
	files := g.deleted(func(f iceberg.DataFile) bool {
		return f.ContentType() == iceberg.EntryContentEqDeletes && reachOf(f) == where && slices.Equal(slices.Sorted(slices.Values(f.EqualityFieldIDs())), ids)
	})
	if len(files) == 0 {
		return "", nil
	}
	locations := make([]string, len(files))
	var rows int64
	for i, d := range files {
		rows += d.Data.Count()
		if !strings.EqualFold(string(d.Data.FileFormat()), "parquet") {
			return "", fmt.Errorf("%w: equality deletes %s are %s", ErrUnsupported, d.Data.FilePath(), d.Data.FileFormat())
		}
		locations[i] = d.Data.FilePath()
	}
	paths, err := b.local(ctx, locations)
	if err != nil {
		return "", err
	}
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Uint64},
		{Name: "seq", Type: arrow.PrimitiveTypes.Int64},
		{Name: "scope", Type: arrow.PrimitiveTypes.Int32},
	}, nil)
	which, err := b.side(schema, func(rb *array.RecordBuilder, _ func() error) error {
		for i, d := range files {
			rb.Field(0).(*array.Uint64Builder).Append(uint64(i))
			rb.Field(1).(*array.Int64Builder).Append(d.Sequence)
			rb.Field(2).(*array.Int32Builder).Append(b.scope(d.Data))
		}
		return nil
	})
	if err != nil {
		return "", err
	}
	var cols []column
	var list []string
	for _, id := range ids {
		f, ok := b.scan.fieldByID(id)
		if !ok {
			return "", fmt.Errorf("%w: an equality delete names the unknown field %d", ErrUnsupported, id)
		}
		c, err := newColumn(f)
		if err != nil {
			return "", err
		}
		c.deflt = nil // a delete file always has its columns
		cols = append(cols, c)
		list = append(list, "x."+c.inner())
	}
	values, by := strings.Join(list, ", ")+", m.scope", ""
	seq := "m.seq"
	if len(files) > 1 {
		// A value that is deleted with each commit would be compared as often.
		seq, by = "max(m.seq)", " GROUP BY "+values
	}
	return "(SELECT " + values + ", " + seq + " AS seq FROM (SELECT *, file_index AS _i FROM " + readParquet(paths, cols, nil, rows) +
		") x JOIN read_parquet(" + duck.Quote(which) + ", hive_partitioning=false) m ON m.i = x._i" + by + ")", nil
}
