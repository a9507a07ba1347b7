package catalog

import (
	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
)

// What the tests of package catalog_test see of the inside.

type Files = files

// WrapFiles puts w between the catalog and its bucket.
func (c *Catalog) WrapFiles(w func(Files) Files) { c.files = w(c.files) }

// Queues is the number of tables with a committer's queue.
func (c *Catalog) Queues() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.tables)
}

// Pending is the number of transactions that wait.
func (c *Catalog) Pending() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range c.tables {
		n += len(q.pending)
	}
	return n
}

// Hold takes a table's lock, so that transactions pile up behind it.
func (c *Catalog) Hold(t *Table) (release func()) {
	c.mu.Lock()
	q := c.queue(t.ID)
	q.users++
	c.mu.Unlock()
	q.lock <- struct{}{}
	return func() {
		<-q.lock
		c.mu.Lock()
		defer c.mu.Unlock()
		q.users--
		c.release(t.ID, q)
	}
}

// ForgetCache empties the metadata cache.
func (c *Catalog) ForgetCache() { c.cache.c.Clear() }

// TickOnce is the upkeep of Run.
var TickOnce = (*Catalog).tickOnce

var (
	AvroName  = avroName
	AvroSpec  = avroSpec
	Escape    = escape
	SizeClass = sizeClass
	// SameEntries is the proof of a reclustering.
	SameEntries   = sameEntries
	CompareValues = compareValues
)

// Mergeable is what a commit merges, with manifests of the default size.
func Mergeable(ms []iceberg.ManifestFile, fanOut int) [][]iceberg.ManifestFile {
	return mergeable(ms, fanOut, defaultManifestBytes)
}

// CommitKey and LogKey are where records stand in the store.
func (c *Catalog) CommitKey(id string) string { return c.keys.commit(id) }
func (c *Catalog) StagedPrefix() string       { return "stage/" + c.cfg.Warehouse + "/" }
func (c *Catalog) DropPrefix() string         { return "drop/" + c.cfg.Warehouse + "/" }
func (c *Catalog) CommitPrefix() string       { return "commit/" + c.cfg.Warehouse + "/" }

// EncodeMetadata is a file of metadata, from nothing.
func EncodeMetadata(meta table.Metadata) ([]byte, error) {
	h, err := encodeHead(meta, lineOf(meta), nil)
	if err != nil {
		return nil, err
	}
	return h.json, nil
}
