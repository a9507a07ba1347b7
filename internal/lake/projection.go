package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/parquet/file"
	pqschema "github.com/apache/arrow-go/v18/parquet/schema"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"
)

// fileColumns is how a data file has the columns of a relation. Its zero value:
// each by its field id, or not at all and then by default.
type fileColumns struct {
	// names of the file's columns by field id; nil: DuckDB finds them by id.
	names map[int]string
	// nested columns as the file writes them, by field id; nil for one that it
	// lacks and that has a default. They are here once a footer was read.
	nested map[int]iceberg.Type
	// constants are the field ids of columns that the file lacks and its
	// partition has.
	constants []int
}

// key tells groups of files apart that are read alike.
func (c fileColumns) key() string {
	var b strings.Builder
	for _, id := range slices.Sorted(maps.Keys(c.names)) {
		fmt.Fprintf(&b, "|%d:%q", id, c.names[id])
	}
	for _, id := range slices.Sorted(maps.Keys(c.nested)) {
		fmt.Fprintf(&b, "|%d=%v", id, c.nested[id])
	}
	return fmt.Sprintf("%t%v", c.names != nil, c.constants) + b.String()
}

// projector finds the columns of a relation in data files, by the rules of the
// Iceberg specification ("column projection"): by field id; one that has none
// by the table's name mapping; one that the file lacks is the partition's value
// where the file's spec has it by identity, else the initial default, else NULL.
//
// DuckDB finds columns by field id and knows defaults, so a footer is read only
// where that may not do: the table maps names, the insides of a nested column
// changed, or the file's metrics do not show that it has a column by identity
// of its partition, or any column at all (it may have no field ids).
type projector struct {
	fields  []iceberg.NestedField // of the relation
	mapping []iceberg.MappedField
	inside  bool                // insides of nested columns may differ
	sources map[int]map[int]int // spec -> source field of an identity transform -> partition field
}

func (b *relationBuilder) projector() (*projector, error) {
	p := &projector{fields: b.fields, sources: map[int]map[int]int{}}
	meta := b.scan.meta
	if meta == nil {
		return p, nil
	}
	if text := meta.Properties()[table.DefaultNameMappingKey]; text != "" {
		if err := json.Unmarshal([]byte(text), &p.mapping); err != nil {
			return nil, fmt.Errorf("%w: the table's property %s is no name mapping: %w", ErrUnsupported, table.DefaultNameMappingKey, err)
		}
	}
	schemas := meta.Schemas()
	p.inside = slices.ContainsFunc(b.fields, func(f iceberg.NestedField) bool { return insidesDiffer(f, schemas) })
	for _, spec := range meta.PartitionSpecs() {
		sources := map[int]int{}
		for _, f := range spec.Fields() {
			if _, ok := f.Transform.(iceberg.IdentityTransform); ok {
				sources[f.SourceID()] = f.FieldID
			}
		}
		p.sources[spec.ID()] = sources
	}
	return p, nil
}

// How many footers are read at once.
const footersAtOnce = 4

// project answers how each file of the scan has the columns that are needed of
// it.
func (b *relationBuilder) project(ctx context.Context, paths []string) ([]fileColumns, error) {
	p, err := b.projector()
	if err != nil {
		return nil, err
	}
	b.projection = p
	out := make([]fileColumns, len(paths))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(footersAtOnce)
	for i, f := range b.scan.Files {
		fields := b.needed(f)
		if !p.wantsFooter(f.Data, fields) {
			continue
		}
		g.Go(func() (err error) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if out[i], err = p.read(paths[i], f.Data, fields); err != nil {
				return fmt.Errorf("%s: %w", f.Data.FilePath(), err)
			}
			return nil
		})
	}
	return out, g.Wait()
}

// needed are the fields of the relation and those that equality deletes of a
// file compare.
func (b *relationBuilder) needed(f File) []iceberg.NestedField {
	fields := b.fields
	for _, d := range f.Deletes {
		if d.Data.ContentType() != iceberg.EntryContentEqDeletes {
			continue
		}
		for _, id := range d.Data.EqualityFieldIDs() {
			if slices.ContainsFunc(fields, func(f iceberg.NestedField) bool { return f.ID == id }) {
				continue
			}
			if field, ok := b.scan.fieldByID(id); ok {
				fields = append(slices.Clip(fields), field)
			}
		}
	}
	return fields
}

func (p *projector) wantsFooter(f iceberg.DataFile, fields []iceberg.NestedField) bool {
	if len(fields) == 0 {
		return false
	}
	if p.mapping != nil || p.inside {
		return true
	}
	sources := p.sources[int(f.SpecID())]
	values, sizes := f.ValueCounts(), f.ColumnSizes()
	found := false
	for _, field := range fields {
		ids := map[int]string{field.ID: ""}
		innerNames(field.Type, "", ids)
		seen, partitioned := false, false
		for id := range ids {
			_, counted := values[id]
			_, sized := sizes[id]
			_, source := sources[id]
			seen = seen || counted || sized
			partitioned = partitioned || source && !counted && !sized
		}
		if partitioned {
			return true
		}
		found = found || seen
	}
	return !found
}

// read looks into a footer.
func (p *projector) read(path string, f iceberg.DataFile, fields []iceberg.NestedField) (fileColumns, error) {
	r, err := file.OpenParquetFile(path, false)
	if err != nil {
		return fileColumns{}, fmt.Errorf("read footer: %w", err)
	}
	defer r.Close()
	top, mapped, err := p.topLevel(r.MetaData().Schema.Root())
	if err != nil {
		return fileColumns{}, err
	}
	out := fileColumns{nested: map[int]iceberg.Type{}}
	if mapped {
		out.names = map[int]string{}
		for id, c := range top {
			needed := slices.ContainsFunc(fields, func(f iceberg.NestedField) bool { return f.ID == id })
			if needed || id == rowIDField || id == lastUpdatedField {
				out.names[id] = c.node.Name()
			}
		}
	}
	sources, values := p.sources[int(f.SpecID())], f.Partition()
	for _, field := range fields {
		c, present := top[field.ID]
		_, isNested := field.Type.(iceberg.NestedType)
		switch {
		case isNested && present:
			out.nested[field.ID] = asWritten(field.Type, c.node, c.fields)
		case isNested && field.InitialDefault != nil:
			out.nested[field.ID] = nil
		case !present && !isNested:
			if part, ok := sources[field.ID]; ok {
				if _, ok := values[part]; ok {
					out.constants = append(out.constants, field.ID)
				}
			}
		}
		if isNested {
			if err := onlyInPartition(field, out.nested[field.ID], sources); err != nil {
				return fileColumns{}, err
			}
		}
	}
	slices.Sort(out.constants)
	return out, nil
}

// onlyInPartition refuses a nested column with a partition source that the file
// lacks.
func onlyInPartition(field iceberg.NestedField, written iceberg.Type, sources map[int]int) error {
	have, want := map[int]string{}, map[int]string{}
	innerNames(field.Type, "", want)
	if written != nil {
		innerNames(written, "", have)
	}
	for id := range want {
		_, source := sources[id]
		if _, ok := have[id]; source && !ok {
			return fmt.Errorf("%w: field %d inside of column %s is in the partition only", ErrUnsupported, id, field.Name)
		}
	}
	return nil
}

// written is a column of a file, and what the mapping says of its insides.
type written struct {
	node   pqschema.Node
	fields []iceberg.MappedField
}

// topLevel answers the columns of a file by field id, and whether some got
// theirs from the mapping.
func (p *projector) topLevel(root *pqschema.GroupNode) (_ map[int]written, mapped bool, err error) {
	out := map[int]written{}
	own := false
	names := map[string]bool{}
	twice := ""
	for i := range root.NumFields() {
		node := root.Field(i)
		if low := strings.ToLower(node.Name()); names[low] {
			twice = node.Name()
		} else {
			names[low] = true
		}
		if id := int(node.FieldID()); id >= 0 {
			own = true
			m := mappedID(p.mapping, id)
			out[id] = written{node, m}
		}
	}
	if !own && p.mapping == nil && root.NumFields() > 0 {
		return nil, false, fmt.Errorf("%w: its columns have no field ids and the table has no property %s, which would say what they are", ErrUnsupported, table.DefaultNameMappingKey)
	}
	for i := range root.NumFields() {
		node := root.Field(i)
		if node.FieldID() >= 0 {
			continue
		}
		m := mappedName(p.mapping, node.Name())
		if m == nil || m.FieldID == nil {
			continue
		}
		if _, taken := out[*m.FieldID]; !taken { // an id takes precedence over a name
			out[*m.FieldID], mapped = written{node, m.Fields}, true
		}
	}
	if mapped && twice != "" {
		return nil, false, fmt.Errorf("%w: columns called %q in upper and lower case, without field ids", ErrUnsupported, twice)
	}
	return out, mapped, nil
}

func mappedName(fields []iceberg.MappedField, name string) *iceberg.MappedField {
	for i := range fields {
		if slices.Contains(fields[i].Names, name) {
			return &fields[i]
		}
	}
	return nil
}

// mappedID answers the insides of the field with that id.
func mappedID(fields []iceberg.MappedField, id int) []iceberg.MappedField {
	for _, f := range fields {
		if f.FieldID != nil && *f.FieldID == id {
			return f.Fields
		}
	}
	return nil
}

// inside is the id of a field inside of a nested column, its own or the
// mapping's, and what the mapping says of its insides. Elements, keys and
// values go by those names in the mapping, whatever the file calls them.
func inside(node pqschema.Node, name string, mapping []iceberg.MappedField) (int, []iceberg.MappedField) {
	if id := int(node.FieldID()); id >= 0 {
		return id, mappedID(mapping, id)
	}
	if m := mappedName(mapping, name); m != nil && m.FieldID != nil {
		return *m.FieldID, m.Fields
	}
	return -1, nil
}

// asWritten is a type with the names that a file gives to its fields, without
// the fields that the file lacks. The widths are the table's: DuckDB casts. Of a
// struct that has none of the fields any more one other is read, as text: it
// tells where the struct is NULL, and DuckDB has no struct without fields.
func asWritten(t iceberg.Type, node pqschema.Node, mapping []iceberg.MappedField) iceberg.Type {
	group, ok := node.(*pqschema.GroupNode)
	if !ok {
		return t
	}
	// The repeated group inside of a list or map of three levels.
	repeated := func(fields int) *pqschema.GroupNode {
		if group.NumFields() == 1 {
			if inner, ok := group.Field(0).(*pqschema.GroupNode); ok && inner.NumFields() == fields {
				return inner
			}
		}
		return nil
	}
	of := func(t iceberg.Type, node pqschema.Node, name string) iceberg.Type {
		_, m := inside(node, name, mapping)
		return asWritten(t, node, m)
	}
	switch t := t.(type) {
	case *iceberg.StructType:
		var fields []iceberg.NestedField
		for i := range group.NumFields() {
			child := group.Field(i)
			id, m := inside(child, child.Name(), mapping)
			for _, f := range t.FieldList {
				if f.ID == id {
					f.Name, f.Type = child.Name(), asWritten(f.Type, child, m)
					fields = append(fields, f)
				}
			}
		}
		if len(fields) == 0 && group.NumFields() > 0 {
			other := group.Field(0)
			fields = []iceberg.NestedField{{ID: int(other.FieldID()), Name: other.Name(), Type: iceberg.PrimitiveTypes.String}}
		}
		return &iceberg.StructType{FieldList: fields}
	case *iceberg.ListType:
		if inner := repeated(1); inner != nil {
			return &iceberg.ListType{ElementID: t.ElementID, Element: of(t.Element, inner.Field(0), "element"), ElementRequired: t.ElementRequired}
		}
	case *iceberg.MapType:
		if inner := repeated(2); inner != nil {
			return &iceberg.MapType{
				KeyID: t.KeyID, KeyType: of(t.KeyType, inner.Field(0), "key"),
				ValueID: t.ValueID, ValueType: of(t.ValueType, inner.Field(1), "value"), ValueRequired: t.ValueRequired,
			}
		}
	}
	return t
}

// constant is the partition's value of a column as text; nil for NULL.
func (b *relationBuilder) constant(f iceberg.DataFile, id int) (*string, error) {
	v := f.Partition()[b.projection.sources[int(f.SpecID())][id]]
	if v == nil {
		return nil, nil
	}
	field, ok := b.scan.fieldByID(id)
	if !ok {
		return nil, errors.New("a partition of an unknown field")
	}
	text, err := valueText(field.Type, v)
	if err != nil {
		return nil, fmt.Errorf("partition of %s: column %s: %w", f.FilePath(), field.Name, err)
	}
	return &text, nil
}
