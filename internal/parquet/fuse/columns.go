package fuse

import (
	"reflect"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// columns are what a file has to offer: the elements of its schema, without the
// root, and the chunks of its row groups, by number. The columns of row lineage
// stand apart when they are asked for: files differ in whether they have them.
type columns struct {
	elements []int
	chunks   []int
	lineage  [lineageColumns]int // chunks, or -1
}

// columnsOf sorts the columns of a file.
func columnsOf(s *source, lineage bool) (columns, error) {
	out := columns{lineage: [lineageColumns]int{-1, -1}}
	chunk := 0
	for i, e := range s.md.FileMetaData.Schema {
		if i == 0 {
			continue
		}
		leaf := e.GetNumChildren() == 0
		which := -1
		if lineage {
			which = lineageColumn(e.GetFieldID(), e.GetName())
		}
		switch {
		case which < 0:
			out.elements = append(out.elements, i)
			if leaf {
				out.chunks = append(out.chunks, chunk)
			}
		case !e.IsSetFieldID() || e.GetFieldID() != lineageIDs[which]:
			return out, notFusable(s.Name, "its column %q has the name of a column of row lineage, and is none", e.GetName())
		case !leaf || out.lineage[which] >= 0 || !plainNumber(s.md, chunk):
			return out, notFusable(s.Name, "its column %q of row lineage is no plain column of 64-bit numbers", e.GetName())
		default:
			out.lineage[which] = chunk
		}
		if leaf {
			chunk++
		}
	}
	return out, nil
}

func plainNumber(md *metadata.FileMetaData, chunk int) bool {
	c := md.Schema.Column(chunk)
	return c.PhysicalType() == parquet.Types.Int64 && len(c.ColumnPath()) == 1 && c.MaxRepetitionLevel() == 0
}

// whole says whether the file's columns are those of the output, in its order.
func (s *source) whole(lineage bool) bool {
	n := len(s.columns.chunks)
	return !lineage || s.columns.lineage == [lineageColumns]int{n, n + 1}
}

// compatible says whether two files can share one footer.
func compatible(a, b *source) error {
	x, y := a.columns.elements, b.columns.elements
	if len(x) != len(y) {
		return notFusable(b.Name, "its schema has %d elements, that of %s %d", len(y), a.Name, len(x))
	}
	schemaA, schemaB := a.md.FileMetaData.Schema, b.md.FileMetaData.Schema
	for i := range x {
		if !reflect.DeepEqual(schemaA[x[i]], schemaB[y[i]]) {
			return notFusable(b.Name, "its column %q differs from that of %s in name, type or field id", schemaB[y[i]].Name, a.Name)
		}
	}
	ordersA, ordersB := a.md.ColumnOrders, b.md.ColumnOrders
	differ := (ordersA == nil) != (ordersB == nil)
	for i := range a.columns.chunks {
		differ = differ || ordersA != nil && !reflect.DeepEqual(ordersA[a.columns.chunks[i]], ordersB[b.columns.chunks[i]])
	}
	if differ {
		return notFusable(b.Name, "its statistics are ordered differently from those of %s", a.Name)
	}
	return nil
}

// share makes a source use what another, compatible one has: the schema is most
// of a tiny file's footer. Columns of row lineage may be declared otherwise.
func (s *source) share(with *source) {
	none := [lineageColumns]int{-1, -1}
	if s.columns.lineage != none || with.columns.lineage != none {
		return
	}
	s.columns = with.columns
	s.md.Schema, s.md.FileMetaData.Schema, s.md.FileMetaData.ColumnOrders = with.md.Schema, with.md.FileMetaData.Schema, with.md.FileMetaData.ColumnOrders
	for _, kv := range s.md.FileMetaData.KeyValueMetadata {
		if v := with.md.KeyValueMetadata().FindValue(kv.Key); v != nil && kv.Value != nil && *v == *kv.Value {
			kv.Value = v
		}
	}
}
