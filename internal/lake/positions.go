package lake

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/iceberg-go"
)

// Positions answers which rows of files their position deletes and deletion
// vectors remove, as a relation (i UBIGINT, p BIGINT) of the index in files and
// the position; one that two delete files name is there twice. Equality deletes
// have no part in it.
func (l *Lake) Positions(ctx context.Context, files []File) (_ *Relation, err error) {
	g := &fileGroup{}
	for _, f := range files {
		f.Deletes = slices.DeleteFunc(slices.Clone(f.Deletes), func(d DeleteFile) bool { return d.Data.ContentType() != iceberg.EntryContentPosDeletes })
		g.files = append(g.files, f)
	}
	if len(g.deleted(func(iceberg.DataFile) bool { return true })) == 0 {
		return &Relation{SQL: "(SELECT NULL::UBIGINT AS i, NULL::BIGINT AS p WHERE false)", Release: func() {}}, nil
	}
	b := &relationBuilder{lake: l}
	sql, err := b.positions(ctx, 0, g)
	if err != nil {
		b.release()
		return nil, fmt.Errorf("read deleted positions: %w", err)
	}
	slices.Sort(b.paths)
	return &Relation{SQL: sql, Paths: slices.Compact(b.paths), Release: sync.OnceFunc(b.release)}, nil
}
