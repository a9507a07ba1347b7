package rpc

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	connectrpc "connectrpc.com/connect"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/firnlake/firn/catalog"
	"github.com/firnlake/firn/catalog/ddl"
	firnv1 "github.com/firnlake/firn/proto/firn/v1"
)

// ListTables answers from table heads alone: it opens no manifest.
func (s *Service) ListTables(ctx context.Context, req *connectrpc.Request[firnv1.ListTablesRequest]) (*connectrpc.Response[firnv1.ListTablesResponse], error) {
	want := catalog.Namespace(req.Msg.GetNamespace())
	if len(want) > 0 {
		if _, err := s.cat.LoadNamespace(ctx, want); err != nil {
			return nil, s.fail(ctx, "list tables", err)
		}
	}
	all, err := s.cat.Tables(ctx)
	if err != nil {
		return nil, s.fail(ctx, "list tables", err)
	}
	out := make([]*firnv1.TableSummary, 0, len(all))
	for _, t := range all {
		if len(want) == 0 || within(t.Ident.Namespace, want) {
			out = append(out, s.summary(t))
		}
	}
	slices.SortFunc(out, func(a, b *firnv1.TableSummary) int {
		if c := slices.Compare(a.GetTable().GetNamespace(), b.GetTable().GetNamespace()); c != 0 {
			return c
		}
		return slices.Compare([]string{a.GetTable().GetName()}, []string{b.GetTable().GetName()})
	})
	return connectrpc.NewResponse(&firnv1.ListTablesResponse{Tables: out}), nil
}

// within reports whether ns is outer or lies below it.
func within(ns, outer catalog.Namespace) bool {
	return len(ns) >= len(outer) && slices.Equal(ns[:len(outer)], outer)
}

// summary reads the totals that every snapshot carries.
func (s *Service) summary(t *catalog.Table) *firnv1.TableSummary {
	meta := t.Metadata
	out := &firnv1.TableSummary{
		Table:         ref(t.Ident),
		Uuid:          t.ID.String(),
		FormatVersion: int32(meta.Version()),
		Snapshots:     uint64(len(meta.Snapshots())),
		UpdatedAt:     timestamppb.New(time.UnixMilli(meta.LastUpdatedMillis())),
		Location:      meta.Location(),
		Properties:    meta.Properties(),
	}
	if head := meta.CurrentSnapshot(); head != nil {
		out.SnapshotId = head.SnapshotID
		// Freshness is of the rows: a tag or a property set later makes none.
		out.UpdatedAt = timestamppb.New(time.UnixMilli(head.TimestampMs))
		if head.Summary != nil {
			p := head.Summary.Properties
			out.Rows = total(p, "total-records")
			if deleted := total(p, "total-position-deletes"); deleted <= out.Rows {
				out.Rows -= deleted
			}
			out.DataFiles = total(p, "total-data-files")
			out.DeleteFiles = total(p, "total-delete-files")
			out.Bytes = total(p, "total-files-size")
		}
	}
	if s.health != nil {
		out.Health = s.health.Health(t.ID)
	}
	return out
}

func total(p iceberg.Properties, key string) uint64 {
	n, err := strconv.ParseUint(p[key], 10, 64)
	if err != nil {
		return 0 // engines may leave totals out
	}
	return n
}

// CreateTable creates an empty table from text types and transforms.
func (s *Service) CreateTable(ctx context.Context, req *connectrpc.Request[firnv1.CreateTableRequest]) (*connectrpc.Response[firnv1.CreateTableResponse], error) {
	t, err := s.create(actor(ctx), req.Msg)
	if err != nil {
		return nil, s.fail(ctx, "create table", err)
	}
	return connectrpc.NewResponse(&firnv1.CreateTableResponse{Table: s.summary(t)}), nil
}

func (s *Service) create(ctx context.Context, msg *firnv1.CreateTableRequest) (*catalog.Table, error) {
	id, err := ident(msg.GetTable())
	if err != nil {
		return nil, err
	}
	columns := make([]ddl.Column, len(msg.GetColumns()))
	for i, c := range msg.GetColumns() {
		columns[i] = ddl.Column{Name: c.GetName(), Type: c.GetType(), Doc: c.GetDoc(), Required: c.GetRequired()}
	}
	schema, err := ddl.Schema(columns)
	if err != nil {
		return nil, err
	}
	spec, err := ddl.Spec(schema, msg.GetPartitionBy())
	if err != nil {
		return nil, err
	}
	order, err := ddl.Sort(schema, msg.GetSortBy())
	if err != nil {
		return nil, err
	}
	t, err := s.cat.CreateTable(ctx, catalog.NewTable{Ident: id, Schema: schema, Spec: spec, SortOrder: order, Properties: msg.GetProperties()})
	if !errors.Is(err, catalog.ErrAlreadyExists) || !msg.GetIfNotExists() {
		return t, err
	}
	if t, err = s.cat.LoadTable(ctx, id); err != nil {
		return nil, err
	}
	if have := t.Metadata.CurrentSchema(); !sameColumns(have, schema) {
		return nil, &userError{
			code: connectrpc.CodeAlreadyExists,
			what: "table " + id.String() + " exists with other columns",
			why:  "its columns are " + columnList(have) + "; asked for were " + columnList(schema),
			do:   "choose another name, or change the columns of the table that is there",
		}
	}
	return t, nil
}

// sameColumns compares names, types and nullability; field ids may differ.
func sameColumns(a, b *iceberg.Schema) bool {
	return columnList(a) == columnList(b)
}

func columnList(schema *iceberg.Schema) string {
	columns := make([]string, 0, schema.NumFields())
	for _, f := range schema.Fields() {
		text := f.Name + " " + typeText(f.Type)
		if f.Required {
			text += " not null"
		}
		columns = append(columns, text)
	}
	return strings.Join(columns, ", ")
}

// DropTable drops a table; with purge its files may be removed later.
func (s *Service) DropTable(ctx context.Context, req *connectrpc.Request[firnv1.DropTableRequest]) (*connectrpc.Response[firnv1.DropTableResponse], error) {
	id, err := ident(req.Msg.GetTable())
	if err == nil {
		err = s.cat.DropTable(actor(ctx), id, req.Msg.GetPurge())
	}
	if err != nil {
		return nil, s.fail(ctx, "drop table", err)
	}
	return connectrpc.NewResponse(&firnv1.DropTableResponse{}), nil
}

// ListSnapshots lists snapshots, newest first.
func (s *Service) ListSnapshots(ctx context.Context, req *connectrpc.Request[firnv1.ListSnapshotsRequest]) (*connectrpc.Response[firnv1.ListSnapshotsResponse], error) {
	t, err := s.load(ctx, req.Msg.GetTable())
	if err != nil {
		return nil, s.fail(ctx, "list snapshots", err)
	}
	all := slices.Clone(t.Metadata.Snapshots())
	slices.SortFunc(all, func(a, b table.Snapshot) int {
		if c := b.SequenceNumber - a.SequenceNumber; c != 0 { // version 1 tables have no sequence numbers
			return int(max(min(c, 1), -1))
		}
		return int(max(min(b.TimestampMs-a.TimestampMs, 1), -1))
	})
	refs := map[int64][]string{}
	for name, r := range t.Metadata.Refs() {
		refs[r.SnapshotID] = append(refs[r.SnapshotID], name)
	}
	out := &firnv1.ListSnapshotsResponse{Total: uint64(len(all))}
	for i := range all[:min(len(all), limit(req.Msg.GetLimit(), 100, 10_000))] {
		out.Snapshots = append(out.Snapshots, snapshot(&all[i], refs[all[i].SnapshotID]))
	}
	return connectrpc.NewResponse(out), nil
}

func snapshot(s *table.Snapshot, refs []string) *firnv1.Snapshot {
	slices.Sort(refs)
	out := &firnv1.Snapshot{
		SnapshotId:     s.SnapshotID,
		SequenceNumber: s.SequenceNumber,
		CommittedAt:    timestamppb.New(time.UnixMilli(s.TimestampMs)),
		Refs:           refs,
	}
	if s.ParentSnapshotID != nil {
		out.ParentId = *s.ParentSnapshotID
	}
	if s.SchemaID != nil {
		out.SchemaId = int32(*s.SchemaID)
	}
	if s.Summary != nil {
		out.Operation, out.Summary = string(s.Summary.Operation), s.Summary.Properties
	}
	return out
}

// limit is what was asked for within bounds.
func limit(asked uint32, usual, most int) int {
	if asked == 0 {
		return usual
	}
	return min(int(asked), most)
}
