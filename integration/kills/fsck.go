package kills

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/firnlake/firn/integration/harness"
)

// objects reads the lake's bucket over S3, as a foreign engine would: nothing
// of Firn's is used.
type objects struct{ client *minio.Client }

func openObjects(at harness.MinIO) (*objects, error) {
	client, err := minio.New(at.Endpoint, &minio.Options{Creds: credentials.NewStaticV4(at.AccessKey, at.SecretKey, ""), Region: "us-east-1"})
	if err != nil {
		return nil, fmt.Errorf("open the bucket: %w", err)
	}
	return &objects{client}, nil
}

// split cuts s3://bucket/key.
func split(location string) (bucket, key string, err error) {
	rest, ok := strings.CutPrefix(location, "s3://")
	bucket, key, cut := strings.Cut(rest, "/")
	if !ok || !cut || key == "" {
		return "", "", fmt.Errorf("%q is no location", location)
	}
	return bucket, key, nil
}

func (o *objects) get(ctx context.Context, location string) ([]byte, error) {
	bucket, key, err := split(location)
	if err != nil {
		return nil, err
	}
	object, err := o.client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", location, err)
	}
	defer object.Close()
	data, err := io.ReadAll(object)
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", location, err)
	}
	return data, nil
}

func (o *objects) put(ctx context.Context, location string, data []byte) error {
	bucket, key, err := split(location)
	if err != nil {
		return err
	}
	_, err = o.client.PutObject(ctx, bucket, key, bytes.NewReader(data), int64(len(data)), minio.PutObjectOptions{})
	return err
}

func (o *objects) remove(ctx context.Context, location string) error {
	bucket, key, err := split(location)
	if err != nil {
		return err
	}
	return o.client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{})
}

// list answers the locations below a location.
func (o *objects) list(ctx context.Context, location string) ([]string, error) {
	bucket, key, err := split(location)
	if err != nil {
		return nil, err
	}
	var out []string
	for object := range o.client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: key + "/", Recursive: true}) {
		if object.Err != nil {
			return nil, fmt.Errorf("list %s: %w", location, object.Err)
		}
		out = append(out, "s3://"+bucket+"/"+object.Key)
	}
	return out, nil
}

// fsck reads every retained snapshot of one table down to the last row, and
// keeps what it found.
type fsck struct {
	objects *objects
	column  string // whose numbers are kept of every data file; empty: none

	problems  []string
	manifests map[string][]iceberg.ManifestEntry
	files     map[string]*dataFile
	reachable map[string]bool
	lists     int
}

// dataFile is a data or delete file as it was read.
type dataFile struct {
	rows      int64
	positions []int64 // of the column that was asked for
}

// snapshot is one retained snapshot and its live data files.
type snapshot struct {
	id, sequence int64
	files        []*dataFile
}

func (c *fsck) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Sprintf(format, args...))
}

// check reads the table whose metadata is at location: I3 and I4. It answers
// the snapshots in the order of their sequence numbers.
func (c *fsck) check(ctx context.Context, location string) ([]snapshot, table.Metadata, error) {
	c.manifests, c.files, c.reachable = map[string][]iceberg.ManifestEntry{}, map[string]*dataFile{}, map[string]bool{location: true}
	text, err := c.objects.get(ctx, location)
	if err != nil {
		return nil, nil, err
	}
	meta, err := table.ParseMetadataBytes(text)
	if err != nil {
		return nil, nil, fmt.Errorf("read %s: %w", location, err)
	}
	c.lineage(meta)
	var out []snapshot
	for _, s := range meta.Snapshots() {
		found, err := c.snapshot(ctx, s)
		if err != nil {
			if ctx.Err() != nil {
				return nil, nil, err
			}
			c.problem("snapshot %d: %v", s.SnapshotID, err)
			continue
		}
		out = append(out, found)
	}
	return out, meta, nil
}

// lineage is I4 over the snapshots that are retained, and I14 as far as
// snapshots name their commit.
func (c *fsck) lineage(meta table.Metadata) {
	head := meta.CurrentSnapshot()
	if head == nil {
		return
	}
	commits := map[string]int64{}
	var last *table.Snapshot
	for _, s := range meta.Snapshots() {
		if id := s.Summary.Properties["firn.commit-id"]; id != "" {
			if other, twice := commits[id]; twice {
				c.problem("commit %s has two snapshots, %d and %d", id, other, s.SnapshotID)
			}
			commits[id] = s.SnapshotID
		}
		if last != nil {
			switch {
			case s.ParentSnapshotID == nil || *s.ParentSnapshotID != last.SnapshotID:
				c.problem("snapshot %d does not follow %d", s.SnapshotID, last.SnapshotID)
			case s.SequenceNumber != last.SequenceNumber+1:
				c.problem("snapshot %d has sequence number %d after %d", s.SnapshotID, s.SequenceNumber, last.SequenceNumber)
			case s.TimestampMs <= last.TimestampMs:
				c.problem("snapshot %d is not younger than its parent", s.SnapshotID)
			}
		}
		last = &s
	}
	if last.SnapshotID != head.SnapshotID || last.SequenceNumber != meta.LastSequenceNumber() {
		c.problem("the head is %d at %d, the last snapshot %d at %d", head.SnapshotID, meta.LastSequenceNumber(), last.SnapshotID, last.SequenceNumber)
	}
}

// snapshot reads one manifest list and what it names.
func (c *fsck) snapshot(ctx context.Context, s table.Snapshot) (snapshot, error) {
	out := snapshot{id: s.SnapshotID, sequence: s.SequenceNumber}
	text, err := c.objects.get(ctx, s.ManifestList)
	if err != nil {
		return out, err
	}
	c.lists++
	c.reachable[s.ManifestList] = true
	manifests, err := iceberg.ReadManifestList(bytes.NewReader(text))
	if err != nil {
		return out, fmt.Errorf("read %s: %w", s.ManifestList, err)
	}
	var errs []error
	var files, rows, deletes int64
	seen := map[string]bool{}
	for _, m := range manifests {
		entries, err := c.manifest(ctx, m)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, e := range entries {
			d := e.DataFile()
			if key := fmt.Sprint(d.FilePath(), d.ContentOffset()); seen[key] && d.ContentType() == iceberg.EntryContentData {
				errs = append(errs, fmt.Errorf("%s is live twice", d.FilePath()))
			} else {
				seen[key] = true
			}
			found, err := c.file(ctx, d)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			if d.ContentType() != iceberg.EntryContentData {
				deletes++
				continue
			}
			files, rows = files+1, rows+d.Count()
			out.files = append(out.files, found)
		}
	}
	for property, counted := range map[string]int64{"total-data-files": files, "total-records": rows, "total-delete-files": deletes} {
		if said := s.Summary.Properties[property]; len(errs) == 0 && said != fmt.Sprint(counted) {
			errs = append(errs, fmt.Errorf("%s is %s, counted %d", property, said, counted))
		}
	}
	return out, errors.Join(errs...)
}

// manifest answers the live entries of a manifest.
func (c *fsck) manifest(ctx context.Context, m iceberg.ManifestFile) ([]iceberg.ManifestEntry, error) {
	if entries, ok := c.manifests[m.FilePath()]; ok {
		return entries, nil
	}
	text, err := c.objects.get(ctx, m.FilePath())
	if err != nil {
		return nil, err
	}
	if int64(len(text)) != m.Length() {
		return nil, fmt.Errorf("%s has %d bytes, its list says %d", m.FilePath(), len(text), m.Length())
	}
	entries, err := iceberg.ReadManifest(m, bytes.NewReader(text), true)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", m.FilePath(), err)
	}
	if live := int(m.AddedDataFiles() + m.ExistingDataFiles()); live != len(entries) {
		return nil, fmt.Errorf("%s has %d live entries, its list says %d", m.FilePath(), len(entries), live)
	}
	c.manifests[m.FilePath()], c.reachable[m.FilePath()] = entries, true
	return entries, nil
}

// file reads a data or delete file to its end.
func (c *fsck) file(ctx context.Context, d iceberg.DataFile) (*dataFile, error) {
	if f, ok := c.files[d.FilePath()]; ok {
		return f, nil
	}
	text, err := c.objects.get(ctx, d.FilePath())
	if err != nil {
		return nil, err
	}
	if int64(len(text)) != d.FileSizeBytes() {
		return nil, fmt.Errorf("%s has %d bytes, its manifest says %d", d.FilePath(), len(text), d.FileSizeBytes())
	}
	f := &dataFile{rows: d.Count()}
	if d.FileFormat() == iceberg.ParquetFile {
		if err := c.decode(ctx, text, f); err != nil {
			return nil, fmt.Errorf("read %s: %w", d.FilePath(), err)
		}
		if f.rows != d.Count() {
			return nil, fmt.Errorf("%s has %d rows, its manifest says %d", d.FilePath(), f.rows, d.Count())
		}
	}
	c.files[d.FilePath()], c.reachable[d.FilePath()] = f, true
	return f, nil
}

func (c *fsck) decode(ctx context.Context, text []byte, f *dataFile) error {
	reader, err := file.NewParquetReader(bytes.NewReader(text))
	if err != nil {
		return err
	}
	defer reader.Close()
	rows, err := pqarrow.NewFileReader(reader, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	all, err := rows.ReadTable(ctx)
	if err != nil {
		return err
	}
	defer all.Release()
	f.rows = all.NumRows()
	if c.column == "" {
		return nil
	}
	at := all.Schema().FieldIndices(c.column)
	if len(at) != 1 {
		return errors.New("no column " + c.column)
	}
	for _, chunk := range all.Column(at[0]).Data().Chunks() {
		numbers, ok := chunk.(*array.Int64)
		if !ok || numbers.NullN() > 0 {
			return fmt.Errorf("column %s is not what was sent", c.column)
		}
		f.positions = append(f.positions, numbers.Int64Values()...)
	}
	return nil
}
