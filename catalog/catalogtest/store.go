// Package catalogtest is the conformance suite of catalog.Store. A driver that
// passes RunStore keeps the promises that the catalog builds on.
package catalogtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/firnlake/firn/catalog"
)

// RunStore runs the suite. open returns an empty store and closes it at the end of the test.
func RunStore(t *testing.T, open func(t *testing.T) catalog.Store) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, s catalog.Store)
	}{
		{"absent key", absentKey},
		{"put, get, delete", putGetDelete},
		{"conditions", conditions},
		{"a failed batch changes nothing", failedBatch},
		{"later operation of a batch stands", laterOperation},
		{"values are copies", copies},
		{"bad keys", badKeys},
		{"ranges", ranges},
		{"stamps are an ordered log", stamps},
		{"concurrent stamps", concurrentStamps},
		{"concurrent counters", counters},
		{"scan is one revision", scanOneRevision},
		{"one winner", oneWinner},
		{"read your write", readYourWrite},
		{"cancelled context", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open(t)) })
	}
	t.Run("model", func(t *testing.T) {
		rapid.Check(t, func(rt *rapid.T) {
			s := open(t)
			defer func() { _ = s.Close() }()
			runModel(rt, s)
		})
	})
}

func put(t testing.TB, s catalog.Store, key, value string) catalog.Version {
	t.Helper()
	rev, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: key, Value: []byte(value)}}})
	require.NoError(t, err)
	return rev
}

func keysOf(kvs []catalog.KV) []string {
	var out []string
	for _, kv := range kvs {
		out = append(out, kv.Key)
	}
	return out
}

func absentKey(t *testing.T, s catalog.Store) {
	_, err := s.Get(t.Context(), "nothing")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	_, kvs, err := s.Scan(t.Context(), catalog.Range{Prefix: "nothing"})
	require.NoError(t, err)
	require.Empty(t, kvs)
}

func putGetDelete(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	one := put(t, s, "k", "1")
	kv, err := s.Get(ctx, "k")
	require.NoError(t, err)
	require.Equal(t, catalog.KV{Key: "k", Value: []byte("1"), Version: one}, kv)

	two := put(t, s, "k", "")
	require.Greater(t, two, one)
	kv, err = s.Get(ctx, "k")
	require.NoError(t, err)
	require.Empty(t, kv.Value)
	require.Equal(t, two, kv.Version)

	_, err = s.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: "k", Delete: true}, {Key: "never", Delete: true}}})
	require.NoError(t, err)
	_, err = s.Get(ctx, "k")
	require.ErrorIs(t, err, catalog.ErrNotFound)

	four := put(t, s, "k", "again")
	require.Greater(t, four, two, "a version is never used twice")
}

func conditions(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	v := put(t, s, "a", "1")
	for _, c := range []struct {
		cond catalog.Cond
		ok   bool
	}{
		{catalog.Cond{Key: "a", Version: v}, true},
		{catalog.Cond{Key: "b", Version: 0}, true},
		{catalog.Cond{Key: "a", Version: 0}, false},
		{catalog.Cond{Key: "b", Version: v}, false},
		{catalog.Cond{Key: "a", Version: v + 1}, false},
	} {
		_, err := s.Apply(ctx, catalog.Batch{If: []catalog.Cond{c.cond}, Then: []catalog.Op{{Key: "x", Value: []byte("1")}}})
		if c.ok {
			require.NoError(t, err)
			continue
		}
		conflict, is := errors.AsType[*catalog.ConflictError](err)
		require.True(t, is, "want a conflict, got %v", err)
		require.Equal(t, c.cond, conflict.Cond)
	}
	_, err := s.Apply(ctx, catalog.Batch{If: []catalog.Cond{{Key: "a", Version: v}, {Key: "z", Version: 9}, {Key: "y", Version: 9}}})
	conflict, is := errors.AsType[*catalog.ConflictError](err)
	require.True(t, is)
	require.Equal(t, "z", conflict.Cond.Key, "the first condition that failed is named")
	require.Zero(t, conflict.Actual)
}

func failedBatch(t *testing.T, s catalog.Store) {
	ctx := t.Context()
	put(t, s, "a", "1")
	_, err := s.Apply(ctx, catalog.Batch{
		If:   []catalog.Cond{{Key: "a", Version: 0}},
		Then: []catalog.Op{{Key: "a", Value: []byte("2")}, {Key: "b", Value: []byte("2")}, {Key: "log/", Stamp: true}},
	})
	require.Error(t, err)
	_, kvs, err := s.Scan(ctx, catalog.Range{})
	require.NoError(t, err)
	require.Equal(t, []string{"a"}, keysOf(kvs))
	require.Equal(t, "1", string(kvs[0].Value))
}

func laterOperation(t *testing.T, s catalog.Store) {
	_, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{
		{Key: "a", Value: []byte("1")},
		{Key: "a", Value: []byte("2")},
		{Key: "b", Value: []byte("1")},
		{Key: "b", Delete: true},
		{Key: "c", Delete: true},
		{Key: "c", Value: []byte("3")},
	}})
	require.NoError(t, err)
	_, kvs, err := s.Scan(t.Context(), catalog.Range{})
	require.NoError(t, err)
	require.Equal(t, []string{"a", "c"}, keysOf(kvs))
	require.Equal(t, "2", string(kvs[0].Value))
}

func copies(t *testing.T, s catalog.Store) {
	in := []byte("abc")
	_, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "k", Value: in}}})
	require.NoError(t, err)
	in[0] = 'X'
	kv, err := s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "abc", string(kv.Value))
	kv.Value[0] = 'Y'
	_, kvs, err := s.Scan(t.Context(), catalog.Range{Prefix: "k"})
	require.NoError(t, err)
	require.Equal(t, "abc", string(kvs[0].Value))
	kvs[0].Value[0] = 'Z'
	kv, err = s.Get(t.Context(), "k")
	require.NoError(t, err)
	require.Equal(t, "abc", string(kv.Value))
}

func badKeys(t *testing.T, s catalog.Store) {
	for _, key := range []string{"", strings.Repeat("k", 40<<10)} {
		_, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "good"}, {Key: key, Value: []byte("x")}}})
		require.ErrorIs(t, err, catalog.ErrInvalid)
	}
	_, err := s.Get(t.Context(), "good")
	require.ErrorIs(t, err, catalog.ErrNotFound)
	weird := "k/\x00\xff\xfe é\n"
	put(t, s, weird, "v")
	_, kvs, err := s.Scan(t.Context(), catalog.Range{Prefix: "k/\x00\xff"})
	require.NoError(t, err)
	require.Equal(t, []string{weird}, keysOf(kvs))
}

func ranges(t *testing.T, s catalog.Store) {
	all := []string{"a", "b/", "b/1", "b/2", "b/3", "b0", "c\xff", "c\xff\xff", "c\xff\xff1", "\xff\xff"}
	for _, k := range all {
		put(t, s, k, k)
	}
	prefixes := []string{"", "a", "b", "b/", "c", "c\xff", "c\xff\xff", "\xff", "\xff\xff", "zz"}
	afters := append([]string{"", "b/2", "b/25", "zzz", "c\xff\xff0", "\xff\xff\xff"}, all...)
	for _, prefix := range prefixes {
		for _, after := range afters {
			for _, limit := range []int{0, 1, 2, 100} {
				for _, reverse := range []bool{false, true} {
					r := catalog.Range{Prefix: prefix, After: after, Limit: limit, Reverse: reverse}
					_, kvs, err := s.Scan(t.Context(), r)
					require.NoError(t, err)
					require.Equal(t, wantRange(all, r), keysOf(kvs), "%+q", r)
				}
			}
		}
	}
}

// wantRange is Range's contract, slowly.
func wantRange(all []string, r catalog.Range) []string {
	sorted := slices.Sorted(slices.Values(all))
	if r.Reverse {
		slices.Reverse(sorted)
	}
	var out []string
	for _, k := range sorted {
		switch {
		case !strings.HasPrefix(k, r.Prefix):
		case r.After != "" && !r.Reverse && k <= r.After:
		case r.After != "" && r.Reverse && k >= r.After:
		case r.Limit > 0 && len(out) == r.Limit:
		default:
			out = append(out, k)
		}
	}
	return out
}

func stamps(t *testing.T, s catalog.Store) {
	var want []string
	for i := range 20 {
		rev, err := s.Apply(t.Context(), catalog.Batch{Then: []catalog.Op{{Key: "log/w/", Value: []byte(strconv.Itoa(i)), Stamp: true}}})
		require.NoError(t, err)
		want = append(want, "log/w/"+rev.String())
	}
	_, kvs, err := s.Scan(t.Context(), catalog.Range{Prefix: "log/w/"})
	require.NoError(t, err)
	require.Equal(t, want, keysOf(kvs))
	for i, kv := range kvs {
		require.Equal(t, strconv.Itoa(i), string(kv.Value))
		parsed, err := catalog.ParseVersion(strings.TrimPrefix(kv.Key, "log/w/"))
		require.NoError(t, err)
		require.Equal(t, kv.Version, parsed)
	}
}

// concurrentStamps: a reader that tails the log never sees an entry appear
// behind one it has already seen.
func concurrentStamps(t *testing.T, s catalog.Store) {
	const writers, each = 8, 25
	g, ctx := errgroup.WithContext(t.Context())
	for w := range writers {
		g.Go(func() error {
			for i := range each {
				_, err := s.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: "log/", Value: fmt.Appendf(nil, "%d-%d", w, i), Stamp: true}}})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	var tailed []string
	g.Go(func() error {
		after := ""
		for len(tailed) < writers*each {
			_, kvs, err := s.Scan(ctx, catalog.Range{Prefix: "log/", After: after, Limit: 7})
			if err != nil {
				return err
			}
			for _, kv := range kvs {
				tailed = append(tailed, kv.Key)
				after = kv.Key
			}
		}
		return nil
	})
	require.NoError(t, g.Wait())
	_, kvs, err := s.Scan(t.Context(), catalog.Range{Prefix: "log/"})
	require.NoError(t, err)
	require.Equal(t, keysOf(kvs), tailed)
}

func counters(t *testing.T, s catalog.Store) {
	const workers, each = 8, 15
	g, ctx := errgroup.WithContext(t.Context())
	for range workers {
		g.Go(func() error {
			for done := 0; done < each; {
				ok, err := increment(ctx, s, "n")
				if err != nil {
					return err
				}
				if ok {
					done++
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	kv, err := s.Get(t.Context(), "n")
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(workers*each), string(kv.Value))
}

func increment(ctx context.Context, s catalog.Store, key string) (bool, error) {
	kv, err := s.Get(ctx, key)
	if err != nil && !errors.Is(err, catalog.ErrNotFound) {
		return false, err
	}
	n, _ := strconv.Atoi(string(kv.Value))
	_, err = s.Apply(ctx, catalog.Batch{
		If:   []catalog.Cond{{Key: key, Version: kv.Version}},
		Then: []catalog.Op{{Key: key, Value: []byte(strconv.Itoa(n + 1))}},
	})
	if _, conflict := errors.AsType[*catalog.ConflictError](err); conflict {
		return false, nil
	}
	return err == nil, err
}

// scanOneRevision: two keys that always change together are never seen apart,
// and the revision of a scan is at least that of everything in it.
func scanOneRevision(t *testing.T, s catalog.Store) {
	g, ctx := errgroup.WithContext(t.Context())
	stop := make(chan struct{})
	var once sync.Once
	g.Go(func() error {
		defer once.Do(func() { close(stop) })
		for i := range 100 {
			v := []byte(strconv.Itoa(i))
			if _, err := s.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: "p/1", Value: v}, {Key: "p/2", Value: v}}}); err != nil {
				return err
			}
		}
		return nil
	})
	for range 3 {
		g.Go(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				rev, kvs, err := s.Scan(ctx, catalog.Range{Prefix: "p/"})
				if err != nil {
					return err
				}
				if len(kvs) == 0 {
					continue
				}
				if len(kvs) != 2 || string(kvs[0].Value) != string(kvs[1].Value) || kvs[0].Version != kvs[1].Version || rev < kvs[0].Version {
					return fmt.Errorf("torn scan at %d: %+v", rev, kvs)
				}
			}
		})
	}
	require.NoError(t, g.Wait())
}

func oneWinner(t *testing.T, s catalog.Store) {
	const racers = 16
	won := make([]bool, racers)
	g, ctx := errgroup.WithContext(t.Context())
	for i := range racers {
		g.Go(func() error {
			_, err := s.Apply(ctx, catalog.Batch{
				If:   []catalog.Cond{{Key: "lock", Version: 0}},
				Then: []catalog.Op{{Key: "lock", Value: []byte(strconv.Itoa(i))}},
			})
			if _, conflict := errors.AsType[*catalog.ConflictError](err); conflict {
				return nil
			}
			won[i] = err == nil
			return err
		})
	}
	require.NoError(t, g.Wait())
	kv, err := s.Get(t.Context(), "lock")
	require.NoError(t, err)
	for i := range won {
		require.Equal(t, strconv.Itoa(i) == string(kv.Value), won[i])
	}
}

func readYourWrite(t *testing.T, s catalog.Store) {
	g, ctx := errgroup.WithContext(t.Context())
	for w := range 6 {
		g.Go(func() error {
			key := fmt.Sprintf("own/%d", w)
			for i := range 20 {
				rev, err := s.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: key, Value: []byte(strconv.Itoa(i))}}})
				if err != nil {
					return err
				}
				kv, err := s.Get(ctx, key)
				if err != nil {
					return err
				}
				if kv.Version != rev || string(kv.Value) != strconv.Itoa(i) {
					return fmt.Errorf("%s: wrote %d at %d, read %s at %d", key, i, rev, kv.Value, kv.Version)
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

func cancelled(t *testing.T, s catalog.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.Get(ctx, "k")
	require.ErrorIs(t, err, context.Canceled)
	_, _, err = s.Scan(ctx, catalog.Range{})
	require.ErrorIs(t, err, context.Canceled)
	_, err = s.Apply(ctx, catalog.Batch{Then: []catalog.Op{{Key: "k"}}})
	// A driver may have done it all the same: what it must not do is claim a conflict.
	if err != nil {
		_, conflict := errors.AsType[*catalog.ConflictError](err)
		require.False(t, conflict)
	}
}
