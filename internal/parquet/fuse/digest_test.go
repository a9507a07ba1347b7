package fuse

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// sequences are numbers of few steps: runs, constants and anything between.
func sequences(t *rapid.T) (out []int64) {
	v := rapid.Int64().Draw(t, "first")
	for range rapid.IntRange(0, 6).Draw(t, "runs") {
		step := rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64()).Draw(t, "step")
		for range rapid.IntRange(1, 400).Draw(t, "length") {
			out, v = append(out, v), v+step
		}
	}
	return out
}

// cut hands over values in runs that end anywhere.
func cut(t *rapid.T, values []int64, run func(v, step, n int64)) {
	for len(values) > 0 {
		n := rapid.IntRange(1, len(values)).Draw(t, "cut")
		_ = eachRun(values[:n], func(v, step, n int64) error { run(v, step, n); return nil })
		values = values[n:]
	}
}

// A digest does not depend on how values come, but on their order and on each.
func TestDigest(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := sequences(rt)
		of := func(values []int64) Lineage {
			var d digest
			for _, v := range values {
				d.run(v, rapid.Int64().Draw(rt, "no step"), 1)
			}
			return d.done()
		}
		want := of(values)
		var d digest
		cut(rt, values, d.run)
		if got := d.done(); got != want || got.Rows != int64(len(values)) {
			rt.Fatalf("%+v in runs, %+v one by one", got, want)
		}
		sum := uint64(0)
		for _, v := range values {
			sum += uint64(v)
		}
		if want.Sum != sum {
			rt.Fatalf("sum %d, want %d", want.Sum, sum)
		}
		if len(values) < 2 {
			return
		}
		at := rapid.IntRange(1, len(values)-1).Draw(rt, "at")
		other := slices.Clone(values)
		other[at], other[at-1] = other[at-1], other[at]
		if got := of(other); other[at] != values[at] && (got.Hash == want.Hash || got.Sum != want.Sum) {
			rt.Fatalf("%+v, and %+v in another order", want, got)
		}
		other[at]++
		if of(other).Sum == want.Sum {
			rt.Fatal("another value has the same sum")
		}
	})
}

// What is encoded is decoded, and bounds hold.
func TestDeltas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		values := sequences(rt)
		var d deltas
		cut(rt, values, d.run)
		data := d.append(nil)
		var got []int64
		add := func(v, step, n int64) {
			for range n {
				got, v = append(got, v), v+step
			}
		}
		if err := undelta(data, int64(len(values)), add); err != nil || !slices.Equal(got, values) {
			rt.Fatalf("%d values came back as %d: %v", len(values), len(got), err)
		}
		if len(values) > 0 && (d.least > slices.Min(values) || d.most < slices.Max(values)) {
			rt.Fatalf("bounds %d and %d of %d and %d", d.least, d.most, slices.Min(values), slices.Max(values))
		}
		none := func(int64, int64, int64) {}
		if undelta(data, int64(len(values))+1, none) == nil || undelta(append(data, 0), int64(len(values)), none) == nil || len(values) > 0 && undelta(data[:len(data)-1], int64(len(values)), none) == nil {
			rt.Fatal("decoded what is no encoding of so many values")
		}
	})
}
