package catalog

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"
	"github.com/google/uuid"

	"github.com/firnlake/firn/internal/objstore"
)

// stageLifetime is how long the files of a staged create are protected.
const stageLifetime = 24 * time.Hour

// object is a file to put: immutable, under a name of its own.
type object struct {
	key  string
	data []byte
}

// fileID is a fresh uuid that begins with this run's session, so that the
// garbage collector can tell files in flight (see Intent).
func (c *Catalog) fileID() string {
	id := uuid.New()
	copy(id[:4], c.session[:4])
	return id.String()
}

// metadataObject encodes metadata, with the snapshots of line, under the next file name after prev.
func (c *Catalog) metadataObject(meta table.Metadata, line []link, prev *head) (*head, object, error) {
	n := 0
	if prev != nil {
		if s, _, ok := strings.Cut(path.Base(prev.location), "-"); ok {
			if v, err := strconv.Atoi(strings.TrimPrefix(s, "v")); err == nil {
				n = v + 1
			}
		}
	}
	h, err := encodeHead(meta, line, prev)
	if err != nil {
		return nil, object{}, err
	}
	h.location = fmt.Sprintf("%s/metadata/%05d-%s.metadata.json", strings.TrimSuffix(meta.Location(), "/"), n, c.fileID())
	key, err := c.cfg.Bucket.Key(h.location)
	if err != nil {
		return nil, object{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return h, object{key, h.json}, nil
}

// put stores one object. Names are unique, so an object that exists is a broken
// random source. Whatever becomes of the object, nothing points to it after an
// error: the change did not happen.
func (c *Catalog) put(ctx context.Context, o object) error {
	if err := c.files.PutBytes(ctx, o.key, o.data, objstore.PutOptions{IfAbsent: true}); err != nil {
		return fmt.Errorf("%w: write %s: %w", ErrNotCommitted, path.Base(o.key), err)
	}
	return nil
}

// newMetadata is the first metadata of a table.
func (c *Catalog) newMetadata(n NewTable, id uuid.UUID) (table.Metadata, error) {
	location := c.location(id)
	if n.Schema == nil {
		return nil, fmt.Errorf("%w: a table needs a schema", ErrInvalid)
	}
	if err := checkColumns([]*iceberg.Schema{n.Schema}); err != nil {
		return nil, err
	}
	if err := c.checkProperties(n.Properties, location); err != nil {
		return nil, err
	}
	props := maps.Clone(n.Properties)
	if props == nil {
		props = iceberg.Properties{}
	}
	if v, ok := props[table.PropertyFormatVersion]; ok && v != "1" && v != "2" && v != "3" {
		return nil, fmt.Errorf("%w: format-version %q; 1, 2 and 3 are supported", ErrInvalid, clip(v))
	}
	meta, err := table.NewMetadataWithUUID(n.Schema, n.Spec, n.SortOrder, location, props, id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return meta, nil
}

// nameConds demands that the namespace exists and that neither a table nor a view has the name.
func (c *Catalog) nameConds(ctx context.Context, id Ident) ([]Cond, error) {
	_, ns, err := c.namespaceCond(ctx, id.Namespace)
	if err != nil {
		return nil, err
	}
	conds := []Cond{ns}
	for _, name := range []struct{ kind, key string }{{"table", c.keys.tableName(id)}, {"view", c.keys.viewName(id)}} {
		taken, err := c.present(ctx, name.key)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, fmt.Errorf("%s %s %w", name.kind, id, ErrAlreadyExists)
		}
		conds = append(conds, Cond{Key: name.key})
	}
	return conds, nil
}

// uuidConds demands that no table or view has the uuid, and for what is new that no table
// ever had. The uuid is the folder, and a client may choose it (assign-uuid): in the
// folder of something else the collector would take that one's files for orphans.
func (c *Catalog) uuidConds(ctx context.Context, id uuid.UUID, isNew bool) ([]Cond, error) {
	keys := []string{c.keys.table(id), c.keys.view(id)}
	if isNew {
		keys = append(keys, c.keys.dropped(id))
	}
	var conds []Cond
	for _, key := range keys {
		taken, err := c.present(ctx, key)
		if err != nil {
			return nil, err
		}
		if taken {
			return nil, fmt.Errorf("a table or view with uuid %s %w, or did; create it with a fresh uuid", id, ErrAlreadyExists)
		}
		conds = append(conds, Cond{Key: key})
	}
	return conds, nil
}

// createOps are the conditions and changes that make a table appear: one that is new, or one
// that comes back by registration.
func (c *Catalog) createOps(ctx context.Context, rec tableRecord, isNew bool) ([]Cond, []Op, error) {
	conds, err := c.nameConds(ctx, rec.ident())
	if err != nil {
		return nil, nil, err
	}
	own, err := c.uuidConds(ctx, rec.ID, isNew)
	if err != nil {
		return nil, nil, err
	}
	ops := []Op{
		c.touch(rec.Namespace),
		{Key: c.keys.tableName(rec.ident()), Value: []byte(rec.ID.String())},
		{Key: c.keys.table(rec.ID), Value: mustJSON(rec)},
		{Key: c.keys.staged(rec.ID), Delete: true},
	}
	if !isNew {
		ops = append(ops, Op{Key: c.keys.dropped(rec.ID), Delete: true})
	}
	return append(conds, own...), ops, nil
}

// CreateTable creates an empty table. Errors: ErrNoSuchNamespace, ErrAlreadyExists, ErrInvalid.
func (c *Catalog) CreateTable(ctx context.Context, n NewTable) (*Table, error) {
	if err := n.Ident.Validate(); err != nil {
		return nil, err
	}
	if idem := idempotencyOf(ctx); idem != nil && !n.Stage {
		if rec, found, err := c.lookupIdempotency(ctx, *idem); err != nil || found {
			return c.repeatedTable(ctx, rec, err)
		}
	}
	if _, err := c.nameConds(ctx, n.Ident); err != nil {
		return nil, err
	}
	id := n.ID
	if id == uuid.Nil {
		id = freshUUID(ctx, n.Stage)
	}
	meta, err := c.newMetadata(n, id)
	if err != nil {
		return nil, err
	}
	h, file, err := c.metadataObject(meta, nil, nil)
	if err != nil {
		return nil, err
	}
	if n.Stage {
		err := c.stageTable(ctx, n.Ident, meta)
		return &Table{ID: id, Ident: n.Ident, MetadataLocation: h.location, Metadata: meta, JSON: h.json, head: h}, err
	}
	if err := c.put(ctx, file); err != nil {
		return nil, err
	}
	if err := c.files.Sync(ctx); err != nil {
		return nil, err
	}
	rec := tableRecord{V: recordVersion, ID: id, Namespace: n.Ident.Namespace, Name: n.Ident.Name, Metadata: h.location, Created: c.cfg.Now().UTC()}
	answer, repeated, err := c.mutate(ctx, func(ctx context.Context) (mutation, error) {
		conds, ops, err := c.createOps(ctx, rec, true)
		return mutation{
			conds: conds, ops: ops, action: EventCreateTable, objects: []string{n.Ident.String()},
			events: []Event{{Kind: EventCreateTable, Table: id, Ident: n.Ident}},
			tables: []resultRecord{{Table: id, Ident: n.Ident, Metadata: h.location}},
		}, err
	})
	if err != nil || repeated {
		return c.repeatedTable(ctx, answer, err)
	}
	c.keepHead(h)
	return c.LoadTableID(ctx, id)
}

// freshUUID is random; for a staged create with an idempotency key it is made from the key,
// so that the repeated request is answered with the same table: nothing else of it is kept.
func freshUUID(ctx context.Context, stage bool) uuid.UUID {
	idem := idempotencyOf(ctx)
	if !stage || idem == nil {
		return uuid.New()
	}
	return uuid.NewHash(sha256.New(), uuid.Nil, append([]byte(idem.Scope+"/"+idem.Key+"/"), idem.RequestHash[:]...), 8)
}

// repeatedTable answers a repeated creation with the table that the first one made.
func (c *Catalog) repeatedTable(ctx context.Context, rec commitRecord, err error) (*Table, error) {
	if err != nil {
		return nil, err
	}
	if len(rec.Tables) == 0 {
		return nil, ErrIdempotencyMismatch
	}
	return c.LoadTableID(ctx, rec.Tables[0].Table)
}

// stageTable protects the files of a create that will be committed later.
func (c *Catalog) stageTable(ctx context.Context, id Ident, meta table.Metadata) error {
	_, _, err := c.mutate(ctx, func(context.Context) (mutation, error) {
		now := c.cfg.Now().UTC()
		key := c.keys.staged(meta.TableUUID())
		return mutation{
			action: "stage-table", objects: []string{id.String()},
			ops: []Op{
				{Key: key, Value: mustJSON(stageRecord{
					V: recordVersion, ID: meta.TableUUID(), Ident: id, Location: meta.Location(), Expires: now.Add(stageLifetime),
				})},
			},
		}, nil
	})
	return err
}
