package catalog

import (
	"context"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"
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
}

// Location is the table's own prefix, without a trailing slash.
func (t *Table) Location() string { return t.Metadata.Location() }

// CurrentSnapshot is the head of main, nil when the table is empty.
func (t *Table) CurrentSnapshot() *table.Snapshot { return t.Metadata.CurrentSnapshot() }

// NewTable describes a table to create. Field ids of the schema are assigned
// afresh. With Stage nothing is created: the answer is the metadata with
// which a later transaction may create it (Create plus assert-create).
type NewTable struct {
	Ident      Ident
	Schema     *iceberg.Schema
	Spec       *iceberg.PartitionSpec
	SortOrder  table.SortOrder
	Properties iceberg.Properties
	// Location is a wish. The server chooses; see Config.
	Location string
	Stage    bool
	// ID is the uuid the table gets; zero is a fresh one.
	ID uuid.UUID
}

// CreateTable creates an empty table. Errors: ErrNoSuchNamespace, ErrAlreadyExists, ErrInvalid.
func (c *Catalog) CreateTable(ctx context.Context, n NewTable) (*Table, error) {
	return nil, errPending
}

// LoadTable returns the table as of now, or ErrNoSuchTable.
func (c *Catalog) LoadTable(ctx context.Context, id Ident) (*Table, error) { return nil, errPending }

// LoadTableID is LoadTable by uuid; it finds the table under whatever name it has.
func (c *Catalog) LoadTableID(ctx context.Context, id uuid.UUID) (*Table, error) {
	return nil, errPending
}

// TableExists reports whether the name is a table.
func (c *Catalog) TableExists(ctx context.Context, id Ident) (bool, error) { return false, errPending }

// ListTables lists the tables of a namespace, by name, or ErrNoSuchNamespace.
func (c *Catalog) ListTables(ctx context.Context, ns Namespace) ([]Ident, error) {
	return nil, errPending
}

// Tables returns all tables of the warehouse with their metadata.
func (c *Catalog) Tables(ctx context.Context) ([]*Table, error) { return nil, errPending }

// DropTable removes the table from the catalog. Files are never deleted here: with
// purge the record kept under "drop/" tells the garbage collector that it may.
func (c *Catalog) DropTable(ctx context.Context, id Ident, purge bool) error { return errPending }

// RenameTable gives a table another name, in any existing namespace.
func (c *Catalog) RenameTable(ctx context.Context, from, to Ident) error { return errPending }

// RegisterTable adopts a table from its metadata file, which must lie in the
// warehouse's bucket under its prefix. With overwrite an existing table of that name
// is pointed at the file.
func (c *Catalog) RegisterTable(ctx context.Context, id Ident, metadataLocation string, overwrite bool) (*Table, error) {
	return nil, errPending
}

// DataPath is the location prefix for new data files of a table, without a trailing slash.
func (c *Catalog) DataPath(t *Table) string { return t.Location() + "/data" }
