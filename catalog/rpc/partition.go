package rpc

import (
	"strconv"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// partitionNames spells partition values of all specs of a table.
type partitionNames struct {
	specs map[int][]partitionName
}

type partitionName struct {
	id        int
	name      string
	transform iceberg.Transform
	source    iceberg.Type // nil when the column was dropped
}

func newPartitionNames(meta table.Metadata) partitionNames {
	types := map[int]iceberg.Type{}
	for _, schema := range meta.Schemas() {
		for _, f := range schema.Fields() {
			types[f.ID] = f.Type
		}
	}
	p := partitionNames{specs: map[int][]partitionName{}}
	for _, spec := range meta.PartitionSpecs() {
		fields := []partitionName{}
		for _, f := range spec.Fields() {
			fields = append(fields, partitionName{f.FieldID, f.Name, f.Transform, types[f.SourceID()]})
		}
		p.specs[spec.ID()] = fields
	}
	return p
}

func (p partitionNames) fields(f iceberg.DataFile) []*firnv1.PartitionField {
	names := p.specs[int(f.SpecID())]
	values := f.Partition()
	out := make([]*firnv1.PartitionField, len(names))
	for i, n := range names {
		out[i] = &firnv1.PartitionField{Name: n.name}
		value := values[n.id]
		if value == nil {
			continue
		}
		text := n.transform.ToHumanStrType(n.source, value)
		out[i].Value = &text
	}
	return out
}

func columnName(schema *iceberg.Schema, id int) string {
	if name, ok := schema.FindColumnName(id); ok {
		return name
	}
	return "field " + strconv.Itoa(id)
}
