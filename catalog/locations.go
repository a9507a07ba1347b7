package catalog

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// location is where the server puts a table or a view: never made from a name.
func (c *Catalog) location(id uuid.UUID) string {
	return c.cfg.Bucket.Location(c.cfg.Warehouse + "/" + id.String())
}

// inside reports whether a location is a proper key strictly under prefix.
func (c *Catalog) inside(location, prefix string) bool {
	key, err := c.cfg.Bucket.Key(strings.TrimSuffix(location, "/"))
	if err != nil {
		return false
	}
	base, err := c.cfg.Bucket.PrefixKey(prefix)
	return err == nil && strings.HasPrefix(key, base+"/")
}

// checkInside is the validator of every location that a commit names.
func (c *Catalog) checkInside(what, location, prefix string) error {
	if !c.inside(location, prefix) {
		return fmt.Errorf("%w: %s %q does not lie under the table's location %s", ErrInvalid, what, clip(location), prefix)
	}
	return nil
}

// underWarehouse: one folder or more below the warehouse.
func (c *Catalog) underWarehouse(location string) bool {
	return c.inside(location, c.cfg.Bucket.Location(c.cfg.Warehouse))
}

// checkRegistrable accepts the location of registered metadata: under the
// warehouse, and in none of the folders that the server chooses but its own. In
// another table's folder, that table's collector would take its files for orphans.
func (c *Catalog) checkRegistrable(what, location string, id uuid.UUID) error {
	if !c.underWarehouse(location) {
		return fmt.Errorf("%w: the %s's location %q does not lie under the warehouse", ErrInvalid, what, clip(location))
	}
	own := c.location(id)
	folder, _, _ := strings.Cut(strings.TrimPrefix(location, c.cfg.Bucket.Location(c.cfg.Warehouse)+"/"), "/")
	if _, err := uuid.Parse(folder); err == nil && strings.TrimSuffix(location, "/") != own {
		return fmt.Errorf("%w: the %s's location %q is a folder of this catalog's own; the %s with uuid %s belongs in %s", ErrInvalid, what, clip(location), what, id, own)
	}
	return nil
}
