package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// naming is tables or views, where they are names for a record with a metadata file.
type naming struct {
	name    func(Ident) string     // key of a name
	record  func(uuid.UUID) string // key of a record
	missing error
}

func (c *Catalog) tableNames() naming { return naming{c.keys.tableName, c.keys.table, ErrNoSuchTable} }
func (c *Catalog) viewNames() naming  { return naming{c.keys.viewName, c.keys.view, ErrNoSuchView} }

// named finds a record by name.
func (c *Catalog) named(ctx context.Context, of naming, id Ident) (tableRecord, Version, error) {
	if err := id.Validate(); err != nil {
		return tableRecord{}, 0, err
	}
	// The name and the record are two reads. A rename or drop between them
	// shows as a record that is gone or has another name: look again.
	for range mutateAttempts {
		name, err := c.cfg.Store.Get(ctx, of.name(id))
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return tableRecord{}, 0, err
		}
		uid, err := uuid.ParseBytes(name.Value)
		if err != nil {
			return tableRecord{}, 0, fmt.Errorf("name record of %s: %w", id, err)
		}
		rec, v, found, err := get[tableRecord](ctx, c.cfg.Store, of.record(uid))
		if err != nil {
			return tableRecord{}, 0, err
		}
		if found && rec.ident().Equal(id) {
			return rec, v, nil
		}
	}
	return tableRecord{}, 0, fmt.Errorf("%w: %s", of.missing, id)
}

// namedExists reports whether the name is one of them.
func (c *Catalog) namedExists(ctx context.Context, of naming, id Ident) (bool, error) {
	_, _, err := c.named(ctx, of, id)
	if errors.Is(err, of.missing) {
		return false, nil
	}
	return err == nil, err
}

// rename gives a record another name, in any existing namespace.
func (c *Catalog) rename(ctx context.Context, of naming, from, to Ident, action string, events func(uuid.UUID) []Event) error {
	if err := to.Validate(); err != nil {
		return err
	}
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		rec, v, err := c.named(ctx, of, from)
		if err != nil {
			return mutation{}, err
		}
		conds, err := c.nameConds(ctx, to)
		if err != nil {
			return mutation{}, err
		}
		rec.Namespace, rec.Name = to.Namespace, to.Name
		return mutation{
			conds: append(conds, Cond{Key: of.record(rec.ID), Version: v}),
			ops: []Op{
				{Key: of.name(from), Delete: true},
				{Key: of.name(to), Value: []byte(rec.ID.String())},
				{Key: of.record(rec.ID), Value: mustJSON(rec)},
				c.touch(to.Namespace),
			},
			action: action, objects: []string{from.String(), to.String()},
			events: events(rec.ID),
		}, nil
	})
	return err
}
