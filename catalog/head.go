package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// head is a table's metadata at one location, decoded. It is immutable.
//
// A commit must not cost what the table's history has cost. So beside the decoded
// metadata, which iceberg-go copies whole whenever it is asked for its
// snapshots, a head has the encoded form in parts: what changes little, and one
// fragment a snapshot, as its writer wrote it. The next head shares the
// fragments; fields that this program does not know are in the parts and survive.
type head struct {
	location string
	meta     table.Metadata
	json     []byte
	// rest is the encoded document without its snapshots and without its last brace.
	rest []byte
	// line has the snapshots in their order, fragments the JSON of each.
	line      []link
	fragments map[int64][]byte
	// unknown are the fields of the document that this program does not know.
	unknown map[string]json.RawMessage
}

// link is what there is to know about a snapshot's place in the history.
type link struct {
	id     int64
	parent *int64
	ms     int64
}

func linkOf(s *table.Snapshot) link {
	return link{id: s.SnapshotID, parent: s.ParentSnapshotID, ms: s.TimestampMs}
}

func lineOf(meta table.Metadata) []link {
	snapshots := meta.Snapshots()
	line := make([]link, len(snapshots))
	for i := range snapshots {
		line[i] = linkOf(&snapshots[i])
	}
	return line
}

// encodeHead writes metadata as JSON. Snapshots that base knows are spliced in as
// they are: encoding costs what changed, plus a copy.
func encodeHead(meta table.Metadata, line []link, base *head) (*head, error) {
	if base == nil {
		base = &head{}
	}
	h := &head{meta: meta, line: line, unknown: base.unknown, fragments: make(map[int64][]byte, len(line))}
	out, err := json.Marshal(documentOf(meta))
	if err != nil {
		return nil, fmt.Errorf("encode table metadata: %w", err)
	}
	h.rest = out[:len(out)-1]
	if meta.Version() >= 3 && meta.CurrentSnapshot() == nil {
		h.rest = append(h.rest, `,"current-snapshot-id":null`...)
	}
	for _, field := range slices.Sorted(maps.Keys(h.unknown)) {
		h.rest = append(append(append(append(h.rest, ','), mustJSON(field)...), ':'), h.unknown[field]...)
	}
	for _, at := range line {
		f, ok := base.fragments[at.id]
		if !ok {
			s := meta.SnapshotByID(at.id)
			if s == nil {
				return nil, fmt.Errorf("encode table metadata: snapshot %d is not there", at.id)
			}
			if f, err = json.Marshal(s); err != nil {
				return nil, fmt.Errorf("encode snapshot %d: %w", at.id, err)
			}
		}
		h.fragments[at.id] = f
	}
	h.json = h.with(func(int64) bool { return true })
	return h, nil
}

// with is the document with the snapshots that keep chooses.
func (h *head) with(keep func(id int64) bool) []byte {
	size := len(h.rest) + 16
	for _, at := range h.line {
		if keep(at.id) {
			size += len(h.fragments[at.id]) + 1
		}
	}
	buf := bytes.NewBuffer(make([]byte, 0, size))
	buf.Write(h.rest)
	buf.WriteString(`,"snapshots":[`)
	first := true
	for _, at := range h.line {
		if !keep(at.id) {
			continue
		}
		if !first {
			buf.WriteByte(',')
		}
		first = false
		buf.Write(h.fragments[at.id])
	}
	buf.WriteString("]}")
	return buf.Bytes()
}

// refsOnly is the document without the snapshots that no branch or tag names.
func (h *head) refsOnly() []byte {
	named := map[int64]bool{}
	for _, ref := range h.meta.Refs() {
		named[ref.SnapshotID] = true
	}
	if s := h.meta.CurrentSnapshot(); s != nil {
		named[s.SnapshotID] = true
	}
	return h.with(func(id int64) bool { return named[id] })
}

// decodeHead takes metadata that was read apart.
func decodeHead(meta table.Metadata, data []byte) (*head, error) {
	h := &head{meta: meta, json: data, line: lineOf(meta), fragments: map[int64][]byte{}}
	doc := map[string]json.RawMessage{}
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	var raw []json.RawMessage
	if text := doc["snapshots"]; text != nil {
		if err := json.Unmarshal(text, &raw); err != nil {
			return nil, err
		}
	}
	for _, f := range raw {
		var s struct {
			ID int64 `json:"snapshot-id"`
		}
		if err := json.Unmarshal(f, &s); err != nil {
			return nil, err
		}
		h.fragments[s.ID] = f
	}
	delete(doc, "snapshots")
	rest, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	h.rest = rest[:len(rest)-1]
	maps.DeleteFunc(doc, func(field string, _ json.RawMessage) bool { return knownFields[field] })
	if len(doc) > 0 {
		h.unknown = doc
	}
	return h, nil
}

// documentOf is metadata without its snapshots.
func documentOf(meta table.Metadata) document {
	d := document{
		FormatVersion: meta.Version(), UUID: meta.TableUUID(), Location: meta.Location(),
		LastUpdated: meta.LastUpdatedMillis(), LastColumnID: meta.LastColumnID(),
		Schemas: meta.Schemas(), CurrentSchemaID: meta.CurrentSchema().ID,
		Specs: meta.PartitionSpecs(), DefaultSpecID: meta.DefaultPartitionSpec(), LastPartitionID: meta.LastPartitionSpecID(),
		SortOrders: meta.SortOrders(), DefaultSortOrderID: meta.DefaultSortOrder(),
		Properties: meta.Properties(), Refs: maps.Collect(meta.Refs()),
		SnapshotLog: slices.Collect(meta.SnapshotLogs()), MetadataLog: slices.Collect(meta.PreviousFiles()),
		Statistics: slices.Collect(meta.Statistics()), PartitionStats: slices.Collect(meta.PartitionStatistics()),
		EncryptionKeys: slices.Collect(meta.EncryptionKeys()),
	}
	if s := meta.CurrentSnapshot(); s != nil {
		d.CurrentSnapshotID = &s.SnapshotID
	}
	if meta.Version() == 1 {
		spec := meta.PartitionSpec()
		fields := []iceberg.PartitionField{}
		for _, f := range spec.Fields() {
			fields = append(fields, f)
		}
		d.Schema, d.Partition = meta.CurrentSchema(), &fields
	} else {
		d.LastSequenceNumber = new(meta.LastSequenceNumber())
	}
	if meta.Version() >= 3 {
		d.NextRowID = new(meta.NextRowID())
	}
	return d
}
