package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
)

// model is the contract of catalog.Store, slowly: a map and a counter.
type model struct {
	rev    catalog.Version
	values map[string]catalog.KV
}

func (m *model) apply(b catalog.Batch) (catalog.Version, *catalog.ConflictError) {
	for _, c := range b.If {
		if actual := m.values[c.Key].Version; actual != c.Version {
			return 0, &catalog.ConflictError{Cond: c, Actual: actual}
		}
	}
	return m.rev + 1, nil
}

// take makes the batch happen at the revision that the store gave it.
func (m *model) take(b catalog.Batch, rev catalog.Version) {
	m.rev = rev
	for _, op := range b.Then {
		key := op.Key
		if op.Stamp {
			key += rev.String()
		}
		if op.Delete {
			delete(m.values, key)
		} else {
			m.values[key] = catalog.KV{Key: key, Value: op.Value, Version: rev}
		}
	}
}

// runModel does random batches and reads on the store and the model and compares the answers.
func runModel(t *rapid.T, s catalog.Store) {
	ctx := context.Background()
	m := &model{values: map[string]catalog.KV{}}
	key := rapid.SampledFrom([]string{"a", "a/", "a/1", "a/2", "b", "log/", "\xff", "a\xff"})
	conds := rapid.Custom(func(t *rapid.T) catalog.Cond {
		k := key.Draw(t, "key")
		if rapid.Bool().Draw(t, "right") {
			return catalog.Cond{Key: k, Version: m.values[k].Version}
		}
		return catalog.Cond{Key: k, Version: catalog.Version(rapid.Uint64Range(0, uint64(m.rev)+1).Draw(t, "version"))}
	})
	ops := rapid.Custom(func(t *rapid.T) catalog.Op {
		return catalog.Op{
			Key:    key.Draw(t, "key"),
			Value:  rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "value"),
			Delete: rapid.Bool().Draw(t, "delete"),
			Stamp:  rapid.IntRange(0, 3).Draw(t, "stamp") == 0,
		}
	})
	t.Repeat(map[string]func(*rapid.T){
		"apply": func(t *rapid.T) {
			b := catalog.Batch{
				If:   rapid.SliceOfN(conds, 0, 3).Draw(t, "if"),
				Then: rapid.SliceOfN(ops, 0, 5).Draw(t, "then"),
			}
			_, want := m.apply(b)
			rev, err := s.Apply(ctx, b)
			if want != nil {
				conflict, is := errors.AsType[*catalog.ConflictError](err)
				require.True(t, is, "want %v, got %v", want, err)
				require.Equal(t, want, conflict)
				return
			}
			require.NoError(t, err)
			require.Greater(t, rev, m.rev)
			m.take(b, rev)
		},
		"get": func(t *rapid.T) {
			k := key.Draw(t, "key")
			kv, err := s.Get(ctx, k)
			want, ok := m.values[k]
			if !ok {
				require.ErrorIs(t, err, catalog.ErrNotFound)
				return
			}
			require.NoError(t, err)
			require.Equal(t, flat(want), flat(kv))
		},
		"scan": func(t *rapid.T) {
			r := catalog.Range{
				Prefix:  rapid.OneOf(rapid.Just(""), key).Draw(t, "prefix"),
				After:   rapid.OneOf(rapid.Just(""), key).Draw(t, "after"),
				Limit:   rapid.IntRange(0, 4).Draw(t, "limit"),
				Reverse: rapid.Bool().Draw(t, "reverse"),
			}
			rev, kvs, err := s.Scan(ctx, r)
			require.NoError(t, err)
			require.Equal(t, m.rev, rev)
			require.Equal(t, wantRange(slices.Collect(maps.Keys(m.values)), r), keysOf(kvs))
			for _, kv := range kvs {
				require.Equal(t, flat(m.values[kv.Key]), flat(kv))
			}
		},
	})
}

func flat(kv catalog.KV) string { return fmt.Sprintf("%q=%q@%d", kv.Key, kv.Value, kv.Version) }
