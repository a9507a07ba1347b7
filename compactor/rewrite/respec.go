package rewrite

import (
	"context"
	"fmt"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/catalog"
)

// Respec is a change of a table's partition spec. Files stay where they are until
// they are reshaped.
type Respec struct {
	// Text says what changes: "bucket[8] of customer_id".
	Text string
	// Replaces is the field, by its name, that Field stands instead of; empty: it is
	// added.
	Replaces string
	// Source column and transform of the new field.
	Source    int
	Name      string
	Transform iceberg.Transform
}

// Bucket adds a bucket of a column.
func Bucket(meta table.Metadata, column string, n int) (Respec, error) {
	f, err := Column(column, meta.CurrentSchema())
	if err != nil {
		return Respec{}, fmt.Errorf("bucket[%d]: %w", n, err)
	}
	t := iceberg.BucketTransform{NumBuckets: n}
	if !t.CanTransform(f.Type) {
		return Respec{}, fmt.Errorf("bucket[%d] of %q: a %s has no buckets", n, column, f.Type)
	}
	return Respec{Text: fmt.Sprintf("bucket[%d] of %s", n, column), Source: f.ID, Name: column + "_bucket", Transform: t}, nil
}

// BucketOf answers the buckets that the table's spec has of a column, 0 for none.
func BucketOf(meta table.Metadata, column string) int {
	f, err := Column(column, meta.CurrentSchema())
	if err != nil {
		return 0
	}
	spec := meta.PartitionSpec()
	for _, p := range spec.Fields() {
		if t, ok := p.Transform.(iceberg.BucketTransform); ok && p.SourceID() == f.ID {
			return t.NumBuckets
		}
	}
	return 0
}

// Coarser is the least change that makes partitions fewer: a coarser time, or fewer
// buckets; of the last field where several could be.
func Coarser(meta table.Metadata) (Respec, bool) {
	spec := meta.PartitionSpec()
	for i := range spec.NumFields() {
		f := spec.Field(spec.NumFields() - 1 - i)
		source, ok := meta.CurrentSchema().FindFieldByID(f.SourceID())
		if !ok {
			continue
		}
		var next iceberg.Transform
		switch t := f.Transform.(type) {
		case iceberg.HourTransform:
			next = iceberg.DayTransform{}
		case iceberg.DayTransform:
			next = iceberg.MonthTransform{}
		case iceberg.MonthTransform:
			next = iceberg.YearTransform{}
		case iceberg.BucketTransform:
			if t.NumBuckets >= 8 {
				next = iceberg.BucketTransform{NumBuckets: t.NumBuckets / 4}
			}
		case iceberg.IdentityTransform:
			switch source.Type.(type) {
			case iceberg.DateType:
				next = iceberg.MonthTransform{}
			case iceberg.TimestampType, iceberg.TimestampTzType:
				next = iceberg.DayTransform{}
			}
		}
		if next != nil {
			return Respec{
				Text: fmt.Sprintf("%s instead of %s of %s", next, f.Transform, source.Name), Replaces: f.Name,
				Source: source.ID, Name: source.Name + "_" + kindOf(next), Transform: next,
			}, true
		}
	}
	return Respec{}, false
}

func kindOf(t iceberg.Transform) string {
	if _, ok := t.(iceberg.BucketTransform); ok {
		return "bucket"
	}
	return t.String()
}

// Respec makes a new partition spec the table's default, and writes records with
// it. It answers the table with it; one that has the spec already is answered as it
// is.
func (w *Worker) Respec(ctx context.Context, t *catalog.Table, r Respec, records ...catalog.Record) (*catalog.Table, error) {
	spec := t.Metadata.PartitionSpec()
	for _, f := range spec.Fields() {
		if f.SourceID() == r.Source && f.Transform.Equals(r.Transform) {
			return t, nil
		}
	}
	next, err := r.spec(t.Metadata)
	if err != nil {
		return nil, err
	}
	_, err = Commit(ctx, w.cfg.Catalog, catalog.Transaction{
		ID: uuid.NewString(), Actor: catalog.ActorCompactor,
		Tables: []catalog.TableChange{{
			Table:        t.ID,
			Requirements: []table.Requirement{table.AssertDefaultSpecID(spec.ID())},
			Updates:      []table.Update{table.NewAddPartitionSpecUpdate(&next, false), table.NewSetDefaultSpecUpdate(-1)},
		}},
		Records: records,
	})
	if err != nil {
		return nil, fmt.Errorf("change the partition spec of %s: %w", t.Ident, err)
	}
	return w.cfg.Catalog.LoadTableID(ctx, t.ID)
}

// spec is the table's present one with the change. A field that was there in an
// earlier spec gets its id and name back; in format 1 one that goes stays, as void.
func (r Respec) spec(meta table.Metadata) (iceberg.PartitionSpec, error) {
	last := 999
	if p := meta.LastPartitionSpecID(); p != nil {
		last = *p
	}
	field := iceberg.PartitionField{SourceIDs: []int{r.Source}, FieldID: last + 1, Name: r.Name, Transform: r.Transform}
	taken := map[string]bool{}
	for _, c := range meta.CurrentSchema().Fields() {
		taken[c.Name] = true
	}
	highest := 0
	for _, s := range meta.PartitionSpecs() {
		highest = max(highest, s.ID())
		for _, f := range s.Fields() {
			taken[f.Name] = true
			if f.SourceID() == r.Source && f.Transform.Equals(r.Transform) {
				field = f
			}
		}
	}
	if field.FieldID == last+1 {
		for i := 2; taken[field.Name]; i++ {
			field.Name = fmt.Sprintf("%s_%d", r.Name, i)
		}
	}
	var fields []iceberg.PartitionField
	found := r.Replaces == ""
	present := meta.PartitionSpec()
	for _, f := range present.Fields() {
		if f.Name != r.Replaces {
			fields = append(fields, f)
			continue
		}
		found = true
		if meta.Version() == 1 {
			f.Transform = iceberg.VoidTransform{}
			fields = append(fields, f)
		}
	}
	if !found {
		return iceberg.PartitionSpec{}, fmt.Errorf("%w: the partition spec has no field %s", catalog.ErrInvalid, r.Replaces)
	}
	return iceberg.NewPartitionSpecID(highest+1, append(fields, field)...), nil
}

// SetProperty sets a property of a table.
func (w *Worker) SetProperty(ctx context.Context, t *catalog.Table, key, value string) error {
	_, err := Commit(ctx, w.cfg.Catalog, catalog.Transaction{
		ID: uuid.NewString(), Actor: catalog.ActorCompactor,
		Tables: []catalog.TableChange{{Table: t.ID, Updates: []table.Update{table.NewSetPropertiesUpdate(iceberg.Properties{key: value})}}},
	})
	if err != nil {
		return fmt.Errorf("set %s of %s: %w", key, t.Ident, err)
	}
	return nil
}
