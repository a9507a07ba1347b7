package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// present reports whether a key exists.
func (c *Catalog) present(ctx context.Context, key string) (bool, error) {
	_, err := c.cfg.Store.Get(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// DropTable removes the table from the catalog. Files are never deleted here: the
// record kept under "drop/" says whether the garbage collector may (purge).
func (c *Catalog) DropTable(ctx context.Context, id Ident, purge bool) error {
	_, _, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		rec, v, err := c.record(ctx, id)
		if err != nil {
			return mutation{}, err
		}
		ops, err := c.dropOps(ctx, rec, purge)
		return mutation{
			conds: []Cond{{Key: c.keys.table(rec.ID), Version: v}}, ops: ops,
			action: EventDropTable, objects: []string{id.String()},
			events: []Event{{Kind: EventDropTable, Table: rec.ID, Ident: id}},
		}, err
	})
	return err
}

// dropOps takes a table, its name and its channels away.
func (c *Catalog) dropOps(ctx context.Context, rec tableRecord, purge bool) ([]Op, error) {
	location := c.location(rec.ID)
	if h, err := c.loadHead(ctx, rec.Metadata); err == nil {
		location = h.meta.Location()
	} // a table whose metadata is lost must still be droppable
	ops := []Op{
		{Key: c.keys.tableName(rec.ident()), Delete: true},
		{Key: c.keys.table(rec.ID), Delete: true},
		{Key: c.keys.dropped(rec.ID), Value: mustJSON(dropRecord{tableRecord: rec, Purge: purge, Dropped: c.cfg.Now().UTC(), Location: location})},
	}
	_, channels, err := c.cfg.Store.Scan(ctx, Range{Prefix: c.keys.channels(&rec.ID)})
	for _, kv := range channels {
		ops = append(ops, Op{Key: kv.Key, Delete: true})
	}
	return ops, err
}

// RenameTable gives a table another name, in any existing namespace.
func (c *Catalog) RenameTable(ctx context.Context, from, to Ident) error {
	return c.rename(ctx, c.tableNames(), from, to, EventRenameTable, func(id uuid.UUID) []Event {
		return []Event{{Kind: EventRenameTable, Table: id, Ident: to, Summary: map[string]string{"from": from.String()}}}
	})
}

// RegisterTable adopts a table from its metadata file, which must lie in the
// bucket under the warehouse, as must all that it names. With overwrite an
// existing table of that name is replaced: its files stay.
func (c *Catalog) RegisterTable(ctx context.Context, id Ident, metadataLocation string, overwrite bool) (*Table, error) {
	if err := id.Validate(); err != nil {
		return nil, err
	}
	if !c.underWarehouse(metadataLocation) {
		return nil, fmt.Errorf("%w: metadata location %q does not lie under the warehouse", ErrInvalid, clip(metadataLocation))
	}
	if err := c.checkSize(ctx, metadataLocation); err != nil {
		return nil, fmt.Errorf("register %s: %w", id, err)
	}
	h, err := c.loadHead(ctx, metadataLocation)
	if err != nil {
		return nil, fmt.Errorf("%w: register %s: %w", ErrInvalid, id, err)
	}
	if err := c.checkRegistered(ctx, h); err != nil {
		return nil, err
	}
	tableID := h.meta.TableUUID()
	rec := tableRecord{V: recordVersion, ID: tableID, Namespace: id.Namespace, Name: id.Name, Metadata: metadataLocation, Created: c.cfg.Now().UTC()}
	answer, repeated, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		m := mutation{
			action: EventRegister, objects: []string{id.String()},
			events: []Event{{Kind: EventRegister, Table: tableID, Ident: id}},
			tables: []resultRecord{{Table: tableID, Ident: id, Metadata: metadataLocation}},
		}
		old, v, err := c.record(ctx, id)
		if overwrite && err == nil {
			m.conds = append(m.conds, Cond{Key: c.keys.table(old.ID), Version: v})
			if old.ID == tableID {
				m.ops = append(m.ops, Op{Key: c.keys.table(tableID), Value: mustJSON(rec)})
				return m, nil
			}
			own, err := c.uuidConds(ctx, tableID, false)
			if err != nil {
				return m, err
			}
			ops, err := c.dropOps(ctx, old, false)
			m.conds = append(m.conds, own...)
			m.ops = append(ops,
				Op{Key: c.keys.tableName(id), Value: []byte(tableID.String())},
				Op{Key: c.keys.table(tableID), Value: mustJSON(rec)},
				Op{Key: c.keys.dropped(tableID), Delete: true})
			return m, err
		}
		conds, ops, err := c.createOps(ctx, rec, false)
		m.conds, m.ops = conds, ops
		return m, err
	})
	if err != nil || repeated {
		return c.repeatedTable(ctx, answer, err)
	}
	return c.LoadTableID(ctx, tableID)
}

// checkRegistered validates every location that registered metadata names,
// before and behind its manifests.
func (c *Catalog) checkRegistered(ctx context.Context, h *head) error {
	if err := c.checkRegistrable("table", h.meta.Location(), h.meta.TableUUID()); err != nil {
		return err
	}
	if err := c.checkProperties(h.meta.Properties(), h.meta.Location()); err != nil {
		return err
	}
	return c.checkSnapshots(ctx, h.meta, h.meta.Snapshots())
}
