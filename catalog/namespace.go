package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
)

// namespaceCond reads a namespace that must exist and gives the condition that it still does.
func (c *Catalog) namespaceCond(ctx context.Context, ns Namespace) (namespaceRecord, Cond, error) {
	key := c.keys.namespace(ns)
	rec, v, found, err := get[namespaceRecord](ctx, c.cfg.Store, key)
	if err != nil {
		return rec, Cond{}, err
	}
	if !found {
		return rec, Cond{}, fmt.Errorf("%w: %s", ErrNoSuchNamespace, ns)
	}
	return rec, Cond{Key: key, Version: v}, nil
}

// touch marks that something was made in ns, so that a drop that has seen it empty fails.
func (c *Catalog) touch(ns Namespace) Op { return Op{Key: c.keys.touched(ns), Value: []byte("{}")} }

// CreateNamespace makes an empty namespace. Its parent must exist.
func (c *Catalog) CreateNamespace(ctx context.Context, ns Namespace, props map[string]string) error {
	if err := ns.Validate(); err != nil {
		return err
	}
	if err := c.checkProperties(props, ""); err != nil {
		return err
	}
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		m := mutation{action: "create-namespace", objects: []string{ns.String()}}
		if parent := ns.Parent(); parent != nil {
			_, cond, err := c.namespaceCond(ctx, parent)
			if err != nil {
				return m, err
			}
			m.conds = append(m.conds, cond)
			m.ops = append(m.ops, c.touch(parent))
		}
		key := c.keys.namespace(ns)
		_, _, found, err := get[namespaceRecord](ctx, c.cfg.Store, key)
		if err != nil {
			return m, err
		}
		if found {
			return m, fmt.Errorf("namespace %s %w", ns, ErrAlreadyExists)
		}
		m.conds = append(m.conds, Cond{Key: key})
		m.ops = append(m.ops, c.touch(ns), Op{Key: key, Value: mustJSON(namespaceRecord{
			V: recordVersion, Levels: ns, Properties: props, Created: c.cfg.Now().UTC(),
		})})
		return m, nil
	})
	return err
}

// EnsureNamespace creates the namespace and its parents where they are missing.
func (c *Catalog) EnsureNamespace(ctx context.Context, ns Namespace) error {
	if err := ns.Validate(); err != nil {
		return err
	}
	for i := range ns {
		level := ns[:i+1]
		_, _, err := c.namespaceCond(ctx, level)
		if errors.Is(err, ErrNoSuchNamespace) {
			err = c.CreateNamespace(ctx, level, nil)
		}
		if err != nil && !errors.Is(err, ErrAlreadyExists) {
			return err
		}
	}
	return nil
}

// ListNamespaces lists the direct children of parent (nil: the top level).
func (c *Catalog) ListNamespaces(ctx context.Context, parent Namespace) ([]Namespace, error) {
	if len(parent) > 0 {
		if err := parent.Validate(); err != nil {
			return nil, err
		}
		if _, _, err := c.namespaceCond(ctx, parent); err != nil {
			return nil, err
		}
	}
	_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.children(parent)})
	if err != nil {
		return nil, err
	}
	out := make([]Namespace, 0, len(kvs))
	for _, kv := range kvs {
		rec, err := decodeRecord[namespaceRecord](kv)
		if err != nil {
			return nil, err
		}
		out = append(out, rec.Levels)
	}
	return out, nil
}

// LoadNamespace returns the properties, or ErrNoSuchNamespace.
func (c *Catalog) LoadNamespace(ctx context.Context, ns Namespace) (map[string]string, error) {
	if err := ns.Validate(); err != nil {
		return nil, err
	}
	rec, _, err := c.namespaceCond(ctx, ns)
	if err != nil {
		return nil, err
	}
	if rec.Properties == nil {
		rec.Properties = map[string]string{}
	}
	return rec.Properties, nil
}

// UpdateNamespace sets and removes properties in one step and returns the
// removals that were not there. A key in both is ErrInvalid.
func (c *Catalog) UpdateNamespace(ctx context.Context, ns Namespace, set map[string]string, remove []string) (missing []string, err error) {
	if err := ns.Validate(); err != nil {
		return nil, err
	}
	if err := c.checkProperties(set, ""); err != nil {
		return nil, err
	}
	for _, k := range remove {
		if _, both := set[k]; both {
			return nil, fmt.Errorf("%w: property %q is both set and removed", ErrInvalid, clip(k))
		}
	}
	rec, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		m := mutation{action: "update-namespace", objects: []string{ns.String()}}
		rec, cond, err := c.namespaceCond(ctx, ns)
		if err != nil {
			return m, err
		}
		props := map[string]string{}
		maps.Copy(props, rec.Properties)
		for _, k := range slices.Compact(slices.Sorted(slices.Values(remove))) {
			if _, ok := props[k]; !ok {
				m.missing = append(m.missing, k)
			}
			delete(props, k)
		}
		maps.Copy(props, set)
		rec.Properties = props
		m.conds = append(m.conds, cond)
		m.ops = append(m.ops, Op{Key: cond.Key, Value: mustJSON(rec)})
		return m, nil
	})
	return rec.Missing, err
}

// DropNamespace removes an empty namespace, else ErrNamespaceNotEmpty.
func (c *Catalog) DropNamespace(ctx context.Context, ns Namespace) error {
	if err := ns.Validate(); err != nil {
		return err
	}
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		m := mutation{action: "drop-namespace", objects: []string{ns.String()}}
		_, cond, err := c.namespaceCond(ctx, ns)
		if err != nil {
			return m, err
		}
		touched, err := c.cfg.Store.Get(ctx, c.keys.touched(ns))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return m, err
		}
		for _, prefix := range []string{c.keys.children(ns), c.keys.tableNames(ns), c.keys.viewNames(ns)} {
			_, kvs, err := c.cfg.Store.Scan(ctx, Range{Prefix: prefix, Limit: 1})
			if err != nil {
				return m, err
			}
			if len(kvs) > 0 {
				return m, fmt.Errorf("%w: %s: drop what it holds first", ErrNamespaceNotEmpty, ns)
			}
		}
		m.conds = append(m.conds, cond, Cond{Key: c.keys.touched(ns), Version: touched.Version})
		m.ops = append(m.ops, Op{Key: cond.Key, Delete: true}, Op{Key: c.keys.touched(ns), Delete: true})
		return m, nil
	})
	return err
}
