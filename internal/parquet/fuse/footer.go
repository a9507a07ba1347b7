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
// only those key-value pairs that all sources share.
func newFooter(sources []*source) (*metadata.FileMetaData, error) {
	data, err := sources[0].md.Serialize(context.Background())
	if err != nil {
		return nil, err
	}
	out, err := metadata.NewFileMetaData(data, nil)
	if err != nil {
		return nil, err
	}
	out.RowGroups, out.NumRows = out.RowGroups[:0:0], 0
	for _, s := range sources[1:] {
		out.FileMetaData.Version = max(out.FileMetaData.Version, s.md.FileMetaData.Version)
		if s.md.GetCreatedBy() != out.GetCreatedBy() {
			out.CreatedBy = new(createdBy)
		}
	}
	kept := out.FileMetaData.KeyValueMetadata[:0:0]
next:
	for _, kv := range out.FileMetaData.KeyValueMetadata {
		for _, s := range sources[1:] {
			v := s.md.KeyValueMetadata().FindValue(kv.Key)
			if (v == nil) != (kv.Value == nil) || v != nil && *v != *kv.Value {
				continue next
			}
		}
		kept = append(kept, kv)
	}
	out.FileMetaData.KeyValueMetadata = kept
	return out, nil
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
