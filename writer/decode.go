package writer

import (
	"errors"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/firnlake/firn/internal/parquet"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
	"github.com/firnlake/firn/writer/intake"
)

// decode makes the request's rows batches in the table's schema. The reservation
// grows with them, before they do: a small request may hold large rows. On an
// error the caller releases what batches are there.
func (s *Service) decode(r *request, m *firnv1.AppendRequest, received time.Time, h *hold) error {
	schema := r.table.Metadata.CurrentSchema()
	r.schemaID = schema.ID
	held := int64(wireBytes(m))
	limits := intake.Limits{Memory: s.cfg.BatchMemory, Take: func(n int64) error {
		held += n
		return h.atLeast(held)
	}}
	if rows, ok := m.Rows.(*firnv1.AppendRequest_Ndjson); ok {
		return r.decodeJSON(rows.Ndjson, m.BadRows, received, limits)
	}
	rows, err := intake.DecodeArrow(m.GetArrowIpc(), limits)
	if err != nil {
		return err
	}
	defer rows.Release()
	if rows.Count == 0 {
		return invalid("the request has no rows")
	}
	conform, err := s.conformers.get(r.table, rows.Schema, s.cfg.BatchMemory)
	if err != nil {
		return err
	}
	faulty, conformed := &batchError{}, int64(0)
	for _, b := range rows.Batches {
		out, err := conform.Conform(b)
		if bad, ok := errors.AsType[*parquet.RowError](err); ok {
			faulty.add(bad, r.good)
			r.good += b.NumRows()
			continue
		}
		if err != nil {
			return err
		}
		filled, err := fillIngestedAt(out, rows.Schema, received)
		if err != nil {
			return err
		}
		r.batches = append(r.batches, filled)
		conformed += parquet.BatchBytes(filled)
		if err := h.atLeast(perDecoded * conformed); err != nil {
			return err
		}
		r.good += b.NumRows()
	}
	if faulty.total > 0 {
		return faulty
	}
	return nil
}

func (r *request) decodeJSON(text string, mode firnv1.BadRows, received time.Time, limits intake.Limits) error {
	schema, err := parquet.ArrowSchema(r.table.Metadata.CurrentSchema())
	if err != nil {
		return err
	}
	fill := map[string]func(array.Builder){}
	if at := schema.FieldIndices(ingestedAt); len(at) == 1 && isInstant(schema.Field(at[0]).Type) {
		unit := schema.Field(at[0]).Type.(*arrow.TimestampType).Unit
		fill[ingestedAt] = func(b array.Builder) { b.(*array.TimestampBuilder).Append(instant(received, unit)) }
	}
	rows, err := intake.DecodeNDJSON(text, schema, fill, mode == firnv1.BadRows_BAD_ROWS_QUARANTINE, limits)
	if err != nil {
		return err
	}
	if rows.Bad > 0 && mode != firnv1.BadRows_BAD_ROWS_QUARANTINE {
		rows.Release()
		return &batchError{faults: rows.Faults, total: uint64(rows.Bad)}
	}
	if rows.Good+rows.Bad == 0 {
		return invalid("the request has no rows")
	}
	if rows.Batch != nil {
		r.batches = []arrow.RecordBatch{rows.Batch}
	}
	r.good, r.bad = rows.Good, rows.BadLines
	return nil
}
