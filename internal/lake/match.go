package lake

import (
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// Matcher answers for a filter which data files of a table's head a scan has to
// open: by their partition values and the bounds of their columns, as [Lake.Plan]
// chooses them. It reads nothing.
func Matcher(meta table.Metadata, filter iceberg.BooleanExpression) (func(iceberg.DataFile) bool, error) {
	p, err := newPruner(meta.CurrentSchema(), meta.PartitionSpecs(), filter)
	if err != nil {
		return nil, fmt.Errorf("match files: %w", err)
	}
	return p.file, nil
}
