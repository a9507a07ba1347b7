package rpc

import (
	"context"
	"slices"
	"strings"

	connectrpc "connectrpc.com/connect"
	"github.com/apache/iceberg-go"

	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// maxPartitions is how many partitions GetTable answers, largest first.
const maxPartitions = 500

// GetTable describes one table; its partitions are summed up from manifests.
func (s *Service) GetTable(ctx context.Context, req *connectrpc.Request[firnv1.GetTableRequest]) (*connectrpc.Response[firnv1.GetTableResponse], error) {
	t, err := s.load(ctx, req.Msg.GetTable())
	if err != nil {
		return nil, s.fail(ctx, "get table", err)
	}
	meta := t.Metadata
	schema := meta.CurrentSchema()
	out := &firnv1.GetTableResponse{
		Summary:          s.summary(t),
		Columns:          columns(schema),
		MetadataLocation: t.MetadataLocation,
	}
	spec := meta.PartitionSpec()
	for _, f := range spec.Fields() {
		out.PartitionBy = append(out.PartitionBy, &firnv1.SpecField{
			Name: f.Name, Source: sourceNames(schema, f.SourceIDs), Transform: f.Transform.String(),
		})
	}
	for _, f := range meta.SortOrder().Fields() {
		text := sourceNames(schema, f.SourceIDs)
		if _, identity := f.Transform.(iceberg.IdentityTransform); !identity {
			text = f.Transform.String() + "(" + text + ")"
		}
		out.SortBy = append(out.SortBy, text+" "+string(f.Direction)+" "+string(f.NullOrder))
	}
	for _, v := range meta.Schemas() {
		out.Schemas = append(out.Schemas, &firnv1.SchemaVersion{Id: int32(v.ID), Columns: columns(v)})
	}
	slices.SortFunc(out.Schemas, func(a, b *firnv1.SchemaVersion) int { return int(a.GetId() - b.GetId()) })
	for name, r := range meta.Refs() {
		out.Refs = append(out.Refs, &firnv1.Ref{Name: name, Type: string(r.SnapshotRefType), SnapshotId: r.SnapshotID})
	}
	slices.SortFunc(out.Refs, func(a, b *firnv1.Ref) int { return slices.Compare([]string{a.GetName()}, []string{b.GetName()}) })
	if out.Partitions, err = s.partitions(ctx, t); err != nil {
		return nil, s.fail(ctx, "get table", err)
	}
	return connectrpc.NewResponse(out), nil
}

func columns(schema *iceberg.Schema) []*firnv1.Column {
	out := make([]*firnv1.Column, 0, schema.NumFields())
	for _, f := range schema.Fields() {
		out = append(out, &firnv1.Column{Id: int32(f.ID), Name: f.Name, Type: typeText(f.Type), Required: f.Required, Doc: f.Doc})
	}
	return out
}

// typeText spells a type as CreateTable reads it: without the field ids of
// nested fields.
func typeText(t iceberg.Type) string {
	switch t := t.(type) {
	case *iceberg.ListType:
		return "list<" + requirement(t.ElementRequired) + typeText(t.Element) + ">"
	case *iceberg.MapType:
		return "map<" + typeText(t.KeyType) + ", " + requirement(t.ValueRequired) + typeText(t.ValueType) + ">"
	case *iceberg.StructType:
		fields := make([]string, len(t.FieldList))
		for i, f := range t.FieldList {
			fields[i] = f.Name + ": " + requirement(f.Required) + typeText(f.Type)
		}
		return "struct<" + strings.Join(fields, ", ") + ">"
	}
	return t.String()
}

func requirement(required bool) string {
	if required {
		return "required "
	}
	return ""
}

// sourceNames names the columns of a transform; a dropped one shows its id.
func sourceNames(schema *iceberg.Schema, ids []int) string {
	names := make([]string, len(ids))
	for i, id := range ids {
		names[i] = columnName(schema, id)
	}
	return strings.Join(names, ", ")
}
