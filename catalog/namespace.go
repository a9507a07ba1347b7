package catalog

import "context"

// CreateNamespace makes an empty namespace. Its parent must exist.
func (c *Catalog) CreateNamespace(ctx context.Context, ns Namespace, props map[string]string) error {
	return errPending
}

// ListNamespaces lists the direct children of parent (nil: the top level).
func (c *Catalog) ListNamespaces(ctx context.Context, parent Namespace) ([]Namespace, error) {
	return nil, errPending
}

// LoadNamespace returns the properties, or ErrNoSuchNamespace.
func (c *Catalog) LoadNamespace(ctx context.Context, ns Namespace) (map[string]string, error) {
	return nil, errPending
}

// UpdateNamespace sets and removes properties in one step and returns the
// removals that were not there. A key in both is ErrInvalid.
func (c *Catalog) UpdateNamespace(ctx context.Context, ns Namespace, set map[string]string, remove []string) (missing []string, err error) {
	return nil, errPending
}

// DropNamespace removes an empty namespace, else ErrNamespaceNotEmpty.
func (c *Catalog) DropNamespace(ctx context.Context, ns Namespace) error { return errPending }

// EnsureNamespace creates the namespace and its parents where they are missing.
func (c *Catalog) EnsureNamespace(ctx context.Context, ns Namespace) error { return errPending }
