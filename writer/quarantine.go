package writer

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/iceberg-go"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/internal/parquet"
)

// QuarantineSuffix names the table beside a table that takes its faulty rows.
const QuarantineSuffix = "__quarantine"

// quarantineSchema is the one that promotions use for theirs, so that one page
// shows both. A row that never was in a table has source snapshot 0 and its
// channel and offset as row id.
func quarantineSchema() *iceberg.Schema {
	str, long := iceberg.PrimitiveTypes.String, iceberg.PrimitiveTypes.Int64
	return iceberg.NewSchema(0,
		iceberg.NestedField{ID: 1, Name: "_reasons", Type: &iceberg.ListType{ElementID: 11, Element: str}},
		iceberg.NestedField{ID: 2, Name: "_source_table", Type: str, Required: true},
		iceberg.NestedField{ID: 3, Name: "_source_snapshot_id", Type: long, Required: true},
		iceberg.NestedField{ID: 4, Name: "_source_row_id", Type: str, Required: true},
		iceberg.NestedField{ID: 5, Name: "_run_id", Type: str, Required: true},
		iceberg.NestedField{ID: 6, Name: "_model_hash", Type: str, Required: true},
		iceberg.NestedField{ID: 7, Name: "_status", Type: str, Required: true},
		iceberg.NestedField{ID: 8, Name: "_lane", Type: str},
		iceberg.NestedField{ID: 9, Name: "_payload", Type: str, Required: true},
		iceberg.NestedField{ID: 10, Name: "_quarantined_at", Type: iceberg.PrimitiveTypes.TimestampTz, Required: true},
	)
}

// sideTable is a quarantine table with the files a group adds to it.
type sideTable struct {
	table *catalog.Table
	files []iceberg.DataFile
}

// writeSide puts the group's faulty rows into files of the quarantine table,
// or answers nil when there are none.
func (s *Service) writeSide(ctx context.Context, g *group) (*sideTable, error) {
	bad := 0
	for _, r := range g.requests {
		bad += len(r.bad)
	}
	if bad == 0 {
		return nil, nil
	}
	t, err := s.openSide(ctx, g.table.Ident)
	if err != nil {
		return nil, fmt.Errorf("quarantine table of %s: %w", g.table.Ident, err)
	}
	batch, err := quarantineBatch(g)
	if err != nil {
		return nil, err
	}
	defer batch.Release()
	rows := func(yield func(arrow.RecordBatch, error) bool) { yield(batch, nil) }
	files, err := parquet.WriteFiles(ctx, s.cfg.Bucket, t.Metadata, s.cfg.Catalog.DataPath(t), rows, s.writeOptions())
	if err != nil {
		return nil, fmt.Errorf("quarantine table %s: %w", t.Ident, err)
	}
	return &sideTable{table: t, files: files}, nil
}

// openSide loads the quarantine table, or creates it. An empty one that a
// failed commit leaves behind does no harm.
func (s *Service) openSide(ctx context.Context, of catalog.Ident) (*catalog.Table, error) {
	ident := catalog.Ident{Namespace: of.Namespace, Name: of.Name + QuarantineSuffix}
	for range 3 {
		t, err := s.cfg.Catalog.LoadTable(ctx, ident)
		if !errors.Is(err, catalog.ErrNoSuchTable) {
			return t, err
		}
		t, err = s.cfg.Catalog.CreateTable(ctx, catalog.NewTable{
			Ident: ident, Schema: quarantineSchema(), Spec: iceberg.UnpartitionedSpec,
			Properties: iceberg.Properties{parquet.PropertyMergeReady: "true"},
		})
		if !errors.Is(err, catalog.ErrAlreadyExists) {
			return t, err
		}
	}
	return nil, fmt.Errorf("%s appears and disappears", ident)
}

func quarantineBatch(g *group) (arrow.RecordBatch, error) {
	schema, err := parquet.ArrowSchema(quarantineSchema())
	if err != nil {
		return nil, err
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	text := func(i int, v string) { b.Field(i).(*array.StringBuilder).Append(v) }
	for _, r := range g.requests {
		for _, line := range r.bad {
			reasons := b.Field(0).(*array.ListBuilder)
			reasons.Append(true)
			for _, reason := range line.Reasons {
				reasons.ValueBuilder().(*array.StringBuilder).Append(reason)
			}
			text(1, g.table.Ident.String())
			b.Field(2).(*array.Int64Builder).Append(0)
			text(3, fmt.Sprintf("%s:%d", r.channel, r.offset+uint64(line.Row)))
			text(4, g.id)
			text(5, "")
			text(6, "open")
			if r.channel == "" {
				b.Field(7).AppendNull()
			} else {
				text(7, r.channel)
			}
			text(8, line.Payload)
			b.Field(9).(*array.TimestampBuilder).Append(arrow.Timestamp(r.received.UnixMicro()))
		}
	}
	return b.NewRecordBatch(), nil
}
