package fuse

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// createdBy names this package where the inputs' writers differ. Readers judge
// statistics by the writer, so a common one is kept.
const createdBy = "firn fuse version 1.0.0"

// newFooter is the footer of the first source without its row groups, and with
// only those key-value pairs that all sources share. Columns of row lineage come
// last; where an input has them otherwise, key-value pairs, which may describe
// its schema, are left out.
func (p *Plan) newFooter() (*metadata.FileMetaData, error) {
	first := p.sources[0]
	out, err := copyFooter(first.md)
	if err != nil {
		return nil, err
	}
	out.RowGroups, out.NumRows = out.RowGroups[:0:0], 0
	for _, s := range p.sources[1:] {
		out.FileMetaData.Version = max(out.FileMetaData.Version, s.md.FileMetaData.Version)
		if s.md.GetCreatedBy() != out.GetCreatedBy() {
			out.CreatedBy = new(createdBy)
		}
	}
	kept := out.FileMetaData.KeyValueMetadata[:0:0]
next:
	for _, kv := range out.FileMetaData.KeyValueMetadata {
		for _, s := range p.sources {
			v := s.md.KeyValueMetadata().FindValue(kv.Key)
			if (v == nil) != (kv.Value == nil) || v != nil && *v != *kv.Value || !s.whole(p.opts.Lineage) {
				continue next
			}
		}
		kept = append(kept, kv)
	}
	out.FileMetaData.KeyValueMetadata = kept
	if !p.opts.Lineage {
		return out, nil
	}
	lineage, err := encodeLineage(context.Background(), nil, false, nil)
	if err != nil {
		return nil, err
	}
	all := out.FileMetaData.Schema
	elements := append(all[:0:0], clone(all[0]))
	for _, i := range first.columns.elements {
		elements = append(elements, all[i])
	}
	elements = append(elements, lineage.md.FileMetaData.Schema[1:]...)
	held := int32(0)
	for _, col := range first.columns.lineage {
		if col >= 0 {
			held++
		}
	}
	elements[0].NumChildren = new(all[0].GetNumChildren() - held + lineageColumns)
	out.FileMetaData.Schema = elements
	if all := out.ColumnOrders; all != nil {
		orders := all[:0:0]
		for _, c := range first.columns.chunks {
			orders = append(orders, all[c])
		}
		out.ColumnOrders = append(orders, lineage.md.ColumnOrders...)
	}
	return copyFooter(out)
}

func copyFooter(md *metadata.FileMetaData) (*metadata.FileMetaData, error) {
	data, err := md.Serialize(context.Background())
	if err != nil {
		return nil, err
	}
	return metadata.NewFileMetaData(data, nil)
}

// numberRowGroups sets the ordinal of all row groups, or of none where they do
// not fit: some readers refuse a mixture.
func numberRowGroups(md *metadata.FileMetaData) {
	for i, rg := range md.RowGroups {
		rg.Ordinal = nil
		if len(md.RowGroups) <= math.MaxInt16 {
			rg.Ordinal = new(int16(i))
		}
	}
}
