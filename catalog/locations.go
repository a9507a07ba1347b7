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

// underWarehouse accepts a table location for registration: one folder or
// more below the warehouse.
func (c *Catalog) underWarehouse(location string) bool {
	return c.inside(location, c.cfg.Bucket.Location(c.cfg.Warehouse))
}
