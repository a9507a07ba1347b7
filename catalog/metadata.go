package catalog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/objstore"
)

// maxMetadataBytes bounds a registered metadata file, which is read into memory, before and after decompression.
const maxMetadataBytes = 256 << 20

// loadHead reads the metadata at a location, from memory where it can.
func (c *Catalog) loadHead(ctx context.Context, location string) (*head, error) {
	if h, ok := cached[*head](c.cache, "meta:"+location); ok {
		return h, nil
	}
	key, err := c.cfg.Bucket.Key(location)
	if err != nil {
		return nil, fmt.Errorf("%w: metadata location: %w", ErrInvalid, err)
	}
	data, err := c.files.Get(ctx, key)
	if errors.Is(err, objstore.ErrNotFound) {
		return nil, fmt.Errorf("%w: %w", ErrUnreadable, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read table metadata: %w", err)
	}
	if data, err = inflate(data); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, location, err)
	}
	meta, err := table.ParseMetadataBytes(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, location, err)
	}
	h, err := decodeHead(meta, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrUnreadable, location, err)
	}
	h.location = location
	c.keepHead(h)
	return h, nil
}

// inflate undoes the compression of metadata that another engine wrote
// (write.metadata.compression-codec = gzip) and that was registered.
func inflate(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	r, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxMetadataBytes+1))
	if err == nil && len(out) > maxMetadataBytes {
		err = fmt.Errorf("it has more than %d bytes", maxMetadataBytes)
	}
	return out, err
}

// checkSize refuses a metadata file of somebody else that would fill the
// memory: its decoder has no limits of its own.
func (c *Catalog) checkSize(ctx context.Context, location string) error {
	key, err := c.cfg.Bucket.Key(location)
	if err != nil {
		return fmt.Errorf("%w: metadata location: %w", ErrInvalid, err)
	}
	info, err := c.cfg.Bucket.Stat(ctx, key)
	if err != nil {
		return fmt.Errorf("%w: metadata at %q cannot be read: %w", ErrInvalid, clip(location), err)
	}
	if info.Size > maxMetadataBytes {
		return fmt.Errorf("%w: metadata at %q has %d bytes, the most is %d: expire snapshots there first", ErrInvalid, clip(location), info.Size, int64(maxMetadataBytes))
	}
	return nil
}

// keepHead caches a head; decoded metadata takes about three times its JSON.
func (c *Catalog) keepHead(h *head) { c.cache.put("meta:"+h.location, h, 4*len(h.json)+4096) }

// document is table metadata without its snapshots, in the order in which it is written.
type document struct {
	FormatVersion      int                             `json:"format-version"`
	UUID               uuid.UUID                       `json:"table-uuid"`
	Location           string                          `json:"location"`
	LastSequenceNumber *int64                          `json:"last-sequence-number,omitempty"`
	LastUpdated        int64                           `json:"last-updated-ms"`
	LastColumnID       int                             `json:"last-column-id"`
	Schema             *iceberg.Schema                 `json:"schema,omitempty"` // v1
	Schemas            []*iceberg.Schema               `json:"schemas"`
	CurrentSchemaID    int                             `json:"current-schema-id"`
	Partition          *[]iceberg.PartitionField       `json:"partition-spec,omitempty"` // v1
	Specs              []iceberg.PartitionSpec         `json:"partition-specs"`
	DefaultSpecID      int                             `json:"default-spec-id"`
	LastPartitionID    *int                            `json:"last-partition-id,omitempty"`
	SortOrders         []table.SortOrder               `json:"sort-orders"`
	DefaultSortOrderID int                             `json:"default-sort-order-id"`
	Properties         iceberg.Properties              `json:"properties,omitempty"`
	CurrentSnapshotID  *int64                          `json:"current-snapshot-id,omitempty"`
	NextRowID          *int64                          `json:"next-row-id,omitempty"`
	Refs               map[string]table.SnapshotRef    `json:"refs,omitempty"`
	SnapshotLog        []table.SnapshotLogEntry        `json:"snapshot-log,omitempty"`
	MetadataLog        []table.MetadataLogEntry        `json:"metadata-log,omitempty"`
	Statistics         []table.StatisticsFile          `json:"statistics,omitempty"`
	PartitionStats     []table.PartitionStatisticsFile `json:"partition-statistics,omitempty"`
	EncryptionKeys     []table.EncryptionKey           `json:"encryption-keys,omitempty"`
}

// knownFields are the fields of all format versions that this program writes. What
// else a document has is kept as it is.
var knownFields = func() map[string]bool {
	known := map[string]bool{"snapshots": true}
	for field := range reflect.TypeFor[document]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		known[name] = true
	}
	return known
}()
