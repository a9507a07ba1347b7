package fuse

import (
	"context"
	"math"

	"github.com/apache/arrow-go/v18/parquet/metadata"
)

// createdBy names this package where the inputs' writers differ. Readers judge
// statistics by the writer, so a common one is kept.
const createdBy = "firn fuse version 1.0.0"

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
