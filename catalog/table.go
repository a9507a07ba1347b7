package catalog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"
)

// Table is a table at one version. It is immutable and may be shared.
type Table struct {
	ID               uuid.UUID
	Ident            Ident
	MetadataLocation string
	Metadata         table.Metadata
	// JSON is the metadata as it stands in the bucket; do not change it.
	JSON []byte
	// Version is the revision of the table's record.
	Version Version

	head *head
}

// RefsJSON is JSON without the snapshots that no branch or tag names.
func (t *Table) RefsJSON() []byte { return t.head.refsOnly() }

// Location is the table's own prefix, without a trailing slash.
func (t *Table) Location() string { return t.Metadata.Location() }

// CurrentSnapshot is the head of main, nil when the table is empty.
func (t *Table) CurrentSnapshot() *table.Snapshot { return t.Metadata.CurrentSnapshot() }

// NewTable describes a table to create. Field ids of the schema are assigned
// afresh. With Stage nothing is created: the answer is the metadata with
// which a later transaction may create it (TableChange.Create).
type NewTable struct {
	Ident Ident
	// Schema may be nil in a TableChange whose updates build the whole table.
	Schema     *iceberg.Schema
	Spec       *iceberg.PartitionSpec
	SortOrder  table.SortOrder
	Properties iceberg.Properties
	// Location is a wish that is not granted: the server chooses.
	Location string
	Stage    bool
	// ID is the uuid that the table gets; zero is a fresh one.
	ID uuid.UUID
}

// DataPath is the location prefix for new data files of a table, without a trailing slash.
func (c *Catalog) DataPath(t *Table) string { return strings.TrimSuffix(t.Location(), "/") + "/data" }

// record finds a table's record by name.
func (c *Catalog) record(ctx context.Context, id Ident) (tableRecord, Version, error) {
	return c.named(ctx, c.tableNames(), id)
}

func (c *Catalog) recordByID(ctx context.Context, id uuid.UUID) (tableRecord, Version, error) {
	rec, v, found, err := get[tableRecord](ctx, c.cfg.Store, c.keys.table(id))
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNoSuchTable, id)
	}
	return rec, v, err
}

func (c *Catalog) open(ctx context.Context, rec tableRecord, v Version) (*Table, error) {
	h, err := c.loadHead(ctx, rec.Metadata)
	if err != nil {
		return nil, fmt.Errorf("load table %s: %w", rec.ident(), err)
	}
	return &Table{
		ID: rec.ID, Ident: rec.ident(), MetadataLocation: rec.Metadata,
		Metadata: h.meta, JSON: h.json, Version: v, head: h,
	}, nil
}

// LoadTable returns the table as of now, or ErrNoSuchTable.
func (c *Catalog) LoadTable(ctx context.Context, id Ident) (*Table, error) {
	rec, v, err := c.record(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.open(ctx, rec, v)
}

// LoadTableID is LoadTable by uuid; it finds the table under whatever name it has.
func (c *Catalog) LoadTableID(ctx context.Context, id uuid.UUID) (*Table, error) {
	rec, v, err := c.recordByID(ctx, id)
	if err != nil {
		return nil, err
	}
	return c.open(ctx, rec, v)
}

// TableExists reports whether the name is a table.
func (c *Catalog) TableExists(ctx context.Context, id Ident) (bool, error) {
	return c.namedExists(ctx, c.tableNames(), id)
}

// ListTables lists the tables of a namespace, by name, or ErrNoSuchNamespace.
func (c *Catalog) ListTables(ctx context.Context, ns Namespace) ([]Ident, error) {
	return c.listNames(ctx, ns, c.keys.tableNames, c.keys.tables())
}

func (c *Catalog) listNames(ctx context.Context, ns Namespace, names func(Namespace) string, records string) ([]Ident, error) {
	if err := ns.Validate(); err != nil {
		return nil, err
	}
	if _, _, err := c.namespaceCond(ctx, ns); err != nil {
		return nil, err
	}
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: names(ns)})
	if err != nil {
		return nil, err
	}
	out := make([]Ident, 0, len(kvs))
	for _, kv := range kvs {
		rec, _, found, err := get[tableRecord](ctx, c.cfg.Store, records+string(kv.Value))
		if err != nil {
			return nil, err
		}
		if found {
			out = append(out, rec.ident())
		}
	}
	return out, nil
}

// Tables returns all tables of the warehouse with their metadata, by uuid. One
// that is ErrUnreadable is logged and left out: it must not take the others with
// it. Every other error of one is an error of all.
func (c *Catalog) Tables(ctx context.Context) ([]*Table, error) {
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.tables()})
	if err != nil {
		return nil, err
	}
	out := make([]*Table, len(kvs))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i, kv := range kvs {
		g.Go(func() error {
			rec, err := decodeRecord[tableRecord](kv)
			if err != nil {
				return err
			}
			out[i], err = c.open(ctx, rec, kv.Version)
			if errors.Is(err, ErrUnreadable) {
				c.log.ErrorContext(ctx, "a table cannot be read", "table", rec.ident().String(), "error", err)
				return nil
			}
			return err
		})
	}
	err = g.Wait()
	return slices.DeleteFunc(out, func(t *Table) bool { return t == nil }), err
}
