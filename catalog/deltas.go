package catalog

import (
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

func isData(f iceberg.DataFile) bool { return f.ContentType() == iceberg.EntryContentData }

// fileKey names a file of a snapshot: its path, and for a deletion vector the
// place in it, since many share a file.
func fileKey(f iceberg.DataFile) string {
	if off := f.ContentOffset(); off != nil && !isData(f) {
		return f.FilePath() + "#" + strconv.FormatInt(*off, 10)
	}
	return f.FilePath()
}

// tally counts files of one kind.
type tally struct{ files, rows, bytes int64 }

func (t *tally) add(f iceberg.DataFile) {
	t.files++
	t.rows += f.Count()
	t.bytes += f.FileSizeBytes()
}

// deltas is what a snapshot adds and removes, in all and by partition.
type deltas struct {
	meta  table.Metadata
	types map[int]*iceberg.StructType

	addedData, removedData                   tally
	addedPos, removedPos, addedEq, removedEq tally
	partitions                               map[string]*PartitionDelta
}

func newDeltas(meta table.Metadata) *deltas {
	return &deltas{meta: meta, types: map[int]*iceberg.StructType{}, partitions: map[string]*PartitionDelta{}}
}

func (d *deltas) add(f iceberg.DataFile) {
	p := d.partition(f)
	switch f.ContentType() {
	case iceberg.EntryContentData:
		d.addedData.add(f)
		p.AddedFiles++
		p.AddedBytes += f.FileSizeBytes()
		p.AddedRows += f.Count()
		p.size(f, 1)
		return
	case iceberg.EntryContentPosDeletes:
		d.addedPos.add(f)
	default:
		d.addedEq.add(f)
	}
	p.AddedDeletes++
}

func (d *deltas) remove(f iceberg.DataFile) {
	p := d.partition(f)
	switch f.ContentType() {
	case iceberg.EntryContentData:
		d.removedData.add(f)
		p.RemovedFiles++
		p.RemovedBytes += f.FileSizeBytes()
		p.RemovedRows += f.Count()
		p.size(f, -1)
		return
	case iceberg.EntryContentPosDeletes:
		d.removedPos.add(f)
	default:
		d.removedEq.add(f)
	}
	p.RemovedDeletes++
}

func (p *PartitionDelta) size(f iceberg.DataFile, n int64) {
	if p.Sizes == nil {
		p.Sizes = map[int]int64{}
	}
	bucket := max(0, bits.Len64(uint64(max(0, f.FileSizeBytes())))-1)
	if p.Sizes[bucket] += n; p.Sizes[bucket] == 0 {
		delete(p.Sizes, bucket)
	}
}

// partition finds the delta of a file's partition.
func (d *deltas) partition(f iceberg.DataFile) *PartitionDelta {
	specID := int(f.SpecID())
	values := d.values(f)
	var key strings.Builder
	fmt.Fprintf(&key, "%d", specID)
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if v := values[name]; v != nil {
			fmt.Fprintf(&key, "|%q=%q", name, *v)
		} else {
			fmt.Fprintf(&key, "|%q", name)
		}
	}
	p := d.partitions[key.String()]
	if p == nil {
		p = &PartitionDelta{SpecID: specID, Partition: values}
		d.partitions[key.String()] = p
	}
	return p
}

// values are a file's partition values as people read them, nil for NULL.
func (d *deltas) values(f iceberg.DataFile) map[string]*string {
	spec := d.meta.PartitionSpecByID(int(f.SpecID()))
	if spec == nil || spec.NumFields() == 0 {
		return nil
	}
	typ := d.types[spec.ID()]
	if typ == nil {
		typ = spec.PartitionType(schemaFor(d.meta, spec))
		d.types[spec.ID()] = typ
	}
	out := make(map[string]*string, spec.NumFields())
	data := f.Partition()
	for i, field := range spec.Fields() {
		v := data[field.FieldID]
		if v == nil {
			out[field.Name] = nil
			continue
		}
		var t iceberg.Type
		if i < len(typ.FieldList) {
			t = typ.FieldList[i].Type
		}
		s := field.Transform.ToHumanStrType(t, v)
		out[field.Name] = &s
	}
	return out
}

// list is the partitions in a stable order.
func (d *deltas) list() []PartitionDelta {
	out := make([]PartitionDelta, 0, len(d.partitions))
	for _, k := range slices.Sorted(maps.Keys(d.partitions)) {
		out = append(out, *d.partitions[k])
	}
	return out
}

// schemaFor is a schema that knows all source columns of a spec: the current
// one, or the newest older one when a column was dropped since.
func schemaFor(meta table.Metadata, spec *iceberg.PartitionSpec) *iceberg.Schema {
	schemas := append([]*iceberg.Schema{meta.CurrentSchema()}, meta.Schemas()...)
	slices.SortStableFunc(schemas[1:], func(a, b *iceberg.Schema) int { return b.ID - a.ID })
next:
	for _, s := range schemas {
		for _, f := range spec.Fields() {
			for _, id := range f.SourceIDs {
				if _, ok := s.FindFieldByID(id); !ok {
					continue next
				}
			}
		}
		return s
	}
	return meta.CurrentSchema()
}

// summary is a snapshot's summary as engines write it. before and after are the
// manifests of the parent and of the snapshot.
func (d *deltas) summary(op table.Operation, extra map[string]string, parent *table.Snapshot, before, after manifestList) *table.Summary {
	props := iceberg.Properties{}
	for k, v := range extra {
		if k != "operation" && v != "" {
			props[k] = v
		}
	}
	set := func(key string, n int64) {
		if n > 0 {
			props[key] = strconv.FormatInt(n, 10)
		}
	}
	set("added-data-files", d.addedData.files)
	set("added-records", d.addedData.rows)
	set("deleted-data-files", d.removedData.files)
	set("deleted-records", d.removedData.rows)
	set("added-files-size", d.addedData.bytes+d.addedPos.bytes+d.addedEq.bytes)
	set("removed-files-size", d.removedData.bytes+d.removedPos.bytes+d.removedEq.bytes)
	set("added-delete-files", d.addedPos.files+d.addedEq.files)
	set("removed-delete-files", d.removedPos.files+d.removedEq.files)
	set("added-position-delete-files", d.addedPos.files)
	set("removed-position-delete-files", d.removedPos.files)
	set("added-equality-delete-files", d.addedEq.files)
	set("removed-equality-delete-files", d.removedEq.files)
	set("added-position-deletes", d.addedPos.rows)
	set("removed-position-deletes", d.removedPos.rows)
	set("added-equality-deletes", d.addedEq.rows)
	set("removed-equality-deletes", d.removedEq.rows)
	set("changed-partition-count", int64(len(d.partitions)))

	d.totals(props, parent, before, after)
	return &table.Summary{Operation: op, Properties: props}
}

// totals are counted by the manifest lists, as far as these tell; what they do
// not tell goes on from the parent's. A parent whose own totals are not what its
// manifests hold (DuckDB 1.5 never lowers total-delete-files) is not gone on from.
func (d *deltas) totals(props iceberg.Properties, parent *table.Snapshot, before, after manifestList) {
	stated := func(key string) (int64, bool) {
		if parent == nil {
			return 0, true
		}
		if parent.Summary == nil {
			return 0, false
		}
		n, err := strconv.ParseInt(parent.Summary.Properties[key], 10, 64)
		return n, err == nil
	}
	carry := func(key string, change int64) {
		if old, ok := stated(key); ok && old+change >= 0 {
			props[key] = strconv.FormatInt(old+change, 10)
		}
	}
	count := func(key string, n int64, known bool, change int64) {
		if known {
			props[key] = strconv.FormatInt(n, 10)
		} else {
			carry(key, change)
		}
	}
	data, knownData := live(after, iceberg.ManifestContentData)
	deletes, knownDeletes := live(after, iceberg.ManifestContentDeletes)
	count("total-data-files", data.files, knownData, d.addedData.files-d.removedData.files)
	count("total-records", data.rows, knownData, d.addedData.rows-d.removedData.rows)
	count("total-delete-files", deletes.files, knownDeletes, d.addedPos.files+d.addedEq.files-d.removedPos.files-d.removedEq.files)

	oldData, knownData := live(before, iceberg.ManifestContentData)
	oldDeletes, knownDeletes := live(before, iceberg.ManifestContentDeletes)
	says := func(key string, n int64, known bool) bool {
		old, ok := stated(key)
		return !ok || !known || old == n
	}
	if says("total-data-files", oldData.files, knownData) && says("total-delete-files", oldDeletes.files, knownDeletes) {
		carry("total-files-size", d.addedData.bytes+d.addedPos.bytes+d.addedEq.bytes-d.removedData.bytes-d.removedPos.bytes-d.removedEq.bytes)
	}
	positions, _ := stated("total-position-deletes")
	equalities, _ := stated("total-equality-deletes")
	if !knownDeletes || positions+equalities == oldDeletes.rows {
		carry("total-position-deletes", d.addedPos.rows-d.removedPos.rows)
		carry("total-equality-deletes", d.addedEq.rows-d.removedEq.rows)
	}
}
