package catalog

import (
	"context"
	"errors"

	"github.com/apache/iceberg-go/table"
)

// Repeated finds the answer of an earlier Commit with the same idempotency key. Who finds
// tables by name asks it first: the names may have changed since.
func (c *Catalog) Repeated(ctx context.Context, key IdempotencyKey) (Committed, bool, error) {
	id, err := c.idempotentCommit(ctx, key)
	if err != nil || id == "" {
		return Committed{}, false, err
	}
	return c.answered(ctx, &request{tx: Transaction{ID: id}})
}

// answered finds the answer of an earlier call with the same id or idempotency key.
func (c *Catalog) answered(ctx context.Context, r *request) (Committed, bool, error) {
	id := r.tx.ID
	if r.tx.Idempotency != nil {
		commit, err := c.idempotentCommit(ctx, *r.tx.Idempotency)
		if err != nil {
			return Committed{}, false, err
		}
		if commit != "" {
			id = commit
		}
	}
	kv, err := c.cfg.Store.Get(ctx, c.keys.commit(id))
	if errors.Is(err, ErrNotFound) {
		return Committed{}, false, nil
	}
	if err != nil {
		return Committed{}, false, err
	}
	rec, err := decodeRecord[commitRecord](kv)
	if err != nil {
		return Committed{}, false, err
	}
	answer := Committed{ID: id, Revision: kv.Version, Duplicate: true}
	for _, res := range rec.Tables {
		var meta table.Metadata
		if t, err := c.LoadTableID(ctx, res.Table); err == nil {
			meta = t.Metadata
			res.Metadata = t.MetadataLocation
		} else if h, err := c.loadHead(ctx, res.Metadata); err == nil {
			meta = h.meta // dropped by now; the commit happened all the same
		}
		answer.Tables = append(answer.Tables, res.result(meta))
	}
	return answer, true, nil
}

func (r resultRecord) result(meta table.Metadata) TableResult {
	return TableResult{
		Table: r.Table, Ident: r.Ident, SnapshotID: r.Snapshot, SequenceNumber: r.Sequence,
		MetadataLocation: r.Metadata, Metadata: meta,
	}
}
