package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/view"
	"github.com/google/uuid"
)

// View is a view at one version. It is immutable and may be shared.
type View struct {
	ID               uuid.UUID
	Ident            Ident
	MetadataLocation string
	Metadata         view.Metadata
	JSON             []byte
	Version          Version
}

// NewView describes a view to create.
type NewView struct {
	Ident      Ident
	Schema     *iceberg.Schema
	Version    *view.Version
	Properties iceberg.Properties
	// Location is a wish that is not granted: the server chooses.
	Location string
}

// writeView puts a view's metadata file and returns its record.
func (c *Catalog) writeView(ctx context.Context, id Ident, meta view.Metadata) (viewRecord, error) {
	data, err := json.Marshal(meta)
	if err != nil {
		return viewRecord{}, fmt.Errorf("encode view metadata: %w", err)
	}
	location := fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", strings.TrimSuffix(meta.Location(), "/"), meta.CurrentVersionID(), c.fileID())
	key, err := c.cfg.Bucket.Key(location)
	if err != nil {
		return viewRecord{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if err := c.put(ctx, object{key, data}); err != nil {
		return viewRecord{}, err
	}
	return viewRecord{
		V: recordVersion, ID: meta.ViewUUID(), Namespace: id.Namespace, Name: id.Name,
		Metadata: location, Created: c.cfg.Now().UTC(),
	}, c.files.Sync(ctx)
}

func (c *Catalog) openView(ctx context.Context, rec viewRecord, v Version) (*View, error) {
	out := &View{ID: rec.ID, Ident: rec.ident(), MetadataLocation: rec.Metadata, Version: v}
	if old, ok := cached[*View](c.cache, "view:"+rec.Metadata); ok {
		out.Metadata, out.JSON = old.Metadata, old.JSON
		return out, nil
	}
	key, err := c.cfg.Bucket.Key(rec.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%w: view metadata location: %w", ErrInvalid, err)
	}
	if out.JSON, err = c.files.Get(ctx, key); err != nil {
		return nil, fmt.Errorf("load view %s: %w", out.Ident, err)
	}
	if out.Metadata, err = view.ParseMetadataBytes(out.JSON); err != nil {
		return nil, fmt.Errorf("load view %s: %w", out.Ident, err)
	}
	c.cache.put("view:"+rec.Metadata, out, 4*len(out.JSON)+1024)
	return out, nil
}

// CreateView creates a view. A table of that name is ErrAlreadyExists too.
func (c *Catalog) CreateView(ctx context.Context, n NewView) (*View, error) {
	if err := n.Ident.Validate(); err != nil {
		return nil, err
	}
	if n.Schema == nil || n.Version == nil {
		return nil, fmt.Errorf("%w: a view needs a schema and a version", ErrInvalid)
	}
	id := uuid.New()
	if err := c.checkProperties(n.Properties, c.location(id)); err != nil {
		return nil, err
	}
	if _, err := c.nameConds(ctx, n.Ident); err != nil && idempotencyOf(ctx) == nil {
		return nil, err
	}
	meta, err := view.NewMetadataWithUUID(n.Version, n.Schema, c.location(id), n.Properties, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	rec, err := c.writeView(ctx, n.Ident, meta)
	if err != nil {
		return nil, err
	}
	return c.addView(ctx, n.Ident, rec, "create-view")
}

func (c *Catalog) addView(ctx context.Context, id Ident, rec viewRecord, action string) (*View, error) {
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		conds, err := c.nameConds(ctx, id)
		if err != nil {
			return mutation{}, err
		}
		own, err := c.uuidConds(ctx, rec.ID, false)
		if err != nil {
			return mutation{}, err
		}
		return mutation{
			conds: append(conds, own...),
			ops: []Op{
				c.touch(id.Namespace),
				{Key: c.keys.viewName(id), Value: []byte(rec.ID.String())},
				{Key: c.keys.view(rec.ID), Value: mustJSON(rec)},
			},
			action: action, objects: []string{id.String()},
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return c.LoadView(ctx, id)
}

// LoadView returns the view, or ErrNoSuchView.
func (c *Catalog) LoadView(ctx context.Context, id Ident) (*View, error) {
	rec, v, err := c.named(ctx, c.viewNames(), id)
	if err != nil {
		return nil, err
	}
	return c.openView(ctx, rec, v)
}

// ViewExists reports whether the name is a view.
func (c *Catalog) ViewExists(ctx context.Context, id Ident) (bool, error) {
	return c.namedExists(ctx, c.viewNames(), id)
}

// ReplaceView applies updates to the view when the requirements hold, else *RequirementError.
func (c *Catalog) ReplaceView(ctx context.Context, id Ident, reqs []view.Requirement, updates []view.Update) (*View, error) {
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		rec, v, err := c.named(ctx, c.viewNames(), id)
		if err != nil {
			return mutation{}, err
		}
		cur, err := c.openView(ctx, rec, v)
		if err != nil {
			return mutation{}, err
		}
		for _, r := range reqs {
			if err := r.Validate(cur.Metadata); err != nil {
				return mutation{}, &RequirementError{Ident: id, Reason: err.Error()}
			}
		}
		b, err := view.MetadataBuilderFromBase(cur.Metadata)
		if err != nil {
			return mutation{}, fmt.Errorf("replace view %s: %w", id, err)
		}
		for _, u := range updates {
			if err := u.Apply(b); err != nil {
				return mutation{}, fmt.Errorf("%w: %s: %w", ErrInvalid, u.Action(), err)
			}
		}
		next, err := b.Build()
		if err != nil {
			return mutation{}, fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if next.ViewUUID() != cur.ID || next.Location() != cur.Metadata.Location() {
			return mutation{}, fmt.Errorf("%w: the uuid and the location of a view cannot change", ErrInvalid)
		}
		if err := c.checkProperties(next.Properties(), next.Location()); err != nil {
			return mutation{}, err
		}
		written, err := c.writeView(ctx, id, next.Metadata)
		if err != nil {
			return mutation{}, err
		}
		written.Created = rec.Created
		return mutation{
			conds:  []Cond{{Key: c.keys.view(rec.ID), Version: v}},
			ops:    []Op{{Key: c.keys.view(rec.ID), Value: mustJSON(written)}},
			action: "replace-view", objects: []string{id.String()},
		}, nil
	})
	if err != nil {
		return nil, err
	}
	return c.LoadView(ctx, id)
}

// ListViews lists the views of a namespace by name.
func (c *Catalog) ListViews(ctx context.Context, ns Namespace) ([]Ident, error) {
	return c.listNames(ctx, ns, c.keys.viewNames, "view/"+c.cfg.Warehouse+"/")
}

// DropView removes a view. Its files stay for the garbage collector.
func (c *Catalog) DropView(ctx context.Context, id Ident) error {
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		rec, v, err := c.named(ctx, c.viewNames(), id)
		return mutation{
			conds:  []Cond{{Key: c.keys.view(rec.ID), Version: v}},
			ops:    []Op{{Key: c.keys.viewName(id), Delete: true}, {Key: c.keys.view(rec.ID), Delete: true}},
			action: "drop-view", objects: []string{id.String()},
		}, err
	})
	return err
}

// RenameView gives a view another name.
func (c *Catalog) RenameView(ctx context.Context, from, to Ident) error {
	return c.rename(ctx, c.viewNames(), from, to, "rename-view", func(uuid.UUID) []Event { return nil })
}

// RegisterView adopts a view from its metadata file under the warehouse's prefix.
func (c *Catalog) RegisterView(ctx context.Context, id Ident, metadataLocation string) (*View, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if !c.underWarehouse(metadataLocation) {
		return nil, fmt.Errorf("%w: metadata location %q does not lie under the warehouse", ErrInvalid, clip(metadataLocation))
	}
	if err := c.checkSize(ctx, metadataLocation); err != nil {
		return nil, fmt.Errorf("register view %s: %w", id, err)
	}
	rec := viewRecord{V: recordVersion, Namespace: id.Namespace, Name: id.Name, Metadata: metadataLocation, Created: c.cfg.Now().UTC()}
	v, err := c.openView(ctx, rec, 0)
	if err != nil {
		return nil, fmt.Errorf("%w: register view %s: %w", ErrInvalid, id, err)
	}
	if err := c.checkRegistrable("view", v.Metadata.Location(), v.Metadata.ViewUUID()); err != nil {
		return nil, err
	}
	if err := c.checkProperties(v.Metadata.Properties(), v.Metadata.Location()); err != nil {
		return nil, err
	}
	rec.ID = v.Metadata.ViewUUID()
	return c.addView(ctx, id, rec, "register-view")
}
