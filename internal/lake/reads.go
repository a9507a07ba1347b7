package lake

import (
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
)

// Reads says whether values of a type are read unchanged: nil, or an error that
// is [ErrUnsupported] and names the type.
func Reads(t iceberg.Type) error {
	_, err := duckType(t)
	return err
}

// ReadsFile says whether a data file can be read, with the deletes that apply to
// it: nil, or an error that is [ErrUnsupported] and names the file.
func ReadsFile(f File) error {
	if err := readsFormat(f.Data); err != nil {
		return err
	}
	for _, d := range f.Deletes {
		if err := readsFormat(d.Data); err != nil {
			return err
		}
	}
	return nil
}

func readsFormat(f iceberg.DataFile) error {
	if isVector(f) || strings.EqualFold(string(f.FileFormat()), string(iceberg.ParquetFile)) {
		return nil
	}
	what := "data file"
	if f.ContentType() != iceberg.EntryContentData {
		what = "delete file"
	}
	return fmt.Errorf("%s %s %w: it is %s, and only Parquet is read", what, f.FilePath(), ErrUnsupported, strings.ToUpper(string(f.FileFormat())))
}
