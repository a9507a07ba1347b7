package catalog

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"golang.org/x/sync/errgroup"

	"github.com/firnlake/firn/internal/manifest"
)

const (
	// maxManifestBytes bounds a manifest that is read into memory.
	maxManifestBytes = 256 << 20
	readParallel     = 8
)

// manifestList is a decoded manifest list. It is immutable.
type manifestList []iceberg.ManifestFile

// readList reads a snapshot's manifest list, from memory where it can.
func (c *Catalog) readList(ctx context.Context, s *table.Snapshot) (manifestList, error) {
	if s == nil {
		return nil, nil
	}
	if s.ManifestList == "" {
		files, err := s.Manifests(c.cfg.Bucket.FileIO()) // v1: manifests in the snapshot itself
		return files, err
	}
	if l, ok := cached[manifestList](c.cache, "list:"+s.ManifestList); ok {
		return l, nil
	}
	key, err := c.cfg.Bucket.Key(s.ManifestList)
	if err != nil {
		return nil, fmt.Errorf("%w: manifest list: %w", ErrInvalid, err)
	}
	data, err := c.files.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read manifest list: %w", err)
	}
	l, err := decodeList(data)
	if err != nil {
		return nil, fmt.Errorf("read manifest list %s: %w", s.ManifestList, err)
	}
	c.cache.put("list:"+s.ManifestList, l, 512*len(l)+256)
	return l, nil
}

func decodeList(data []byte) (manifestList, error) {
	return iceberg.ReadManifestList(bytes.NewReader(data))
}

// manifestBytes reads a manifest file, from memory where it can.
func (c *Catalog) manifestBytes(ctx context.Context, m iceberg.ManifestFile) ([]byte, error) {
	if b, ok := cached[[]byte](c.cache, "raw:"+m.FilePath()); ok {
		return b, nil
	}
	if m.Length() > maxManifestBytes {
		return nil, fmt.Errorf("%w: manifest %s has %d bytes, the most is %d", ErrInvalid, m.FilePath(), m.Length(), int64(maxManifestBytes))
	}
	key, err := c.cfg.Bucket.Key(m.FilePath())
	if err != nil {
		return nil, fmt.Errorf("%w: manifest: %w", ErrInvalid, err)
	}
	data, err := c.files.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	data = manifest.Readable(data)
	c.cache.put("raw:"+m.FilePath(), data, len(data)+128)
	return data, nil
}

// entries reads a manifest's entries, the deleted ones too when all.
func (c *Catalog) entries(ctx context.Context, m iceberg.ManifestFile, all bool) ([]iceberg.ManifestEntry, error) {
	data, err := c.manifestBytes(ctx, m)
	if err != nil {
		return nil, err
	}
	entries, err := iceberg.ReadManifest(m, bytes.NewReader(data), !all)
	if err != nil {
		return nil, fmt.Errorf("read manifest %s: %w", m.FilePath(), err)
	}
	return entries, nil
}

// readAll reads the entries of many manifests, in parallel, in the order of the manifests.
func (c *Catalog) readAll(ctx context.Context, ms []iceberg.ManifestFile, all bool) ([][]iceberg.ManifestEntry, error) {
	out := make([][]iceberg.ManifestEntry, len(ms))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readParallel)
	for i, m := range ms {
		g.Go(func() (err error) {
			out[i], err = c.entries(ctx, m, all)
			return err
		})
	}
	return out, g.Wait()
}

// manifestKind is what one manifest can hold together.
type manifestKind struct {
	spec    int32
	content iceberg.ManifestContent
}

func kindOf(m iceberg.ManifestFile) manifestKind {
	return manifestKind{m.PartitionSpecID(), m.ManifestContent()}
}

func kindOfFile(f iceberg.DataFile) manifestKind {
	k := manifestKind{spec: f.SpecID(), content: iceberg.ManifestContentData}
	if !isData(f) {
		k.content = iceberg.ManifestContentDeletes
	}
	return k
}

// avroSpec has the names of partition fields in the form that Avro allows, as other engines
// write them ("x y" is "x_x20y"): iceberg-go takes them as they are, and a table that is
// partitioned by such a column could not be written. Readers go by the field ids.
func avroSpec(spec iceberg.PartitionSpec) iceberg.PartitionSpec {
	fields := make([]iceberg.PartitionField, 0, spec.NumFields())
	same := true
	for _, f := range spec.Fields() {
		name := avroName(f.Name)
		same = same && name == f.Name
		f.Name = name
		fields = append(fields, f)
	}
	if same {
		return spec
	}
	return iceberg.NewPartitionSpecID(spec.ID(), fields...)
}

func avroName(s string) string {
	var b strings.Builder
	for i, r := range s {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', r == '_', i > 0 && '0' <= r && r <= '9':
			b.WriteRune(r)
		case '0' <= r && r <= '9':
			b.WriteByte('_')
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, "_x%X", r)
		}
	}
	return b.String()
}

// writeManifest encodes a manifest; fill adds the entries.
func (p *plan) writeManifest(kind manifestKind, snapshotID int64, fill func(*iceberg.ManifestWriter) error) (iceberg.ManifestFile, error) {
	spec := p.cur.PartitionSpecByID(int(kind.spec))
	if spec == nil {
		return nil, fmt.Errorf("%w: table %s has no partition spec %d", ErrInvalid, p.ident(), kind.spec)
	}
	var buf bytes.Buffer
	w, err := iceberg.NewManifestWriter(p.cur.Version(), &buf, avroSpec(*spec), schemaFor(p.cur, spec), snapshotID, iceberg.WithManifestWriterContent(kind.content))
	if err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	if err := fill(w); err != nil {
		return nil, fmt.Errorf("%w: write manifest: %w", ErrInvalid, err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("write manifest: %w", err)
	}
	location := p.metadataPath(p.c.fileID() + "-m.avro")
	m, err := w.ToManifestFile(location, int64(buf.Len()))
	if err != nil {
		return nil, fmt.Errorf("%w: write manifest: %w", ErrInvalid, err)
	}
	if err := p.addObject(location, buf.Bytes()); err != nil {
		return nil, err
	}
	p.raw[location] = buf.Bytes()
	return m, nil
}

func (p *plan) metadataPath(name string) string {
	return strings.TrimSuffix(p.cur.Location(), "/") + "/metadata/" + name
}

func (p *plan) addObject(location string, data []byte) error {
	key, err := p.c.cfg.Bucket.Key(location)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	p.objects = append(p.objects, object{key, data})
	return nil
}

// live counts what a list's manifests keep of one content. known is false
// when an old manifest does not say.
func live(l manifestList, content iceberg.ManifestContent) (t tally, known bool) {
	for _, m := range l {
		if m.ManifestContent() != content {
			continue
		}
		if m.AddedDataFiles() < 0 || m.ExistingDataFiles() < 0 || m.AddedRows() < 0 || m.ExistingRows() < 0 {
			return t, false
		}
		t.files += int64(m.AddedDataFiles()) + int64(m.ExistingDataFiles())
		t.rows += m.AddedRows() + m.ExistingRows()
	}
	return t, true
}

// checkBalance is invariant I5: live(new) = live(parent) - removed + added.
func checkBalance(parent, next manifestList, d *deltas) error {
	for _, side := range []struct {
		content        iceberg.ManifestContent
		added, removed tally
	}{
		{iceberg.ManifestContentData, d.addedData, d.removedData},
		{
			iceberg.ManifestContentDeletes,
			tally{files: d.addedPos.files + d.addedEq.files, rows: d.addedPos.rows + d.addedEq.rows},
			tally{files: d.removedPos.files + d.removedEq.files, rows: d.removedPos.rows + d.removedEq.rows},
		},
	} {
		before, ok1 := live(parent, side.content)
		after, ok2 := live(next, side.content)
		if !ok1 || !ok2 {
			continue
		}
		files := before.files - side.removed.files + side.added.files
		rows := before.rows - side.removed.rows + side.added.rows
		if after.files != files || after.rows != rows {
			return fmt.Errorf("the snapshot does not balance: %s manifests hold %d files with %d rows, parent - removed + added is %d with %d",
				side.content, after.files, after.rows, files, rows)
		}
	}
	return nil
}
