package catalog

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/google/uuid"
)

// manifestFrame is what all manifests of added files have in common that one
// format version, schema, spec and partition tuple share: the head of the Avro
// file and the summary of the partitions. iceberg-go parses the schema of the
// entries anew for each manifest that it writes, which was half of the
// processor time of a small commit. So it writes the first one of a kind, and the
// next ones are that one's head before entries that iceberg-go encodes too.
// TestFramedManifests holds them equal, byte for byte.
type manifestFrame struct {
	head       []byte // magic, metadata, sync marker
	sync       []byte // the marker again: it ends each block
	partitions []iceberg.FieldSummary
}

// maxFramed bounds the entries of a framed manifest, which has one block. With more
// the head does not matter.
const maxFramed = 512

var errNoFrame = errors.New("not an avro file as iceberg-go writes it")

// addedManifest writes the manifest of added files of one kind.
func (p *plan) addedManifest(kind manifestKind, snapshotID int64, files []FileEntry) (iceberg.ManifestFile, error) {
	key, framed := p.frameKey(kind, files)
	if framed {
		if frame, ok := cached[*manifestFrame](p.c.cache, key); ok {
			m, err := p.writeFramed(frame, kind, snapshotID, files)
			if !errors.Is(err, errNoFrame) {
				return m, err
			}
		}
	}
	m, err := p.writeManifest(kind, snapshotID, func(w *iceberg.ManifestWriter) error {
		for _, e := range files {
			seq := e.DataSequence
			if p.cur.Version() == 1 {
				seq = nil
			}
			entry := iceberg.NewManifestEntry(iceberg.EntryStatusADDED, &snapshotID, seq, nil, e.File)
			if err := w.Add(entry); err != nil {
				return fmt.Errorf("file %q: %w", clip(e.File.FilePath()), err)
			}
		}
		return nil
	})
	if err != nil || !framed {
		return m, err
	}
	if frame, err := frameOf(p.raw[m.FilePath()], m.Partitions()); err == nil {
		p.c.cache.put(key, frame, len(frame.head)+1024)
	}
	return m, nil
}

// frameKey names all that decides a frame. Files of more than one partition, with
// sequence numbers of their own, or of format version 1 have none.
func (p *plan) frameKey(kind manifestKind, files []FileEntry) (string, bool) {
	spec := p.cur.PartitionSpecByID(int(kind.spec))
	if spec == nil || p.cur.Version() == 1 || len(files) > maxFramed {
		return "", false
	}
	tuple, ok := tupleText(files[0].File)
	for _, e := range files {
		text, same := tupleText(e.File)
		ok = ok && same && text == tuple && e.DataSequence == nil
	}
	schema, err := json.Marshal(schemaFor(p.cur, spec))
	if err != nil || !ok {
		return "", false
	}
	fields, err := json.Marshal(spec)
	if err != nil {
		return "", false
	}
	h := sha256.New()
	for _, part := range [][]byte{schema, fields, []byte(tuple)} {
		fmt.Fprintf(h, "%d:", len(part))
		h.Write(part)
	}
	return fmt.Sprintf("frame:%d:%s:%s", p.cur.Version(), kind.content, hex.EncodeToString(h.Sum(nil))), true
}

// tupleText tells partition tuples apart. Values of types that it does not know have none.
func tupleText(f iceberg.DataFile) (string, bool) {
	var b bytes.Buffer
	tuple := f.Partition()
	for _, id := range slices.Sorted(maps.Keys(tuple)) {
		switch v := tuple[id].(type) {
		case nil, bool, int32, int64, float32, float64, string, []byte, uuid.UUID,
			iceberg.Date, iceberg.Time, iceberg.Timestamp, iceberg.TimestampNano, iceberg.Decimal:
			fmt.Fprintf(&b, "%d=%T:%#v;", id, v, v)
		default:
			return "", false
		}
	}
	return b.String(), true
}

// writeFramed writes one block of entries after the frame's head.
func (p *plan) writeFramed(frame *manifestFrame, kind manifestKind, snapshotID int64, files []FileEntry) (iceberg.ManifestFile, error) {
	spec := p.cur.PartitionSpecByID(int(kind.spec))
	schema, names := schemaFor(p.cur, spec), avroSpec(*spec)
	var block []byte
	rows := int64(0)
	for _, e := range files {
		encoder, ok := e.File.(iceberg.AvroEntryMarshaler)
		if !ok {
			return nil, errNoFrame
		}
		entry, err := encoder.MarshalAvroEntry(names, schema, p.cur.Version())
		if err != nil {
			return nil, fmt.Errorf("%w: write manifest: file %q: %w", ErrInvalid, clip(e.File.FilePath()), err)
		}
		// Added (1, zigzag), then snapshot id and both sequence numbers: null, the first
		// branch of a union. The snapshot id is named, as every writer does.
		data, ok := bytes.CutPrefix(entry, []byte{2, 0, 0, 0})
		if !ok {
			return nil, errNoFrame
		}
		block = append(block, 2, 2)
		block = binary.AppendVarint(block, snapshotID)
		block = append(block, 0, 0)
		block = append(block, data...)
		rows += e.File.Count()
	}
	packed, err := deflate(block)
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	out := slices.Concat(frame.head, binary.AppendVarint(nil, int64(len(files))), binary.AppendVarint(nil, int64(len(packed))), packed, frame.sync)
	location := p.metadataPath(p.c.fileID() + "-m.avro")
	if err := p.addObject(location, out); err != nil {
		return nil, err
	}
	p.raw[location] = out
	return iceberg.NewManifestFile(p.cur.Version(), location, int64(len(out)), kind.spec, snapshotID).
		Content(kind.content).AddedFiles(int32(len(files))).AddedRows(rows).Partitions(frame.partitions).Build(), nil
}

// frameOf takes the head off a manifest: "Obj" 1, a map of strings to bytes in
// blocks that end with an empty one, 16 bytes of sync marker.
func frameOf(data []byte, partitions []iceberg.FieldSummary) (*manifestFrame, error) {
	const magic, marker = "Obj\x01", 16
	r := bytes.NewReader(data)
	if !bytes.HasPrefix(data, []byte(magic)) {
		return nil, errNoFrame
	}
	if _, err := r.Seek(int64(len(magic)), io.SeekStart); err != nil {
		return nil, err
	}
	for {
		n, err := binary.ReadVarint(r)
		if err != nil || n < 0 {
			return nil, errNoFrame
		}
		if n == 0 {
			break
		}
		for range 2 * n { // key, value
			size, err := binary.ReadVarint(r)
			if err != nil || size < 0 || size > int64(r.Len()) {
				return nil, errNoFrame
			}
			if _, err := r.Seek(size, io.SeekCurrent); err != nil {
				return nil, err
			}
		}
	}
	if r.Len() < marker {
		return nil, errNoFrame
	}
	end := len(data) - r.Len() + marker
	head := slices.Clone(data[:end])
	return &manifestFrame{head: head, sync: head[end-marker:], partitions: partitions}, nil
}

// deflaters are kept: each is three quarters of a megabyte.
var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(nil, flate.DefaultCompression)
	if err != nil {
		panic(err) // the level is constant
	}
	return w
}}

func deflate(data []byte) ([]byte, error) {
	w := deflaters.Get().(*flate.Writer) //nolint:forcetypeassert // the pool holds nothing else
	defer deflaters.Put(w)
	var out bytes.Buffer
	w.Reset(&out)
	if _, err := w.Write(data); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
