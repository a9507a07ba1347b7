package parquet

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"
)

// Partitioned is the rows of one partition, in the order they came.
type Partitioned struct {
	// Values holds the transformed value by partition field id, nil for NULL.
	// It is empty for an unpartitioned table.
	Values map[int]any
	// Batches belong to the receiver: release them.
	Batches []arrow.RecordBatch
	Rows    int64
	Bytes   int64
}

// Release gives the batches back.
func (p *Partitioned) Release() {
	for _, b := range p.Batches {
		b.Release()
	}
	p.Batches = nil
}

// Cluster splits batches by partition. The batches must have the schema that
// ArrowSchema gives for schema; they are not released. Partitions come in the
// order of their first row, and rows keep their order within a partition. NULL
// is a partition of its own. A batch whose rows all belong to one partition is
// not copied.
func Cluster(batches []arrow.RecordBatch, schema *iceberg.Schema, spec iceberg.PartitionSpec) ([]Partitioned, error) {
	c, err := newClusterer(schema, spec)
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		if err := c.add(b); err != nil {
			c.release()
			return nil, err
		}
	}
	return c.take(), nil
}

// clusterer keeps the partitions seen so far.
type clusterer struct {
	schema *iceberg.Schema
	fields []partitionField
	// index finds a partition by the codes of its values, field after field.
	index map[string]int
	parts []*Partitioned
}

func newClusterer(schema *iceberg.Schema, spec iceberg.PartitionSpec) (*clusterer, error) {
	fields, err := bindSpec(schema, spec)
	if err != nil {
		return nil, err
	}
	return &clusterer{schema: schema, fields: fields, index: map[string]int{}}, nil
}

func (c *clusterer) take() []Partitioned {
	out := make([]Partitioned, len(c.parts))
	for i, p := range c.parts {
		out[i] = *p
	}
	c.parts, c.index = nil, map[string]int{}
	return out
}

func (c *clusterer) release() {
	for _, p := range c.parts {
		p.Release()
	}
}

// add takes the rows of b into their partitions.
func (c *clusterer) add(b arrow.RecordBatch) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("split rows by partition: %v", r)
		}
	}()
	if b.NumRows() == 0 {
		return nil
	}
	group, order, err := c.groups(b)
	if err != nil {
		return err
	}
	if len(order) == 1 {
		b.Retain()
		c.append(order[0], b)
		return nil
	}
	sorted, starts, err := groupRows(b, group, len(order))
	if err != nil {
		return err
	}
	defer sorted.Release()
	for g, part := range order {
		c.append(part, sorted.NewSlice(starts[g], starts[g+1]))
	}
	return nil
}

func (c *clusterer) append(part int, b arrow.RecordBatch) {
	p := c.parts[part]
	p.Batches = append(p.Batches, b)
	p.Rows += b.NumRows()
	p.Bytes += BatchBytes(b)
}

// groups numbers the partitions that occur in b by first appearance, and
// answers the number of each row and the partition behind each number. A nil
// group means that all rows are in the first.
func (c *clusterer) groups(b arrow.RecordBatch) (group []int32, order []int, err error) {
	columns := make([]coded, len(c.fields))
	for i, f := range c.fields {
		if columns[i], err = f.codes(b); err != nil {
			return nil, nil, err
		}
	}
	// Fold the fields pairwise into one number a row.
	var folded []int32
	var reps []int // first row of each number
	for _, col := range columns {
		if col.codes == nil {
			continue
		}
		if folded == nil {
			folded, reps = renumber(col.codes, nil)
			continue
		}
		folded, reps = renumber(folded, col.codes)
	}
	if folded == nil {
		return nil, []int{c.partition(columns, 0)}, nil
	}
	for _, row := range reps {
		order = append(order, c.partition(columns, row))
	}
	return folded, order, nil
}

// renumber numbers the pairs (a[i], b[i]) by first appearance.
func renumber(a, b []int32) (out []int32, first []int) {
	seen := map[uint64]int32{}
	out = make([]int32, len(a))
	last, lastCode := ^uint64(0), int32(0)
	for i := range a {
		key := uint64(uint32(a[i])) << 32
		if b != nil {
			key |= uint64(uint32(b[i]))
		}
		if key == last {
			out[i] = lastCode
			continue
		}
		code, ok := seen[key]
		if !ok {
			code = int32(len(first))
			seen[key] = code
			first = append(first, i)
		}
		out[i], last, lastCode = code, key, code
	}
	return out, first
}

// partition finds or makes the partition of one row.
func (c *clusterer) partition(columns []coded, row int) int {
	var key bytes.Buffer
	for _, col := range columns {
		col.key(&key, row)
	}
	if at, ok := c.index[key.String()]; ok {
		return at
	}
	values := make(map[int]any, len(c.fields))
	for i, f := range c.fields {
		values[f.id] = columns[i].value(row)
	}
	at := len(c.parts)
	c.index[key.String()] = at
	c.parts = append(c.parts, &Partitioned{Values: values})
	return at
}

// groupRows orders the rows of b by group, stably, in one take, and answers
// where each group starts.
func groupRows(b arrow.RecordBatch, group []int32, groups int) (arrow.RecordBatch, []int64, error) {
	starts := make([]int64, groups+1)
	for _, g := range group {
		starts[g+1]++
	}
	for g := range groups {
		starts[g+1] += starts[g]
	}
	next := append([]int64(nil), starts[:groups]...)
	rows := make([]int64, len(group))
	inOrder := true
	for row, g := range group {
		rows[next[g]] = int64(row)
		inOrder = inOrder && next[g] == int64(row)
		next[g]++
	}
	if inOrder {
		b.Retain()
		return b, starts, nil
	}
	builder := array.NewInt64Builder(memory.DefaultAllocator)
	defer builder.Release()
	builder.AppendValues(rows, nil)
	indices := builder.NewInt64Array()
	defer indices.Release()
	taken, err := compute.Take(context.Background(), compute.TakeOptions{},
		compute.NewDatumWithoutOwning(b), compute.NewDatumWithoutOwning(indices))
	if err != nil {
		return nil, nil, fmt.Errorf("order rows by partition: %w", err)
	}
	return taken.(*compute.RecordDatum).Value, starts, nil
}

// Select answers the rows of b for which keep is true, in order.
func Select(b arrow.RecordBatch, keep []bool) (arrow.RecordBatch, error) {
	rows := array.NewInt64Builder(memory.DefaultAllocator)
	defer rows.Release()
	for i, k := range keep {
		if k {
			rows.Append(int64(i))
		}
	}
	at := rows.NewInt64Array()
	defer at.Release()
	taken, err := compute.Take(context.Background(), compute.TakeOptions{},
		compute.NewDatumWithoutOwning(b), compute.NewDatumWithoutOwning(at))
	if err != nil {
		return nil, fmt.Errorf("select rows: %w", err)
	}
	return taken.(*compute.RecordDatum).Value, nil
}
